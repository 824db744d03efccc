"""Everything that is built from one configuration: folders, connections, threads, loops."""

import asyncio
import errno
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from loguru import logger

from hotfolder import spool
from hotfolder.arrivals import DropFolder, Habits, Inbox, Watch, WatchError
from hotfolder.backends import BACKENDS, open_backend
from hotfolder.backends.base import Backend
from hotfolder.checks.names import IgnoreRules, printable
from hotfolder.checks.readiness import Rules
from hotfolder.claims import Origin
from hotfolder.journal import Journal
from hotfolder.model import Clock, State
from hotfolder.pipeline import Lane, Line, Means, Recorder, Threads, pool
from hotfolder.recovery import recover
from hotfolder.settings import ConnectionSection, Queue, Settings
from hotfolder.status.places import own_folders

_DISK_THREADS = 4
"""For each queue; they are made when they are needed."""
_POLL_S = 2.0
"""Time between two looks at a folder without events: peers' defaults lie between 0.5 s and 30 s."""
_FILING_LOOKS_S = 0.05


class SystemClock:
    """The machine's own clocks."""

    def monotonic(self) -> float:
        """Return seconds since some start."""
        return time.monotonic()

    def wall(self) -> float:
        """Return seconds since 1970."""
        return time.time()


class AlreadyRunningError(Exception):
    """Another daemon has the state directory or a drop folder; `str()` names it."""


@dataclass(frozen=True, slots=True)
class Parts:
    """How the parts are made that a run in virtual time makes otherwise."""

    threads: Threads = pool
    backend: Callable[[ConnectionSection, Callable[[], float]], Backend] = open_backend


class Works:
    """Everything that is built from one configuration."""

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        clock: Clock,
        *,
        first: bool = True,
        parts: Parts = Parts(),
    ) -> None:
        self._first = first
        self._parts = parts
        self.settings = settings
        self.journal = journal
        self.clock = clock
        self.recorder = Recorder(journal, clock)
        self.watch = _watch(settings)
        self._windows = journal.reader.settling()
        self._locks: dict[str, spool.Lock] = {}
        self._recovered: set[str] = set()
        self.lanes = [
            self._lane(name)
            for name in settings.connections
            if any(q.connection == name for q in settings.queues.values())
        ]
        self._loop = asyncio.get_running_loop()
        self._tell_of_strangers()
        self._tasks: list[asyncio.Task[None]] = []

    def _tell_of_strangers(self) -> None:
        """Say which queues have unfinished documents and are not configured any more."""
        gone = Counter(
            j.queue for j in self.journal.reader.unfinished() if j.queue not in self.settings.queues
        )
        for queue, number in gone.items():
            text = (
                "queue {} is not configured any more, and {} of its documents are not finished; put it back"
            )
            logger.warning(text, queue, number)

    def lines(self) -> list[tuple[Lane, Line]]:
        """Return every queue with its connection."""
        return [(lane, line) for lane in self.lanes for line in lane.lines]

    def find(self, queue: str) -> tuple[Lane, Line]:
        """Return one queue with its connection."""
        return next((lane, line) for lane, line in self.lines() if line.queue.name == queue)

    def start(self) -> None:
        """Start every loop."""
        for _, line in self.lines():
            self._tasks += [self._task(line.drop.run()), self._task(line.file())]
        self._tasks += [self._task(lane.run()) for lane in self.lanes]

    def failure(self) -> BaseException | None:
        """Return what ended a loop that should never end, None while all run."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                return task.exception() or RuntimeError("a loop ended by itself")
        return None

    async def stop(self, grace_s: float) -> bool:
        """Take nothing more, let running requests finish, file what is final; tell whether all ended in time."""
        deadline = self.clock.monotonic() + grace_s
        in_time = all(await asyncio.gather(*(lane.stop(grace_s) for lane in self.lanes)))
        while self.clock.monotonic() < deadline and self._filing():  # noqa: ASYNC110 — many queues, one end
            await asyncio.sleep(_FILING_LOOKS_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.watch is not None:
            self.watch.close()
        for lock in self._locks.values():
            lock.release()
        for _, line in self.lines():
            line.disk.shutdown(wait=False, cancel_futures=True)
        return in_time

    def _filing(self) -> bool:
        final = {State.DELIVERED, State.REFUSED}
        return any(
            j.state in final
            for _, line in self.lines()
            for j in line.carried.values()
            if not line.filing_trouble
        )

    def _task(self, work: Any) -> asyncio.Task[None]:
        return self._loop.create_task(work)

    def _lane(self, name: str) -> Lane:
        connection = self.settings.connections[name]
        means = Means(self.recorder, self.clock, self._parts.threads)
        backend = self._parts.backend(connection, self.clock.wall)
        lines = [
            self._line(queue, means) for queue in self.settings.queues.values() if queue.connection == name
        ]
        return Lane(connection, self.settings.limits_of(connection), backend, lines, means)

    def _line(self, queue: Queue, means: Means) -> Line:
        connection = self.settings.connections[queue.connection]
        queue_id, source = self.settings.service_queue(queue)
        traits = BACKENDS[connection.backend].traits
        rules = Rules(
            queue.types, queue.min_size_bytes, queue.max_size.in_bytes(traits.max_bytes), queue.patience_s
        )
        inbox = Inbox(
            rules,
            IgnoreRules(queue.ignore),
            settle_s=max(queue.settle_s, self._windows.get(queue.name, 0.0)),
            settle_max_s=queue.settle_max_s,
            recursive=queue.recursive,
        )
        disk = self._parts.threads(_DISK_THREADS, f"disk {queue.name}")
        drop = DropFolder(_habits(queue), inbox, self.watch, disk, self.clock)
        origin = Origin(queue.name, connection.name, connection.backend, queue_id, source)
        line = Line(queue, origin, drop, means, override_of=queue.queue_id if source == "override" else None)
        drop.admit = partial(self._admit, queue.name)
        drop.on_learned = partial(self.recorder.settle, queue.name)
        return line

    def _admit(self, queue: str, folders: spool.Folders) -> None:
        """Lock a drop folder and repair what an earlier run left there; runs in a thread."""
        if queue in self._locks:
            self._locks.pop(queue).release()
        try:
            self._locks[queue] = spool.Lock(
                b"lock", folders.work, f"process {os.getpid()}, state directory {self.settings.state_dir}"
            )
        except spool.LockedError as held:
            text = f"{folders.path} is in use by another hotfolder: {held}"
            if self._first:
                raise AlreadyRunningError(text) from None
            raise OSError(errno.EBUSY, text) from None  # the other queues go on
        if queue in self._recovered:
            return
        lane, line = self.find(queue)
        found = recover(self.journal, queue, folders, self.clock.wall(), lane.connection.ask_after_s)
        line.missing = [printable(journey.name) for journey in found.missing]
        for journey in found.going_on:
            self._loop.call_soon_threadsafe(lane.resume, line, journey)
        self._recovered.add(queue)


def _watch(settings: Settings) -> Watch | None:
    """Open the kernel's events where any queue wants them: instances are few (fs.inotify.max_user_instances)."""
    if all(queue.poll == "always" for queue in settings.queues.values()):
        return None
    try:
        return Watch()
    except WatchError as problem:
        logger.warning("{}; all queues are polled", problem)
        return None


def _habits(queue: Queue) -> Habits:
    return Habits(
        name=queue.name,
        path=str(queue.folder),
        poll=queue.poll,
        interval_s=queue.poll_interval_s or _POLL_S,
        rescan_s=queue.rescan_s,
        recursive=queue.recursive,
        own_folders=own_folders(queue),
    )
