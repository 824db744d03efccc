"""Run the daemon: start, serve, reload, stop; and `once`."""

import asyncio
import os
import sys
import uuid
from contextlib import suppress
from pathlib import Path
from typing import Any

from loguru import logger

from hotfolder import logs, spool, status, unixsocket
from hotfolder.arrivals import NOT_LOOKED_AT
from hotfolder.journal import JOURNAL_FILES, DamagedError, Journal
from hotfolder.metrics import Counts
from hotfolder.model import Clock
from hotfolder.notices.desk import Desk
from hotfolder.notices.rehearsal import this_machine
from hotfolder.pulse import Pulse
from hotfolder.service.herald import Herald, summary
from hotfolder.service.once import Outcome, verdict
from hotfolder.service.orders import Orders
from hotfolder.service.parts import AlreadyRunningError, SystemClock
from hotfolder.service.showing import views_of
from hotfolder.service.works import Works
from hotfolder.settings import Settings, SettingsError, load_settings
from hotfolder.systemd import Notifier
from hotfolder.web import Front

_JOURNAL_HUNG_S = 60.0
"""A commit that takes a minute: its disk has stopped, and no document can come any further."""
_ONCE_LOOKS_S = 0.05
_LOOKS_S = 1.0


class Service:
    """One daemon on one state directory."""

    def __init__(self, settings: Settings, environ: dict[str, str], clock: Clock | None = None) -> None:
        """Take the state directory; raises `AlreadyRunningError`, `JournalError` or OSError."""
        self.settings = settings
        self._environ = environ
        self._clock = clock or SystemClock()
        settings.state_dir.mkdir(parents=True, exist_ok=True, mode=0o750)
        self._lock = lock_state(settings.state_dir)
        self.journal = opened_journal(settings.state_dir, self._clock.wall())
        self._pulse = Pulse(self._clock.monotonic)
        self.journal.beat = self._pulse.watch("journal", limit_s=_JOURNAL_HUNG_S)
        self._run = uuid.uuid4().hex
        self._counts = Counts()
        self.journal.on_commit = self._counts.committed
        self.journal.begin_run(self._run, self._clock.wall()).result()
        self._herald = Herald(Notifier(environ), self._clock.monotonic)
        self._refused: str | None = None
        """Why the configuration on disk is not the one in use."""
        self._stop = asyncio.Event()
        self._reload = asyncio.Event()
        self.works: Works | None = None
        self._front: Front | None = None
        self._desk: Desk | None = None

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
        views = views_of(self._works, self._well, self._report, self._pulse, self._counts)
        front = self._front = Front(self.journal, lambda *told: self._works().heard(*told), views)
        front.beat = self._pulse.watch("web server")
        await asyncio.to_thread(front.apply, self.settings)
        desk = self._desk = Desk(self.journal, self._clock, lambda: self._works().lanes, this_machine())
        desk.hung, desk.beat = self._hung, self._pulse.watch("notices", self._desk_waits)
        desk.apply(self.settings)
        tasks = [asyncio.get_running_loop().create_task(work) for work in (self._beat(), desk.run())]
        try:
            await self._until_stopped()
            self._herald.stopping(self.settings.grace_s)
            return await self._works().stop(self.settings.grace_s)
        finally:
            for task in tasks:
                task.cancel()
            await desk.close()
            control.close()
            await asyncio.to_thread(front.close)
            self._end()

    async def once(self, timeout_s: float | None, progress: Any) -> Outcome:
        """Take what is there, wait until it is filed, and say how it went; `progress` is called with counts."""
        self._begin(self.settings)
        works = self._works()
        deadline = None if timeout_s is None else self._clock.monotonic() + timeout_s
        try:
            while (found := verdict(works, deadline, self._stop.is_set())) is None:
                self._raise_failure()
                progress(works)
                await asyncio.sleep(_ONCE_LOOKS_S)
            progress(works)
            await works.stop(self.settings.grace_s)
            return found
        finally:
            self._end()

    def _start_anew(self) -> None:
        """Become a new process of the same number, so that no request of the old configuration goes on.

        What was on its way is cut off, or uncertain, and the service is asked about it: recovery sees to that.
        """
        logger.warning("a request outlived the grace period; the program starts itself anew")
        if self._desk is not None:
            self._desk.leave()
        self.journal.close()
        logs.flush()
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 — ourselves

    def _begin(self, settings: Settings, *, first: bool = True) -> None:
        self.settings = settings
        before = {} if self.works is None else {lane.connection.name: lane for lane in self.works.lanes}
        self.works = Works(settings, self.journal, self._clock, self._run, first=first)
        for lane in self.works.lanes:
            if (same := before.get(lane.connection.name)) is not None:
                lane.goes_on(same)
        self.works.observe(self._counts)
        callers = [name for name, connection in settings.connections.items() if connection.webhook]
        self._counts.keep(settings.queues, callers, self._clock.wall())
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
        await self._until_ready()
        while not self._stop.is_set():
            self._raise_failure()
            if self._reload.is_set():
                self._reload.clear()
                await self._reloaded()
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOKS_S):
                    await self._stop.wait()

    async def _until_ready(self) -> None:
        """Tell systemd once every folder was scanned, or found to be offline."""
        while not self._stop.is_set():
            self._raise_failure()
            drops = [line.drop for _, line in self._works().lines()]
            if all(drop.scans or drop.offline != NOT_LOOKED_AT for drop in drops):
                said = self._summary()
                self._herald.ready(said)
                logger.info("ready: {}", said)
                return
            await asyncio.sleep(_ONCE_LOOKS_S)

    async def _beat(self) -> None:
        """Look after every loop, and tell systemd how it fares; that this runs shows that the event loop does."""
        while True:
            self._pulse.look()
            self._works().pulse.look()
            self._herald.tick(self._hung(), self._summary)
            await asyncio.sleep(_LOOKS_S)

    def _hung(self) -> dict[str, float]:
        """Return the loops that make no progress, by name, with the seconds since they last did."""
        found = self._pulse.hung() | self._works().pulse.hung()
        return found if self._works().failure() is None else {**found, "a loop that ended": 0.0}

    def _desk_waits(self) -> bool:
        """Tell whether the loop of the notices may be waiting for the journal, which is watched by itself."""
        return self.journal.beat.busy or (self._desk is not None and self._desk.waits())

    async def _well(self) -> bool:
        """Tell whether every loop makes progress; that this is answered at all shows that the event loop does."""
        return not self._hung()

    def _summary(self) -> str:
        return summary(self._report()["queues"], self._refused)

    def _report(self) -> dict[str, Any]:
        reader = self.journal.reader
        report = status.report(self._works().lanes, reader.tallies(), self._clock.wall())
        told = status.with_news(report, reader) | {"notices": self._desk.report() if self._desk else {}}
        troubles = {"reload_refused": self._refused, "hung": sorted(self._hung())}
        return told | {key: trouble for key, trouble in troubles.items() if trouble}

    async def _reloaded(self) -> None:
        """Go over to the configuration as it is on disk now; a bad one changes nothing."""
        self._herald.reloading(self.settings.grace_s)
        settings, self._refused = await asyncio.to_thread(self._configured)
        if settings is None:
            logger.error("the new configuration is refused, the old one stays:\n{}", self._refused)
            self._counts.refuse()
        else:
            if not await self._works().stop(self.settings.grace_s):
                self._start_anew()
            if settings.log != self.settings.log:
                logs.set_up(settings.log.level, settings.log.format)
            self._begin(settings, first=False)
            if self._front is not None:
                await asyncio.to_thread(self._front.apply, settings)
            if self._desk is not None:
                self._desk.apply(settings)
            logger.info("the configuration was read anew")
        self._herald.reloaded(self._summary())

    def _configured(self) -> tuple[Settings | None, str | None]:
        """Return the configuration as it is on disk, or why it cannot be used; blocks."""
        try:
            settings = load_settings(self.settings.source, self._environ)
        except SettingsError as problem:
            return None, str(problem)
        if settings.state_dir != self.settings.state_dir:
            return None, "`state_dir` cannot change while the service runs; restart it"
        return settings, None

    async def _answer(self, question: dict[str, Any]) -> dict[str, Any]:
        if question.get("ask") == "status":
            return self._report()
        if question.get("ask") == "why":
            path = os.fsencode(str(question.get("file")))
            try:
                return await self._works().look(lambda: self._explained(path))
            except TimeoutError:
                return {"error": "a folder does not answer; `hotfolder status` says which"}
        orders = Orders(self._works(), self.journal, self._clock)
        return await orders.answer(question) or {"error": "no such question"}

    def _explained(self, path: bytes) -> dict[str, Any]:
        """Answer `why`; blocks. Folders that do not answer are not asked where they lie."""
        silent = {line.queue.name for _, line in self._works().lines() if line.drop.silent}
        answering = {name: queue for name, queue in self.settings.queues.items() if name not in silent}
        settings = self.settings.model_copy(update={"queues": answering})
        place = status.place_of(settings, path)
        if place is not None:
            lane, line = self._works().find(place.queue.name)
            found = status.explain(place, path, line, lane, self.journal.reader)
            if found:
                return found.as_json()
        return {"error": status.unexplained(settings, path)}


def opened_journal(state_dir: Path, now: float) -> Journal:
    """Open the journal; a damaged one is set aside, and a new one is rebuilt from the folders."""
    try:
        return Journal(state_dir)
    except DamagedError as damage:
        folder = spool.open_folder(str(state_dir))
        try:
            aside = spool.set_aside(JOURNAL_FILES, folder, now)
        finally:
            os.close(folder)
        text = "{}; it is set aside as {}, and a new one is rebuilt from the folders"
        logger.error(text, damage, state_dir / os.fsdecode(aside))
        return Journal(state_dir)


def lock_state(state_dir: Path, about: str = "") -> spool.Lock:
    """Take a state directory for this process alone; raises `AlreadyRunningError`, which names who has it."""
    folder = spool.open_folder(str(state_dir))
    try:
        return spool.Lock(b"lock", folder, " ".join(filter(None, (f"process {os.getpid()}", about))))
    except spool.LockedError as held:
        raise AlreadyRunningError(f"{state_dir} is in use by another hotfolder: {held}") from None
    finally:
        os.close(folder)
