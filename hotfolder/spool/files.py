"""Open, move, write and remove files durably.

Everything happens through directory descriptors and never follows a symbolic link; nothing is ever
overwritten. A move is one `renameat2(RENAME_NOREPLACE)`, so that a file is at every instant in exactly
one place; where the file system has no such call, `link` and `unlink` do it, the old name last.
"""

import ctypes
import errno
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from typing import IO

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


def names_in(fd: int) -> list[bytes]:
    """List a directory that is open, opened anew for it.

    sshfs reads a directory once for each time it is opened, and whoever lists a descriptor that lives long never
    sees a new name; and two lists read at once through one descriptor would take names from each other.
    """
    anew = open_folder(b".", at=fd)
    try:
        return [os.fsencode(name) for name in os.listdir(anew)]
    finally:
        os.close(anew)


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
def synced(temporary: bytes, at: int, mode: int) -> Iterator[int]:
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
    with synced(temporary, at, 0o600) as target:
        offset = 0
        while piece := os.pread(source, COPY_PIECE_BYTES, offset):
            write_all(target, piece)
            offset += len(piece)
        with suppress(PermissionError):  # a file system without modes, such as vfat, may refuse them
            os.fchmod(target, stat.S_IMODE(status.st_mode))
        os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    _publish(temporary, name, at)


def write_new(name: bytes, content: bytes, at: int, temporary: bytes) -> None:
    """Write a small file durably under a name that must be free, so that it appears whole or not at all.

    The directory is not synced: see `sync_folder`. Raises `FileExistsError` where the name is taken.
    """
    with synced(temporary, at, 0o666) as target:
        write_all(target, content)
    _publish(temporary, name, at)


def write_note(name: bytes, content: bytes, at: int) -> None:
    """Write a small file of our own that may be lost with the power; one of its name is written anew."""
    remove(name, at)
    fd = os.open(name, _NEW, 0o600, dir_fd=at)
    try:
        write_all(fd, content)
    finally:
        os.close(fd)


def replace(name: bytes, content: bytes, at: int, temporary: bytes) -> None:
    """Replace one of our own small files durably by its next version."""
    with synced(temporary, at, 0o666) as target:
        write_all(target, content)
    os.rename(temporary, name, src_dir_fd=at, dst_dir_fd=at)
    sync_folder(at)


@contextmanager
def renewed(name: bytes, at: int, temporary: bytes) -> Iterator[IO[bytes]]:
    """Have a file of our own to write to that is durable under its name after the block, in place of an earlier one.

    After an error the earlier one is still there.
    """
    with synced(temporary, at, 0o666) as target, open(target, "wb", closefd=False) as file:
        yield file
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


def set_aside(names: Sequence[bytes], at: int, moment: float) -> bytes:
    """Rename files that belong together, those of them that are there, out of the way; returns the first's new name."""
    mark = f".damaged-{datetime.fromtimestamp(moment, UTC):%Y%m%dT%H%M%S.%fZ}".encode()
    for name in names:
        with suppress(FileNotFoundError):
            move(name, at, name + mark, at)
    sync_folder(at)
    return names[0] + mark


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


def write_all(fd: int, content: bytes) -> None:
    """Write everything to a descriptor."""
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]


def owner_of_new(at: int) -> int:
    """Return the user that what we make in a directory belongs to: ourselves, unless the file system decides.

    Network shares and file systems without owners give everything to one user of theirs. Raises OSError.
    """
    probe = f".hotfolder-owner-{os.getpid()}-{secrets.token_hex(4)}".encode()
    os.mkdir(probe, 0o700, dir_fd=at)
    try:
        return os.stat(probe, dir_fd=at, follow_symlinks=False).st_uid
    finally:
        os.rmdir(probe, dir_fd=at)
