"""Have one drop folder's events heard, prove that they arrive, and say why it is polled where they do not."""

import asyncio
import os
from collections.abc import Callable

from loguru import logger

from hotfolder import spool
from hotfolder.arrivals.watch import Hint, Watch, WatchError, WatchKey
from hotfolder.model import Clock

NOT_LOOKED_AT = "not looked at yet"
CANARY = b".hotfolder-canary"
"""A file of our own whose event must arrive; hidden, so that it is never a document."""
_CANARY_S = 2.0
"""An event that takes longer than this to arrive does not arrive."""


class Ears:
    """The watches of one drop folder and of the folders below it."""

    def __init__(
        self, queue: str, poll: str, watch: Watch | None, clock: Clock, tell: Callable[[Hint], None]
    ) -> None:
        self.watching = "polling"
        self.reason = NOT_LOOKED_AT
        self.on_deaf: Callable[[], None] = lambda: None
        self._queue = queue
        self._poll = poll
        self._watch = watch
        self._clock = clock
        self._tell = tell
        self._top = b""
        self._watched: dict[bytes, WatchKey] = {}
        self._refused: set[bytes] = set()
        """Folders below that the kernel does not watch for us; while there is one, the queue is polled."""
        self._canary_due: float | None = None

    @property
    def hearing(self) -> bool:
        """Tell whether events are expected."""
        return self.watching == "events"

    @property
    def lost_top(self) -> bool:
        """Tell whether events are expected and the drop folder itself is not watched any more."""
        return self.hearing and b"" not in self._watched

    def arm(self, folders: spool.Folders) -> None:
        """Listen to a freshly opened drop folder, or decide to poll it."""
        self._top = os.fsencode(folders.path)
        self._canary_due = None
        self._refused.clear()
        if self._poll == "always":
            self._mode("polling", "`poll: always`")
        elif self._watch is None:
            self._mode("polling", "this system gives out no inotify instance")
        elif self._poll == "auto" and spool.is_remote(folders.fs_type):
            self._mode("polling", f"{folders.fs_type} does not report what other machines write")
        else:
            self._mode("events", "the kernel reports every change")
            self._listen_to(b"")

    def disarm(self) -> None:
        """Listen to nothing."""
        for folder in list(self._watched):
            self._leave(folder)

    def listen_to(self, folders: set[bytes]) -> set[bytes]:
        """Listen to folders that are not watched yet, and return those."""
        if not (self.hearing or self._refused):
            return set()
        new = {f for f in folders - self._watched.keys() if os.path.basename(f)[:1] != b"."}
        for folder in new:
            self._listen_to(folder)
        return new

    def leave_all_but(self, folders: set[bytes]) -> None:
        """Stop listening to folders that are gone."""
        self._refused &= folders
        for gone in self._watched.keys() - folders - {b""}:
            self._leave(gone)

    def release_canary(self, folders: spool.Folders) -> None:
        """Make a file whose event must arrive; if it does not, the folder is polled until one does."""
        if self._poll != "auto" or not self._watched or self._canary_due is not None:
            return
        self._canary_due = self._clock.monotonic() + _CANARY_S
        try:
            spool.touch(CANARY, folders.drop)
        except OSError as problem:
            self._canary_due = None
            logger.debug("queue {}: no canary: {}", self._queue, problem)
            return
        asyncio.get_running_loop().call_later(_CANARY_S, self.miss_canary)

    def miss_canary(self) -> None:
        """Poll the folder if the canary's event is overdue."""
        if self._canary_due is not None and self._clock.monotonic() >= self._canary_due:
            self._canary_due = None
            self._mode("polling", "a test file's event did not arrive")
            self.on_deaf()

    def _hear(self, hint: Hint) -> None:
        """Take an event on the event loop; the canary's own goes no further."""
        if hint.name == CANARY and not hint.folder:
            if self._canary_due is not None:
                self._canary_due = None
                if not self._refused:
                    self._mode("events", "the kernel reports every change")
            return
        if hint.lost:
            self._watched.pop(hint.folder, None)
        self._tell(hint)

    def _listen_to(self, folder: bytes) -> None:
        assert self._watch is not None  # noqa: S101 — `arm` chose events
        loop = asyncio.get_running_loop()
        path = os.path.join(self._top, folder) if folder else self._top
        try:
            self._watched[folder] = self._watch.add(path, folder, lambda hint: _later(loop, self._hear, hint))
            self._refused.discard(folder)
        except WatchError as problem:
            if not problem.gone:
                self._mode("polling", str(problem))
                if folder:
                    self._refused.add(folder)

    def _leave(self, folder: bytes) -> None:
        key = self._watched.pop(folder, None)
        if self._watch is not None and key is not None:
            self._watch.remove(key)

    def _mode(self, watching: str, reason: str) -> None:
        if (watching, reason) == (self.watching, self.reason):
            return
        expected = watching == "events" or self._poll == "always"
        level, how = (
            ("INFO" if expected else "WARNING"),
            "watched by events" if watching == "events" else "polled",
        )
        logger.log(level, "queue {}: {} ({})", self._queue, how, reason)
        self.watching, self.reason = watching, reason


def _later(loop: asyncio.AbstractEventLoop, function: Callable[[Hint], None], hint: Hint) -> None:
    loop.call_soon_threadsafe(function, hint)
