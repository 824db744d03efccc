"""Making journal and folders agree again."""

import itertools
import os
from dataclasses import replace
from pathlib import Path

import pytest

from hotfolder import spool
from hotfolder.claims import secure, work_name
from hotfolder.journal import Entry, Journal
from hotfolder.model import OPEN, Answer, Journey, Stamp, State
from hotfolder.recovery import (
    Doubt,
    Forget,
    Found,
    GiveBack,
    GoOn,
    Missing,
    Recovered,
    Repair,
    TakeAgain,
    orphans,
    recover,
    repair_for,
)
from hotfolder.states import ARROWS
from tests.builders import NOW, PDF, STAMP, claimed, drop, journey, names_in, put_in_work

SAME, OTHER, NONE = replace(STAMP, ctime_ns=99), replace(STAMP, ino=99), None
TABLE: dict[State, tuple[type[Repair], type[Repair], type[Repair]]] = {
    # in the work folder; unchanged at its old place; neither (another file there, or nothing)
    State.CLAIMED: (GiveBack, Forget, Forget),
    State.SENDING: (Doubt, TakeAgain, Missing),
    State.DEFERRED: (GoOn, TakeAgain, Missing),
    State.UNCERTAIN: (GoOn, TakeAgain, Missing),
    State.ACCEPTED: (GoOn, TakeAgain, Missing),
    State.DELIVERED: (GoOn, TakeAgain, GoOn),
    State.REFUSED: (GoOn, TakeAgain, GoOn),
}


def test_the_table_has_every_open_state() -> None:
    """No state that a crash can leave is without a repair."""
    assert set(TABLE) == OPEN


@pytest.mark.parametrize(
    ("state", "in_work", "at_origin"), [*itertools.product(sorted(OPEN), [True, False], [SAME, OTHER, NONE])]
)
def test_every_state_has_its_repair(state: State, in_work: bool, at_origin: Stamp | None) -> None:  # noqa: FBT001
    """State and places decide on the repair, the same way each time."""
    made = journey(state=state)
    column = 0 if in_work else 1 if at_origin is SAME else 2
    assert repair_for(made, Found(in_work, at_origin)) == TABLE[state][column](made)


def test_orphans() -> None:
    """Documents without a row are found; locks, temporary files and known ones are not taken for such."""
    mine, other = journey(), journey(name=b"\xff.pdf")
    listed = [b"lock", b".x.tmp", work_name(mine), work_name(other)]
    assert orphans(listed, frozenset({mine.upload_id})) == [(work_name(other), b"\xff.pdf")]


def write(journal: Journal, made: Journey) -> Journey:
    """Write the row of a journey in any state."""
    event, before = next((e, b) for (b, e), after in ARROWS.items() if after is made.state)
    journal.record(Entry(made, event, NOW), before).result(20)
    return made


def repaired(journal: Journal, folders: spool.Folders) -> list[Journey]:
    """Recover one queue."""
    return recover(journal, "invoices", folders, NOW, 45.0).going_on


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
    assert recover(journal, "invoices", folders, NOW, 45.0) == Recovered([], [])
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
