"""A document and what came with it: claimed, given back, filed, failed, sent again and repaired as a unit."""

import json
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from hotfolder import attendants, claims, spool
from hotfolder.checks.templates import fill
from hotfolder.claims import give_back, secure, work_name
from hotfolder.filing import Order, file_all
from hotfolder.journal import Journal
from hotfolder.journal.rows import dump, load
from hotfolder.model import State
from tests.attended import (
    BESIDE,
    HERE,
    NAMES,
    SAYS,
    EndError,
    claimed,
    contents,
    dropped,
    ending,
    filed,
    final,
    repaired,
    row_of,
    work,
)
from tests.builders import NOW, PDF, drop, journey, names_in
from tests.builders import claimed as plainly_claimed

# Claim and give back -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_claimed_and_given_back_together(name: bytes, folders: spool.Folders, drop_path: Path) -> None:
    """Claimed, all lie in the work folder; given back, all lie where they lay."""
    before = {}
    made = dropped(folders, name)
    for one in names_in(drop_path):
        before[one] = Path(os.fsdecode(os.path.join(os.fsencode(drop_path), one))).read_bytes()
    secure(folders, made)
    assert names_in(drop_path) == []
    assert len(work(folders)) == 3
    assert {attendants.taken_apart(n).upload_id for n in work(folders) if attendants.taken_apart(n)} == {  # type: ignore[union-attr]
        made.upload_id
    }
    assert give_back(folders, made, NOW + 9) == name
    assert {
        one: Path(os.fsdecode(os.path.join(os.fsencode(drop_path), one))).read_bytes()
        for one in names_in(drop_path)
    } == before
    assert work(folders) == []


@pytest.mark.parametrize("taken", sorted(BESIDE))
def test_given_back_where_a_name_is_taken(taken: bytes, folders: spool.Folders, drop_path: Path) -> None:
    """Whichever of the names is taken, all get the next free one, and still belong together."""
    made = claimed(folders)
    drop(folders, taken, b"another")
    name = give_back(folders, made, NOW + 9)
    assert name != b"scan.pdf"
    assert set(names_in(drop_path)) == {taken, name, fill("{stem}.json", name), fill("{name}.ready", name)}
    assert (drop_path / os.fsdecode(taken)).read_bytes() == b"another"


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("how", ["gone", "changed", "a link"])
def test_a_claim_without_its_companion_fails(
    which: int, how: str, folders: spool.Folders, drop_path: Path
) -> None:
    """What is not what was read keeps the document from being claimed; all is back in the drop folder."""
    made = dropped(folders)
    path = drop_path / os.fsdecode(made.attendants[which].name)
    if how == "gone":
        path.unlink()
    elif how == "changed":
        path.write_bytes(b"longer " * 9)
    else:
        path.unlink()
        path.symlink_to("scan.pdf")
    before = names_in(drop_path)
    with pytest.raises((claims.ClaimFailedError, OSError)):
        secure(folders, made)
    assert (names_in(drop_path), work(folders)) == (before, [])


def test_a_claim_says_where_it_goes() -> None:
    """Override, companion, folder, queue: the first that names an id wins, and the record tells."""
    assert HERE.route(b"", "9") == ("9", "companion", None)
    assert HERE.route(b"", None) == ("8236", "queue", None)
    by_folder = replace(HERE, id_of_folder={b"sub": "5"}.get)
    assert by_folder.route(b"sub", None) == ("5", "folder", None)
    assert by_folder.route(b"sub", "9") == ("9", "companion", None)
    over = replace(by_folder, queue_id="1", id_source="override", override_of="8236")
    assert over.route(b"", "9") == ("1", "override", "9")
    assert over.route(b"sub", "9") == ("1", "override", "9")
    assert over.route(b"sub", None) == ("1", "override", "5")
    assert over.route(b"", None) == ("1", "override", "8236")


@pytest.mark.parametrize("name", NAMES)
def test_a_row_keeps_all(name: bytes, folders: spool.Folders) -> None:
    """Names that are no text, and what the companion says, survive in the journal."""
    made = claimed(folders, name)
    assert load(dump(made)) == made
    assert (made.queue_id, made.id_source, made.own.metadata) == ("9", "companion", {"site": "Brno"})


# Filing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_companion_rests_beside_its_document(
    name: bytes, folders: spool.Folders, drop_path: Path
) -> None:
    """Under the name that follows from the document's there, named by the record; the marker goes."""
    made = filed(folders, final(folders, name=name), drop_path / "done")
    at_rest = names_in(drop_path / "done")
    assert len(at_rest) == 3
    (companion,) = [
        n
        for n in at_rest
        if Path(os.fsdecode(os.fsencode(drop_path / "done") + b"/" + n)).read_bytes() == SAYS
    ]
    record = json.loads(
        next(
            c
            for n in at_rest
            if (c := Path(os.fsdecode(os.fsencode(drop_path / "done") + b"/" + n)).read_bytes())[:12]
            == b'{\n  "schema"'
        )
    )
    assert made.filed_name in at_rest
    assert len(record["beside"]) == 1
    if name == b"scan":  # `scan.json` is the sidecar
        assert companion == b"_scan.json"
    assert work(folders) == []


# The end at every call ---------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(12))
def test_a_claim_that_ends_anywhere(
    number: int, journal: Journal, folders: spool.Folders, drop_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the next start the document and all that came with it lie in the drop folder again."""
    made = dropped(folders)
    row_of(journal, made)
    monkeypatch.setattr(claims, "give_back", lambda *_: pytest.fail("given back"))
    with ending(monkeypatch, number) as calls, suppress(EndError, claims.StuckError, pytest.fail.Exception):
        secure(folders, made)
    assert contents(drop_path) == sorted([PDF, SAYS])
    assert repaired(journal, folders) == []
    assert set(names_in(drop_path)) == BESIDE, calls
    assert work(folders) == []


@pytest.mark.parametrize("taken", [None, b"scan.pdf", b"scan.json"])
@pytest.mark.parametrize("number", range(16))
def test_a_giving_back_that_ends_anywhere(
    number: int,
    taken: bytes | None,
    journal: Journal,
    folders: spool.Folders,
    drop_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cut off and done again by the next start, all lie together under the same name."""
    made = claimed(folders, state=State.RETURNED)
    row_of(journal, made)
    if taken:
        drop(folders, taken, b"another")
    with ending(monkeypatch, number), suppress(EndError):
        give_back(folders, made, NOW + 5)
    assert contents(drop_path) == sorted([PDF, SAYS])
    repaired(journal, folders)
    (name,) = [n for n in names_in(drop_path) if (drop_path / os.fsdecode(n)).read_bytes() == PDF]
    assert (drop_path / os.fsdecode(fill("{stem}.json", name))).read_bytes() == SAYS
    assert (name == b"scan.pdf") is (taken is None)
    assert fill("{name}.ready", name) in names_in(drop_path)
    assert work(folders) == []


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("number", range(22))
def test_a_filing_that_ends_anywhere(
    number: int,
    apart: bool,  # noqa: FBT001 — a parameter
    journal: Journal,
    folders: spool.Folders,
    drop_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Cut off and done again by the next start, document, companion and record rest together, on another disk too."""
    made = final(folders)
    row_of(journal, made)
    if apart:
        real = spool.move

        def move(name: bytes, at: int, new_name: bytes, new_at: int) -> None:
            if os.fstat(at).st_ino != os.fstat(new_at).st_ino:
                raise OSError(18, "Invalid cross-device link")
            real(name, at, new_name, new_at)

        monkeypatch.setattr(spool, "move", move)
    with ending(monkeypatch, number), suppress(EndError):
        file_all(folders, [Order(made, str(drop_path / "done"), NOW)])
    assert set(contents(drop_path)) == {PDF, SAYS}
    (found,) = repaired(journal, folders)
    filed(folders, found, drop_path / "done")
    assert set(names_in(drop_path / "done")) == {b"scan.pdf", b"scan.json", b"scan.pdf.json"}
    assert contents(drop_path) == sorted([PDF, SAYS])
    assert work(folders) == []


# Repairs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("back", [set(), {b"scan.pdf"}, {b"scan.json"}, {b"scan.pdf", b"scan.json"}])
def test_moves_that_a_power_cut_undid_are_done_again(
    back: set[bytes], journal: Journal, folders: spool.Folders, drop_path: Path
) -> None:
    """What may have been sent is ours with all that came with it, whichever of the moves had not reached the disk."""
    made = claimed(folders, state=State.SENDING)
    row_of(journal, made)
    for name in back:
        in_work = work_name(made) if name == b"scan.pdf" else made.beside[0].in_work
        spool.move(in_work, folders.work, name, folders.drop)
    (found,) = repaired(journal, folders)
    assert (found.state, found.own, found.queue_id) == (State.UNCERTAIN, made.own, "9")
    assert names_in(drop_path) == []
    assert {work_name(made), made.beside[0].in_work} < set(work(folders))


@pytest.mark.parametrize("there", [True, False])
def test_what_came_for_the_next_of_its_name_is_not_taken(
    journal: Journal, folders: spool.Folders, drop_path: Path, *, there: bool
) -> None:
    """A new companion in the drop folder belongs to a new document, also where the old one is gone."""
    made = claimed(folders, state=State.SENDING)
    row_of(journal, made)
    if not there:
        spool.remove(made.beside[0].in_work, folders.work)
    before = work(folders)
    drop(folders, b"scan.json", b'{"queue_id": "10"}')
    (found,) = repaired(journal, folders)
    assert (found.state, work(folders)) == (State.UNCERTAIN, before)
    assert (drop_path / "scan.json").read_bytes() == b'{"queue_id": "10"}'


@pytest.mark.parametrize("back", [set(), {b"scan.pdf"}])
def test_a_claim_whose_row_is_lost_goes_back(
    back: set[bytes], journal: Journal, folders: spool.Folders, drop_path: Path
) -> None:
    """Without a row all lie in the drop folder again, even where the document's own move was undone."""
    made = claimed(folders)
    for _ in back:
        spool.move(work_name(made), folders.work, b"scan.pdf", folders.drop)
    assert repaired(journal, folders) == []
    assert set(names_in(drop_path)) == BESIDE
    assert work(folders) == []


def test_where_the_journal_is_lost_the_companion_counts_again(
    journal: Journal, folders: spool.Folders
) -> None:
    """What may have been sent is asked about at the queue that its companion names, and sent with what that says."""
    made = claimed(folders)
    (found,) = repaired(journal, folders, known=False)
    assert (found.upload_id, found.state) == (made.upload_id, State.UNCERTAIN)
    assert (found.queue_id, found.id_source, found.own.metadata) == ("9", "companion", {"site": "Brno"})
    assert {one.name for one in found.attendants} == {b"scan.json", b"scan.pdf.ready"}
    assert found.beside == made.beside


def test_where_the_journal_is_lost_the_folder_counts_again(journal: Journal, folders: spool.Folders) -> None:
    """What may have been sent from a subfolder is asked about at the queue of that."""
    made = plainly_claimed(folders, journey(folder=b"sub/below"))
    origin = replace(HERE, id_of_folder={b"sub/below": "5"}.get)
    (found,) = repaired(journal, folders, known=False, origin=origin)
    assert (found.upload_id, found.queue_id, found.id_source) == (made.upload_id, "5", "folder")


def test_where_the_journal_is_lost_in_the_middle_of_filing(
    journal: Journal, folders: spool.Folders, drop_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sidecar says how it ended, and the companion follows."""
    made = final(folders)
    with ending(monkeypatch, 4) as calls, suppress(EndError):
        file_all(folders, [Order(made, str(drop_path / "done"), NOW)])
    assert "write_new" in calls
    (found,) = repaired(journal, folders, known=False)
    filed(folders, found, drop_path / "done")
    assert set(names_in(drop_path / "done")) == {b"scan.pdf", b"scan.json", b"scan.pdf.json"}
    assert work(folders) == []


def test_a_companion_left_behind_by_a_lying_disk_follows_its_document(
    journal: Journal, folders: spool.Folders, drop_path: Path
) -> None:
    """A row at rest whose companion lies in the work folder is filed again."""
    made = filed(folders, final(folders), drop_path / "done")
    done = os.open(drop_path / "done", os.O_RDONLY)
    spool.move(b"scan.json", done, made.beside[0].in_work, folders.work)
    os.close(done)
    row_of(journal, replace(made, state=State.FILED))
    (found,) = repaired(journal, folders)
    filed(folders, found, drop_path / "done")
    assert set(names_in(drop_path / "done")) == {b"scan.pdf", b"scan.json", b"scan.pdf.json"}


def test_what_is_in_hand_is_left_alone(journal: Journal, folders: spool.Folders) -> None:
    """A repair beside running documents takes nothing away from them."""
    made = claimed(folders, state=State.SENDING)
    row_of(journal, made)
    before = work(folders)
    assert repaired(journal, folders, busy=lambda: frozenset({made.upload_id})) == []
    assert work(folders) == before
