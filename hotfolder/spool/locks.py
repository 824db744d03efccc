"""Hold a state directory or a drop folder for one process alone."""

import fcntl
import os


class LockedError(Exception):
    """Somebody else holds the lock; `str()` is what they wrote about themselves."""


class Lock:
    """An exclusive `flock` on a file that says who holds it; given back by `release` or by the process's end."""

    def __init__(self, name: bytes, at: int, about: str) -> None:
        """Take the lock; raises `LockedError` where somebody else has it."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(name, flags, 0o600, dir_fd=at)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._fd, 4096, 0).decode("utf-8", "replace").strip()
            os.close(self._fd)
            raise LockedError(holder or "another process that has not said its name yet") from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, about.encode() + b"\n", 0)

    def release(self) -> None:
        """Give the lock back; the file stays, so that nobody locks a different one."""
        os.close(self._fd)
