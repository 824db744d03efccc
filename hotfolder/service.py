"""The daemon: build the pipeline from the configuration, run it, reload it, stop it."""

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from loguru import logger

from hotfolder import spool, status, unixsocket
from hotfolder.arrivals import NOT_LOOKED_AT, DropFolder, Habits, Inbox, Watch, WatchError
from hotfolder.backends import BACKENDS, open_backend
from hotfolder.checks.names import IgnoreRules
from hotfolder.checks.readiness import Rules
from hotfolder.claims import Origin
from hotfolder.journal import Journal
from hotfolder.model import Clock, State
from hotfolder.pipeline import Lane, Line, Recorder
from hotfolder.pipeline.line import Means
from hotfolder.recovery import recover
from hotfolder.settings import Queue, Settings, SettingsError, load_settings
from hotfolder.systemd import Notifier

_DISK_THREADS = 8
_POLL_S = 2.0
"""Time between two looks at a folder without events: peers' defaults lie between 0.5 s and 30 s."""
_STATUS_EVERY_S = 10.0
_ONCE_LOOKS_S = 0.05


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
class Outcome:
    """How `once` ended: its exit status and one sentence."""

    code: int
    text: str


class Works:
    """Everything that is built from one configuration."""

    def __init__(self, settings: Settings, journal: Journal, clock: Clock) -> None:
        self.settings = settings
        self.journal = journal
        self.clock = clock
        self.disk = ThreadPoolExecutor(_DISK_THREADS, thread_name_prefix="disk")
        self.recorder = Recorder(journal, clock)
        self.watch = _watch()
        self._windows = journal.reader.settling()
        self._locks: dict[str, spool.Lock] = {}
        self._recovered: set[str] = set()
        self.lanes = [
            self._lane(name)
            for name in settings.connections
            if any(q.connection == name for q in settings.queues.values())
        ]
        self._loop = asyncio.get_running_loop()
        self._tasks: list[asyncio.Task[None]] = []

    def lines(self) -> list[tuple[Lane, Line]]:
        """Return every queue with its connection."""
        return [(lane, line) for lane in self.lanes for line in lane.lines]

    def find(self, queue: str) -> tuple[Lane, Line]:
        """Return one queue with its connection."""
        return next((lane, line) for lane, line in self.lines() if line.queue.name == queue)

    def start(self) -> None:
        """Start every loop."""
        for lane, line in self.lines():
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
        await asyncio.gather(*(lane.stop(grace_s) for lane in self.lanes))
        while self.clock.monotonic() < deadline and self._filing():
            await asyncio.sleep(_ONCE_LOOKS_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.watch is not None:
            self.watch.close()
        for lock in self._locks.values():
            lock.release()
        self.disk.shutdown(wait=False, cancel_futures=True)
        return not any(lane.active for lane in self.lanes)

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
        means = Means(self.recorder, self.disk, self.clock)
        backend = open_backend(connection, self.clock.wall)
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
        drop = DropFolder(_habits(queue), inbox, self.watch, self.disk, self.clock)
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
            raise AlreadyRunningError(f"{folders.path} is in use by another hotfolder: {held}") from None
        if queue in self._recovered:
            return
        lane, line = self.find(queue)
        for journey in recover(
            self.journal, {queue: folders}, self.clock.wall(), lane.connection.ask_after_s
        ):
            self._loop.call_soon_threadsafe(lane.resume, line, journey)
        self._recovered.add(queue)


def _watch() -> Watch | None:
    try:
        return Watch()
    except WatchError as problem:
        logger.warning("{}; all queues are polled", problem)
        return None


def _habits(queue: Queue) -> Habits:
    own = {spool.WORK_FOLDER}
    for archive in (queue.done, queue.failed):
        inside = os.path.relpath(archive, queue.folder)
        if not inside.startswith(".."):
            own.add(os.fsencode(inside.split("/")[0]))
    return Habits(
        name=queue.name,
        path=str(queue.folder),
        poll=queue.poll,
        interval_s=queue.poll_interval_s or _POLL_S,
        rescan_s=queue.rescan_s,
        recursive=queue.recursive,
        own_folders=frozenset(own),
    )


class Service:
    """One daemon on one state directory."""

    def __init__(self, settings: Settings, environ: dict[str, str], clock: Clock | None = None) -> None:
        """Take the state directory; raises `AlreadyRunningError`, `JournalError` or OSError."""
        self.settings = settings
        self._environ = environ
        self._clock = clock or SystemClock()
        settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
        self._lock = _lock_state(settings.state_dir)
        self.journal = Journal(settings.state_dir)
        self._notifier = Notifier(environ)
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self.works: Works | None = None

    def ask_to_stop(self) -> None:
        """Begin to end: SIGTERM, SIGINT."""
        self._stop.set()

    def ask_to_reload(self) -> None:
        """Read the configuration anew: SIGHUP."""
        self._reload.set()

    async def run(self) -> bool:
        """Run until told to stop; tell whether every request ended within the grace period."""
        control = await unixsocket.serve(self.settings.state_dir, self._answer)
        self._begin(self.settings)
        try:
            await self._until_stopped()
            self._notifier.tell("STOPPING=1", f"EXTEND_TIMEOUT_USEC={int((self.settings.grace_s + 5) * 1e6)}")
            return await self._works().stop(self.settings.grace_s)
        finally:
            control.close()
            self._end()

    async def once(self, timeout_s: float | None, progress: Any) -> Outcome:
        """Take what is there, wait until it is filed, and say how it went; `progress` is called with counts."""
        self._begin(self.settings)
        works = self._works()
        deadline = None if timeout_s is None else self._clock.monotonic() + timeout_s
        try:
            while (found := _verdict(works, deadline, self._stop.is_set())) is None:
                self._raise_failure()
                progress(works)
                await asyncio.sleep(_ONCE_LOOKS_S)
            progress(works)
            await works.stop(self.settings.grace_s)
            return found
        finally:
            self._end()

    def _begin(self, settings: Settings) -> None:
        self.settings = settings
        self.works = Works(settings, self.journal, self._clock)
        self.works.start()

    def _works(self) -> Works:
        assert self.works is not None  # noqa: S101 — set by `_begin`
        return self.works

    def _end(self) -> None:
        self.journal.close()
        self._lock.release()

    def _raise_failure(self) -> None:
        problem = self._works().failure()
        if problem is not None:
            raise problem

    async def _until_stopped(self) -> None:
        ready = False
        told_at = watched_at = self._clock.monotonic()
        nap_s = min(self._notifier.watchdog_s or _STATUS_EVERY_S, 1.0)
        while not self._stop.is_set():
            self._raise_failure()
            now = self._clock.monotonic()
            if not ready and all(
                line.drop.scans or line.drop.offline != NOT_LOOKED_AT for _, line in self._works().lines()
            ):
                ready = True
                self._notifier.tell("READY=1", f"STATUS={self._summary()}")
                logger.info("ready: {}", self._summary())
            if self._notifier.watchdog_s and now - watched_at >= self._notifier.watchdog_s:
                watched_at = now
                self._notifier.tell("WATCHDOG=1")
            if now - told_at >= _STATUS_EVERY_S:
                told_at = now
                self._notifier.tell(f"STATUS={self._summary()}")
            if self._reload.is_set():
                self._reload.clear()
                await self._reloaded()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), 0.05 if not ready else nap_s)

    def _summary(self) -> str:
        queues = self._report()["queues"]
        counts = {
            k: sum(q["counts"][k] for q in queues)
            for k in ("waiting", "claimed", "uncertain", "done", "failed")
        }
        return f"{len(queues)} queues, " + ", ".join(f"{n} {k}" for k, n in counts.items())

    def _report(self) -> dict[str, Any]:
        return status.report(self._works().lanes, self.journal.reader.tallies(), self._clock.wall())

    async def _reloaded(self) -> None:
        """Go over to the configuration as it is on disk now; a bad one changes nothing."""
        self._notifier.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            settings = load_settings(self.settings.source, self._environ)
            if settings.state_dir != self.settings.state_dir:
                raise ValueError("`state_dir` cannot change while the service runs; restart it")
        except (SettingsError, ValueError) as problem:
            logger.error("the new configuration is refused, the old one stays:\n{}", problem)
        else:
            await self._works().stop(self.settings.grace_s)
            self._begin(settings)
            logger.info("the configuration was read anew")
        self._notifier.tell("READY=1", f"STATUS={self._summary()}")

    async def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        if question.get("ask") == "status":
            return self._report()
        if question.get("ask") == "why":
            path = os.fsencode(str(question.get("file")))
            place = status.place_of(self.settings, path)
            if place is None:
                return {"error": "it lies in no folder of any queue"}
            lane, line = self._works().find(place.queue.name)
            found = await asyncio.to_thread(status.explain, place, path, line, lane, self.journal.reader)
            return found.as_json() if found else {"error": "there is no such file, and there never was one"}
        return {"error": "no such question"}


def _lock_state(state_dir: Path) -> spool.Lock:
    folder = spool.open_folder(str(state_dir))
    try:
        return spool.Lock(b"lock", folder, f"process {os.getpid()}")
    except spool.LockedError as held:
        raise AlreadyRunningError(f"{state_dir} is in use by another hotfolder: {held}") from None
    finally:
        os.close(folder)


def _verdict(works: Works, deadline: float | None, stopped: bool) -> Outcome | None:  # noqa: FBT001 — a fact
    """Decide whether `once` is over, and with which exit status."""
    lines = works.lines()
    stuck = [(line.queue.name, *status.state_of(lane, line)) for lane, line in lines]
    for name, state, reason in stuck:
        if state == "paused" or (state == "offline" and reason != NOT_LOOKED_AT):
            return Outcome(3, f"queue {name} is {state}: {reason}")
    if deadline is not None and works.clock.monotonic() >= deadline:
        return Outcome(4, "not everything was filed in time")
    if stopped:
        return Outcome(4, "stopped before everything was filed")
    busy = any(_busy(line) for _, line in lines)
    if busy or any(not line.drop.scans for _, line in lines):
        return None
    failed = sum(line.filed["failed"] for _, line in lines)
    held = sum(j.held for _, line in lines for j in line.carried.values())
    if failed or held:
        return Outcome(
            1, f"{failed} failed, {held} uncertain, {sum(line.filed['done'] for _, line in lines)} done"
        )
    return Outcome(0, f"{sum(line.filed['done'] for _, line in lines)} done")


def _busy(line: Line) -> bool:
    working = any(not j.held for j in line.carried.values())
    return working or bool(line.drop.inbox.counts()["waiting"])
