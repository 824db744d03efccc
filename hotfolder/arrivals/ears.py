"""Have one drop folder's events heard, prove that they arrive, and say why it is polled where they do not."""

import asyncio
import os
from collections.abc import Callable, Iterable

from loguru import logger

from hotfolder import spool
from hotfolder.arrivals.reach import Reach
from hotfolder.arrivals.watch import Hint, Watch, WatchError, WatchKey
from hotfolder.model import Clock

NOT_LOOKED_AT = "not looked at yet"
CANARY = b".hotfolder-canary"
"""A file of our own whose event must arrive; hidden, so that it is never a document."""
_CANARY_S = 2.0
"""An event that takes longer than this to arrive does not arrive."""

Tried = dict[bytes, WatchKey | WatchError]
"""Folder below the drop folder → its watch, or why it has none."""


class Ears:
    """The watches of one drop folder and of the folders below it."""

    def __init__(
        self,
        habits: tuple[str, str],
        watch: Watch | None,
        clock: Clock,
        reach: Reach,
        tell: Callable[[Hint], None],
    ) -> None:
        """`habits`: the queue's name and its setting `poll`."""
        self.watching = "polling"
        self.reason = NOT_LOOKED_AT
        self.on_deaf: Callable[[], None] = lambda: None
        self._queue, self._poll = habits
        self._watch = watch
        self._clock = clock
        self._reach = reach
        self._tell = tell
        self._forbidden: str | None = None
        """Why events are not even tried."""
        self._watched: dict[bytes, WatchKey] = {}
        self._failed: dict[bytes, str] = {}
        """Folders that should be watched and cannot be, and why; tried again at each scan."""
        self._deaf = False
        self._canary_due: float | None = None
        self._lost: set[bytes] = set()

    @property
    def hearing(self) -> bool:
        """Tell whether events are expected."""
        return self.watching == "events"

    async def arm(self, folders: spool.Folders) -> None:
        """Listen to a freshly opened drop folder, or decide to poll it."""
        self.disarm()
        self._canary_due, self._deaf = None, False
        self._forbidden = self._why_not(folders.fs_type)
        if self._forbidden is None:
            await self._listen_to(folders, {b""})
        self._settle()

    def _why_not(self, fs_type: str) -> str | None:
        if self._poll == "always":
            return "`poll: always`"
        if self._watch is None:
            return "this system gives out no inotify instance"
        if self._poll == "auto" and spool.is_remote(fs_type):
            return f"{fs_type} does not report what other machines write"
        return None

    async def mend(self, folders: spool.Folders) -> None:
        """Listen again where the watch was lost, could not be had, or its reader has died."""
        if self._forbidden is not None or self._watch is None:
            return
        if b"" in self._watched and not self._watch.knows(self._watched[b""]):
            logger.warning("queue {}: nobody reads the kernel's events any more; tried again", self._queue)
            self.disarm()
        if b"" not in self._watched:
            await self._listen_to(folders, {b""})
            self._settle()

    def disarm(self) -> None:
        """Listen to nothing."""
        for folder in list(self._watched):
            self._leave(folder)
        self._failed.clear()

    async def listen_to(self, folders: spool.Folders, names: set[bytes]) -> set[bytes]:
        """Listen to folders below that are not watched yet, and return those that are from now on."""
        if self._forbidden is not None or b"" not in self._watched:
            return set()
        new = {f for f in names - self._watched.keys() if os.path.basename(f)[:1] != b"."}
        await self._listen_to(folders, new)
        self._settle()
        return new & self._watched.keys()

    def leave_all_but(self, folders: set[bytes]) -> None:
        """Stop listening to folders that are gone."""
        for gone in self._watched.keys() - folders - {b""}:
            self._leave(gone)
        for gone in self._failed.keys() - folders - {b""}:
            del self._failed[gone]

    async def release_canary(self, folders: spool.Folders) -> None:
        """Make a file whose event must arrive; if it does not, the folder is polled until one does."""
        if self._poll != "auto" or not self._watched or self._canary_due is not None:
            return
        self._canary_due = self._clock.monotonic() + _CANARY_S
        try:
            await self._reach.ask(lambda: spool.touch(CANARY, folders.drop))
        except OSError as problem:
            self._canary_due = None
            logger.debug("queue {}: no canary: {}", self._queue, problem)
            return
        if self._canary_due is not None:
            self._canary_due = self._clock.monotonic() + _CANARY_S
            asyncio.get_running_loop().call_later(_CANARY_S, self.miss_canary)

    def miss_canary(self) -> None:
        """Poll the folder if the canary's event is overdue."""
        if self._canary_due is not None and self._clock.monotonic() >= self._canary_due:
            self._canary_due = None
            self._deaf = True
            self._settle()

    def _hear(self, hint: Hint) -> None:
        """Take an event on the event loop; the canary's own goes no further."""
        if hint.name == CANARY and not hint.folder:
            if self._canary_due is not None:
                self._canary_due, self._deaf = None, False
                self._settle()
            return
        if hint.lost:
            self._lost.add(hint.folder)
            self._watched.pop(hint.folder, None)
        self._tell(hint)

    async def _listen_to(self, folders: spool.Folders, names: Iterable[bytes]) -> None:
        watch, loop, wanted = self._watch, asyncio.get_running_loop(), list(names)
        assert watch is not None  # noqa: S101 — `arm` chose events
        if not wanted:
            return
        self._lost.clear()

        def hear(hint: Hint) -> None:
            loop.call_soon_threadsafe(self._hear, hint)

        for folder, tried in (await self._reach.ask(lambda: _added(watch, folders, wanted, hear))).items():
            self._failed.pop(folder, None)
            if isinstance(tried, WatchKey) and folder not in self._lost:
                self._watched[folder] = tried
            elif isinstance(tried, WatchError) and not tried.gone:
                self._failed[folder] = str(tried)

    def _leave(self, folder: bytes) -> None:
        key = self._watched.pop(folder, None)
        if self._watch is not None and key is not None:
            self._watch.remove(key)

    def _settle(self) -> None:
        """Say how the folder is watched, once for each change."""
        deaf = "a test file's event did not arrive" if self._deaf else None
        reason = self._forbidden or self._failed.get(b"") or deaf or next(iter(self._failed.values()), None)
        if reason is None and b"" not in self._watched:
            return  # it is gone: the scan will say so
        watching = "polling" if reason else "events"
        reason = reason or "the kernel reports every change"
        if (watching, reason) == (self.watching, self.reason):
            return
        expected = watching == "events" or self._poll == "always"
        level, how = (
            ("INFO" if expected else "WARNING"),
            "watched by events" if watching == "events" else "polled",
        )
        logger.log(level, "queue {}: {} ({})", self._queue, how, reason)
        deafened = self.hearing and watching == "polling"
        self.watching, self.reason = watching, reason
        if deafened:
            self.on_deaf()


def _added(watch: Watch, folders: spool.Folders, names: list[bytes], hear: Callable[[Hint], None]) -> Tried:
    """Watch folders below the drop folder; blocks."""
    tried: Tried = {}
    for name in names:
        try:
            watch.open()
            with spool.below(folders.drop, name) as fd:
                path = os.path.join(os.fsencode(folders.path), name)
                tried[name] = watch.add(path, name, hear, at=fd)
        except WatchError as problem:
            tried[name] = problem
        except OSError as problem:
            tried[name] = WatchError(f"no events for {os.fsdecode(name)}: {problem.strerror}", gone=True)
    return tried
