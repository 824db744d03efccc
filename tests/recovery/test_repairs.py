"""Making journal and folders agree again."""

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hotfolder import spool
from hotfolder.batches import draw, render, report_name
from hotfolder.claims import TRIAL, note_name, secure, work_name
from hotfolder.filing import Filed, Order, file_all
from hotfolder.journal import Entry, Journal
from hotfolder.model import OPEN, Answer, Batch, ErrorSource, Journey, Remote, State
from hotfolder.recovery import Recovered, Site, recover
from hotfolder.states import ARROWS
from tests.builders import NOW, ORIGIN, PDF, STAMP, claimed, delivered, drop, journey, names_in, put_in_work


def write(journal: Journal, made: Journey) -> Journey:
    """Write the row of a journey in any state."""
    event, before = next((e, b) for (b, e), after in ARROWS.items() if after is made.state)
    journal.record(Entry(made, event, NOW), before).result(20)
    return made


def site(journal: Journal, folders: spool.Folders, **changes: Any) -> Site:
    """Make what is repaired."""
    archives = (f"{folders.path}/done", f"{folders.path}/failed")
    return replace(Site(journal, folders, ORIGIN, archives, 45.0, "run", known=True), **changes)


def repaired(journal: Journal, folders: spool.Folders, **changes: Any) -> list[Journey]:
    """Recover one queue."""
    return recover(site(journal, folders, **changes), NOW).going_on


def contents(top: Path) -> list[bytes]:
    """Return the contents of all documents in the drop folder and the work folder."""
    return sorted(p.read_bytes() for p in top.rglob("*") if p.is_file() and p.name != "lock")


ALL_STATES = sorted(OPEN)


@pytest.mark.parametrize("place", ["work", "origin", "other", "nowhere"])
@pytest.mark.parametrize("state", ALL_STATES)
def test_a_crash_in_any_state_loses_and_doubles_nothing(
    state: State, place: str, journal: Journal, folders: spool.Folders, drop_path: Path
) -> None:
    """After a repair every document is where it was or in one other place, and a second repair changes nothing."""
    made = journey(state=state, answer=Answer(202, document_ids=("1",)))
    if place == "work":
        made = claimed(folders, made)
    elif place != "nowhere":
        made = replace(made, stamp=drop(folders).stamp if place == "origin" else STAMP)
    if place == "other":
        drop(folders, content=b"another one")
    write(journal, made)
    before = contents(drop_path)
    first = repaired(journal, folders)
    assert contents(drop_path) == before
    names = (names_in(drop_path), os.listdir(folders.work))
    again = repaired(journal, folders)
    assert [j.upload_id for j in again] == [j.upload_id for j in first]
    assert [j.state for j in again] == [j.state for j in first]
    assert (names_in(drop_path), os.listdir(folders.work)) == names
    assert contents(drop_path) == before


def test_what_was_not_sent_goes_back(journal: Journal, folders: spool.Folders, drop_path: Path) -> None:
    """A claimed document is in the drop folder again under its name, and its row is closed."""
    made = write(journal, claimed(folders, journey()))
    assert repaired(journal, folders) == []
    assert (names_in(drop_path), os.listdir(folders.work)) == ([b"scan.pdf"], [])
    found = journal.reader.find(made.upload_id)
    assert found is not None
    assert (found.state, bool(found.reason)) == (State.RETURNED, True)


def test_what_was_on_the_wire_is_asked_about(journal: Journal, folders: spool.Folders) -> None:
    """A document that was being sent is uncertain, asked about after a while, with nothing of an older doubt."""
    write(
        journal, claimed(folders, journey(state=State.SENDING, probably_not_taken=True, held=True, asked=2))
    )
    (found,) = repaired(journal, folders)
    assert (found.state, found.not_before, found.asked) == (State.UNCERTAIN, NOW + 45.0, 0)
    assert (found.held, found.probably_not_taken) == (False, False)
    assert journal.reader.unfinished() == [found]


def test_a_move_that_the_power_cut_undid_is_done_again(journal: Journal, folders: spool.Folders) -> None:
    """A document that may have been sent and lies in the drop folder again is not sent as a new one."""
    made = journey(state=State.SENDING, folder=b"sub")
    made = write(journal, replace(made, stamp=drop(folders, folder=b"sub").stamp))
    (found,) = repaired(journal, folders)
    assert found.state is State.UNCERTAIN
    assert os.listdir(folders.work) == [os.fsdecode(work_name(made))]


def test_documents_without_a_row_go_back(journal: Journal, folders: spool.Folders, drop_path: Path) -> None:
    """What lies in the work folder unknown to the journal goes back to the drop folder, replacing nothing."""
    drop(folders, content=b"the next one")
    put_in_work(folders, journey())
    assert repaired(journal, folders) == []
    assert contents(drop_path) == sorted([PDF, b"the next one"])
    assert (drop_path / "scan.pdf").read_bytes() == b"the next one"
    assert os.listdir(folders.work) == []


def test_a_returned_document_that_lies_in_the_work_folder_goes_back(
    journal: Journal, folders: spool.Folders, drop_path: Path
) -> None:
    """A row that says "returned" while the document never got there does not hide it."""
    write(journal, claimed(folders, journey(state=State.RETURNED)))
    repaired(journal, folders)
    assert names_in(drop_path) == [b"scan.pdf"]


def test_a_claim_that_was_cut_off_between_two_names(
    journal: Journal, folders: spool.Folders, drop_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a file system moves by link and unlink, a crash between the two leaves one document, not two."""

    def without_the_call(*_: object) -> int:
        spool.files.ctypes.set_errno(22)
        return -1

    monkeypatch.setattr(spool.files, "_renameat2", without_the_call)
    made = journey()
    made = write(journal, replace(made, stamp=drop(folders).stamp))
    os.link(drop_path / "scan.pdf", drop_path / ".hotfolder" / os.fsdecode(work_name(made)))
    repaired(journal, folders)
    assert (names_in(drop_path), os.listdir(folders.work)) == ([b"scan.pdf"], [])


def test_documents_of_an_absent_queue_are_left(journal: Journal, folders: spool.Folders) -> None:
    """A queue that is offline keeps its rows and files for later, whatever is repaired beside it."""
    made = write(journal, claimed(folders, journey(queue="orders")))
    found = recover(site(journal, folders), NOW)
    assert (found.going_on, found.missing) == ([], [])
    assert [text.partition(".pdf ")[2] for text in found.stuck] == ["belongs to queue orders"]
    assert journal.reader.unfinished() == [made]
    assert os.listdir(folders.work) == [os.fsdecode(work_name(made))]


def test_many_at_once(journal: Journal, folders: spool.Folders, drop_path: Path) -> None:
    """Each document gets its own repair, and those to go on with are returned in the order of their claims."""
    states = [State.CLAIMED, State.SENDING, State.ACCEPTED, State.DEFERRED, State.UNCERTAIN]
    made = [write(journal, claimed(folders, journey(state=s, name=s.encode()))) for s in states]
    found = repaired(journal, folders)
    assert [j.upload_id for j in found] == [j.upload_id for j in made[1:]]
    assert names_in(drop_path) == [b"claimed"]


def test_a_repaired_document_can_be_claimed_anew(
    journal: Journal, folders: spool.Folders, drop_path: Path
) -> None:
    """What went back is an ordinary document of the drop folder."""
    write(journal, claimed(folders, journey()))
    repaired(journal, folders)
    stamp = spool.stamp_of(os.stat(drop_path / "scan.pdf"))
    assert secure(folders, journey(stamp=stamp))[0].same_content(stamp)


def test_what_the_program_has_in_hand_is_left_alone(journal: Journal, folders: spool.Folders) -> None:
    """A folder that is opened anew while documents are on their way takes none of them away."""
    made = write(journal, claimed(folders, journey(state=State.SENDING)))
    assert recover(site(journal, folders, busy=lambda: frozenset({made.upload_id})), NOW) == Recovered()
    assert journal.reader.unfinished() == [made]


def test_one_that_cannot_be_repaired_does_not_keep_the_others(
    journal: Journal, folders: spool.Folders, drop_path: Path
) -> None:
    """A document whose place is taken by something that cannot be moved is named; the rest is mended."""
    bad = write(journal, journey(state=State.SENDING, name=b"bad", folder=b"sub"))
    (drop_path / "sub").mkdir()
    (drop_path / "sub/bad").write_bytes(PDF)
    bad = write(journal, replace(bad, stamp=spool.stamp_of(os.lstat(drop_path / "sub/bad"))))
    (drop_path / ".hotfolder" / os.fsdecode(work_name(bad))).mkdir()
    good = write(journal, claimed(folders, journey(state=State.SENDING)))
    (drop_path / ".hotfolder" / os.fsdecode(work_name(bad))).rmdir()
    os.chmod(drop_path, 0o755)
    found = recover(site(journal, folders), NOW)
    assert [j.upload_id for j in found.going_on] == [bad.upload_id, good.upload_id]


# The journal is lost ------------------------------------------------------------------------------


def filed(folders: spool.Folders, made: Journey, archive: str) -> None:
    """File a claimed document as the program does."""
    (result,) = file_all(folders, [Order(made, f"{folders.path}/{archive}", NOW + 1)])
    assert isinstance(result, Filed)


def test_everything_at_rest_is_learned_from_the_sidecars(
    journal: Journal, folders: spool.Folders, drop_path: Path
) -> None:
    """Rows, counts and contents come back from done/ and failed/, byte-exact names included."""
    names = [b"a.pdf", b"\xff\n.pdf", b"x" * 251 + b".pdf"]
    remote = Remote("t", "u", ("d",), ("a",), "to_review", None, {"l": "x"}, {"upload": {"id": 1}})
    good = [claimed(folders, delivered(name=n, folder=b"sub", remote=remote)) for n in names]
    bad = claimed(
        folders,
        journey(state=State.REFUSED, answer=Answer(415, "X", ("no",)), error_source=ErrorSource.LOCAL),
    )
    for one in good:
        filed(folders, one, "done")
    filed(folders, bad, "failed")
    assert os.listdir(folders.work) == []
    found = recover(site(journal, folders, known=False), NOW)
    assert (found.remembered, found.going_on, found.missing) == (4, [], [])
    assert journal.reader.tallies() == {("invoices", "done"): 3, ("invoices", "failed"): 1}
    for one in (*good, bad):
        row = journal.reader.find(one.upload_id)
        assert row is not None
        assert (row.state, row.name, row.folder, row.sha256) == (
            State.FILED,
            one.name,
            one.folder,
            one.sha256,
        )
        assert (row.answer, row.error_source) == (one.answer, one.error_source)
        assert row.remote == one.remote
    assert recover(site(journal, folders, known=False), NOW).remembered == 0


@pytest.mark.parametrize("alone", [True, False])
@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        ("times", "seen", "yesterday"),
        ("times", "filed", "0001-01-01T00:00:00"),
        ("file", "modified_at", ""),
        ("file", "name", "a\0b"),
        ("file", "name", "../../a.pdf"),
        ("file", "name", ".."),
        ("file", "name_bytes", "abc"),
        ("file", "name_bytes", "AAAA"),
    ],
)
def test_a_record_that_cannot_be_true_keeps_no_other_from_being_learned(
    part: str,
    key: str,
    value: str,
    alone: bool,  # noqa: FBT001 — a parameter
    journal: Journal,
    folders: spool.Folders,
    drop_path: Path,
) -> None:
    """Whoever may write to done/ can leave such a record there; the queue starts, and learns of all others."""
    forged, good = (claimed(folders, delivered(name=name)) for name in (b"forged.pdf", b"good.pdf"))
    for one in (forged, good):
        filed(folders, one, "done")
    beside = drop_path / "done" / "forged.pdf.json"
    record = json.loads(beside.read_text())
    record[part][key] = value
    beside.write_text(json.dumps(record))
    if alone:
        (drop_path / "done" / "forged.pdf").unlink()
    assert recover(site(journal, folders, known=False), NOW).remembered == 1
    assert journal.reader.find(good.upload_id) is not None
    assert journal.reader.find(forged.upload_id) is None


def test_reports_of_batches_are_learned(journal: Journal, folders: spool.Folders, drop_path: Path) -> None:
    """A lost journal knows the reports in done/ again, so that `retain` lets them go; nobody writes them anew."""
    mine, other, forged = (
        Batch(f"018bcfe5-6800-7000-8000-{number:012}", queue, NOW, ())
        for number, queue in enumerate(("invoices", "orders", "invoices"))
    )
    (drop_path / "done").mkdir()
    for batch in (mine, other, forged):
        content = render(draw(batch, [], NOW + 1 if batch is not forged else NOW))
        told = content.replace(b'"began": "2', b'"began": "x') if batch is forged else content
        (drop_path / "done" / os.fsdecode(report_name(batch))).write_bytes(told)
    assert recover(site(journal, folders, known=False), NOW).remembered == 0
    assert journal.reader.reported("invoices", NOW + 1, 9) == [mine]
    assert journal.reader.reported("invoices", NOW, 9) == []
    assert journal.reader.reported("orders", NOW + 1, 9) == [other]  # which may file into the same folder
    assert journal.reader.batch(mine.batch_id) is None
    assert journal.reader.open_batches("invoices") == []


def test_an_archive_of_two_queues_is_learned_by_each_in_part(
    journal: Journal, folders: spool.Folders
) -> None:
    """A queue leaves the records of another one alone, as if they were not there."""
    mine, other = claimed(folders, delivered()), claimed(folders, delivered(queue="orders"))
    for one in (mine, other):
        filed(folders, one, "done")
    assert recover(site(journal, folders, known=False), NOW).remembered == 1
    assert journal.reader.find(mine.upload_id) is not None
    assert journal.reader.find(other.upload_id) is None


@pytest.mark.parametrize("cut", ["before the move", "in the copy", "move undone"])
def test_a_filing_that_was_cut_off_is_finished_without_its_row(
    cut: str, journal: Journal, folders: spool.Folders, drop_path: Path
) -> None:
    """The sidecar says that it was delivered: the document is filed beside it and not sent."""
    made = claimed(folders, delivered())
    other = claimed(folders, delivered())
    filed(folders, other, "done")  # takes the plain name
    filed(folders, made, "done")
    (name,) = (n for n in os.listdir(drop_path / "done") if n.endswith("Z.pdf"))
    there = drop_path / "done" / name
    in_work = drop_path / ".hotfolder" / os.fsdecode(work_name(made))
    if cut == "move undone":
        os.rename(there, drop_path / "scan.pdf")
    elif cut == "in the copy":
        shutil.copy(there, in_work)
    else:
        os.rename(there, in_work)
    found = recover(site(journal, folders, known=False), NOW)
    (going_on,) = found.going_on
    assert (going_on.upload_id, going_on.state) == (made.upload_id, State.DELIVERED)
    filed(folders, going_on, "done")
    assert sorted(os.listdir(drop_path / "done")) == sorted(
        ["scan.pdf", "scan.pdf.json", name, f"{name}.json"]
    )
    assert (names_in(drop_path), os.listdir(folders.work)) == ([], [])


def test_what_may_have_been_sent_is_asked_about_when_the_journal_is_lost(
    journal: Journal, folders: spool.Folders
) -> None:
    """Without row and without sidecar nobody knows; where and under which name it was dropped is still known."""
    made = [
        claimed(folders, journey(name=n, folder=f)) for n, f in ((b"a.pdf", b""), (b"y" * 255, b"s/\xff"))
    ]
    found = repaired(journal, folders, known=False)
    assert [(j.upload_id, j.name, j.folder, j.sha256, j.state) for j in found] == [
        (m.upload_id, m.name, m.folder, m.sha256, State.UNCERTAIN) for m in made
    ]
    assert all(j.not_before == NOW + 45.0 and j.media_type == "application/pdf" for j in found)
    assert found == journal.reader.unfinished()
    assert names_in(folders.path) == [b"s"]


def test_a_document_of_no_type_goes_back_even_then(
    journal: Journal, folders: spool.Folders, drop_path: Path
) -> None:
    """What is none of the four types is never sent, so that nothing must be asked."""
    claimed(folders, journey(name=b"notes.txt"), b"Dear Sir")
    assert repaired(journal, folders, known=False) == []
    assert names_in(drop_path) == [b"notes.txt"]


@pytest.mark.parametrize("state", [State.CLAIMED, State.DEFERRED])
def test_an_old_copy_of_the_journal_is_not_believed(
    state: State, journal: Journal, folders: spool.Folders, drop_path: Path
) -> None:
    """A row that says "not sent" may be out of date: the service is asked first."""
    made = write(journal, claimed(folders, journey(state=state, sha256=None)))
    (found,) = repaired(journal, folders, known=False)
    assert (found.upload_id, found.state) == (made.upload_id, State.UNCERTAIN)
    assert found.sha256 is not None
    assert names_in(drop_path) == []


def test_a_trial_that_was_cut_off_is_removed(
    journal: Journal, folders: spool.Folders, drop_path: Path
) -> None:
    """The file that tries out whether the folders can be written does not stay after a crash."""
    for at in (folders.drop, folders.work):
        spool.write_note(TRIAL, b"", at)
    repaired(journal, folders)
    assert (names_in(drop_path), os.listdir(folders.work)) == ([], [])
    (drop_path / os.fsdecode(TRIAL)).mkdir()
    assert repaired(journal, folders) == []


def test_notes_on_documents_that_have_left_are_removed(journal: Journal, folders: spool.Folders) -> None:
    """A crash between a document's move and the removal of its note leaves nothing for ever."""
    stays = claimed(folders, journey(folder=b"sub", state=State.UNCERTAIN))
    write(journal, stays)
    gone, busy = journey(), journey()
    for one in (gone, busy):
        spool.write_note(note_name(one.upload_id), b"{}", folders.work)
    repaired(journal, folders, busy=lambda: frozenset({busy.upload_id}))
    assert sorted(os.listdir(folders.work)) == sorted(
        os.fsdecode(n) for n in (work_name(stays), note_name(stays.upload_id), note_name(busy.upload_id))
    )


def test_leftovers_of_cut_off_filings_are_removed(
    journal: Journal, folders: spool.Folders, drop_path: Path
) -> None:
    """Temporary files that no row leads to any more go; other hidden files stay."""
    litter = drop_path / "done/sub"
    litter.mkdir(parents=True)
    (litter / f".{journey().upload_id}.tmp").write_bytes(b"half")
    (litter / ".keep.tmp").write_bytes(b"somebody's")
    repaired(journal, folders, known=False)
    assert os.listdir(litter) == [".keep.tmp"]
