"""Open, move, write and remove files durably: the only module that renames, syncs or unlinks.

Everything happens through directory descriptors and never follows a symbolic link; nothing is ever
overwritten. A move is one `renameat2(RENAME_NOREPLACE)`, so that a file is at every instant in exactly
one place; where the file system has no such call, `link` and `unlink` do it, the old name last.
"""

import ctypes
import errno
import fcntl
import os
import stat
import weakref
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from hotfolder.checks.names import free_names
from hotfolder.checks.readiness import Kind
from hotfolder.model import Stamp

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DOCUMENT = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_RENAME_NOREPLACE = 1  # linux/fs.h
_NO_SUCH_CALL = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP})
_NO_DIRECTORY_SYNC = frozenset({errno.EINVAL, errno.EOPNOTSUPP})
"""What network file systems answer to fsync of a directory; any other error is real."""
COPY_PIECE_BYTES = 1 << 20

_renameat2 = ctypes.CDLL(None, use_errno=True).renameat2


class NotAFileError(OSError):
    """The entry is no regular file: a link, folder, FIFO, socket or device."""


def open_folder(path: str | bytes, *, at: int | None = None) -> int:
    """Open a directory, not through a symbolic link at its last part, and return the descriptor."""
    return os.open(path, _FOLDER, dir_fd=at)


def open_below(top: int, folder: bytes, *, create_mode: int | None = None) -> int:
    """Open the directory `folder` (a relative path, may be empty) below `top`, link by no link.

    With `create_mode`, missing parts are made with that mode and made durable.
    """
    current = os.dup(top)
    for part in folder.split(b"/") if folder else ():
        try:
            if create_mode is not None:
                with suppress(FileExistsError):
                    os.mkdir(part, create_mode, dir_fd=current)
                    sync_folder(current)
            following = open_folder(part, at=current)
        finally:
            os.close(current)
        current = following
    return current


@contextmanager
def below(top: int, folder: bytes, *, create_mode: int | None = None) -> Iterator[int]:
    """Have `open_below` for the length of a block."""
    fd = open_below(top, folder, create_mode=create_mode)
    try:
        yield fd
    finally:
        os.close(fd)


def stamp_of(status: os.stat_result) -> Stamp:
    """Return the identity of one version of a file."""
    return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def look(name: bytes, at: int) -> tuple[Kind, Stamp]:
    """Tell what a directory entry is, without following or opening it."""
    status = os.stat(name, dir_fd=at, follow_symlinks=False)
    return kind_of(status.st_mode), stamp_of(status)


def kind_of(mode: int) -> Kind:
    """Sort a file mode into the kinds that matter here."""
    if stat.S_ISREG(mode):
        return Kind.FILE
    if stat.S_ISDIR(mode):
        return Kind.FOLDER
    return Kind.SYMLINK if stat.S_ISLNK(mode) else Kind.OTHER


def open_document(name: bytes, at: int) -> tuple[int, os.stat_result]:
    """Open a regular file for reading and return its descriptor and status.

    Never blocks on a FIFO and never follows a link; raises `NotAFileError` for anything else.
    """
    try:
        fd = os.open(name, _DOCUMENT, dir_fd=at)
    except OSError as problem:
        if problem.errno in {errno.ELOOP, errno.ENXIO}:
            raise NotAFileError(problem.errno, "not a regular file") from problem
        raise
    status = os.fstat(fd)
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        raise NotAFileError(errno.EINVAL, "not a regular file")
    return fd, status


def has_writer(fd: int) -> bool | None:
    """Tell whether any process has the file open for writing; None where that cannot be known.

    A read lease is granted exactly when there is no writer (fcntl(2), F_SETLEASE). It needs the file's
    owner or CAP_LEASE, and proves nothing on network file systems, which is for the caller to weigh.
    The process must ignore SIGIO: a lease that is broken in the instant it is held raises it.
    """
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as problem:
        return True if problem.errno == errno.EAGAIN else None
    fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def move(name: bytes, at: int, new_name: bytes, new_at: int) -> None:
    """Move a file without ever replacing one; raises `FileExistsError` where the new name is taken.

    Raises OSError(EXDEV) across file systems: see `copy_over`.
    """
    ctypes.set_errno(0)
    if _renameat2(at, name, new_at, new_name, _RENAME_NOREPLACE) == 0:
        return
    code = ctypes.get_errno()
    if code not in _NO_SUCH_CALL:
        raise OSError(code, os.strerror(code), os.fsdecode(name), None, os.fsdecode(new_name))
    try:
        os.link(name, new_name, src_dir_fd=at, dst_dir_fd=new_at, follow_symlinks=False)
    except FileExistsError:
        # A crash between the two calls, or an NFS server's lost answer, leaves both names of one file.
        if not same_file(name, at, new_name, new_at):
            raise
    os.unlink(name, dir_fd=at)


def same_file(name: bytes, at: int, other: bytes, other_at: int) -> bool:
    """Tell whether two names lead to one and the same file."""
    statuses = (os.stat(n, dir_fd=fd, follow_symlinks=False) for n, fd in ((name, at), (other, other_at)))
    return os.path.samestat(*statuses)


@contextmanager
def _synced(temporary: bytes, at: int, mode: int) -> Iterator[int]:
    """Have a new file to write to, synced at the end of the block and removed again on any error."""
    remove(temporary, at)
    target = os.open(temporary, _NEW, mode, dir_fd=at)
    try:
        try:
            yield target
            os.fsync(target)
        finally:
            os.close(target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=at)
        raise


def _publish(temporary: bytes, name: bytes, at: int) -> None:
    try:
        move(temporary, at, name, at)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary, dir_fd=at)
        raise


def move_to_free(name: bytes, at: int, wanted: bytes, new_at: int, moment: float, mark: str) -> bytes:
    """Move a file to `wanted`, or to the first free name derived from it, durably, and return that name.

    It is synced since a power cut that undoes this move and the next one of the same document would leave
    it where no row looks for it. A sync that fails is no failure of the move, which is done.
    """
    for free in (wanted, *free_names(wanted, moment, mark)):
        try:
            move(name, at, free, new_at)
        except FileExistsError:
            continue
        with suppress(OSError):
            sync_folder(new_at)
            sync_folder(at)
        return free
    raise FileExistsError(errno.EEXIST, "no free name", os.fsdecode(wanted))


def copy_over(source: int, name: bytes, at: int, temporary: bytes) -> None:
    """Copy an open file to another file system: temporary name, sync, no-clobber move to `name`.

    Mode and times are kept. Raises `FileExistsError` where the name is taken; no error leaves a
    temporary file behind.
    """
    status = os.fstat(source)
    with _synced(temporary, at, 0o600) as target:
        offset = 0
        while piece := os.pread(source, COPY_PIECE_BYTES, offset):
            _write_all(target, piece)
            offset += len(piece)
        with suppress(PermissionError):  # a file system without modes, such as vfat, may refuse them
            os.fchmod(target, stat.S_IMODE(status.st_mode))
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    _publish(temporary, name, at)


def write_new(name: bytes, content: bytes, at: int, temporary: bytes) -> None:
    """Write a small file durably under a name that must be free, so that it appears whole or not at all.

    The directory is not synced: see `sync_folder`. Raises `FileExistsError` where the name is taken.
    """
    with _synced(temporary, at, 0o666) as target:
        _write_all(target, content)
    _publish(temporary, name, at)


def replace(name: bytes, content: bytes, at: int, temporary: bytes) -> None:
    """Replace one of our own small files durably by its next version."""
    with _synced(temporary, at, 0o666) as target:
        _write_all(target, content)
    os.rename(temporary, name, src_dir_fd=at, dst_dir_fd=at)
    sync_folder(at)


def read_small(name: bytes, at: int, limit_bytes: int = 1 << 20) -> bytes:
    """Read at most `limit_bytes` of a regular file."""
    fd, _ = open_document(name, at)
    try:
        return os.pread(fd, limit_bytes, 0)
    finally:
        os.close(fd)


def same_bytes(name: bytes, at: int, other: bytes, other_at: int) -> bool:
    """Tell whether two regular files have the same content."""
    with ExitStack() as stack:
        fds = []
        for entry, folder in ((name, at), (other, other_at)):
            fd, _ = open_document(entry, folder)
            stack.callback(os.close, fd)
            fds.append(fd)
        offset = 0
        while (piece := os.pread(fds[0], COPY_PIECE_BYTES, offset)) == os.pread(
            fds[1], COPY_PIECE_BYTES, offset
        ):
            if not piece:
                return True
            offset += len(piece)
    return False


def remove(name: bytes, at: int) -> None:
    """Remove a file of our own; it is no error if it is gone."""
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=at)


def touch(name: bytes, at: int) -> None:
    """Make and remove an empty file, for the sake of the event."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    os.close(os.open(name, flags, 0o600, dir_fd=at))
    remove(name, at)


def sync_folder(fd: int) -> None:
    """Make the names of a directory durable; a file system without such a call is no error."""
    try:
        os.fsync(fd)
    except OSError as problem:
        if problem.errno not in _NO_DIRECTORY_SYNC:
            raise


def _write_all(fd: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


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


_BLOCKS_TELL = frozenset({"ext2", "ext3", "ext4", "xfs", "tmpfs"})
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "afs", "glusterfs", "lustre"})


def file_system(fd: int) -> str:
    """Return the type of the file system that an open file lies on, as the kernel names it; "" if unknown."""
    try:
        with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as lines:
            mount = next(line.split()[1] for line in lines if line.startswith("mnt_id:"))
        with open("/proc/self/mountinfo", encoding="utf-8", errors="replace") as lines:
            fields = next(line.split() for line in lines if line.split(maxsplit=1)[0] == mount)
        return fields[fields.index("-") + 1]
    except (OSError, StopIteration, ValueError, IndexError):
        return ""


def blocks_tell(fs_type: str) -> bool:
    """Tell whether allocated blocks below a file's size prove that it was not written to its end."""
    return fs_type in _BLOCKS_TELL


def is_remote(fs_type: str) -> bool:
    """Tell whether other machines may write to this file system without the kernel here knowing."""
    return fs_type in _NETWORK or fs_type.startswith("fuse")


WORK_FOLDER = b".hotfolder"


class Folders:
    """The open drop and work folder of a queue, and the way to its archives.

    The descriptors are closed with the last reference, never before: a job in a thread that still holds
    the object must not find another folder behind the same number. `close` is for a sole owner.
    """

    def __init__(self, drop_path: str) -> None:
        """Open the drop folder and its work folder, which is made where it is missing; raises OSError."""
        self.path = os.path.realpath(drop_path)
        self.drop = open_folder(self.path)
        try:
            with suppress(FileExistsError):
                os.mkdir(WORK_FOLDER, 0o700, dir_fd=self.drop)
                sync_folder(self.drop)
            self.work = open_folder(WORK_FOLDER, at=self.drop)
        except BaseException:
            os.close(self.drop)
            raise
        status = os.fstat(self.drop)
        self.close = weakref.finalize(self, _close_both, self.work, self.drop)
        self.identity = (status.st_dev, status.st_ino)
        self.fs_type = file_system(self.drop)

    def moved_away(self) -> bool:
        """Tell whether path or work folder are not the open ones any more; raises OSError where there is no folder."""
        status, work = os.stat(self.path), os.fstat(self.work)
        try:
            named = os.stat(WORK_FOLDER, dir_fd=self.drop, follow_symlinks=False)
        except FileNotFoundError:
            return True
        return (status.st_dev, status.st_ino) != self.identity or not os.path.samestat(work, named)

    @contextmanager
    def archive(self, path: str, folder: bytes) -> Iterator[int]:
        """Have an archive folder open: `folder` below `path`; both are made where they are missing."""
        inside = os.path.relpath(path, self.path)
        if inside.startswith(".."):
            with suppress(FileExistsError):
                os.mkdir(path, 0o777)
            top = open_folder(path)
        else:
            top = open_below(self.drop, os.fsencode(inside), create_mode=0o777)
        try:
            with below(top, folder, create_mode=0o777) as fd:
                yield fd
        finally:
            os.close(top)


def _close_both(work: int, drop: int) -> None:
    os.close(work)
    os.close(drop)
