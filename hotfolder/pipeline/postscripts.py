"""Add to the sidecars of filed documents what the service tells of them later; nothing is moved."""

import asyncio
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import groupby
from typing import Any

from loguru import logger

from hotfolder import spool
from hotfolder.checks.names import printable
from hotfolder.filing import sidecar_name
from hotfolder.logs import log_of
from hotfolder.model import Journey
from hotfolder.news import News
from hotfolder.pipeline.line import Line
from hotfolder.pipeline.recorder import Recorder
from hotfolder.pulse import Beat
from hotfolder.sidecar import EventRecord, Sidecar, moment, read, render

_AT_ONCE = 256
_GATHER_S = 0.2
"""How long a piece of news waits for others, so that many of one document are one write."""
_LOOK_AGAIN_S = 5.0
"""Where an archive could not be written, or is away."""
_MOST_EVENTS, _LARGEST_BODY_BYTES = 200, 3072
"""In one sidecar, and of one body as it stands there: together below the 1 MiB that is read of a sidecar; a life has
some ten, of two hundred bytes."""

Told = tuple[Journey, News]


# Deciding ----------------------------------------------------------------------------------------


def with_events(record: Sidecar, journey: Journey, news: Iterable[News]) -> Sidecar:
    """Return a sidecar with what was told since: each thing once, in the order of its arrival (pure).

    Told again, it only counts; done again, nothing changes.
    """
    events = {_identity(event): event for event in record.events}
    warnings = dict.fromkeys(record.warnings)
    for one in news:
        event = _event(one, journey)
        known = events.get(_identity(event))
        if known is None and len(events) >= _MOST_EVENTS:
            warnings[f"more than {_MOST_EVENTS} events; the later ones are in the journal alone"] = None
            continue
        events[_identity(event)] = event if known is None else _again(known, event)
        if one.rejected:
            warnings[f"the service said later: {one.status}"] = None
    ordered = sorted(events.values(), key=lambda event: event.received_at)
    return record.model_copy(update={"events": ordered, "warnings": list(warnings)})


def _event(news: News, journey: Journey) -> EventRecord:
    strange = news.queue_id is not None and journey.queue_id not in {None, news.queue_id}
    return EventRecord(
        received_at=moment(news.received_at),
        last_at=moment(news.last_at),
        times=news.times,
        webhook_event=news.event,
        id=news.document_id,
        status=news.status,
        queue_id=news.queue_id,
        warning=f"it was sent to queue {journey.queue_id}" if strange else None,
        body=_body(news),
    )


def _body(news: News) -> Any:
    """Return the record as it came, None where it is long; a list of numbers takes a line for each."""
    body = None if news.body is None else json.loads(news.body)
    as_it_stands = json.dumps({"events": [{"body": body}]}, ensure_ascii=False, indent=2)
    return body if len(as_it_stands.encode("utf-8", "replace")) <= _LARGEST_BODY_BYTES else None


def _identity(event: EventRecord) -> tuple[str | None, ...]:
    body = json.dumps(event.body, sort_keys=True)
    return event.webhook_event, event.id, event.status, event.queue_id, body


def _again(known: EventRecord, event: EventRecord) -> EventRecord:
    """Return an event that was told before; the journal that counts may have been lost in between."""
    update = {
        "received_at": min(known.received_at, event.received_at),
        "last_at": max(known.last_at, event.last_at),
        "times": max(known.times, event.times),
    }
    return known.model_copy(update=update)


# Acting ------------------------------------------------------------------------------------------


class Postscripts:
    """Writes what is told of one queue's documents, many at once, in the threads of its disk."""

    def __init__(self, line: Line, recorder: Recorder) -> None:
        self._line = line
        self._recorder = recorder
        self.beat = Beat()
        self._wake = asyncio.Event()
        self._wake.set()  # what an earlier run left
        self._waits = False
        """Something may be left to be written."""
        self._trouble: str | None = None

    def wake(self) -> None:
        """Have a look soon: something was told, or a document was filed."""
        self._wake.set()

    async def run(self) -> None:
        """Write whatever is told, for ever; ends by cancellation."""
        while True:
            nap_s = _LOOK_AGAIN_S if self._waits else None
            self.beat.rests(nap_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(nap_s):
                    await self._wake.wait()
            await asyncio.sleep(_GATHER_S)
            self._wake.clear()
            try:
                self.beat.works()
                while await self._write_some():
                    self.beat.works()
            except Exception as problem:  # noqa: BLE001 — nothing that is told later may end what goes on now
                self._waits = True
                self._tell(f"{type(problem).__name__}: {problem}")

    async def _write_some(self) -> bool:
        """Write what waits; tell whether there may be more."""
        self._waits = self._line.drop.folders is None
        if self._line.drop.folders is None:
            return False
        work = partial(self._work, self._line.drop.folders)
        async with self._line.at_rest:
            settled, trouble = await asyncio.get_running_loop().run_in_executor(self._line.disk, work)
        for _, news in settled:
            await asyncio.wrap_future(self._recorder.note_written(news))
        self._waits = trouble is not None
        self._tell(trouble)
        return len(settled) == _AT_ONCE

    def _work(self, folders: spool.Folders) -> tuple[list[Told], str | None]:
        """Add to each sidecar what was told of its document; returns what is settled, and what went wrong; blocks."""
        settled: list[Told] = []
        trouble: str | None = None
        waiting = self._recorder.unwritten_news(self._line.queue.name, _AT_ONCE)
        for _, group in groupby(waiting, key=lambda told: told[0].upload_id):
            told = list(group)
            journey = told[0][0]
            try:
                lost = self._append(folders, journey, [news for _, news in told])
            except OSError as problem:
                trouble = problem.strerror or str(problem)
                continue
            _announce(self._line.queue.name, told, lost)
            settled += told
        return settled, trouble

    def _append(self, folders: spool.Folders, journey: Journey, news: Sequence[News]) -> str | None:
        """Replace a sidecar by its next version; returns why it is left as it is, where it cannot be its document's."""
        queue = self._line.queue
        archive = str(queue.failed if journey.error_source else queue.done)
        try:
            top = folders.open_archive(archive, make=False)
        except FileNotFoundError as missing:
            raise OSError(missing.errno, f"{archive} is missing") from missing
        try:
            with spool.below(top, journey.folder) as folder:
                name = sidecar_name(journey.filed_name or journey.name)
                record = read(spool.read_small(name, folder))
                if record.upload_id != journey.upload_id:
                    return "another document's record has its place"
                further = with_events(record, journey, news)
                if further != record:
                    spool.replace(name, render(further), folder, f".{journey.upload_id}.tmp".encode())
        except (FileNotFoundError, spool.NotAFileError):
            return "its record is not there any more"
        except ValueError:
            return "its record was changed and cannot be read"
        finally:
            os.close(top)
        return None

    def _tell(self, trouble: str | None) -> None:
        """Say once that nothing can be added to records, and once that it can again."""
        name = self._line.queue.name
        if trouble == self._trouble:
            return
        if trouble is None:
            logger.info("queue {}: what the service tells is added to the records again", name)
        else:
            text = "queue {}: what the service tells cannot be added to the records: {}; tried again, the rest goes on"
            logger.error(text, name, trouble)
        self._trouble = trouble


def _announce(queue: str, told: Sequence[Told], lost: str | None) -> None:
    """Say loudly what was rejected later, and what found no record."""
    for journey, news in told:
        if news.rejected and news.fresh:
            text = (
                "queue {}: {}: the service says later that it is {}; it stays where it is, look it up there"
            )
            log_of(journey).warning(text, queue, printable(journey.name), news.status)
    if lost is not None:
        text = "queue {}: {}: {}; what the service tells of it is kept in the journal alone"
        log_of(told[0][0]).warning(text, queue, printable(told[0][0].filed_name or told[0][0].name), lost)
