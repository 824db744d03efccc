"""Hold the folders of a queue open: only where they are real folders, ours, and what they were."""

import errno
import os
import stat
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Protocol

from hotfolder.spool.files import below, kind_of, open_folder, owner_of_new, sync_folder
from hotfolder.spool.places import file_system

WORK_FOLDER = b".hotfolder"
_ABOVE = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Stand(Protocol):
    """What judges an open folder before anything is made in it; see `grounds.Grounds.stand`."""

    def __call__(self, path: str, fd: int, *, there: bool = True) -> None:
        """Raise OSError for a folder that is not to be used."""


def _anywhere(path: str, fd: int, *, there: bool = True) -> None:
    del path, fd, there


class Folders:
    """The open drop and work folder of a queue, and the way to its archives.

    The descriptors are closed with the last reference, never before: a job in a thread that still holds
    the object must not find another folder behind the same number. `close` is for a sole owner.
    """

    def __init__(self, drop_path: str, stand: Stand = _anywhere) -> None:
        """Open the drop folder and its work folder, which is made where it is missing; raises OSError."""
        self.given = drop_path
        self.path = os.path.realpath(drop_path)
        self._stand = stand
        with ExitStack() as undo:
            self.drop = open_folder(self.path)
            undo.callback(os.close, self.drop)
            stand(drop_path, self.drop)
            self.work, self.remark = _open_work(self.drop, self.path)
            undo.pop_all()
        status = os.fstat(self.drop)
        self.close = weakref.finalize(self, _close_both, self.work, self.drop)
        self.identity = (status.st_dev, status.st_ino)
        self.fs_type = file_system(self.drop)
        self.unwanted: set[bytes] = set()
        """Notes of ours in the work folder that a broken disk did not let go yet."""
        self._owner = status.st_uid
        self._work_mode = os.fstat(self.work).st_mode

    def moved_away(self) -> bool:
        """Tell whether path or work folder are not the open ones any more; raises OSError where there is no folder."""
        status = os.stat(self.given)  # through a link that may have been turned
        return (status.st_dev, status.st_ino) != self.identity or self._work_trouble() is not None

    def stay_ours(self) -> None:
        """Raise OSError where the work folder was replaced, or opened to others, since it was opened."""
        trouble = self._work_trouble()
        if trouble:
            raise PermissionError(errno.EPERM, f"the work folder of {self.path} {trouble}")

    def _work_trouble(self) -> str | None:
        try:
            named = os.stat(WORK_FOLDER, dir_fd=self.drop, follow_symlinks=False)
        except FileNotFoundError:
            return "is gone"
        if not os.path.samestat(os.fstat(self.work), named):
            return "was replaced"
        return None if named.st_mode == self._work_mode else "was given other rights"

    @contextmanager
    def archive(self, path: str, folder: bytes, *, make: bool = True) -> Iterator[int]:
        """Have an archive folder open: `folder` below `path`; with `make` both are made where they are missing.

        Raises OSError where `path` is no folder, leads somewhere else, belongs to somebody else, or lies on a
        file system that is not mounted; nothing is made then.
        """
        with ExitStack() as opened:
            top = self.open_archive(path, make=make)
            opened.callback(os.close, top)
            yield opened.enter_context(below(top, folder, create_mode=0o777 if make else None))

    def open_archive(self, path: str, *, make: bool = True) -> int:
        """Open the top of an archive and return the descriptor; with `make`, it is made where it is missing."""
        inside = self.way_to(path)
        above, name = os.path.split(path)
        current = os.open(above, _ABOVE) if inside is None else os.dup(self.drop)
        for part in [name] if inside is None else inside.split("/"):
            try:
                following = self._enter(current, part, path, make=make)
            finally:
                os.close(current)
            current = following
        try:
            self._stand(path, current)
            if inside is not None:
                self._trust(current, path)
        except BaseException:
            os.close(current)
            raise
        return current

    def way_to(self, path: str) -> str | None:
        """Return the way to an archive from the drop folder, None where it lies outside of it."""
        for top in (self.given, self.path):
            way = os.path.relpath(path, top)
            if way != ".." and not way.startswith("../"):
                return way
        return None

    def _enter(self, current: int, part: str, path: str, *, make: bool) -> int:
        try:
            return _real_folder(part, current, path)
        except FileNotFoundError:
            if not make:
                raise
        self._stand(path, current, there=False)
        with suppress(FileExistsError):
            os.mkdir(part, 0o777, dir_fd=current)
            sync_folder(current)
        return _real_folder(part, current, path)

    def _trust(self, fd: int, path: str) -> None:
        """Refuse an archive that somebody else has put into the drop folder, to read or change what is filed."""
        owner = os.fstat(fd).st_uid
        if owner not in {os.geteuid(), 0, self._owner} and owner != owner_of_new(self.drop):
            text = (
                f"{path} belongs to user {owner}, who may be anybody that can write to the drop folder; "
                "look at it, then chown it to the service's user or remove it"
            )
            raise PermissionError(errno.EPERM, text)


def _real_folder(name: str | bytes, at: int, path: str) -> int:
    """Open a folder of ours, not through a link; the error names `path` and says what is there instead."""
    try:
        return open_folder(name, at=at)
    except OSError as problem:
        if problem.errno not in {errno.ENOTDIR, errno.ELOOP}:
            raise
        found = kind_of(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode)
        text = (
            f"{path} is no folder but a {found}, and is not used; look at it and remove it: it is made anew"
        )
        raise OSError(problem.errno, text) from problem


def _open_work(drop: int, path: str) -> tuple[int, str | None]:
    """Open the work folder, which is made where it is missing; returns what had to be mended, too."""
    where = os.path.join(path, os.fsdecode(WORK_FOLDER))
    made = False
    with suppress(FileExistsError):
        os.mkdir(WORK_FOLDER, 0o700, dir_fd=drop)
        made = True
        sync_folder(drop)
    work = _real_folder(WORK_FOLDER, drop, where)
    try:
        if not made:
            _own(work, drop, where)
        return work, _tightened(work, where)
    except BaseException:
        os.close(work)
        raise


def _own(work: int, drop: int, where: str) -> None:
    """Refuse a work folder that somebody else has made."""
    owner = os.fstat(work).st_uid
    if owner != os.geteuid() and owner != owner_of_new(drop):
        text = (
            f"{where} belongs to user {owner} and not to the service's user (number {os.geteuid()}), "
            "and is not used; look at what is in it, then chown or remove it"
        )
        raise PermissionError(errno.EPERM, text)


def _tightened(work: int, where: str) -> str | None:
    """Take the work folder's rights from everybody else; returns what was done."""
    mode = os.fstat(work).st_mode
    if not mode & (stat.S_IRWXG | stat.S_IRWXO):
        return None
    try:
        os.fchmod(work, stat.S_IMODE(mode) & ~(stat.S_IRWXG | stat.S_IRWXO))
    except OSError as problem:
        return f"{where} is open to others and cannot be made private: {problem.strerror}"
    if os.fstat(work).st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return (
            f"{where} is open to others; this file system keeps no rights, see to it by the mount's options"
        )
    return f"{where} was open to others (mode {stat.S_IMODE(mode):o}); it is private again"


def _close_both(work: int, drop: int) -> None:
    os.close(work)
    os.close(drop)
