"""Look at a drop folder and at single files; every function blocks and is run in a thread."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from hotfolder import spool
from hotfolder.arrivals.pairing import Key, Reading
from hotfolder.checks.readiness import Facts, Kind
from hotfolder.checks.sniff import foreign, is_placard, is_record, may_become, sniff
from hotfolder.checks.walk import walk
from hotfolder.companions import LARGEST_BYTES, CompanionError, parse
from hotfolder.model import Stamp

_HEAD_BYTES = 4096
_KEPT_PIECES = 4
_PIECE_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class Seen:
    """One directory entry: the folder below the drop folder, its name, what it is, and its version."""

    folder: bytes
    name: bytes
    kind: Kind
    stamp: Stamp


@dataclass(frozen=True, slots=True)
class Unseen:
    """An entry that could not be looked at; it is unknown, not gone, unless `gone` says so."""

    folder: bytes
    name: bytes
    problem: str
    gone: bool


def entries(
    top: int, *, enters: Callable[[bytes], bool], skip: frozenset[bytes], start: bytes = b""
) -> Iterator[Seen | Unseen]:
    """Yield every entry of a drop folder, or of the folder `start` below it, in no order.

    `skip` names the service's own folders at the top; `enters` tells into which folders below to look.

    Raises OSError where the folder itself cannot be listed. A subfolder that cannot is an `Unseen`.
    """
    pending = [start]
    while pending:
        folder = pending.pop()
        try:
            with spool.below(top, folder) as fd:
                for name in spool.names_in(fd):
                    if not folder and name in skip:
                        continue
                    seen = _entry(folder, name, fd)
                    yield seen
                    if isinstance(seen, Seen) and seen.kind is Kind.FOLDER:
                        below = os.path.join(folder, name)
                        if enters(below):
                            pending.append(below)
        except OSError as problem:
            if not folder:
                raise
            parent, name = os.path.split(folder)
            yield Unseen(parent, name, problem.strerror or str(problem), problem.errno == errno.ENOENT)


def entry(top: int, folder: bytes, name: bytes) -> Seen | Unseen:
    """Look at one entry."""
    try:
        with spool.below(top, folder) as fd:
            return _entry(folder, name, fd)
    except OSError as problem:
        return Unseen(folder, name, problem.strerror or str(problem), problem.errno == errno.ENOENT)


def _entry(folder: bytes, name: bytes, fd: int) -> Seen | Unseen:
    try:
        kind, stamp = spool.look(name, fd)
    except OSError as problem:
        return Unseen(folder, name, problem.strerror or str(problem), problem.errno == errno.ENOENT)
    return Seen(folder, name, kind, stamp)


class FileWindow:
    """A window on an open file that keeps the last pieces it read: the walk reads small bits close together."""

    def __init__(self, fd: int, size: int) -> None:
        """Look through an open descriptor; the caller closes it."""
        self.size = size
        self._fd = fd
        self._pieces: dict[int, bytes] = {}

    def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset`, fewer only at the end of the file."""
        if length > _PIECE_BYTES:
            return os.pread(self._fd, length, offset)
        first = offset // _PIECE_BYTES
        found = self._piece(first)[offset - first * _PIECE_BYTES :][:length]
        if len(found) < length and offset + len(found) < self.size:
            found += self._piece(first + 1)[: length - len(found)]
        return found

    def _piece(self, number: int) -> bytes:
        piece = self._pieces.get(number)
        if piece is None:
            if len(self._pieces) >= _KEPT_PIECES:
                self._pieces.pop(next(iter(self._pieces)))
            piece = self._pieces[number] = os.pread(self._fd, _PIECE_BYTES, number * _PIECE_BYTES)
        return piece


def looked_into(folders: spool.Folders, key: Key, form: str | None) -> Facts | Reading | OSError:
    """Examine a document, or a companion of this form, or say why it cannot be."""
    try:
        if form is not None:
            return companion(folders.drop, *key, form=form, fs_type=folders.fs_type)
        return examine(folders.drop, *key, fs_type=folders.fs_type)
    except OSError as problem:
        return problem


def examine(top: int, folder: bytes, name: bytes, *, fs_type: str) -> Facts:
    """Open one file and find out all that the judgement needs; raises OSError."""
    with ExitStack() as opened:
        at = opened.enter_context(spool.below(top, folder))
        document, status = spool.open_document(name, at)
        opened.callback(os.close, document)
        # A server of files decides by its own rules, which only trying shows.
        held = not spool.is_remote(fs_type) and not spool.lets_go(at, status)
        return _facts(document, status, fs_type, held=held)


def companion(top: int, folder: bytes, name: bytes, *, form: str, fs_type: str) -> Reading:
    """Open one companion and read what it says; raises OSError."""
    with spool.below(top, folder) as at:
        file, status = spool.open_document(name, at)
    try:
        stamp = spool.stamp_of(status)
        writer = None if spool.is_remote(fs_type) else spool.has_writer(file)
        content = os.pread(file, LARGEST_BYTES + 1, 0)
        if is_record(content):
            return Reading(stamp, writer=writer, record=True)
        try:
            return Reading(stamp, parse(content, form), writer=writer)
        except CompanionError as problem:
            return Reading(stamp, flaw=str(problem), writer=writer)
    finally:
        os.close(file)


def _facts(document: int, status: os.stat_result, fs_type: str, *, held: bool) -> Facts:
    stamp = spool.stamp_of(status)
    writer = spool.has_writer(document)
    if writer is False and spool.is_remote(fs_type):
        writer = None  # a lease on a network file system says nothing of writers elsewhere
    window = FileWindow(document, stamp.size)
    head = window.read(0, _HEAD_BYTES)
    media_type = sniff(head)
    return Facts(
        stamp=stamp,
        allocated_bytes=status.st_blocks * 512,
        blocks_tell=spool.blocks_tell(fs_type),
        writer=writer,
        media_type=media_type,
        looks_like=None if media_type else foreign(head),
        whole=walk(media_type, window) if media_type and not writer else None,
        blank=media_type is None and bool(head) and not head.strip(b"\0"),
        cut_short=media_type is None and may_become(head),
        record=is_record(head),
        placard=is_placard(head),
        borrowed=status.st_nlink > 1 and status.st_uid != os.geteuid(),
        held=held,
    )
