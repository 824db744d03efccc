"""Recording arrows from the event loop."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from loguru import logger

from hotfolder.backends.base import Unavailable
from hotfolder.journal import Entry, Journal
from hotfolder.model import Answer, State
from hotfolder.pipeline import Recorder
from hotfolder.states import Event
from tests.builders import NOW, journey
from tests.pipeline.workshop import Guarded, RealClock, Workshop


@pytest.fixture
def until(tmp_path: Path, journal: Journal) -> Callable[..., object]:
    """Wait in the event loop for a condition."""
    return Workshop(tmp_path, journal, Guarded()).until


def test_a_journal_that_cannot_be_written_is_waited_for(
    journal: Journal, until: Callable[..., object]
) -> None:
    """While the disk is full a step waits and the trouble is told; when there is room it goes on."""
    recorder = Recorder(journal, RealClock())
    made = journey(warnings=("x" * 100_000,))
    pages = journal._writer.execute("PRAGMA page_count").fetchone()[0]
    journal._writer.execute(f"PRAGMA max_page_count = {pages}")

    async def scenario() -> None:
        recording = asyncio.create_task(recorder.record(Event.CLAIM, made, None))
        await until(lambda: recorder.trouble, "trouble")
        assert "full" in (recorder.trouble or "")
        assert not recording.done()
        journal._writer.execute("PRAGMA max_page_count = 100000")
        await recording

    asyncio.run(scenario())
    assert recorder.trouble is None
    assert journal.reader.find(made.upload_id) == made


def test_a_step_that_is_cancelled_leaves_the_journal_alive(journal: Journal) -> None:
    """Cancelling steps while their rows are written costs no row, and others are written after it."""
    recorder = Recorder(journal, RealClock())
    made = [journey() for _ in range(50)]

    async def scenario() -> None:
        steps = [asyncio.create_task(recorder.record(Event.CLAIM, one, None)) for one in made[:-1]]
        await asyncio.sleep(0)
        for step in steps:
            step.cancel()
        await asyncio.gather(*steps, return_exceptions=True)
        await asyncio.wait_for(recorder.record(Event.CLAIM, made[-1], None), 20)

    asyncio.run(scenario())
    assert journal.reader.unfinished() == made


def test_however_often_a_content_came_the_first_is_known(journal: Journal) -> None:
    """Few rows are read, and with them the first one that they point at; never the document itself."""
    recorder = Recorder(journal, RealClock())
    first = journey()
    others = [journey(duplicate_of=first.upload_id) for _ in range(40)]
    mine = journey()
    for one in (first, *others, mine):
        journal.record(Entry(one, Event.CLAIM, NOW), None).result()
    found = recorder.same_content(mine)
    assert found[0] == others[-1]
    assert found[-1] == first
    assert len(found) < 20
    assert mine not in found


def test_the_ids_of_other_documents_are_asked_for_one_by_one(journal: Journal) -> None:
    """Whether another document has an id is asked of the journal; its own id is not another's."""
    mine, other = (journey(answer=Answer(202, document_ids=(number,))) for number in ("1", "2"))
    for one in (mine, other):
        journal.record(Entry(one, Event.CLAIM, NOW), None).result()
    recorder = Recorder(journal, RealClock())
    known = recorder.known_ids(mine)
    assert [number for number in ("1", "2", "3") if number in known] == ["2"]
    assert "\ud800" not in known


def test_a_journal_that_cannot_be_read_is_no_answer(journal: Journal) -> None:
    """Whose a document is that nobody can look up is asked again later, and not taken for a no."""
    known = Recorder(journal, RealClock()).known_ids(journey())
    journal.reader.close()
    with pytest.raises(Unavailable, match="the journal cannot be read"):
        assert "1" in known


def test_a_silence_is_a_warning(journal: Journal) -> None:
    """That a service does not finish a document is said loudly, though the document stays in its state."""
    said: list[str] = []
    sink = logger.add(lambda line: said.append(str(line)), level="WARNING", format="{level} {message}")
    made = journey(state=State.ACCEPTED, stalled=True, reason="it has not finished")
    recorder = Recorder(journal, RealClock())
    try:
        for one in (made, replace(made, stalled=False)):
            asyncio.run(recorder.record(Event.ACCEPT, one, State.ACCEPTED))
    finally:
        logger.remove(sink)
    assert said == ["WARNING queue invoices: scan.pdf accepted: it has not finished\n"]
