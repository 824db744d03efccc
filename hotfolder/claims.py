"""Make a document ours: a no-clobber move into the work folder, and proof that nobody still writes to it."""

import hashlib
import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from hotfolder import attendants, spool
from hotfolder.arrivals import Arrival
from hotfolder.backends.base import ContentChanged
from hotfolder.checks.names import MAX_NAME_BYTES, free_names, shorten
from hotfolder.checks.readiness import Ready
from hotfolder.model import ErrorSource, Journey, Stamp, State

TRIAL = b".hotfolder-trial"
"""A file that is made and removed again, to see whether a folder can be written."""
PIECE_BYTES = 1 << 18
"""How much of a document is in memory at once: 256 KiB reads are within a few percent of the fastest."""


class ClaimFailedError(Exception):
    """The document could not be made ours; it lies in the drop folder again, or is gone from it."""

    def __init__(self, reason: str, *, came_back: bool = False) -> None:
        super().__init__(reason)
        self.came_back = came_back
        """True where its writer had not finished: the settle window was too short."""


class UnreadableError(ClaimFailedError):
    """The document cannot be read, or not to its end: it lies in the drop folder again and keeps nobody waiting."""


class StuckError(OSError):
    """The document could not be made ours and could not be put back either: it lies in the work folder."""


def _no_id(_folder: bytes) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Origin:
    """Which queue a document is claimed for, and where it will go."""

    queue: str
    connection: str
    backend: str
    queue_id: str | None
    id_source: str
    override_of: str | None = None
    """The queue's own id, where the connection's override won."""
    on_error: str = "continue"
    """The queue's setting of that name."""
    templates: tuple[str | None, str | None] = (None, None)
    """What makes the names of companions and markers of their documents'."""

    id_of_folder: Callable[[bytes], str | None] = _no_id
    """Tells the service's id for a folder below the drop folder, None where that has none of its own."""

    def route(self, folder: bytes, named: str | None) -> tuple[str | None, str, str | None]:
        """Return the service's queue of a document (`named` by its companion), what named it, and what it replaced."""
        of_folder = self.id_of_folder(folder)
        if self.id_source == "override":
            return self.queue_id, "override", named or of_folder or self.override_of
        if named or of_folder:
            return (named, "companion", None) if named else (of_folder, "folder", None)
        return self.queue_id, self.id_source, None


def new_upload_id(wall: float) -> str:
    """Return a UUID version 7 (RFC 9562): unique, and in the order of claiming."""
    value = int(wall * 1000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    digits = f"{value:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def moment_of(upload_id: str) -> float:
    """Return the moment of claiming (seconds since 1970) that an upload id carries; 0 where it is none of ours."""
    try:
        return int(upload_id[:8] + upload_id[9:13], 16) / 1000
    except ValueError:
        return 0.0


def begun(arrival: Arrival, origin: Origin, wall: float) -> Journey:
    """Return the journey whose row announces the claim of `arrival`; an unfit one holds its refusal already."""
    verdict = arrival.verdict
    ready = isinstance(verdict, Ready)
    upload_id = new_upload_id(wall)
    queue_id, id_source, override_of = origin.route(arrival.folder, arrival.own.queue_id)
    return Journey(
        upload_id=upload_id,
        queue=origin.queue,
        connection=origin.connection,
        backend=origin.backend,
        queue_id=queue_id,
        id_source=id_source,
        override_of=override_of,
        folder=arrival.folder,
        name=arrival.name,
        stamp=arrival.stamp,
        media_type=verdict.media_type,
        state=State.CLAIMED,
        seen_at=arrival.seen_at,
        ready_at=arrival.ready_at,
        claimed_at=wall,
        answer=None if isinstance(verdict, Ready) else verdict.answer,
        error_source=None if ready else ErrorSource.LOCAL,
        warnings=(verdict.warning,) if isinstance(verdict, Ready) and verdict.warning else (),
        on_error=origin.on_error,
        beside=attendants.beside(upload_id, arrival.attendants),
        attendants=arrival.attendants,
        own=arrival.own,
    )


def work_name(journey: Journey) -> bytes:
    """Return the name in the work folder: it tells upload id and original name even without the journal."""
    mark = journey.upload_id.encode() + b"."
    return mark + shorten(journey.name, MAX_NAME_BYTES - len(mark))


def original_name(name_in_work: bytes) -> tuple[str, bytes] | None:
    """Take a name of the work folder apart into upload id and original name; None for anything else."""
    mark, dot, name = name_in_work[:36], name_in_work[36:37], name_in_work[37:]
    if dot != b"." or not name or mark.count(b"-") != 4:  # noqa: PLR2004 — the groups of a UUID
        return None
    return mark.decode("ascii", "replace"), name


def note_name(upload_id: str) -> bytes:
    """Return the name, in the work folder, of the note on where a document was dropped."""
    return b"origin." + upload_id.encode()


def _note(journey: Journey) -> bytes | None:
    """Return what the name in the work folder cannot say of a document's origin, None where it says all."""
    if original_name(work_name(journey)) == (journey.upload_id, journey.name) and not journey.folder:
        return None
    return json.dumps({"folder": journey.folder.hex(), "name": journey.name.hex()}).encode()


def stale_notes(names: Sequence[bytes]) -> list[bytes]:
    """Return, of the names in a work folder, the notes on documents that are not there (pure)."""
    claimed = {parts[0].encode() for name in names if (parts := original_name(name)) is not None}
    mark = note_name("")
    return [name for name in names if name.startswith(mark) and name.removeprefix(mark) not in claimed]


def forget_note(folders: spool.Folders, journey: Journey) -> None:
    """Remove the note on a document that has left the work folder."""
    if _note(journey) is not None:
        spool.remove(note_name(journey.upload_id), folders.work)


def _forget_later(folders: spool.Folders, journey: Journey) -> None:
    """Remove the note as soon as the disk allows it: nothing else waits for that."""
    if _note(journey) is not None:
        folders.unwanted.add(note_name(journey.upload_id))
        _remove_unwanted(folders)


def _remove_unwanted(folders: spool.Folders) -> None:
    for name in list(folders.unwanted):
        with suppress(OSError):
            spool.remove(name, folders.work)
            folders.unwanted.discard(name)


def secure(folders: spool.Folders, journey: Journey) -> tuple[Stamp, str]:
    """Move the document into the work folder and return its version there and its SHA-256 in hex.

    Raises `ClaimFailedError` where it is gone, changed, or still written to; it is then back where it
    was, or under a free name beside it. Raises OSError for trouble with the disk, then too, and
    `StuckError` where it could not be put back.
    """
    folders.stay_ours()
    _remove_unwanted(folders)
    note = _note(journey)
    if note is not None:
        with suppress(OSError):  # a full disk is no reason not to claim: the journal knows the origin too
            spool.write_note(note_name(journey.upload_id), note, folders.work)
    try:
        with spool.below(folders.drop, journey.folder) as source:
            spool.move(journey.name, source, work_name(journey), folders.work)
    except OSError as problem:
        _forget_later(folders, journey)
        if not isinstance(problem, FileNotFoundError | NotADirectoryError):
            raise
        if _still_there(folders, journey):
            raise OSError(problem.errno, "the work folder is gone") from problem
        raise ClaimFailedError("it was taken away before it could be claimed") from None
    try:
        verified = _verified(folders, journey)
        _fetch_attendants(folders, journey)
    except BaseException as problem:
        try:
            give_back(folders, journey, journey.claimed_at)
        except OSError as stuck:
            raise StuckError(
                stuck.errno, f"{problem}, and it cannot be put back: {stuck.strerror}"
            ) from problem
        raise
    return verified


def _fetch_attendants(folders: spool.Folders, journey: Journey) -> None:
    try:
        attendants.fetch(folders, journey)
    except attendants.GoneError as gone:
        raise ClaimFailedError(str(gone)) from None


def try_out(folders: spool.Folders) -> None:
    """Write into the drop folder and the work folder as a claim does; raises OSError where that cannot be done."""
    for at in (folders.drop, folders.work):
        spool.touch(TRIAL, at)
    _remove_unwanted(folders)


def _still_there(folders: spool.Folders, journey: Journey) -> bool:
    try:
        with spool.below(folders.drop, journey.folder) as source:
            spool.look(journey.name, source)
    except OSError:
        return False
    return True


def _verified(folders: spool.Folders, journey: Journey) -> tuple[Stamp, str]:
    try:
        fd, status = spool.open_document(work_name(journey), folders.work)
    except spool.NotAFileError:
        raise ClaimFailedError("something that is no file took its place", came_back=True) from None
    try:
        stamp = spool.stamp_of(status)
        if not _unchanged(stamp, journey.stamp, folders.fs_type):
            raise ClaimFailedError("it changed in the moment of its claim", came_back=True)
        if spool.has_writer(fd):
            raise ClaimFailedError("its writer came back in the moment of its claim", came_back=True)
        try:
            digest = digest_of(fd)
        except OSError as problem:
            raise UnreadableError(f"it cannot be read: {problem.strerror}; look at the disk") from problem
        if spool.stamp_of(os.fstat(fd)) != stamp:
            raise ClaimFailedError("it changed while it was read", came_back=True)
        return stamp, digest
    finally:
        os.close(fd)


def _unchanged(now: Stamp, before: Stamp, fs_type: str) -> bool:
    """Tell whether a move left the content as it was; on some file systems it gives the file another number."""
    if spool.keeps_numbers(fs_type):
        return now.same_content(before)
    return (now.size, now.mtime_ns) == (before.size, before.mtime_ns)


def digest_of(fd: int, first_bytes: int = sys.maxsize) -> str:
    """Return the SHA-256 of an open file, or of so many bytes at its beginning, in hex; raises OSError."""
    digest = hashlib.sha256()
    offset = 0
    while piece := os.pread(fd, min(PIECE_BYTES, first_bytes - offset), offset):
        digest.update(piece)
        offset += len(piece)
    return digest.hexdigest()


def give_back(folders: spool.Folders, journey: Journey, wall: float) -> bytes:
    """Put a claimed document back into the drop folder, under a free name, and return that name.

    What came with it goes back first, under the name that follows: a document that lies there has it.
    A subfolder that was removed meanwhile is not made again: the document then lies at the top.
    """
    try:
        target = spool.open_below(folders.drop, journey.folder)
    except OSError:
        target = os.dup(folders.drop)
    try:
        if journey.attendants:  # by the moment of the claim: cut off and done again, it tries the same names
            names = (journey.name, *free_names(journey.name, journey.claimed_at, journey.upload_id))
            members = attendants.members_of(journey)
            group = attendants.Group(folders.work, work_name(journey), members, journey.upload_id)
            name = attendants.move_together(group, target, names)
        else:
            name = spool.move_to_free(
                work_name(journey), folders.work, journey.name, target, wall, journey.upload_id
            )
    finally:
        os.close(target)
    _forget_later(folders, journey)
    return name


def pieces(folders: spool.Folders, journey: Journey) -> Iterator[bytes]:
    """Yield the claimed document's content, proving on the way that it is what was hashed.

    The last piece is handed over only after the SHA-256 of all of them was right, so that a request
    with any other content stays incomplete. Raises `ContentChanged`.
    """
    fd, _ = spool.open_document(work_name(journey), folders.work)
    try:
        digest = hashlib.sha256()
        held = b""
        offset = 0
        while piece := os.pread(fd, PIECE_BYTES, offset):
            digest.update(piece)
            offset += len(piece)
            if offset > journey.stamp.size:  # the request would be complete without what was added
                break
            if held:
                yield held
            held = piece
        if digest.hexdigest() != journey.sha256:
            raise ContentChanged("the file was changed after its claim")
        if held:
            yield held
    finally:
        os.close(fd)
