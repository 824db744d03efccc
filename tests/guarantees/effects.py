"""Every lasting effect of an incarnation, numbered: what fails, where it ends, and what a power cut undoes."""

import ctypes
import errno
import itertools
import os
import stat
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

from hotfolder.journal import Journal, JournalError, Reader
from hotfolder.journal.reader import FILE_NAME
from hotfolder.journal.schema import connect

T = TypeVar("T")


class CrashError(BaseException):
    """The process has ended: nothing has an effect any more."""


KINDS = ("any", "commit", "rename", "request", "sync", "create", "unlink")
"""What an effect can be; `mkdir` and `write` are met by `any` often enough."""


@dataclass(slots=True)
class Moment:
    """A coming effect: so many of a kind from now on."""

    kind: str
    left: int

    def comes(self, kind: str) -> bool:
        """Count an effect; tell whether it is this one."""
        if self.kind in {"any", kind}:
            self.left -= 1
        return self.left == 0 and self.kind in {"any", kind}


@dataclass(slots=True)
class Plan:
    """What shall happen; nothing by default."""

    crash: Moment | None = None
    crash_after: bool = False
    """The effect at which it ends still happens."""
    power: bool = False
    """It is the power that fails: what was not synced is lost from the journal."""
    unsynced: int = 0
    """So many of the last changes of names that were not synced are lost as well."""
    sick_in: int = 0
    sick_for: int = 0
    """So many effects in a row fail."""
    code: int = errno.ENOSPC
    meanwhile: list[tuple[Moment, Callable[[], None]]] = field(default_factory=list)
    """What others do just before an effect."""


_ROOM = frozenset({"create", "write", "mkdir", "rename", "commit"})
"""What fails on a full disk; on a broken one everything does."""


class Effects:
    """The effects of one incarnation after the other, on one disk."""

    def __init__(self, limbo: Path) -> None:
        self.plan = Plan()
        self.dead = False
        self.power_cut = False
        """It was the power that failed."""
        self._limbo = limbo
        self._kept = itertools.count()
        self._unsynced: list[Callable[[], None]] = []

    def crash(self) -> None:
        """End here and now."""
        self.dead, self.power_cut = True, False

    def around(self, kind: str, work: Callable[[], T], lost: Callable[[T], None] = lambda _: None) -> T:
        """Have one effect; `lost` cleans up after a result that nobody will get."""
        if self.dead:
            raise CrashError
        ending = self.plan.crash is not None and self.plan.crash.comes(kind)
        for moment, act in list(self.plan.meanwhile):
            if moment.comes(kind):
                act()
        if ending and not self.plan.crash_after:
            self._end()
        self._fail_if_sick(kind)
        result = work()
        if ending:
            lost(result)
            self._end()
        return result

    def _end(self) -> None:
        self.dead, self.power_cut = True, self.plan.power
        raise CrashError

    def _fail_if_sick(self, kind: str) -> None:
        plan = self.plan
        if plan.sick_in > 0:
            plan.sick_in -= 1
        elif plan.sick_for > 0 and (plan.code != errno.ENOSPC or kind in _ROOM) and kind != "request":
            plan.sick_for -= 1
            raise OSError(plan.code, os.strerror(plan.code))

    # What a power cut undoes --------------------------------------------------------------------

    def settle(self) -> None:
        """Take what has happened to the names for durable."""
        self._unsynced.clear()

    def undo(self, number: int) -> None:
        """Undo the last `number` changes of names that were not synced: a file system keeps their order."""
        for _ in range(min(number, len(self._unsynced))):
            self._unsynced.pop()()
        self.settle()

    def moved(self, source: str, target: str) -> None:
        """Remember a rename."""
        self._unsynced.append(lambda: os.rename(target, source))

    def before_unlink(self, path: str) -> None:
        """Keep a file that is about to lose its name."""
        kept = os.path.join(self._limbo, str(next(self._kept)))
        try:
            os.link(path, kept)
        except FileNotFoundError:
            return
        self._unsynced.append(lambda: os.rename(kept, path))


def path_of(name: bytes | str, at: int | None) -> str:
    """Return the absolute path of a name in an open directory."""
    folder = os.readlink(f"/proc/self/fd/{at}") if at is not None else ""
    return os.path.join(folder, os.fsdecode(name))


class Disk:
    """The system calls of `spool`, each of them an effect: stands for its `os` and its `renameat2`."""

    def __init__(self, effects: Effects, renameat2: Callable[..., int]) -> None:
        self._effects = effects
        self._renameat2 = renameat2

    def face(self) -> SimpleNamespace:
        """Return what `spool` takes for the module `os`."""
        mine = {"open": self._open, "fsync": self._fsync, "unlink": self._unlink, "mkdir": self._mkdir}
        mine["write"] = lambda fd, content: self._effects.around("write", lambda: os.write(fd, content))
        return SimpleNamespace(**{**vars(os), **mine})

    def renameat2(self, at: int, name: bytes, new_at: int, new_name: bytes, flags: int) -> int:
        """Rename, and say -1 and `errno` as the C library does."""
        try:
            return self._effects.around("rename", lambda: self._rename(at, name, new_at, new_name, flags))
        except OSError as problem:
            ctypes.set_errno(problem.errno or errno.EIO)
            return -1

    def _rename(self, at: int, name: bytes, new_at: int, new_name: bytes, flags: int) -> int:
        done = self._renameat2(at, name, new_at, new_name, flags)
        if done == 0:
            self._effects.moved(path_of(name, at), path_of(new_name, new_at))
        return done

    def _open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        if not flags & os.O_CREAT:
            return os.open(path, flags, mode, dir_fd=dir_fd)
        return self._effects.around("create", lambda: os.open(path, flags, mode, dir_fd=dir_fd), os.close)

    def _mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        self._effects.around("mkdir", lambda: os.mkdir(path, mode, dir_fd=dir_fd))

    def _fsync(self, fd: int) -> None:
        self._effects.around("sync", lambda: os.fsync(fd))
        if stat.S_ISDIR(os.fstat(fd).st_mode):
            self._effects.settle()

    def _unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        self._effects.around("unlink", lambda: self._removed(path, dir_fd))

    def _removed(self, path: Any, dir_fd: int | None) -> None:
        self._effects.before_unlink(path_of(path, dir_fd))
        os.unlink(path, dir_fd=dir_fd)


class PromptJournal(Journal):
    """The journal without its thread: each entry is committed at once, and the commit is an effect."""

    def __init__(self, state_dir: Path, effects: Effects) -> None:
        self._effects = effects
        self._files = [state_dir / f"{FILE_NAME}{end}" for end in ("", "-wal", "-shm")]
        self._writer = connect(self._files[0], writable=True)
        # Everything of this run stays in the log, so that its end can be cut off.
        self._writer.execute("PRAGMA wal_autocheckpoint = 0")
        self.reader = Reader(state_dir)
        self._synced_bytes = self._log_bytes()

    def close(self) -> None:
        """Close the database."""
        self.reader.close()
        self._writer.close()

    def lose_power(self) -> None:
        """Close the database and take back what was committed after the last commit that was synced."""
        kept = [self._files[0].read_bytes(), self._files[1].read_bytes()[: self._synced_bytes]]
        self.close()
        self._files[2].unlink(missing_ok=True)
        for path, content in zip(self._files, kept, strict=False):
            path.write_bytes(content)

    def _put(self, item: Any) -> Future[None]:
        future: Future[None] = Future()
        try:
            self._effects.around("commit", lambda: self._committed(item))
        except OSError as problem:
            future.set_exception(JournalError(f"the journal cannot be written: {problem}"))
        else:
            future.set_result(None)
        return future

    def _committed(self, item: Any) -> None:
        self._commit([item])
        if item.durable:
            self._synced_bytes = self._log_bytes()

    def _log_bytes(self) -> int:
        try:
            return self._files[1].stat().st_size
        except FileNotFoundError:
            return 0
