"""What an audit finds wrong in what was looked at."""

from dataclasses import replace

import pytest

from hotfolder.audit.evidence import Document, Evidence, LonelyRecord, Problem, Record, Row, Site, WorkEntry
from hotfolder.audit.proof import history_problems, problems
from hotfolder.claims import note_name, work_name
from hotfolder.model import OPEN, Journey, State
from hotfolder.results import in_work
from hotfolder.states import ARROWS, Event
from tests.builders import journey

SITE = Site("invoices", b"/in/.hotfolder", (), frozenset(), (), (), (), ())
PATHS = {
    State.CLAIMED: "claim",
    State.SENDING: "claim send",
    State.DEFERRED: "claim send defer",
    State.UNCERTAIN: "claim send doubt",
    State.ACCEPTED: "claim send accept",
    State.DELIVERED: "claim send deliver",
    State.REFUSED: "claim send refuse",
    State.FILED: "claim send deliver file",
    State.RETURNED: "claim return",
}


def arrows(path: str) -> tuple[tuple[str, str], ...]:
    """Follow events through the table."""
    state: State | None = None
    found = []
    for event in path.split():
        state = ARROWS[state, Event(event)]
        found.append((event, str(state)))
    return tuple(found)


def row(state: State, **changes: object) -> Row:
    """Make a document of the journal with a usual history."""
    return Row(journey(state=state, **changes), arrows(PATHS[state]))


def said(*rows: Row, **site: object) -> list[str]:
    """Return what is found wrong with one queue."""
    return [p.problem for p in problems(Evidence(b"/journal", rows, (replace(SITE, **site),)))]


def at_work(made: Journey) -> WorkEntry:
    """Make the entry of a document in the work folder."""
    return WorkEntry(work_name(made), regular=True)


def document(made: Journey, **changes: object) -> Document:
    """Make a filed document that fits its record."""
    record = Record(made.upload_id, "done", 9, "a" * 64)
    return replace(Document(b"/in/done/" + made.name, "done", 9, record, "a" * 64), **changes)


@pytest.mark.parametrize("state", sorted(OPEN))
def test_an_open_row_and_its_document(state: State) -> None:
    """A document that is being worked on lies in the work folder, and nowhere else."""
    made = row(state)
    assert said(made, work=(at_work(made.journey),)) == []
    assert len(said(made)) == 1
    filed = {"work": (at_work(made.journey),), "documents": (document(made.journey),)}
    assert any("in an archive too" in text for text in said(made, **filed))


@pytest.mark.parametrize("state", [State.DELIVERED, State.REFUSED])
def test_filing_that_was_cut_off(state: State) -> None:
    """A document whose filing is under way may lie in its archive, its record and temporary file before it."""
    made = row(state)
    upload_id = made.journey.upload_id
    lonely = LonelyRecord(b"/in/done/scan.pdf.json", Record(upload_id, "done", 9, None))
    assert said(made, documents=(document(made.journey),)) == []
    assert said(made, lonely=(lonely,), work=(at_work(made.journey),)) == []
    assert said(made, leftovers=((b"/in/done/.x.tmp", upload_id),), work=(at_work(made.journey),)) == []


def test_a_move_that_a_power_cut_undid() -> None:
    """A document that lies in the drop folder, unchanged, is not lost."""
    made = row(State.SENDING)
    assert said(made, dropped=frozenset({made.journey.upload_id})) == []


def test_what_no_row_knows() -> None:
    """A document in the work folder that the journal does not know, or not as unfinished, is told."""
    stranger, filed, other = journey(), row(State.FILED), row(State.SENDING, queue="orders")
    assert "no row" in said(work=(at_work(stranger),))[0]
    assert "still lies" in said(filed, work=(at_work(filed.journey),))[0]
    assert any("belongs to queue orders" in text for text in said(other, work=(at_work(other.journey),)))


def test_strange_things_in_the_work_folder() -> None:
    """The work folder holds documents and the service's own small files, and nothing else."""
    own = [b"lock", b"run", note_name(journey().upload_id)]
    assert said(work=tuple(WorkEntry(name, regular=True) for name in own)) == []
    assert len(said(work=(WorkEntry(b"notes.txt", regular=True),))) == 1
    assert len(said(work=(WorkEntry(b"lock", regular=False),))) == 1


def test_what_was_found_in_a_document() -> None:
    """Results lie in the work folder as long as their document is under way, and no longer."""
    made, filed, other = row(State.ACCEPTED), row(State.FILED), row(State.ACCEPTED, queue="orders")
    mine = WorkEntry(in_work(made.journey.upload_id), regular=True)
    half = WorkEntry(f".results.{made.journey.upload_id}.tmp".encode(), regular=True)
    assert said(made, work=(at_work(made.journey), mine, half)) == []
    for lost in (filed, other):
        entry = WorkEntry(in_work(lost.journey.upload_id), regular=True)
        assert any("not under way here" in text for text in said(lost, work=(entry,)))
    assert len(said(work=(mine,))) == 1


def test_a_document_named_like_a_file_of_our_own() -> None:
    """A document whose work name looks like one of the service's own files is found by its row."""
    made = row(State.DELIVERED, name=b"origin")
    assert said(made, work=(at_work(made.journey),)) == []


def test_a_queue_that_is_gone() -> None:
    """Unfinished documents of a queue that is not configured any more are told."""
    assert "not configured" in said(row(State.UNCERTAIN, queue="orders"))[0]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"record": None}, "no record"),
        ({"record": None, "flaw": "its record is not valid: outcome"}, "not valid"),
        ({"area": "failed"}, "lies in failed/"),
        ({"size": 8}, "8 bytes"),
        ({"sha256": "b" * 64}, "SHA-256"),
    ],
)
def test_a_document_and_its_record(changes: dict[str, object], says: str) -> None:
    """Record and document agree in outcome, size and content."""
    filed = row(State.FILED)
    assert said(filed, documents=(document(filed.journey),)) == []
    (text,) = said(filed, documents=(document(filed.journey, **changes),))
    assert says in text


def test_a_record_alone() -> None:
    """People may take documents away; a record that the journal does not know proves nothing."""
    filed, stranger = row(State.FILED), journey()
    for made, number in ((filed.journey, 0), (stranger, 1)):
        lonely = LonelyRecord(b"/in/done/scan.pdf.json", Record(made.upload_id, "done", 9, None))
        assert len(said(filed, lonely=(lonely,))) == number


def test_one_upload_id_twice() -> None:
    """No upload id is in two places."""
    filed = row(State.FILED)
    copy = document(filed.journey, path=b"/in/done/copy.pdf")
    (text,) = said(filed, documents=(document(filed.journey), copy))
    assert filed.journey.upload_id in text


def test_a_leftover() -> None:
    """A temporary file of a filing that is over is told."""
    filed = row(State.FILED)
    (text,) = said(filed, leftovers=((b"/in/done/.x.tmp", filed.journey.upload_id),))
    assert "temporary" in text


def test_returned_and_archived() -> None:
    """A document in an archive was not put back."""
    made = row(State.RETURNED)
    (text,) = said(made, documents=(document(made.journey),))
    assert "put back" in text


def test_a_folder_that_cannot_be_read() -> None:
    """It is told once, and nothing is concluded about what is in it."""
    made = row(State.SENDING)
    assert said(made, unreadable=(Problem(b"/in", "no way in"),)) == ["no way in"]


def history(path: str, state: State, **changes: object) -> list[str]:
    """Return what is wrong with a history."""
    found = Row(journey(state=state, **changes), arrows(path))
    return [p.problem for p in history_problems(found, b"/journal")]


@pytest.mark.parametrize(("state", "path"), PATHS.items())
def test_a_usual_history(state: State, path: str) -> None:
    """Every state has a path that leads to it; its beginning may be cleared away."""
    whole = arrows(path)
    for start in range(len(whole)):
        made = Row(journey(state=state), whole[start:])
        assert list(history_problems(made, b"/journal")) == []


def test_a_history_that_cannot_be() -> None:
    """An arrow that the table does not know, another end than the row's, or no history of an open row."""
    jump = Row(journey(state=State.DELIVERED), (*arrows("claim send defer"), ("deliver", "delivered")))
    other = Row(journey(state=State.FILED), arrows("claim send deliver"))
    none = Row(journey(state=State.SENDING), ())
    for made, says in ((jump, "does not know"), (other, "ends in"), (none, "missing")):
        (found,) = history_problems(made, b"/journal")
        assert says in found.problem
    assert list(history_problems(Row(journey(state=State.FILED), ()), b"/journal")) == []


def test_two_requests() -> None:
    """Two requests without a clear "not taken" in between break the second guarantee."""
    twice = (*arrows("claim send"), ("send", "sending"))
    found = [p.problem for p in history_problems(Row(journey(state=State.SENDING), twice), b"/journal")]
    assert any("sent twice" in text for text in found)
    assert history("claim send defer send deliver file", State.FILED) == []


def test_a_repeat_that_nobody_asked_about() -> None:
    """A document that was sent again after a doubt was asked about, or is marked as a possible duplicate."""
    again = "claim send doubt defer send deliver file"
    assert "possible duplicate" in history(again, State.FILED)[0]
    assert history(again, State.FILED, asked=1) == []
    assert history(again, State.FILED, possible_duplicate=True) == []
    assert history("claim send doubt deliver file", State.FILED) == []
