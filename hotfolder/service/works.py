"""Everything that is built from one configuration: folders, connections, threads, loops."""

import asyncio
import errno
import os
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from loguru import logger

from hotfolder import spool
from hotfolder.arrivals import DropFolder, Inbox, Threads
from hotfolder.backends import traits_of
from hotfolder.checks.names import IgnoreRules, printable
from hotfolder.checks.readiness import Rules
from hotfolder.claims import Origin
from hotfolder.grounds import Grounds
from hotfolder.journal import Journal
from hotfolder.logs import concerning
from hotfolder.metrics import Counts
from hotfolder.model import FINAL, Clock
from hotfolder.pipeline import Lane, Line, Means, Postscripts, Recorder
from hotfolder.pulse import Beat, Pulse
from hotfolder.recovery import Site, recover
from hotfolder.service.parts import AlreadyRunningError, Parts
from hotfolder.service.placards import Placard
from hotfolder.service.turns import turns
from hotfolder.service.upkeep import Upkeep
from hotfolder.service.watching import habits_of, watch_for
from hotfolder.settings import Queue, Settings
from hotfolder.status import by_hand
from hotfolder.status.places import pairing_of

_DISK_THREADS = 4
"""For each queue; they are made when they are needed."""
RUN_MARK = b"run"
"""In the work folder: which run of the daemon used it last, to tell a journal that is not the one it knew."""
_FILING_LOOKS_S = 0.05
_ANSWER_WITHIN_S = 5.0
"""A question about a file that lies in a folder that does not answer is answered with that."""
_LETTING_GO_S = 1.0
"""What it may take to close a lock file; on a share that hangs it takes for ever."""
_FAREWELL_S = 2.0
"""What it may take to write a small file; on a share that hangs the old one stays."""

T = TypeVar("T")


class Works:
    """Everything that is built from one configuration."""

    def __init__(
        self,
        settings: Settings,
        journal: Journal,
        clock: Clock,
        run: str,
        *,
        first: bool = True,
        parts: Parts | None = None,
    ) -> None:
        self._first = first
        self.run = run
        self._parts = parts or Parts()
        self.settings = settings
        self.journal = journal
        self.clock = clock
        self.pulse = Pulse(clock.monotonic)
        self.recorder = Recorder(journal, clock)
        self.watch = watch_for(settings)
        self._windows = journal.reader.settling()
        self._pauses = journal.reader.pauses()
        self._stops = journal.reader.stops()
        self._known_grounds = journal.reader.grounds()
        self._grounds: dict[str, Grounds] = {}
        self._locks: dict[str, spool.Lock] = {}
        self._admitted: set[str] = set()
        self._disks: dict[str, Threads] = {}
        self._askers = Threads(_DISK_THREADS, "questions")
        self.lanes = [
            self._lane(name)
            for name in settings.connections
            if any(q.connection == name for q in settings.queues.values())
        ]
        found = (Upkeep(line, lane.backend, journal, clock) for lane, line in self.lines())
        self._upkeep = [upkeep for upkeep in found if upkeep.needed]
        placards = (Placard(lane, line, journal, clock) for lane, line in self.lines())
        self._placards = [shown for shown in placards if shown.needed]
        self._loop = asyncio.get_running_loop()
        self._tell_of_strangers()
        self._tasks: list[asyncio.Task[None]] = []
        self._late: list[Postscripts] = []

    def _tell_of_strangers(self) -> None:
        """Say which queues have unfinished documents and are not configured any more."""
        gone = Counter(
            j.queue for j in self.journal.reader.unfinished() if j.queue not in self.settings.queues
        )
        for queue, number in gone.items():
            text = "queue {} is not configured any more, {} of its documents are not finished; put it back"
            logger.bind(queue=queue).warning(text, queue, number)

    def lines(self) -> list[tuple[Lane, Line]]:
        """Return every queue with its connection."""
        return [(lane, line) for lane in self.lanes for line in lane.lines]

    def find(self, queue: str) -> tuple[Lane, Line]:
        """Return one queue with its connection."""
        return next((lane, line) for lane, line in self.lines() if line.queue.name == queue)

    def start(self) -> None:
        """Start every loop."""
        for lane, line in self.lines():
            self._late.append(late := Postscripts(line, self.recorder))
            line.on_filed = late.wake
            name = line.queue.name
            line.drop.beat = self._watched(f"arrivals of {name}", name)
            line.beat = self._watched(f"filing of {name}", name)
            late.beat = self._watched(f"additions to records of {name}", name)
            line.batching.beat = self._watched(f"reports of {name}", name)
            loops = (line.drop.run(), line.file(), late.run(), line.batching.report())
            with concerning(queue=name, connection=lane.connection.name):
                self._tasks += map(self._task, loops)
        for lane in self.lanes:
            name = lane.connection.name
            steps = self.pulse.watch_steps(f"requests of {name}", self._awaits_journal)
            lane.watched(self.pulse.watch(f"deliveries of {name}"), steps)
            with concerning(connection=name):
                self._tasks.append(self._task(lane.run()))
        for upkeep in self._upkeep:
            upkeep.beat = self._watched(f"upkeep of {upkeep.queue}", upkeep.queue)
            with concerning(queue=upkeep.queue):
                self._tasks.append(self._task(upkeep.run()))

        for shown in self._placards:
            shown.beat = self._watched(f"status file of {shown.queue}", shown.queue)
            with concerning(queue=shown.queue):
                self._tasks.append(self._task(shown.run()))

    def _watched(self, name: str, queue: str) -> Beat:
        """Watch a loop that may wait for the threads of its queue, which a share may hold, or for the journal."""
        disk = self._disks[queue]
        return self.pulse.watch(name, lambda: disk.busy or self._awaits_journal())

    def _awaits_journal(self) -> bool:
        """Tell whether the journal may keep a loop waiting: it commits, and hangs by itself; or its disk is full."""
        return self.journal.beat.busy or self.recorder.trouble is not None

    def observe(self, counts: Counts) -> None:
        """Have everything counted that happens from now on."""
        self.recorder.on_arrow = counts.arrow
        for lane, line in self.lines():
            line.drop.on_scanned = partial(counts.scanned, line.queue.name)
            lane.observe(lambda lines: counts.paused(one.queue.name for one in lines))

    def heard(self, connection: str, document_id: str) -> None:
        """Take note that a service told something of a document by itself."""
        for late in self._late:
            late.wake()
        for lane in self.lanes:
            if lane.connection.name == connection:
                lane.told(document_id)

    def failure(self) -> BaseException | None:
        """Return what ended a loop that should never end, None while all run."""
        for task in self._tasks:
            if task.done() and not task.cancelled():
                return task.exception() or RuntimeError("a loop ended by itself")
        return None

    async def stop(self, grace_s: float) -> bool:
        """Take nothing more, let running requests finish, file what is final; tell whether all ended in time."""
        deadline = self.clock.monotonic() + grace_s
        self.pulse.end()
        for upkeep in self._upkeep:
            upkeep.stop()
        in_time = all(await asyncio.gather(*(lane.stop(grace_s) for lane in self.lanes)))
        for _, line in self.lines():
            line.batching.end()
        while self.clock.monotonic() < deadline and self._filing():  # noqa: ASYNC110 — many queues, one end
            await asyncio.sleep(_FILING_LOOKS_S)
        if farewells := [self._task(shown.farewell()) for shown in self._placards]:
            await asyncio.wait(farewells, timeout=_FAREWELL_S)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.watch is not None:
            self.watch.close()
        await self._let_go()
        pools = [*self._disks.values(), self._askers]
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)
        return in_time and not any(pool.busy for pool in pools)

    async def _let_go(self) -> None:
        """Give the drop folders' locks back, each in a thread of its queue: closing a file asks the file system."""
        jobs = [self._loop.run_in_executor(self._disks[q], self._unlock, q) for q in tuple(self._locks)]
        if jobs:
            await asyncio.wait(jobs, timeout=_LETTING_GO_S)

    def _unlock(self, queue: str) -> None:
        lock = self._locks.pop(queue, None)
        if lock is not None:
            lock.release()

    async def look(self, work: Callable[[], T]) -> T:
        """Have a function called that looks at folders for a question; raises TimeoutError where one is silent."""
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            return await self._loop.run_in_executor(self._askers, work)

    def accept(self, queue: str) -> None:
        """Take the folders of a queue for right as they are now, whatever they stood on before."""
        _, line = self.find(queue)
        self._grounds[queue].accept(_tops(line.queue))
        line.drop.rescan()

    def _filing(self) -> bool:
        return any(
            j.state in FINAL
            for _, line in self.lines()
            for j in line.carried.values()
            if not line.filing_trouble
        ) or any(line.batching.due for _, line in self.lines())

    def _task(self, work: Any) -> asyncio.Task[None]:
        return self._loop.create_task(work)

    def _lane(self, name: str) -> Lane:
        connection = self.settings.connections[name]
        means = Means(self.recorder, self.clock, self._parts.threads)
        limits, serial = turns(self.settings, connection)
        backend = self._parts.backend(connection.model_copy(update={"limits": limits}), self.clock.wall)
        lines = [
            self._line(queue, means) for queue in self.settings.queues.values() if queue.connection == name
        ]
        if serial:
            logger.bind(connection=name).info("connection {}: {}", name, serial)
        lane = Lane(connection, limits, backend, lines, means)
        lane.serial = serial
        return lane

    def _line(self, queue: Queue, means: Means) -> Line:
        connection = self.settings.connections[queue.connection]
        queue_id, source = self.settings.service_queue(queue)
        traits = traits_of(connection)
        types = queue.accepted(traits.media_types)
        rules = Rules(
            types, queue.min_size_bytes, queue.max_size.in_bytes(traits.max_bytes), queue.patience_s
        )
        inbox = Inbox(
            rules,
            IgnoreRules(queue.ignore, queue.status_file),
            settle_s=max(queue.settle_s, self._windows.get(queue.name, 0.0)),
            settle_max_s=queue.settle_max_s,
            recursive=queue.recursive,
            pairing=pairing_of(self.settings, queue),
        )
        disk = self._disks[queue.name] = self._parts.threads(_DISK_THREADS, f"disk {queue.name}")
        drop = DropFolder(habits_of(queue), inbox, self.watch, disk, self.clock)
        override_of = queue.queue_id if source == "override" else None
        templates = (queue.companion, queue.ready_marker)
        names = (queue.name, connection.name, connection.backend)
        origin = Origin(
            *names,
            queue_id,
            source,
            override_of,
            on_error=queue.on_error,
            templates=templates,
            id_of_folder=queue.id_of_folder,
        )
        line = Line(queue, origin, drop, means)
        line.stopped = self._stops.get(queue.name)
        if queue.name in self._pauses:
            line.by_hand = by_hand(queue.name, self._pauses[queue.name][0])
        note, forget = self.journal.note_ground, self.journal.forget_ground
        grounds = self._grounds[queue.name] = Grounds(queue.name, self._known_grounds, note, forget)
        drop.open = partial(spool.Folders, stand=grounds.stand)
        drop.admit = partial(self._admit, queue.name)
        drop.dismiss = partial(self._unlock, queue.name)
        drop.on_learned = partial(self.recorder.settle, queue.name)
        return line

    def _admit(self, queue: str, folders: spool.Folders) -> None:
        """Lock a drop folder and repair what an earlier run left there; runs in a thread."""
        self._unlock(queue)
        try:
            self._locks[queue] = spool.Lock(
                b"lock", folders.work, f"process {os.getpid()}, state directory {self.settings.state_dir}"
            )
        except spool.LockedError as held:
            text = f"{folders.path} is in use by another hotfolder: {held}"
            if self._first and queue not in self._admitted:
                raise AlreadyRunningError(text) from None
            raise OSError(errno.EBUSY, text) from None  # the other queues go on
        again = queue in self._admitted
        self._admitted.add(queue)
        lane, line = self.find(queue)
        for archive in _tops(line.queue)[1:]:
            try:
                os.close(folders.open_archive(archive, make=False))
            except FileNotFoundError:
                continue  # it is made when something is to be filed
            except OSError as problem:
                logger.warning("queue {}: {}; nothing can be filed there", queue, problem.strerror or problem)
        # Each time: what was in the work folder of a folder that went away is found when it comes back.
        found = recover(self._site(lane, line, folders), self.clock.wall())
        if not found.unread:
            spool.replace(RUN_MARK, self.run.encode(), folders.work, RUN_MARK + b".tmp")
        line.missing = [printable(journey.name) for journey in found.missing]
        line.stuck = found.stuck
        batches = [] if again else self.journal.reader.open_batches(queue)
        line.drop.on_open = partial(lane.take_over, line, found.going_on, batches, again=again)

    def _site(self, lane: Lane, line: Line, folders: spool.Folders) -> Site:
        return Site(
            self.journal,
            folders,
            line.origin,
            tuple(_tops(line.queue)[1:]),
            lane.connection.ask_after_s,
            self.run,
            known=self._knows(folders),
            busy=lambda: frozenset(line.carried),
        )

    def _knows(self, folders: spool.Folders) -> bool:
        """Tell whether the journal has seen the run that used a work folder last."""
        try:
            run = spool.read_small(RUN_MARK, folders.work).decode("ascii", "replace")
        except FileNotFoundError:
            return False
        return self.journal.reader.knows_run(run)


def _tops(queue: Queue) -> list[str]:
    """Return the folders of a queue whose ground is remembered, as the configuration names them."""
    return list(dict.fromkeys(str(path) for path in (queue.folder, queue.done, queue.failed)))
