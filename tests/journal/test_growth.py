"""What the journal does for one document costs the same however many rest in the archives: counted in SQLite's steps."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hotfolder.journal import Change, Entry, Journal, Reader
from hotfolder.model import Answer, Batch, ErrorSource, Ground, Journey, State
from hotfolder.news import News
from hotfolder.states import ARROWS, Event
from hotfolder.troubles import Arrived, Notice, Pending, Phase, Told, Trouble
from hotfolder.troubles import Kind as TroubleKind
from tests.builders import DEADLINE_S, NOW, delivered, journey

FEW, MANY = 200, 2000
"""Documents at rest in one queue."""
MORE = 60
"""Steps that a search in a deeper tree may take more."""


def news(key: int = 0, document_id: str = "1", **changes: Any) -> News:
    """What a service told of a document."""
    made = News(
        connection="acme",
        key=f"key {key}",
        document_id=document_id,
        status="exported",
        event="status",
        queue_id=None,
        body="{}",
        received_at=NOW + key,
        last_at=NOW + key,
        rejected=False,
    )
    return replace(made, **changes)


def filled(state: Path, number: int) -> Journal:
    """A journal with documents at rest, each with its history, and what was told of each."""
    state.mkdir()
    journal = Journal(state)
    written, heard = [], 0
    for at in range(number):
        changes: dict[str, Any] = {"name": b"scan%d.pdf" % (at % 50), "sha256": f"{at:064x}"}
        failed = {
            "state": State.REFUSED,
            "answer": Answer(422, None, ("no",)),
            "error_source": ErrorSource.LOCAL,
        }
        made = (
            journey(**changes, **failed)
            if at % 10 == 0
            else delivered(**changes, answer=Answer(202, document_ids=(f"d{at}",)))
        )
        rests = replace(made, state=State.FILED, filed_at=NOW + at, filed_name=made.name)
        written += [
            journal.record(Entry(replace(made, state=State.CLAIMED), Event.CLAIM, NOW + at), None),
            journal.record(Entry(rests, Event.FILE, NOW + at), made.state),
        ]
        if made.state is State.DELIVERED:
            heard += 1
            told = news(at, f"d{at}", number=heard)
            written += [journal.hear(told), journal.note_written(told)]
    for future in written:
        future.result(DEADLINE_S)
    journal.retire(made.upload_id, NOW, "removed").result(DEADLINE_S)
    return journal


@pytest.fixture(scope="module")
def sizes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Journal, Journal]]:
    """A journal with few documents at rest, and one with many."""
    top = tmp_path_factory.mktemp("growth")
    made = filled(top / "few", FEW), filled(top / "many", MANY)
    yield made
    for journal in made:
        journal.close()


@contextmanager
def counted(connection: sqlite3.Connection) -> Iterator[list[int]]:
    """Count the steps that a connection takes."""
    steps = [0]

    def step() -> None:
        steps[0] += 1

    connection.set_progress_handler(step, 1)
    try:
        yield steps
    finally:
        connection.set_progress_handler(None, 0)


QUESTIONS: dict[str, Callable[[Reader, Journey], object]] = {
    "unfinished": lambda r, _: r.unfinished(),
    "states": lambda r, _: r.states(),
    "tallies": lambda r, _: r.tallies(),
    "settling": lambda r, _: r.settling(),
    "last": lambda r, _: r.last("invoices", b"", b"new.pdf"),
    "find": lambda r, j: r.find(j.upload_id),
    "of_content": lambda r, j: r.of_content("invoices", j.sha256 or "", 16),
    "namesake": lambda r, j: r.namesake(j),
    "resting": lambda r, _: r.resting("invoices", "done", NOW + 1e6, (0.0, ""), 32),
    "resting, nothing old": lambda r, _: r.resting("invoices", "done", NOW - 1e6, (0.0, ""), 32),
    "retired": lambda r, j: r.retired(j.upload_id),
    "looked_through": lambda r, _: r.looked_through("invoices"),
    "newest_failed": lambda r, _: r.newest_failed("invoices", 20),
    "grounds": lambda r, _: r.grounds(),
    "pauses": lambda r, _: r.pauses(),
    "stops": lambda r, _: r.stops(),
    "unwritten_news": lambda r, _: r.unwritten_news("invoices", 256),
    "orphans": lambda r, _: r.orphans(),
    "newest_orphans": lambda r, _: r.newest_orphans("acme", 20),
    "rejected_later": lambda r, _: r.rejected_later(),
    "open_batches": lambda r, _: r.open_batches("invoices"),
    "batch": lambda r, _: r.batch("b"),
    "reported": lambda r, _: r.reported("invoices", NOW + 1e6, 32),
    "of_batch": lambda r, _: r.of_batch("b"),
    "knows_run": lambda r, _: r.knows_run("run"),
    "arrows": lambda r, j: r.arrows(j.upload_id),
    "happened": lambda r, _: r.happened(r.happened(10**12, 1)[0] - 10, 5000),
    "pending_notices": lambda r, _: r.pending_notices(),
    "told": lambda r, _: r.told(),
    "letters": lambda r, _: r.letters(NOW),
    "hours": lambda r, _: r.hours("invoices"),
    "last_arrivals": lambda r, _: r.last_arrivals(),
    "bookmark": lambda r, _: r.bookmark("arrow"),
    "is_anothers": lambda r, j: r.is_anothers("acme", j.upload_id, "d1"),
}
WHOLE = {"everything": "the audit reads all", "close": "no question"}


def fresh() -> Journey:
    """A document that none of those at rest is related to."""
    return journey(name=b"new.pdf", sha256="f" * 64)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_costs_the_same(sizes: tuple[Journal, Journal], question: str) -> None:
    """No question of the daemon looks through what rests."""
    steps = []
    made = fresh()
    for journal in sizes:
        with counted(journal.reader._connection) as taken:
            QUESTIONS[question](journal.reader, made)
        steps.append(taken[0])
    assert steps[1] <= steps[0] + MORE, steps


def test_every_question_is_asked() -> None:
    """A question that is added to the reader must be counted here as well."""
    public = {name for name in vars(Reader) if not name.startswith("_")}
    assert {question.partition(",")[0] for question in QUESTIONS} | WHOLE.keys() == public


def arrow(event: Event, before: State | None) -> Callable[[Journal], object]:
    """Write one arrow of a document."""
    state = ARROWS[before, event]
    answer = Answer(202, document_ids=("new",)) if state in {State.DELIVERED, State.FILED} else None
    return lambda journal: journal.record(
        Entry(replace(fresh(), state=state, answer=answer), event, NOW), before
    )


GROUND = Ground("/", "ext4", 1, 2)
TROUBLE = Trouble("queue q", TroubleKind.QUEUE, ("q",), "it is paused", "", "", NOW)
TOLD = Change(
    put=(Pending(1, "it", Notice(Phase.BEGAN, TROUBLE, NOW)),),
    drop=(1,),
    told=(Told(TROUBLE, NOW, ("it",)),),
    forget=("queue q",),
    arrived=(Arrived("q", 1, 1, NOW),),
    read_to=1,
    sent=("it", NOW),
    running="run",
)
WRITES: dict[str, Callable[[Journal], Any]] = {
    **{f"{e.value} from {b and b.value}": arrow(e, b) for (b, e) in ARROWS},
    "settle": lambda j: j.settle("invoices", 1.0),
    "note_ground": lambda j: j.note_ground("/x", GROUND),
    "forget_ground": lambda j: j.forget_ground("/x"),
    "pause": lambda j: j.pause("invoices", NOW, "by hand"),
    "resume": lambda j: j.resume("invoices"),
    "retire": lambda j: j.retire("nobody", NOW, "removed"),
    "looked_through": lambda j: j.looked_through("invoices", NOW),
    "end_stop": lambda j: j.end_stop("invoices", "nobody"),
    "begin_batch": lambda j: j.begin_batch(Batch("b", "invoices", NOW, ())),
    "end_batch": lambda j: j.end_batch("nobody", NOW, "b.batch.json"),
    "learn_report": lambda j: j.learn_report(Batch("c", "invoices", NOW, ()), NOW, "c.batch.json"),
    "retire_report": lambda j: j.retire_report("nobody", NOW, "removed"),
    "begin_run": lambda j: j.begin_run("run", NOW),
    "hear": lambda j: j.hear(news(9999, "unknown")),
    "note_written": lambda j: j.note_written(news(9999, number=1)),
    "forget_news": lambda j: j.forget_news(NOW - 1e6, 10_000),
    "tell": lambda j: j.tell(TOLD),
}


def test_every_write_is_counted() -> None:
    """What is added to the journal must be counted here as well."""
    public = {name for name in vars(Journal) if not name.startswith("_")}
    assert public - {"record", "close"} <= WRITES.keys()


@pytest.mark.parametrize("write", WRITES)
def test_a_write_costs_the_same(sizes: tuple[Journal, Journal], write: str) -> None:
    """No arrow and no note looks through what rests."""
    steps = []
    for journal in sizes:
        with counted(journal._writer) as taken:
            WRITES[write](journal).result(DEADLINE_S)
        steps.append(taken[0])
    assert steps[1] <= steps[0] + MORE, steps
