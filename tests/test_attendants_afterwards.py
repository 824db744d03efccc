"""A document and what came with it: sent again, and audited."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from hotfolder import attendants, spool
from hotfolder.audit.evidence import Evidence, Row, WorkEntry
from hotfolder.audit.evidence import Site as Looked
from hotfolder.audit.proof import problems
from hotfolder.checks.readiness import Kind
from hotfolder.checks.templates import fill
from hotfolder.claims import work_name
from hotfolder.filing import clear_up
from hotfolder.model import Earlier, State
from hotfolder.redelivery import failed_at, move_back
from hotfolder.settings import Queue
from hotfolder.states import ARROWS, Event
from tests.attended import NAMES, SAYS, claimed, filed, final, work
from tests.builders import NOW, names_in

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


def test_a_document_that_is_sent_again_is_marked(
    queue: Queue, folders: spool.Folders, drop_path: Path
) -> None:
    """Where a queue wants markers, `retry` makes one: nobody else would."""
    filed(folders, final(folders, State.REFUSED), queue.failed)
    marked = queue.model_copy(update={"ready_marker": "{name}.ready", "companion": None})
    move_back(marked, failed_at(queue, b"", b"scan.pdf"), NOW)
    assert set(names_in(drop_path)) == {b"scan.pdf", b"scan.pdf.ready"}


def test_a_companion_that_stays_in_failed_keeps_its_record(queue: Queue, folders: spool.Folders) -> None:
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
