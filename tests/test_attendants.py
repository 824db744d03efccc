"""A document and what came with it: claimed, given back, filed, failed, sent again and repaired as a unit."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hotfolder import attendants, claims, spool
from hotfolder.audit.evidence import Evidence, Row, WorkEntry
from hotfolder.audit.evidence import Site as Looked
from hotfolder.audit.proof import problems
from hotfolder.checks.readiness import Kind
from hotfolder.checks.templates import fill
from hotfolder.claims import begun, give_back, secure, work_name
from hotfolder.filing import Filed, Order, clear_up, file_all
from hotfolder.journal import Entry, Journal
from hotfolder.journal.rows import dump, load
from hotfolder.model import Answer, Attendant, Earlier, ErrorSource, Journey, Own, State
from hotfolder.recovery import Site, recover
from hotfolder.redelivery import failed_at, move_back
from hotfolder.settings import Queue
from hotfolder.states import ARROWS, Event
from tests.builders import NOW, ORIGIN, PDF, drop, names_in

TEMPLATES = ("{stem}.json", "{name}.ready")
HERE = replace(ORIGIN, templates=TEMPLATES)
SAYS = b'{"metadata": {"site": "Brno"}, "queue_id": "9"}'
NAMES = [b"scan.pdf", b"\xff\xfe.pdf", b"x" * 245 + b".pdf", b"scan"]
BESIDE = {b"scan.pdf", b"scan.json", b"scan.pdf.ready"}


def dropped(folders: spool.Folders, name: bytes = b"scan.pdf", folder: bytes = b"", **changes: Any) -> Journey:
    """Drop a document with companion and marker, and return the journey that announces its claim."""
    found = drop(folders, name, PDF, folder)
    beside = [
        Attendant(fill(t, name), t, drop(folders, fill(t, name), content, folder).stamp, kept)
        for t, content, kept in zip(TEMPLATES, (SAYS, b""), (True, False), strict=True)
    ]
    own = Own({"site": "Brno"}, queue_id="9")
    made = begun(replace(found, attendants=tuple(beside), own=own), HERE, NOW)
    return replace(made, **changes)


def claimed(folders: spool.Folders, name: bytes = b"scan.pdf", folder: bytes = b"", **changes: Any) -> Journey:
    """Claim a document with what came with it."""
    made = dropped(folders, name, folder)
    stamp, digest = secure(folders, made)
    return replace(made, stamp=stamp, sha256=digest, **changes)


def final(folders: spool.Folders, state: State = State.DELIVERED, **where: Any) -> Journey:
    """Claim a document, and let it be delivered or refused."""
    source = None if state is State.DELIVERED else ErrorSource.LOCAL
    answer = Answer(422, None, ("no",)) if source else Answer(202, document_ids=("1",))
    return claimed(folders, state=state, answer=answer, error_source=source, **where)


def work(folders: spool.Folders) -> list[bytes]:
    """Return what lies in the work folder, without the notes on origins."""
    return sorted(n for n in names_in(os.path.join(folders.path, ".hotfolder")) if not n.startswith(b"origin."))


def filed(folders: spool.Folders, made: Journey, archive: Path) -> Journey:
    """File a document."""
    (result,) = file_all(folders, [Order(made, str(archive), NOW)])
    assert isinstance(result, Filed), result
    return replace(made, filed_name=result.name, filed_at=NOW)


class EndError(BaseException):
    """The program ends here."""


@contextmanager
def ending(patch: pytest.MonkeyPatch, number: int) -> Iterator[list[str]]:
    """Let the program end at the nth call that changes a folder, before it is made; yields the calls so far."""
    calls: list[str] = []

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **words: Any) -> Any:
            calls.append(name)
            if len(calls) > number:
                raise EndError
            return real(*arguments, **words)

        return call

    with patch.context() as inner:
        for name in ("move", "remove", "write_new", "copy_over", "sync_folder", "write_note"):
            inner.setattr(spool, name, counted(name, getattr(spool, name)))
        inner.setattr(
            spool.files, "move", counted("move", spool.files.move)
        )  # what `move_to_free` and the like do
        yield calls


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
        one: Path(os.fsdecode(os.path.join(os.fsencode(drop_path), one))).read_bytes() for one in names_in(drop_path)
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
    """A companion's queue id wins over the queue's, the connection's override over both, and the record tells."""
    assert HERE.route("9") == ("9", "companion", None)
    assert HERE.route(None) == ("8236", "queue", None)
    over = replace(HERE, queue_id="1", id_source="override", override_of="8236")
    assert over.route("9") == ("1", "override", "9")
    assert over.route(None) == ("1", "override", "8236")


@pytest.mark.parametrize("name", NAMES)
def test_a_row_keeps_all(name: bytes, folders: spool.Folders) -> None:
    """Names that are no text, and what the companion says, survive in the journal."""
    made = claimed(folders, name)
    assert load(dump(made)) == made
    assert (made.queue_id, made.id_source, made.own.metadata) == ("9", "companion", {"site": "Brno"})


# Filing ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_companion_rests_beside_its_document(name: bytes, folders: spool.Folders, drop_path: Path) -> None:
    """Under the name that follows from the document's there, named by the record; the marker goes."""
    made = filed(folders, final(folders, name=name), drop_path / "done")
    at_rest = names_in(drop_path / "done")
    assert len(at_rest) == 3
    (companion,) = [n for n in at_rest if Path(os.fsdecode(os.fsencode(drop_path / "done") + b"/" + n)).read_bytes() == SAYS]
    record = json.loads(
        next(c for n in at_rest if (c := Path(os.fsdecode(os.fsencode(drop_path / "done") + b"/" + n)).read_bytes())[:12] == b'{\n  "schema"')
    )
    assert made.filed_name in at_rest
    assert len(record["beside"]) == 1
    if name == b"scan":  # `scan.json` is the sidecar
        assert companion == b"_scan.json"
    assert work(folders) == []


# The end at every call ---------------------------------------------------------------------------


def row_of(journal: Journal, made: Journey) -> None:
    """Write the row of a journey in any state."""
    event, before = next((e, b) for (b, e), after in ARROWS.items() if after is made.state)
    journal.record(Entry(made, event, NOW), before).result(20)


def repaired(journal: Journal, folders: spool.Folders, **changes: Any) -> list[Journey]:
    """Recover the queue."""
    archives = (f"{folders.path}/done", f"{folders.path}/failed")
    site = replace(Site(journal, folders, HERE, archives, 45.0, "run", known=True), **changes)
    return recover(site, NOW).going_on


def contents(top: Path) -> list[bytes]:
    """Return the contents of a document and its companion, wherever below they lie."""
    return sorted(c for p in top.rglob("*") if p.is_file() and (c := p.read_bytes()) in {PDF, SAYS})


@pytest.mark.parametrize("number", range(12))
def test_a_claim_that_ends_anywhere(
    number: int, journal: Journal, folders: spool.Folders, drop_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the next start the document and all that came with it lie in the drop folder again."""
    made = dropped(folders)
    row_of(journal, made)
    monkeypatch.setattr(claims, "give_back", lambda *_: pytest.fail("given back"))
    with ending(monkeypatch, number) as calls:
        try:
            secure(folders, made)
        except (EndError, claims.StuckError, pytest.fail.Exception):
            pass
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
    with ending(monkeypatch, number):
        try:
            give_back(folders, made, NOW + 5)
        except EndError:
            pass
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
    with ending(monkeypatch, number):
        try:
            file_all(folders, [Order(made, str(drop_path / "done"), NOW)])
        except EndError:
            pass
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


def test_where_the_journal_is_lost_in_the_middle_of_filing(
    journal: Journal, folders: spool.Folders, drop_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sidecar says how it ended, and the companion follows."""
    made = final(folders)
    with ending(monkeypatch, 4) as calls:
        try:
            file_all(folders, [Order(made, str(drop_path / "done"), NOW)])
        except EndError:
            pass
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


# Sent again --------------------------------------------------------------------------------------


@pytest.fixture
def queue(drop_path: Path) -> Queue:
    """The queue of the drop folder."""
    words = {"companion": "{stem}.json", "recursive": True}
    return Queue(name="invoices", connection="acme", folder=str(drop_path), **words)  # type: ignore[arg-type]


@pytest.mark.parametrize("apart", [False, True])
@pytest.mark.parametrize("folder", [b"", b"sub"])
@pytest.mark.parametrize("name", NAMES)
def test_a_failed_document_comes_back_with_its_companion(
    name: bytes,
    folder: bytes,
    apart: bool,  # noqa: FBT001 — a parameter
    queue: Queue,
    folders: spool.Folders,
    drop_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both lie where they were dropped, and the record stays; from another disk they are copied."""
    for _ in range(2):  # the second one has another name in the archive
        made = filed(folders, final(folders, State.REFUSED, name=name, folder=folder), queue.failed)
    if apart:
        real = spool.move

        def move(source: bytes, at: int, new_name: bytes, new_at: int) -> None:
            if os.fstat(at).st_ino != os.fstat(new_at).st_ino:
                raise OSError(18, "Invalid cross-device link")
            real(source, at, new_name, new_at)

        monkeypatch.setattr(spool, "move", move)
        monkeypatch.setattr(spool.files, "move", move)
    assert made.filed_name is not None
    back = move_back(queue, failed_at(queue, folder, made.filed_name), NOW)
    top = os.path.join(os.fsencode(drop_path), folder)
    assert back == os.path.join(top, name)
    assert Path(os.fsdecode(os.path.join(top, fill("{stem}.json", name)))).read_bytes() == SAYS
    left = names_in(os.path.join(os.fsencode(queue.failed), folder))
    assert len(left) == 4  # the first with its two, and a record
    assert not [n for n in left if n.startswith(b".")]


def test_a_companion_that_stays_in_failed_keeps_its_record(
    queue: Queue, folders: spool.Folders
) -> None:
    """Where a person moves the document alone back, the record of what lies there stays, too."""
    made = filed(folders, final(folders, State.REFUSED), queue.failed)
    (queue.failed / "scan.pdf").unlink()
    again = replace(made, retries=Earlier(made.upload_id, b"", b"scan.pdf"))
    clear_up(str(queue.failed), [again])
    assert names_in(queue.failed) == [b"scan.json", b"scan.pdf.json"]
    (queue.failed / "scan.json").unlink()
    clear_up(str(queue.failed), [again])
    assert names_in(queue.failed) == []


# Audit -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (State.SENDING, ""),
        (State.DELIVERED, ""),
        (State.CLAIMED, ""),
        (State.RETURNED, "its document is returned"),
        (State.FILED, "its document is filed"),
        (None, "no row of the journal knows its document"),
    ],
)
def test_what_the_audit_says_of_a_companion(state: State | None, says: str, folders: spool.Folders) -> None:
    """Beside a document under way it is right, and nowhere else in the work folder."""
    made = claimed(folders, state=state or State.CLAIMED)
    events = {
        State.SENDING: [Event.CLAIM, Event.SEND],
        State.DELIVERED: [Event.CLAIM, Event.DELIVER],
        State.CLAIMED: [Event.CLAIM],
        State.RETURNED: [Event.CLAIM, Event.RETURN],
        State.FILED: [Event.CLAIM, Event.DELIVER, Event.FILE],
    }.get(made.state, [])
    arrows, at = [], None
    for event in events:
        at = ARROWS[at, event]
        arrows.append((str(event), str(at)))
    entries = tuple(WorkEntry(name, regular=True) for name in work(folders) if name != work_name(made))
    if state in {State.SENDING, State.DELIVERED, State.CLAIMED}:
        entries = (*entries, WorkEntry(work_name(made), regular=True))
    site = Looked("invoices", b"/in/.hotfolder", entries, frozenset(), (), (), (), ())
    rows = (Row(made, tuple(arrows)),) if state else ()
    found = [p.problem for p in problems(Evidence(b"/journal", rows, (site,)))]
    assert len(found) == (2 if says else 0), found
    assert all(says in text for text in found)
    if state is State.SENDING:
        alone = replace(site, work=(WorkEntry(work_name(made), regular=True),))
        assert len(problems(Evidence(b"/journal", rows, (alone,)))) == 2


def test_the_companion_is_no_document(folders: spool.Folders, drop_path: Path) -> None:
    """What is taken apart is an attendant's name and nothing else."""
    made = claimed(folders)
    kinds = [attendants.taken_apart(name) for name in work(folders)]
    assert {one.kept for one in kinds if one} == {True, False}
    assert [one for one in kinds if one is None] == [None]
    assert attendants.taken_apart(b"companion.short.x") is None
    assert spool.look(made.beside[0].in_work, folders.work)[0] is Kind.FILE
