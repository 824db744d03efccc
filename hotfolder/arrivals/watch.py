"""Listen to the kernel: one inotify descriptor and one thread for all drop folders, on watchdog's reader.

watchdog's observers hold back every event for half a second after an unpaired rename, keep one thread a
watch, and do not tell of an overflow. Its `InotifyFD` underneath has none of the three: it calls back for
each event, for each lost watch and for an overflow. Whatever it may still miss, the scan finds.
"""

import errno
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass

from loguru import logger
from watchdog.observers.inotify_c import (
    CallbackId,
    InotifyConstants,
    InotifyEvent,
    InotifyFD,
    Mask,
    WatchDescriptor,
)

_MASK = Mask(
    InotifyConstants.IN_CREATE
    | InotifyConstants.IN_MODIFY
    | InotifyConstants.IN_ATTRIB
    | InotifyConstants.IN_CLOSE_WRITE
    | InotifyConstants.IN_MOVED_TO
    | InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_ONLYDIR
    | InotifyConstants.IN_DONT_FOLLOW
    | InotifyConstants.IN_EXCL_UNLINK
)
"""Everything after which a file may have become ready, and the ways in which a folder goes away."""

_WIDE = (
    InotifyConstants.IN_DELETE_SELF
    | InotifyConstants.IN_MOVE_SELF
    | InotifyConstants.IN_UNMOUNT
    | InotifyConstants.IN_ISDIR
)
_COMPLETE = InotifyConstants.IN_CLOSE_WRITE | InotifyConstants.IN_MOVED_TO


WatchKey = tuple[WatchDescriptor, CallbackId]
"""What `Watch.remove` takes."""


class WatchError(Exception):
    """A folder cannot be watched; `str()` says why and what to do."""

    def __init__(self, message: str, *, gone: bool = False) -> None:
        super().__init__(message)
        self.gone = gone
        """True where the folder is simply not there any more."""


@dataclass(frozen=True, slots=True)
class Hint:
    """Something happened to the entry `name` of the watched folder, or to all of it (`name` empty)."""

    folder: bytes
    name: bytes
    rescan: bool
    """True where more than this one entry must be looked at: an overflow, a lost watch, a directory."""
    lost: bool = False
    """True where the folder is not watched any more: it was deleted, or its file system unmounted."""
    closed: bool = False
    """True where a writer has just closed the file, or it was renamed in: its content may be complete."""


class _Listener:
    """What the reader thread calls; it must never raise, or the thread ends and nobody hears of it."""

    def __init__(self, folder: bytes, tell: Callable[[Hint], None]) -> None:
        self._folder = folder
        self._tell = tell

    def on_event(self, event: InotifyEvent) -> None:
        mask = event.mask
        self._safely(Hint(self._folder, event.name, bool(mask & _WIDE), closed=bool(mask & _COMPLETE)))

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        del wd
        self._safely(Hint(self._folder, b"", rescan=True, lost=True))

    def on_queue_overflow(self) -> None:
        self._safely(Hint(self._folder, b"", rescan=True))

    def _safely(self, hint: Hint) -> None:
        try:
            self._tell(hint)
        except RuntimeError:
            return  # the event loop has been closed: the program is ending


class Watch:
    """The inotify descriptor of this process."""

    def __init__(self) -> None:
        """Open it; raises `WatchError` where the system has no more to give."""
        try:
            self._reader = InotifyFD()
        except OSError as problem:
            raise WatchError(
                f"no inotify instance: {problem.strerror}; raise fs.inotify.max_user_instances (sysctl)"
            ) from problem
        os.set_inheritable(self._reader._inotify_fd, False)  # noqa: SLF001 — watchdog opens it without CLOEXEC
        self._reader.start()
        self._ids = (CallbackId(n) for n in itertools.count(1))

    @property
    def alive(self) -> bool:
        """Tell whether the reader thread still runs."""
        return bool(self._reader.is_alive())

    def add(self, path: bytes, folder: bytes, tell: Callable[[Hint], None]) -> WatchKey:
        """Watch one directory, not what lies below it; `tell` is called in the reader's thread.

        `folder` is what the hints call it. Raises `WatchError`.
        """
        number = next(self._ids)
        try:
            wd = self._reader.add_callback(path, _MASK, _Listener(folder, tell), number)
        except OSError as problem:
            advice = "; raise fs.inotify.max_user_watches (sysctl)" if "limit" in str(problem) else ""
            gone = problem.errno in {errno.ENOENT, errno.ENOTDIR}
            raise WatchError(
                f"no events for {os.fsdecode(path)}: {problem.strerror}{advice}", gone=gone
            ) from problem
        if wd == -1:  # watchdog swallows EACCES
            raise WatchError(
                f"no events for {os.fsdecode(path)}: permission denied; the service must be able to read it"
            )
        return wd, number

    def remove(self, key: WatchKey) -> None:
        """Stop watching a directory."""
        try:
            self._reader.remove_callbacks([key])
        except OSError as problem:
            logger.debug("a watch was gone already: {}", problem)

    def close(self) -> None:
        """End the reader thread."""
        self._reader.stop()
        self._reader.join(5)
