"""Move what was dropped for a document together with it: into the work folder, and back.

In the work folder an attendant carries the upload id, so that it finds its document even where the journal is lost.
"""

import errno
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from hotfolder import spool
from hotfolder.checks.names import MAX_NAME_BYTES, printable, shorten
from hotfolder.checks.templates import fill
from hotfolder.model import Attendant, Beside, Journey, Stamp

_MARKS = {True: b"companion.", False: b"marker."}
"""Beginning of the name in the work folder, by whether it is kept."""
_ID_BYTES = 36


class GoneError(Exception):
    """An attendant is not there any more, or not what it was; `str()` says which."""


@dataclass(frozen=True, slots=True)
class InWork:
    """An attendant in the work folder: its name there, whose it is, and its name as dropped, as far as that fits."""

    in_work: bytes
    upload_id: str
    name: bytes
    kept: bool


def in_work(upload_id: str, one: Attendant) -> bytes:
    """Return the name of an attendant in the work folder."""
    mark = _MARKS[one.kept] + upload_id.encode() + b"."
    return mark + shorten(one.name, MAX_NAME_BYTES - len(mark))


def taken_apart(name: bytes) -> InWork | None:
    """Take a name of the work folder apart; None for anything else."""
    for kept, mark in _MARKS.items():
        upload_id, dot, rest = name.removeprefix(mark).partition(b".")
        if name.startswith(mark) and len(upload_id) == _ID_BYTES and dot and rest:
            return InWork(name, upload_id.decode("ascii", "replace"), rest, kept)
    return None


def beside(upload_id: str, attendants: Iterable[Attendant]) -> tuple[Beside, ...]:
    """Return those that rest beside their document."""
    return tuple(Beside(in_work(upload_id, one), one.template) for one in attendants if one.kept)


def lies(name: bytes, at: int) -> Stamp | None:
    """Return the version of an entry, None where there is none; raises OSError."""
    try:
        return spool.look(name, at)[1]
    except FileNotFoundError:
        return None


# Into the work folder ----------------------------------------------------------------------------


def fetch(folders: spool.Folders, journey: Journey) -> None:
    """Move a document's attendants into the work folder after it; raises `GoneError` and OSError."""
    for one in journey.attendants:
        name, words = in_work(journey.upload_id, one), f"{printable(one.name)}, which came with it, "
        try:
            with spool.below(folders.drop, journey.folder) as source:
                spool.move(one.name, source, name, folders.work)
        except (FileNotFoundError, NotADirectoryError):
            raise GoneError(f"{words}was taken away") from None
        file, status = spool.open_document(name, folders.work)
        try:
            if not _same(spool.stamp_of(status), one.stamp, folders.fs_type) or spool.has_writer(file):
                raise GoneError(f"{words}changed")
        finally:
            os.close(file)


def fetch_again(folders: spool.Folders, journey: Journey) -> None:
    """Move attendants into the work folder that a power cut has put back where they were dropped; raises OSError."""
    for one in journey.attendants:
        name = in_work(journey.upload_id, one)
        with suppress(FileNotFoundError, NotADirectoryError), spool.below(folders.drop, journey.folder) as at:
            there, here = lies(one.name, at), lies(name, folders.work)
            if there is None:
                continue
            if here is None and there.same_file(one.stamp):
                spool.move(one.name, at, name, folders.work)
            elif here is not None and (here.dev, here.ino) == (there.dev, there.ino):
                spool.remove(one.name, at)  # a move by two calls that was cut off between them


def _same(now: Stamp, before: Stamp, fs_type: str) -> bool:
    if spool.keeps_numbers(fs_type):
        return now.same_content(before)
    return (now.size, now.mtime_ns) == (before.size, before.mtime_ns)


def remove_markers(folders: spool.Folders, journey: Journey) -> None:
    """Remove the markers of a document that rests."""
    for one in journey.attendants:
        if not one.kept:
            spool.remove(in_work(journey.upload_id, one), folders.work)


# Back --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Member:
    """A file that moves with a document: its name where it lies, and what makes its new one of the document's."""

    name: bytes
    template: str
    stamp: Stamp | None = None
    """The version that it must be where an earlier try had moved it already."""


@dataclass(frozen=True, slots=True)
class Group:
    """A document in an open folder, with its members, and the upload id that names temporary files."""

    at: int
    name: bytes
    members: Sequence[Member]
    mark: str


def members_of(journey: Journey) -> list[Member]:
    """Return what moves back with a claimed document."""
    return [Member(in_work(journey.upload_id, a), a.template, a.stamp) for a in journey.attendants]


def move_together(group: Group, target: int, names: Sequence[bytes]) -> bytes:
    """Move a document and its members to the first of `names` that is free for all, durably, and return that.

    The document goes last: wherever this is cut off, done again it goes on, and what lies there alone is only what
    waits for its document. Raises FileExistsError where no name is free, and OSError.
    """
    spool.look(group.name, group.at)
    places = [_place(group, member, target, names) for member in group.members]
    for name in names:
        if lies(name, target) is not None:
            continue
        with suppress(FileExistsError):
            for number, (member, place) in enumerate(zip(group.members, places, strict=True)):
                if place is not None:
                    wanted = fill(member.template, name)
                    _carry(*place, wanted, target, group.mark)
                    places[number] = (wanted, target)
            spool.sync_folder(target)
            _carry(group.name, group.at, name, target, group.mark)
            with suppress(OSError):
                spool.sync_folder(target)
                spool.sync_folder(group.at)
            return name
    raise FileExistsError(errno.EEXIST, "no free name", os.fsdecode(names[0]))


def _place(group: Group, member: Member, target: int, names: Sequence[bytes]) -> tuple[bytes, int] | None:
    """Return where a member lies: with its document, or where an earlier try has left it; None: nowhere."""
    if lies(member.name, group.at) is not None:
        return member.name, group.at
    for name in (fill(member.template, name) for name in names):
        there = lies(name, target)
        if there is not None and member.stamp is not None and there.same_file(member.stamp):
            return name, target
    return None


def _carry(name: bytes, at: int, new_name: bytes, new_at: int, mark: str) -> None:
    """Move a file, to another file system too: the original goes when the copy and its name are durable."""
    if (name, at) == (new_name, new_at):
        return
    try:
        spool.move(name, at, new_name, new_at)
    except OSError as problem:
        if problem.errno != errno.EXDEV:
            raise
        file, _ = spool.open_document(name, at)
        try:
            spool.copy_over(file, new_name, new_at, f".{mark}.tmp".encode())
        finally:
            os.close(file)
        spool.sync_folder(new_at)
        spool.remove(name, at)
