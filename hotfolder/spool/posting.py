"""Show a small file of ours among other people's, in place of its earlier version and of nothing else."""

import ctypes
import os
from collections.abc import Callable
from contextlib import suppress

from hotfolder.spool.files import move, move_to_free, read_small, remove, synced, write_all

_TEMPORARY = b".placard.tmp"
"""In the work folder, where nobody else can put anything in its place."""
_RENAME_EXCHANGE = 2  # linux/fs.h
_HEAD_BYTES = 256

_renameat2 = ctypes.CDLL(None, use_errno=True).renameat2

IsOurs = Callable[[bytes], bool]
"""Tells by the beginning of a file whether it is one that we wrote."""


def post(name: bytes, content: bytes, at: int, work: int, is_ours: IsOurs) -> None:
    """Write a file that everybody may read, whole in one instant, from a work folder on the same file system.

    Raises `FileExistsError` where the name belongs to something that is not ours, which stays as it is, and OSError.
    """
    _bring_back(name, at, work, is_ours)
    known = _ours(name, at, is_ours)
    with synced(_TEMPORARY, work, 0o644) as target:
        write_all(target, content)
        with suppress(PermissionError):  # a file system without modes
            os.fchmod(target, 0o644)  # the umask takes away what people need
    try:
        if not known:
            move(_TEMPORARY, work, name, at)
        elif _exchange(_TEMPORARY, work, name, at) and not _is(_TEMPORARY, work, is_ours):
            _exchange(_TEMPORARY, work, name, at)  # somebody has just put a file of his own there
            raise FileExistsError(0, "somebody else's file")
    finally:
        if _is(_TEMPORARY, work, is_ours):
            remove(_TEMPORARY, work)


def _ours(name: bytes, at: int, is_ours: IsOurs) -> bool:
    """Tell whether a name is taken by a file of ours; raises `FileExistsError` where something else has it."""
    try:
        os.stat(name, dir_fd=at, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if not _is(name, at, is_ours):
        raise FileExistsError(0, "somebody else's file")
    return True


def _is(name: bytes, at: int, is_ours: IsOurs) -> bool:
    try:
        return is_ours(read_small(name, at, _HEAD_BYTES))
    except OSError:  # gone, or no regular file
        return False


def _exchange(name: bytes, at: int, other: bytes, other_at: int) -> bool:
    """Let two files change places; where the file system cannot, replace the other one; tell which."""
    ctypes.set_errno(0)
    if _renameat2(at, name, other_at, other, _RENAME_EXCHANGE) == 0:
        return True
    os.rename(name, other, src_dir_fd=at, dst_dir_fd=other_at)
    return False


def _bring_back(name: bytes, at: int, work: int, is_ours: IsOurs) -> None:
    """Put back a file that a crash left in the place of ours."""
    with suppress(FileNotFoundError):
        left = os.stat(_TEMPORARY, dir_fd=work, follow_symlinks=False)
        if left.st_size and not _is(_TEMPORARY, work, is_ours):
            move_to_free(_TEMPORARY, work, name, at, 0.0, "put-back")
