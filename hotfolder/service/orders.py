"""What people ask of the service by hand: which document or queue they mean, and how a running daemon does it."""

import asyncio
import os
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from hotfolder import status
from hotfolder.answering import real_paths
from hotfolder.checks.names import printable
from hotfolder.claims import original_name
from hotfolder.journal import Journal, Reader
from hotfolder.model import Clock, Journey, State, Stop
from hotfolder.pipeline import InHandError, Lane, Line
from hotfolder.redelivery import Failed, NotRedeliveredError, all_failed, failed_at, move_back
from hotfolder.service.works import Works
from hotfolder.settings import Queue, Settings
from hotfolder.settlement import Verdict, settled

Answered = dict[str, Any]
"""`text` for standard output, or `error`; `failed` asked: `files`."""

_PATIENCE_S = 20.0
"""How long `resolve` waits for a question that is on the wire, and `retry` for a filing: well below what a
command waits for its answer."""
_LOOKS_S = 0.05
_UPLOAD_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
BY_HAND = "by hand"
"""Reason of a pause in the journal."""


class OrderError(Exception):
    """An order that cannot be carried out; `str()` says why and what to do."""


# Which one is meant --------------------------------------------------------------------------------


def sought(settings: Settings, reader: Reader, question: dict[str, Any]) -> Journey:
    """Return the document that `resolve` means: by upload id, by its path when dropped, or in the work folder.

    Raises `OrderError` where there is none, or more than one that is uncertain.
    """
    word = str(question.get("file"))
    if _UPLOAD_ID.fullmatch(word):
        journey = reader.find(word)
        if journey is None:
            raise OrderError("the journal knows no document of this upload id")
        return journey
    path = os.fsencode(str(question.get("path")))
    place = status.place_of(settings, path)
    if place is None:
        raise OrderError(status.unexplained(settings, path))
    if place.area in {"done", "failed"}:
        raise OrderError(f"it rests in {place.area}/; only an uncertain document can be settled")
    if place.area == "work":
        parts = original_name(place.name)
        journey = reader.find(parts[0]) if parts else None
    else:
        key = (place.queue.name, place.folder, place.name)
        same = [j for j in reader.unfinished() if (j.queue, j.folder, j.name) == key]
        journey = _only_uncertain(same) or reader.last(*key)
    if journey is None:
        raise OrderError("the service has never taken a document of this name")
    return journey


def _only_uncertain(same: Iterable[Journey]) -> Journey | None:
    doubted = [j for j in same if j.state in {State.UNCERTAIN, State.SENDING}]
    if len(doubted) > 1:
        ids = ", ".join(j.upload_id for j in doubted)
        raise OrderError(f"{len(doubted)} documents of this name are uncertain; name one by its id: {ids}")
    return doubted[0] if doubted else None


def not_uncertain(journey: Journey) -> OrderError:
    """Return why a document cannot be settled: the state that it is in."""
    return OrderError(f"only an uncertain document can be settled, and {status.in_words(journey)}")


def decision(question: dict[str, Any], now: float) -> Callable[[Journey], Any]:
    """Return the decision that `resolve` asks for, to be taken on the document as it is then."""
    verdict = Verdict(str(question.get("verdict")))
    return lambda journey: settled(journey, verdict, question.get("id"), now)


def verdict_told(journey: Journey) -> str:
    """Say what a settlement comes to."""
    ends = {
        State.DELIVERED: "settled as delivered; it goes to done/",
        State.DEFERRED: "settled: it is sent again, marked as a possible duplicate",
        State.REFUSED: "settled as failed; it goes to failed/",
    }
    return f"{printable(journey.name)} ({journey.upload_id}) is {ends[journey.state]}"


def failed_of(settings: Settings, queue: Queue) -> Answered:
    """Return the paths of a queue's documents in its failed/; raises OSError."""
    top, found = os.fsencode(queue.failed), all_failed(queue)
    if any(_files_together(queue, other) for other in settings.queues.values() if other is not queue):
        found = [p for p in found if _owner(settings, queue, failed_at(queue, *p)).name == queue.name]
    return {"files": [os.fsdecode(os.path.join(top, *parts)) for parts in found]}


def _files_together(queue: Queue, other: Queue) -> bool:
    return os.path.realpath(queue.failed) == os.path.realpath(other.failed)


def _owner(settings: Settings, queue: Queue, failed: Failed) -> Queue:
    """Return whose document it is, by its record, where several queues file into one folder."""
    other = settings.queues.get(failed.record.queue.name) if failed.record else None
    return other if other is not None and _files_together(queue, other) else queue


def failed_meant(settings: Settings, question: dict[str, Any]) -> tuple[Queue, Failed]:
    """Return the document in failed/ that `retry` means; raises `OrderError`."""
    path = os.fsencode(str(question.get("path")))
    place = status.place_of(settings, path)
    if place is None or place.area != "failed":
        where = status.unexplained(settings, path) if place is None else f"it lies in {place.area}/"
        raise OrderError(f"only documents in the failed/ of a queue can be sent again; {where}")
    try:
        failed = failed_at(place.queue, place.folder, place.name)
        return _owner(settings, place.queue, failed), failed
    except FileNotFoundError:
        raise OrderError("there is no such document; it was taken away, or moved back") from None
    except (NotRedeliveredError, OSError) as problem:
        raise OrderError(str(problem)) from None


def moved_back(queue: Queue, failed: Failed, wall: float) -> Answered:
    """Move a document back into its drop folder; blocks. Raises `OrderError`."""
    try:
        return {"text": f"moved back as {printable(move_back(queue, failed, wall))}"}
    except FileNotFoundError as problem:
        raise OrderError(f"it, or the drop folder {queue.folder}, is gone: {problem}") from None
    except (NotRedeliveredError, OSError) as problem:
        raise OrderError(f"it cannot be moved back: {problem}") from None


# How a running daemon does it ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Orders:
    """The orders of people to a running daemon."""

    works: Works
    journal: Journal
    clock: Clock

    async def answer(self, question: dict[str, Any]) -> Answered | None:
        """Carry out one order; None for what is none."""
        carry_out = {
            "pause": self._pause,
            "resume": self._resume,
            "failed": self._failed,
            "retry": self._retry,
            "resolve": self._resolve,
        }.get(str(question.get("ask")))
        if carry_out is None:
            return None
        try:
            return await carry_out(question)
        except (OrderError, OSError) as problem:
            return {"error": str(problem)}

    def _line(self, name: str) -> tuple[Lane, Line]:
        with suppress(StopIteration):
            return self.works.find(name)
        if name in self.works.settings.queues:
            advice = "let the running daemon read its configuration anew, which does not know it yet"
        else:
            advice = (
                "it is not configured: put it back, and let the running daemon read its configuration anew"
            )
        raise OrderError(f"queue {name}: {advice}")

    async def _pause(self, question: dict[str, Any]) -> Answered:
        lane, line = self._line(str(question.get("queue")))
        name = line.queue.name
        if line.by_hand:
            return {"text": f"queue {name} was paused already: {line.by_hand}"}
        since = self.clock.wall()
        await asyncio.wrap_future(self.journal.pause(name, since, BY_HAND))
        await lane.hands.pause(line, status.by_hand(name, since))
        return {"text": f"queue {name} is paused; `hotfolder resume {name}` ends it"}

    async def _resume(self, question: dict[str, Any]) -> Answered:
        lane, line = self._line(str(question.get("queue")))
        stop = line.stopped
        written = await asyncio.to_thread(resumed, self.journal, line.queue, stop)
        await asyncio.gather(*map(asyncio.wrap_future, written))
        waited = lane.hands.resume(line, stop)
        self.works.accept(line.queue.name)
        if line.drop.offline:
            return {"text": f"queue {line.queue.name} is looked at anew; it was offline: {line.drop.offline}"}
        return {"text": resumed_told(line.queue.name, waited=waited)}

    async def _failed(self, question: dict[str, Any]) -> Answered:
        _, line = self._line(str(question.get("queue")))
        return await self._on_disk(line, lambda: failed_of(self.works.settings, line.queue))

    async def _retry(self, question: dict[str, Any]) -> Answered:
        settings = self.works.settings
        queue, failed = await asyncio.to_thread(failed_meant, settings, question)
        _, line = self._line(queue.name)
        if failed.record is not None:
            await self._filed(line, failed.record.upload_id)
        wall = self.clock.wall()
        answer = await self._on_disk(line, partial(moved_back, queue, failed, wall))
        line.drop.rescan()
        return answer

    async def _filed(self, line: Line, upload_id: str) -> None:
        """Wait until a document that lies in failed/ already is at rest in the journal too."""
        deadline = self.clock.monotonic() + _PATIENCE_S
        while upload_id in line.carried:
            if self.clock.monotonic() > deadline:
                raise OrderError("it is still being filed; try again in a moment")
            await asyncio.sleep(_LOOKS_S)

    async def _resolve(self, question: dict[str, Any]) -> Answered:
        settings, reader = self.works.settings, self.journal.reader
        journey = await asyncio.to_thread(sought, settings, reader, question)
        lane, line = self._line(journey.queue)
        decide = decision(question, self.clock.wall())
        try:
            found = await lane.hands.settle(line, journey.upload_id, decide, _PATIENCE_S)
        except InHandError as busy:
            raise OrderError(str(busy)) from None
        if found is None:
            raise self._unsettled(line, reader.find(journey.upload_id) or journey)
        return {"text": verdict_told(found)}

    def _unsettled(self, line: Line, now: Journey) -> OrderError:
        unheld = now.state is State.UNCERTAIN and now.upload_id not in line.carried
        if unheld and line.drop.offline:
            return OrderError(f"its queue is offline, and is settled when it is back: {line.drop.offline}")
        if unheld:
            return OrderError(
                "it is missing from the work folder; put it back there, and restart the service"
            )
        return not_uncertain(now)

    async def _on_disk(self, line: Line, work: Callable[[], Answered]) -> Answered:
        return await asyncio.get_running_loop().run_in_executor(line.disk, work)


def resumed(journal: Journal, queue: Queue, stop: Stop | None) -> list[Any]:
    """Forget a pause, a stop, and what the folders of a queue stood on, so that they are taken as they are; blocks."""
    real = real_paths((queue.folder, queue.done, queue.failed))
    paths = {str(path) for one in real.items() for path in one}
    ended = [journal.resume(queue.name), *(journal.forget_ground(path) for path in sorted(paths))]
    return ended if stop is None else [*ended, journal.end_stop(queue.name, stop.upload_id)]


def resumed_told(name: str, *, waited: bool) -> str:
    """Say what `resume` comes to."""
    return f"queue {name} goes on" if waited else f"queue {name} was not paused; it goes on as before"
