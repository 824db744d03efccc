"""Live with one drop folder: open it, watch it, scan it, and keep its inbox true until told to stop."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress

from loguru import logger

from hotfolder import spool
from hotfolder.arrivals import scan
from hotfolder.arrivals.ears import NOT_LOOKED_AT, Ears
from hotfolder.arrivals.entries import Arrival, Habits
from hotfolder.arrivals.inbox import Inbox
from hotfolder.arrivals.pairing import Key, Reading
from hotfolder.arrivals.reach import SILENT_S, Reach
from hotfolder.arrivals.watch import Hint, Watch
from hotfolder.checks.names import printable
from hotfolder.checks.readiness import Facts, Kind
from hotfolder.model import Clock
from hotfolder.pulse import Beat

_SPACING_S = 0.002
"""Between two rounds: a copy makes hundreds of events, one look serves them all."""
_OFFLINE_FIRST_S, _OFFLINE_MAX_S = 1.0, 60.0
_MOST_HINTS = 4096
"""More names than this are cheaper to find by a scan."""
_NOTES_AT_ONCE = 1000
"""Entries of a scan that are taken note of in one go: 4 ms, where a full folder's would hold up the event loop."""


class DropFolder:
    """One drop folder, from the daemon's start to its end."""

    def __init__(
        self, habits: Habits, inbox: Inbox, watch: Watch | None, disk: Executor, clock: Clock
    ) -> None:
        self.habits = habits
        self.inbox = inbox
        self.folders: spool.Folders | None = None
        self._offline: str | None = NOT_LOOKED_AT
        self.last_scan: float | None = None
        self.on_ready: Callable[[], None] = lambda: None
        self.on_learned: Callable[[float], object] = lambda _: None
        self.on_scanned: Callable[[float], None] = lambda _: None
        self.open: Callable[[str], spool.Folders] = spool.Folders
        """Opens the folder at a path, in a thread; raises OSError where it is not to be used."""
        self.admit: Callable[[spool.Folders], None] = lambda _: None
        """Run in a thread on freshly opened folders, before anything in them is looked at."""
        self.on_open: Callable[[], None] = lambda: None
        """Called when the admitted folders can be used."""
        self.dismiss: Callable[[], None] = lambda: None
        """Run in a thread when the folder went offline: nothing must keep it open."""
        self.reach = Reach(disk, clock, self._tell_of_silence)
        self.ears = Ears((habits.name, habits.poll), watch, clock, self.reach, self._hint)
        self.ears.on_deaf = self._look_soon
        self.beat = Beat()
        self.disk = disk
        """Threads of this queue alone: a share that hangs keeps no other queue waiting."""
        self._clock = clock
        self._hinted: dict[Key, bool] = {}
        self._subtrees: set[bytes] = set()
        """Folders that appeared: what is in them is looked at, and they are watched."""
        self._rescan = True
        self._next_scan = 0.0
        self._wake = asyncio.Event()
        self._trouble_s = _OFFLINE_FIRST_S
        self.scans = 0

    async def run(self) -> None:
        """Keep the inbox true for ever; ends by cancellation."""
        try:
            while True:
                self.beat.works()
                try:
                    await self._round()
                    await self._pause(self._next_moment() - self._clock.monotonic())
                except OSError as problem:
                    await self._lost(problem)
                    await self._nap(self._trouble_s)
                    self._trouble_s = min(self._trouble_s * 2, _OFFLINE_MAX_S, self.habits.rescan_s)
        finally:
            self._close()

    @property
    def offline(self) -> str | None:
        """Return why nothing can be done in the folder, None where it can."""
        if self.silent:
            since = f"the folder does not answer since {self.reach.silent_s:.0f} s"
            return f"{self.habits.path}: {since}; look after its server, the network and the mount"
        return self._offline

    @property
    def silent(self) -> bool:
        """Tell whether the folder does not answer."""
        return self.reach.silent_s >= SILENT_S

    @property
    def behind(self) -> bool:
        """Tell whether something is known to have changed that was not looked at yet."""
        return bool(self._rescan or self._hinted or self._subtrees)

    def look_again(self, arrival: Arrival) -> None:
        """Look anew at a document whose claim came to nothing."""
        self.inbox.done(arrival)
        for key in arrival.keys:
            self.notice(key)

    def notice(self, key: Key) -> None:
        """Look at one entry at once."""
        self._hinted.setdefault(key, False)
        self._wake.set()

    def wake(self) -> None:
        """Go on at once: there is room for more ready documents."""
        self._wake.set()

    def rescan(self) -> None:
        """Scan at once."""
        self._rescan = True
        self._wake.set()

    # Rounds -------------------------------------------------------------------------------------

    async def _round(self) -> None:
        if self.folders is None:
            await self._open()
        if self._rescan or self._clock.monotonic() >= self._next_scan or len(self._hinted) > _MOST_HINTS:
            await self._scan_all()
        else:
            await self._look_at_hinted()
            await self._look_at_subtrees()
        await self._examine()
        if self.inbox.ready:
            self.on_ready()

    async def _open(self) -> None:
        self.folders = await self.reach.ask(self._admitted)
        if self.folders.remark:
            logger.warning("queue {}: {}", self.habits.name, self.folders.remark)
        if self._offline:
            logger.info("queue {}: watching {}", self.habits.name, printable(os.fsencode(self.folders.path)))
        self._offline = None
        self.on_open()
        self._trouble_s = _OFFLINE_FIRST_S
        self._rescan = True
        await self.ears.arm(self.folders)

    def _admitted(self) -> spool.Folders:
        folders = self.open(self.habits.path)
        try:
            self.admit(folders)
        except BaseException:
            folders.close()
            raise
        return folders

    async def _lost(self, problem: OSError) -> None:
        """Let go of a folder that cannot be read, and say so once."""
        path, reason = self.habits.path, problem.strerror or str(problem)
        reason = reason if path in reason else f"{path}: {reason}"
        if reason != self._offline:
            logger.error("queue {} is offline: {}; tried again until it works", self.habits.name, reason)
        self._close()
        self._offline = reason
        await self.reach.ask(self.dismiss)

    def _tell_of_silence(self, silent: bool) -> None:  # noqa: FBT001 — a fact
        if silent:
            text = "queue {} is offline: {} does not answer; look after its server, the network and the mount"
            logger.error(text, self.habits.name, self.habits.path)
        else:
            logger.info("queue {}: {} answers again", self.habits.name, self.habits.path)
            self.on_ready()

    def _close(self) -> None:
        self.ears.disarm()
        self.folders = None  # jobs that still run keep it open until they end

    async def _scan_all(self) -> None:
        folders = self._need_folders()
        if await self.reach.ask(folders.moved_away):
            logger.warning(
                "queue {}: its folder, or the work folder in it, was replaced; watching the new one",
                self.habits.name,
            )
            self._close()
            self._offline = NOT_LOOKED_AT
            await self._open()
            folders = self._need_folders()
        else:
            await self.ears.mend(folders)
        self._rescan, began = False, self._clock.monotonic()
        self._hinted.clear()
        self._subtrees.clear()
        self.ears.miss_canary()
        found = await self.reach.ask(lambda: self._entries(folders, {b""}))
        self.inbox.begin_scan()
        await self._take_note(found)
        self.inbox.end_scan()
        if self.habits.recursive:
            subfolders = self._folders_in(found)
            self.ears.leave_all_but(subfolders)
            self._subtrees |= await self.ears.listen_to(folders, subfolders)
        self.last_scan = self._clock.wall()
        self.scans += 1
        self.on_scanned(self._clock.monotonic() - began)
        interval = (
            self.habits.rescan_s if self.ears.hearing else min(self.habits.interval_s, self.habits.rescan_s)
        )
        self._next_scan = self._clock.monotonic() + interval
        await self.ears.release_canary(folders)

    def _entries(self, folders: spool.Folders, starts: set[bytes]) -> list[scan.Seen | scan.Unseen]:
        enters, skip = self.inbox.enters, self.habits.own_folders
        return [
            seen
            for start in starts
            for seen in self.reach.signing(scan.entries(folders.drop, enters=enters, skip=skip, start=start))
        ]

    async def _look_at_hinted(self) -> None:
        if not self._hinted:
            return
        folders = self._need_folders()
        hinted, self._hinted = self._hinted, {}
        found = await self.reach.ask(
            lambda: list(self.reach.signing(scan.entry(folders.drop, *key) for key in hinted))
        )
        for seen in found:
            self._observe(seen)
        now = self._clock.monotonic()
        for key, closed in hinted.items():
            if closed:
                self.inbox.closed(key, now)

    async def _look_at_subtrees(self) -> None:
        if not self._subtrees:
            return
        folders = self._need_folders()
        starts, self._subtrees = self._subtrees, set()
        found = await self.reach.ask(lambda: self._entries(folders, starts))
        await self._take_note(found)
        self._subtrees |= await self.ears.listen_to(folders, starts | self._folders_in(found))

    async def _take_note(self, found: list[scan.Seen | scan.Unseen]) -> None:
        """Observe whatever a scan found; between some and some others have their turn."""
        for start in range(0, len(found), _NOTES_AT_ONCE):
            for seen in found[start : start + _NOTES_AT_ONCE]:
                self._observe(seen)
            await asyncio.sleep(0)

    def _observe(self, seen: scan.Seen | scan.Unseen) -> None:
        if isinstance(seen, scan.Unseen):
            if seen.gone:
                self.inbox.forget((seen.folder, seen.name))
            else:
                self.inbox.unseen(
                    (seen.folder, seen.name), seen.problem, self._clock.monotonic(), self._clock.wall()
                )
        elif self.inbox.observe(seen, self._clock.monotonic(), self._clock.wall()):
            self.learned()

    def learned(self) -> None:
        """Say and remember that the settle window grew."""
        text = "queue {}: a writer came back; files must now be quiet for {:.1f} s"
        logger.info(text, self.habits.name, self.inbox.window_s)
        self.on_learned(self.inbox.window_s)

    def _folders_in(self, found: list[scan.Seen | scan.Unseen]) -> set[bytes]:
        """Return the folders that documents are looked for in."""
        folders = (s for s in found if isinstance(s, scan.Seen) and s.kind is Kind.FOLDER)
        return {path for s in folders if self.inbox.enters(path := os.path.join(s.folder, s.name))}

    async def _examine(self) -> None:
        folders = self._need_folders()
        keys = self.inbox.due(self._clock.monotonic())
        if not keys:
            return
        looks = ((key, scan.looked_into(folders, key, self._form(key))) for key in keys)
        for key, facts in await self.reach.ask(lambda: list(self.reach.signing(looks))):
            now = self._clock.monotonic()
            if isinstance(facts, Reading):
                self.inbox.read(key, facts, now, self._clock.wall())
            elif isinstance(facts, Facts):
                self.inbox.examined(key, facts, now, self._clock.wall())
            elif isinstance(facts, FileNotFoundError):
                self.inbox.forget(key)
            else:
                self.inbox.unexaminable(key, facts.strerror or str(facts), now)
        while self.inbox.alone:
            text = "queue {}: no document came for its companion {}; it stays in the drop folder"
            logger.warning(text, self.habits.name, printable(os.path.join(*self.inbox.alone.pop())))

    def _form(self, key: Key) -> str | None:
        return self.habits.companion_form if self.inbox.is_companion(key) else None

    # Waiting ------------------------------------------------------------------------------------

    def _next_moment(self) -> float:
        if self.behind:
            return self._clock.monotonic() + _SPACING_S
        due = self.inbox.next_due()
        return self._next_scan if due is None else min(due, self._next_scan)

    async def _pause(self, seconds: float) -> None:
        self.beat.rests(seconds)
        if seconds > 0 and not self.behind:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
        elif seconds > 0:
            await asyncio.sleep(min(seconds, _SPACING_S))
        self._wake.clear()

    async def _nap(self, seconds: float) -> None:
        """Wait before the next try, however much there is to look at; whoever wakes us ends it."""
        self.beat.rests(seconds)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    def _need_folders(self) -> spool.Folders:
        if self.folders is None:
            raise OSError(0, "the folder was closed")
        return self.folders

    # Events -------------------------------------------------------------------------------------

    def _hint(self, hint: Hint) -> None:
        if hint.rescan and not hint.name:
            self._rescan = True
        elif not hint.folder and hint.name in self.habits.own_folders:
            return
        elif hint.rescan and self.inbox.enters(os.path.join(hint.folder, hint.name)):
            self._subtrees.add(os.path.join(hint.folder, hint.name))
        else:
            key = (hint.folder, hint.name)
            self._hinted[key] = self._hinted.get(key, False) or hint.closed
        self._wake.set()

    def _look_soon(self) -> None:
        """Scan after one polling interval: events do not arrive any more."""
        self._next_scan = min(self._next_scan, self._clock.monotonic() + self.habits.interval_s)
        self._wake.set()
