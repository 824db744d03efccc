"""Look at what a queue's folders hold of each document; nothing is changed here."""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from hotfolder import spool
from hotfolder.attendants import InWork, taken_apart
from hotfolder.batches import REPORT_BYTES, is_report, report_name
from hotfolder.batches import read as read_report
from hotfolder.checks.sniff import HEAD_BYTES, sniff
from hotfolder.claims import digest_of, note_name, original_name, work_name
from hotfolder.companions import LARGEST_BYTES, CompanionError, form_of, parse
from hotfolder.filing import sidecar_name
from hotfolder.model import Batch, Journey, Own, Stamp
from hotfolder.recovery.rebuilt import Content, from_sidecar
from hotfolder.recovery.table import Record
from hotfolder.sidecar import Sidecar, read


@dataclass(frozen=True, slots=True)
class Told:
    """A sidecar found in an archive: in which folder below it, which name it speaks of, and whether that is there."""

    record: Sidecar
    folder: bytes
    name: bytes
    beside: Record


def claimed_in(folders: spool.Folders) -> dict[str, bytes]:
    """Return the documents of the work folder: upload id → name there."""
    names = spool.names_in(folders.work)
    return {parts[0]: name for name in names if (parts := original_name(name)) is not None}


def attendants_in(folders: spool.Folders) -> list[tuple[InWork, Stamp]]:
    """Return the attendants of the work folder, of whatever document."""
    found = filter(None, map(taken_apart, spool.names_in(folders.work)))
    return [(one, spool.look(one.in_work, folders.work)[1]) for one in found]


def said(folders: spool.Folders, template: str, in_work: bytes) -> Own:
    """Return what a companion in the work folder says; nothing where it cannot be used."""
    with suppress(OSError, CompanionError, StopIteration):
        content = spool.read_small(in_work, folders.work, LARGEST_BYTES + 1)
        return parse(content, form_of(template))
    return Own()


def noted_origin(folders: spool.Folders, upload_id: str, in_work: bytes) -> tuple[bytes, bytes]:
    """Return (folder, name) under which a claimed document was dropped, by its note or by its name there."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        note = json.loads(spool.read_small(note_name(upload_id), folders.work))
        return bytes.fromhex(note["folder"]), bytes.fromhex(note["name"])
    parts = original_name(in_work)
    assert parts is not None  # noqa: S101 — `claimed_in` has taken it apart already
    return b"", parts[1]


def content_of(folders: spool.Folders, in_work: bytes) -> Content:
    """Read a document of the work folder; raises OSError."""
    fd, status = spool.open_document(in_work, folders.work)
    try:
        head = os.pread(fd, HEAD_BYTES, 0)
        return Content(spool.stamp_of(status), sniff(head), digest_of(fd))
    finally:
        os.close(fd)


def stamp_at(name: bytes, at: int) -> Stamp | None:
    """Return the version of an entry, None where there is none; raises OSError."""
    try:
        return spool.look(name, at)[1]
    except FileNotFoundError:
        return None


def in_drop(folders: spool.Folders, folder: bytes, name: bytes) -> Stamp | None:
    """Return what lies at a document's place in the drop folder."""
    with suppress(OSError), spool.below(folders.drop, folder) as origin:
        return stamp_at(name, origin)
    return None


def lies_in_drop(folders: spool.Folders, journey: Journey, in_work: Stamp | None) -> bool:
    """Tell whether the very document is at its place in the drop folder."""
    there = in_drop(folders, journey.folder, journey.name)
    if there is None:
        return False
    if in_work is not None:
        return (there.dev, there.ino) == (in_work.dev, in_work.ino)
    if journey.stamp.ino:
        return there.same_file(journey.stamp)
    return _same_by_content(folders, journey, there)


def _same_by_content(folders: spool.Folders, journey: Journey, there: Stamp) -> bool:
    """Compare with what a sidecar recorded: size, time of change to the millisecond, SHA-256."""
    recorded = journey.stamp
    if there.size != recorded.size or abs(there.mtime_ns - recorded.mtime_ns) >= 2_000_000:  # noqa: PLR2004 — rounding
        return False
    with spool.below(folders.drop, journey.folder) as origin:
        fd, _ = spool.open_document(journey.name, origin)
        try:
            return digest_of(fd) == journey.sha256
        finally:
            os.close(fd)


def work_stamp(folders: spool.Folders, journey: Journey) -> Stamp | None:
    """Return the version of a journey's document in the work folder, None where it is not there."""
    return stamp_at(work_name(journey), folders.work)


def records_in(folders: spool.Folders, archive: str) -> dict[str, Told]:
    """Return every readable sidecar of an archive by its upload id; one that has its document wins.

    Raises OSError where the archive cannot be read; one that was never made is empty.
    """
    found: dict[str, Told] = {}
    with suppress(FileNotFoundError), folders.archive(archive, b"", make=False) as top:
        for told in _records_below(top):
            known = found.get(told.record.upload_id)
            if known is None or known.beside is Record.SIDECAR:
                found[told.record.upload_id] = told
    return found


def reports_in(folders: spool.Folders, archive: str) -> list[tuple[Batch, float]]:
    """Return the batches, without their documents, of the reports in an archive, and when each ended.

    Moments are seconds since 1970. Raises OSError where the archive cannot be read.
    """
    found = []
    with suppress(FileNotFoundError), folders.archive(archive, b"", make=False) as top:
        for name in filter(is_report, spool.names_in(top)):
            with suppress(OSError, ValueError, OverflowError):
                report = read_report(spool.read_small(name, top, REPORT_BYTES))
                began, ended = (
                    datetime.fromisoformat(text).timestamp() for text in (report.began, report.ended)
                )
                batch = Batch(report.batch_id, report.queue, began, ())
                found += [(batch, ended)] if report_name(batch) == name else []
    return found


def _records_below(top: int) -> Iterator[Told]:
    pending = [b""]
    while pending:
        folder = pending.pop()
        with spool.below(top, folder) as fd:
            entries = {os.fsencode(e.name): e.is_dir(follow_symlinks=False) for e in os.scandir(fd)}
            pending += [os.path.join(folder, name) for name, is_folder in entries.items() if is_folder]
            for name in entries:
                document = name.removesuffix(b".json")
                if document == name or sidecar_name(document) != name:
                    continue
                # Whoever may write to an archive may leave there what no journey can be drawn from.
                with suppress(OSError, ValueError, OverflowError):
                    record = read(spool.read_small(name, fd))
                    from_sidecar(record, folder, document)
                    beside = Record.FILED if document in entries else Record.SIDECAR
                    yield Told(record, folder, document, beside)
