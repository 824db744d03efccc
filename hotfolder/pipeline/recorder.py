"""Record arrows from the event loop, and do not let go before they are written."""

import asyncio
from concurrent.futures import Future

from loguru import logger

from hotfolder.checks.names import printable
from hotfolder.claims import id_floor
from hotfolder.journal import Entry, Journal
from hotfolder.model import Clock, Journey, State
from hotfolder.states import Event

_DAY_S = 86_400.0
_FIRST_WAIT_S, _LAST_WAIT_S = 1.0, 30.0
_NEWEST = 16
_LOUD = {State.REFUSED: "WARNING", State.UNCERTAIN: "WARNING", State.FILED: "INFO", State.ACCEPTED: "INFO"}


class Recorder:
    """The journal as the pipeline uses it; `trouble` is why it cannot be written, None while it can."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self.trouble: str | None = None

    async def record(self, event: Event, journey: Journey, before: State | None) -> None:
        """Write one arrow; a journal that cannot be written is tried again until it can."""
        entry = Entry(journey, event, self._clock.wall())
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                await asyncio.wrap_future(self._journal.record(entry, before))
            except OSError as problem:
                self._tell(str(problem))
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, _LAST_WAIT_S)
            else:
                self._tell(None)
                _log(event, journey, before)
                return

    def known_ids(self, journey: Journey, since: float) -> frozenset[str]:
        """Return the service's ids of the other documents that were claimed within a day before `since`, or later."""
        return self._journal.reader.document_ids(
            journey.connection, id_floor(since - _DAY_S), journey.upload_id
        )

    def same_content(self, journey: Journey) -> tuple[Journey, ...]:
        """Return the newest others of a queue with a document's content, and the firsts that those point at.

        However often a content was dropped, few rows are read.
        """
        reader = self._journal.reader
        rows = {j.upload_id: j for j in reader.of_content(journey.queue, journey.sha256 or "", _NEWEST)}
        firsts = {j.duplicate_of for j in rows.values() if j.duplicate_of} - rows.keys()
        found = (*rows.values(), *filter(None, map(reader.find, sorted(firsts, reverse=True))))
        return tuple(j for j in found if j.upload_id != journey.upload_id)

    def same_name(self, journey: Journey) -> Journey | None:
        """Return the newest other document that was dropped under a document's name."""
        return self._journal.reader.namesake(journey)

    def settle(self, queue: str, window_s: float) -> Future[None]:
        """Remember a queue's settle window."""
        return self._journal.settle(queue, window_s)

    def _tell(self, trouble: str | None) -> None:
        if trouble == self.trouble:
            return
        if trouble is None:
            logger.info("the journal can be written again")
        else:
            logger.error("{}; everything waits until it can", trouble)
        self.trouble = trouble


def _log(event: Event, journey: Journey, before: State | None) -> None:
    """Say an arrow once; a document that only stays in its state says nothing to people."""
    level = "DEBUG" if journey.state is before else _LOUD.get(journey.state, "DEBUG")
    if event in {Event.DEFER, Event.RETURN}:
        level = "INFO"
    elif journey.stalled:
        level = "WARNING"
    reason = f": {journey.reason}" if journey.reason and journey.state is not State.FILED else ""
    logger.log(level, "{}: {} {}{}", journey.queue, printable(journey.name), journey.state.value, reason)
