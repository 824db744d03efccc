"""Record arrows from the event loop, and do not let go before they are written."""

import asyncio
from collections.abc import Callable, Container
from concurrent.futures import Future
from dataclasses import dataclass

from loguru import logger

from hotfolder.backends.base import Unavailable
from hotfolder.checks.names import printable
from hotfolder.journal import Entry, Journal, Reader
from hotfolder.logs import log_of
from hotfolder.model import Batch, Clock, Journey, State
from hotfolder.news import News
from hotfolder.pipeline.sayings import Sayings, told
from hotfolder.states import Event

_FIRST_WAIT_S, _LAST_WAIT_S = 1.0, 30.0
_NEWEST = 16


class Recorder:
    """The journal as the pipeline uses it; `trouble` is why it cannot be written, None while it can."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._sayings = Sayings()
        self.trouble: str | None = None
        self.on_arrow: Callable[[Event, Journey, State | None, float], None] = lambda *_: None
        """Told each arrow when it is written, and its moment (seconds since 1970); it must not raise."""

    async def record(self, event: Event, journey: Journey, before: State | None) -> None:
        """Write one arrow; a journal that cannot be written is tried again until it can."""
        entry = Entry(journey, event, self._clock.wall())
        await self._written(lambda: self._journal.record(entry, before))
        level = self._sayings.level(event, journey, before)
        log_of(journey).log(level, "queue {}: {} {}", journey.queue, printable(journey.name), told(journey))
        self.on_arrow(event, journey, before, entry.at)

    async def _written(self, write: Callable[[], Future[None]]) -> None:
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                await asyncio.wrap_future(write())
            except OSError as problem:
                self._tell(str(problem))
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, _LAST_WAIT_S)
            else:
                self._tell(None)
                return

    async def begin_batch(self, batch: Batch) -> None:
        """Write down a batch before its first document is claimed."""
        await self._written(lambda: self._journal.begin_batch(batch))

    async def end_batch(self, batch_id: str, report: str) -> None:
        """Write down that the report of a batch lies in its archive."""
        await self._written(lambda: self._journal.end_batch(batch_id, self._clock.wall(), report))

    def batch(self, batch_id: str) -> Batch | None:
        """Return a batch that was written down, None where it was not, or its report was removed; blocks."""
        return self._journal.reader.batch(batch_id)

    def of_batch(self, batch_id: str) -> list[Journey]:
        """Return the documents that were claimed for a batch; blocks."""
        return self._journal.reader.of_batch(batch_id)

    def known_ids(self, journey: Journey) -> "Others":
        """Return the service's ids that belong to other documents of a journey's connection."""
        return Others(self._journal.reader, journey.connection, journey.upload_id)

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

    def unwritten_news(self, queue: str, limit: int) -> list[tuple[Journey, News]]:
        """Return what was told of a queue's filed documents and does not stand in their sidecars yet."""
        return self._journal.reader.unwritten_news(queue, limit)

    def note_written(self, news: News) -> Future[None]:
        """Remember that a sidecar holds what was told."""
        return self._journal.note_written(news)

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


@dataclass(frozen=True, slots=True)
class Others(Container[str]):
    """The service's ids of a connection's other documents, asked for one by one: all would fill the memory."""

    _reader: Reader
    _connection: str
    _but: str

    def __contains__(self, document_id: object) -> bool:
        """Raise `Unavailable` where the journal cannot be read: the service's answer cannot be judged yet."""
        as_text = str(document_id).encode("utf-8", "replace").decode()  # a lone surrogate is no text for SQL
        try:
            return self._reader.is_anothers(self._connection, self._but, as_text)
        except Exception as problem:
            raise Unavailable(f"the journal cannot be read: {problem}") from problem
