"""Move failed documents back into the drop folder that they came from, durably and never over another."""

import base64
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass

from pydantic import ValidationError

from hotfolder import spool
from hotfolder.attendants import Group, Member, lies, move_together
from hotfolder.checks.names import free_names, printable
from hotfolder.checks.readiness import Kind
from hotfolder.checks.templates import fill
from hotfolder.claims import moment_of, new_upload_id
from hotfolder.filing import sidecar_name
from hotfolder.settings import Queue
from hotfolder.sidecar import Sidecar


class NotRedeliveredError(Exception):
    """A document stays where it is; `str()` says why and what to do."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A document in failed/: the folder below it, its name there, and its record where there is one."""

    folder: bytes
    name: bytes
    record: Sidecar | None


def failed_at(queue: Queue, folder: bytes, name: bytes) -> Failed:
    """Find the document that a name in failed/ means, its own or its sidecar's.

    Raises `NotRedeliveredError` where there is none, and OSError.
    """
    with _opened(queue, folder) as at:
        record = _record(sidecar_name(name), at)
        usual = name.removesuffix(b".json")
        if record is None and usual != name and (beside := _record(name, at)) is not None:
            name, record = usual, beside
        try:
            kind, _ = spool.look(name, at)
        except FileNotFoundError:
            raise NotRedeliveredError("there is no such document; it was taken away, or moved back") from None
    if kind is not Kind.FILE:
        raise NotRedeliveredError(f"it is a {kind}, not a document")
    return Failed(folder, name, record)


def all_failed(queue: Queue) -> list[tuple[bytes, bytes]]:
    """Return folder and name of every document in failed/ that has its record; raises OSError."""
    found: list[tuple[bytes, bytes]] = []
    pending = [b""]
    while pending:
        folder = pending.pop()
        try:
            with _opened(queue, folder) as at:
                entries = [(name, spool.look(name, at)[0]) for name in map(os.fsencode, os.listdir(at))]
        except FileNotFoundError:
            continue
        names = {name for name, kind in entries if kind is Kind.FILE and not name.startswith(b".")}
        found += sorted((folder, name) for name in names if sidecar_name(name) in names)
        pending += [
            os.path.join(folder, n) for n, kind in entries if kind is Kind.FOLDER and not n.startswith(b".")
        ]
    return found


def move_back(queue: Queue, failed: Failed, wall: float) -> bytes:
    """Move a document into its drop folder, under its first name or a free one; returns its new path there.

    Its record stays in failed/. Raises `NotRedeliveredError` and OSError; the document then lies where it lay.
    """
    mark = failed.record.upload_id if failed.record else new_upload_id(wall)
    with ExitStack() as stack:
        source = stack.enter_context(_opened(queue, failed.folder))
        top = stack.enter_context(_drop_folder(queue))
        try:
            folder, target = failed.folder, stack.enter_context(spool.below(top, failed.folder))
        except OSError:
            folder, target = b"", top
        name = _moved(queue, failed, (source, target), mark, wall)
        if queue.ready_marker:  # it was complete when it failed
            with suppress(FileExistsError):
                spool.write_new(fill(queue.ready_marker, name), b"", target, f".{mark}.tmp".encode())
        spool.sync_folder(target)
        spool.sync_folder(source)
    return os.path.join(os.fsencode(queue.folder), folder, name)


def _moved(queue: Queue, failed: Failed, places: tuple[int, int], mark: str, wall: float) -> bytes:
    """Move a document, and its companion, from one open folder into the other; returns its name there."""
    source, target = places
    wanted = _first_name(failed)
    members = _members(queue, failed, source)
    if members:
        group = Group(source, failed.name, members, mark)
        return move_together(group, target, (wanted, *free_names(wanted, moment_of(mark), mark)))
    try:
        return spool.move_to_free(failed.name, source, wanted, target, wall, mark)
    except OSError as problem:
        if problem.errno != errno.EXDEV:
            raise
        return _copied(source, failed, target, wall, mark)


def _members(queue: Queue, failed: Failed, source: int) -> list[Member]:
    """Return the companion that moves back with a document: what its record names, where the queue wants companions."""
    record = failed.record
    if queue.companion is None or record is None or record.file.companion is None or not record.beside:
        return []
    names = (name for name in spool.names_in(source) if printable(name) == record.beside[0])
    return [Member(name, queue.companion, lies(name, source)) for name in names][:1]


def _copied(source: int, failed: Failed, target: int, wall: float, mark: str) -> bytes:
    """Carry a document to another file system: the original goes when the copy and its name are durable."""
    fd, _ = spool.open_document(failed.name, source)
    try:
        wanted = _first_name(failed)
        for name in (wanted, *free_names(wanted, wall, mark)):
            with suppress(FileExistsError):
                spool.copy_over(fd, name, target, f".{mark}.tmp".encode())
                spool.sync_folder(target)
                spool.remove(failed.name, source)
                return name
    finally:
        os.close(fd)
    raise FileExistsError(errno.EEXIST, "no free name", os.fsdecode(wanted))


def _first_name(failed: Failed) -> bytes:
    """Return the name under which a document was dropped; a record that was tampered with leads nowhere else."""
    if failed.record is None:
        return failed.name
    file = failed.record.file
    name = file.name.encode("utf-8", "replace")
    if file.name_bytes is not None:
        try:
            name = base64.b64decode(file.name_bytes, validate=True)
        except ValueError:
            return failed.name
    odd = not name or name in {b".", b".."} or b"/" in name or b"\0" in name
    return failed.name if odd else name


def _record(name: bytes, at: int) -> Sidecar | None:
    try:
        return Sidecar.model_validate_json(spool.read_small(name, at))
    except (OSError, ValidationError):
        return None


@contextmanager
def _opened(queue: Queue, folder: bytes) -> Iterator[int]:
    top = spool.open_folder(os.path.realpath(queue.failed))
    try:
        with spool.below(top, folder) as at:
            yield at
    finally:
        os.close(top)


@contextmanager
def _drop_folder(queue: Queue) -> Iterator[int]:
    """Have a drop folder open; one without our work folder may be a mount point that nothing is mounted on."""
    top = spool.open_folder(os.path.realpath(queue.folder))
    try:
        try:
            work = os.stat(spool.WORK_FOLDER, dir_fd=top, follow_symlinks=False)
        except FileNotFoundError:
            work = None
        if work is None or not stat.S_ISDIR(work.st_mode):
            raise NotRedeliveredError(
                f"{queue.folder} is not in use by the service: is its file system mounted? Start the service once"
            )
        yield top
    finally:
        os.close(top)
