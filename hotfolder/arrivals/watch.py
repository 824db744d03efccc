"""Listen to the kernel: one inotify descriptor and one thread for all drop folders, on watchdog's reader.

watchdog's observers hold back every event for half a second after an unpaired rename, keep one thread a
watch, and do not tell of an overflow. Its `InotifyFD` underneath has none of the three: it calls back for
each event, for each lost watch and for an overflow. Whatever it may still miss, the scan finds.
"""

import errno
import itertools
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
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


_WRITE_HINTS_APART_S = 0.25
"""Between two hints that a file is being written: it is not ready before it is closed, or quiet, and both are
looked for by other means. A program that makes a thousand small writes a second would otherwise cost as many looks."""
_NAMES_KEPT = 1024


@dataclass(frozen=True, slots=True)
class WatchKey:
    """What `Watch.remove` takes: a number is good for the reader alone that gave it."""

    reader: InotifyFD
    wd: WatchDescriptor
    number: CallbackId


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
        self._written: dict[bytes, float] = {}

    def on_event(self, event: InotifyEvent) -> None:
        mask = event.mask
        if mask == InotifyConstants.IN_MODIFY and self._heard_just_now(event.name):
            return
        self._safely(Hint(self._folder, event.name, bool(mask & _WIDE), closed=bool(mask & _COMPLETE)))

    def on_watch_deleted(self, wd: WatchDescriptor) -> None:
        del wd
        self._safely(Hint(self._folder, b"", rescan=True, lost=True))

    def on_queue_overflow(self) -> None:
        self._safely(Hint(self._folder, b"", rescan=True))

    def _heard_just_now(self, name: bytes) -> bool:
        now = time.monotonic()
        if now < self._written.get(name, 0.0) + _WRITE_HINTS_APART_S:
            return True
        if len(self._written) >= _NAMES_KEPT:
            self._written.clear()
        self._written[name] = now
        return False

    def _safely(self, hint: Hint) -> None:
        try:
            self._tell(hint)
        except RuntimeError:
            return  # the event loop has been closed: the program is ending


class Watch:
    """The inotify descriptor of this process; it may be opened later, and again where its reader died."""

    def __init__(self, *, at_once: bool = True) -> None:
        """Open it, unless it is to be opened later; raises `WatchError` where the system has no more to give."""
        self._reader: InotifyFD | None = None
        self._ids = (CallbackId(n) for n in itertools.count(1))
        self._opening = threading.Lock()
        if at_once:
            self.open()

    @property
    def alive(self) -> bool:
        """Tell whether the reader thread runs."""
        return self._reader is not None and bool(self._reader.is_alive())

    def open(self) -> None:
        """Begin to read where nobody reads; every folder must then be added anew. Raises `WatchError`."""
        with self._opening:
            if self.alive:
                return
            if self._reader is not None:
                with suppress(OSError):
                    self._reader.stop()
            self._reader = _reader()

    def knows(self, key: WatchKey) -> bool:
        """Tell whether the reader that a folder was added to is still the one that reads."""
        return self.alive and key.reader is self._reader

    def add(
        self, path: bytes, folder: bytes, tell: Callable[[Hint], None], *, at: int | None = None
    ) -> WatchKey:
        """Watch one directory, not what lies below it; `tell` is called in the reader's thread.

        `folder` is what the hints call it. With `at` it is open already, and `path` is for messages alone: the
        way through /proc asks no file system, so that one that hangs does not hold the reader's lock for ever.
        Raises `WatchError`.
        """
        way, mask = (path, _MASK | InotifyConstants.IN_DONT_FOLLOW) if at is None else (_opened(at), _MASK)
        reader, number = self._reader, next(self._ids)
        if reader is None:
            raise WatchError("no inotify instance was opened")
        try:
            wd = reader.add_callback(way, Mask(mask), _Listener(folder, tell), number)
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
        return WatchKey(reader, wd, number)

    def remove(self, key: WatchKey) -> None:
        """Stop watching a directory."""
        if not self.knows(key):
            return
        try:
            key.reader.remove_callbacks([(key.wd, key.number)])
        except OSError as problem:
            logger.debug("a watch was gone already: {}", problem)

    def close(self) -> None:
        """End the reader thread."""
        if self._reader is not None:
            self._reader.stop()
            self._reader.join(5)


def _opened(fd: int) -> bytes:
    return b"/proc/self/fd/%d" % fd


def _reader() -> InotifyFD:
    try:
        reader = InotifyFD()
    except OSError as problem:
        raise WatchError(
            f"no inotify instance: {problem.strerror}; raise fs.inotify.max_user_instances (sysctl)"
        ) from problem
    os.set_inheritable(reader._inotify_fd, False)  # noqa: SLF001 — watchdog opens it without CLOEXEC
    reader.start()
    return reader
