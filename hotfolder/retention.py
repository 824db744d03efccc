"""Remove documents from done/ and failed/ when their time is over, and nothing else.

Only what is proven to be ours goes: a row of the journal names it, in its place lies the record with its upload id
and queue, and beside that the very content that was filed. Its further files go first, then the document; when that
is durable its record follows, so that a crash leaves no document without one, and the next round goes on with what
is left. Where anything is not as it was filed, everything of that document stays.
"""

import errno
import os
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from hotfolder import spool
from hotfolder.batches import REPORT_BYTES, is_report_of, report_name
from hotfolder.batches import read as read_report
from hotfolder.checks.names import printable
from hotfolder.checks.readiness import Kind
from hotfolder.claims import digest_of
from hotfolder.filing import names_beside, sidecar_name
from hotfolder.model import Batch, Journey, Stamp, State
from hotfolder.sidecar import Sidecar, read

_NO_FOLDER = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_ROUNDING_NS = 2_000_000
"""A record tells times to the millisecond."""


class Fate(StrEnum):
    """What became of a document whose time is over."""

    REMOVED = "removed"
    GONE = "gone"
    """Its record is not in its place any more: somebody has taken it."""
    CHANGED = "changed"
    """What lies in its place is not what was filed: it stays."""


@dataclass(slots=True)
class Swept:
    """What a sweep came to; a document without a fate is tried again."""

    fates: dict[str, Fate] = field(default_factory=dict)
    """By upload id."""
    trouble: str | None = None
    """Why something that is past its time could not be removed, in words."""


@dataclass(frozen=True, slots=True)
class _Doomed:
    """A document that was proven to be ours, with the version of everything that goes before its record."""

    journey: Journey
    name: bytes
    parts: tuple[tuple[bytes, Stamp], ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """One folder of an archive that is swept."""

    top: int
    folder: bytes
    until: float
    go_on: Callable[[], bool]


class _NotOursError(Exception):
    def __init__(self, fate: Fate) -> None:
        super().__init__(fate)
        self.fate = fate


def sweep(
    folders: spool.Folders,
    archive: str,
    journeys: Sequence[Journey],
    until: float,
    go_on: Callable[[], bool] = lambda: True,
) -> Swept:
    """Remove those documents from an archive (absolute path) that were filed up to `until` (seconds since 1970); blocks.

    Each only as far as it is ours and unchanged. Between two documents `go_on` is asked whether to.
    """
    swept = Swept()
    places: dict[bytes, list[Journey]] = defaultdict(list)
    for journey in journeys:
        if journey.state is State.FILED and journey.filed_at is not None and journey.filed_at <= until:
            places[journey.folder].append(journey)
    try:
        with suppress(FileNotFoundError), _opened(folders, archive) as top:
            for folder, mine in places.items():
                _sweep_below(_Place(top, folder, until, go_on), mine, swept)
    except OSError as problem:
        swept.trouble = _words(problem)
    return swept


@contextmanager
def _opened(folders: spool.Folders, archive: str) -> Iterator[int]:
    top = folders.open_archive(archive, make=False)
    try:
        yield top
    finally:
        os.close(top)


def _words(problem: OSError) -> str:
    return problem.strerror or str(problem)


def _sweep_below(place: _Place, journeys: Sequence[Journey], swept: Swept) -> None:
    try:
        with spool.below(place.top, place.folder) as at:
            doomed = list(_judged(at, place, journeys, swept))
            bare = [one for one in doomed if _without_record(at, one, swept)]
            spool.sync_folder(at)
            for one in bare:
                _finish(at, one, swept)
            spool.sync_folder(at)
    except OSError as problem:
        if problem.errno not in _NO_FOLDER:
            swept.trouble = _words(problem)
            return
        swept.fates |= {j.upload_id: Fate.GONE for j in journeys if j.upload_id not in swept.fates}


def _judged(at: int, place: _Place, journeys: Sequence[Journey], swept: Swept) -> Iterator[_Doomed]:
    for journey in journeys:
        if not place.go_on():
            return
        try:
            yield _proven(at, journey, place.until)
        except _NotOursError as found:
            swept.fates[journey.upload_id] = found.fate
        except OSError as problem:
            swept.trouble = f"{printable(journey.filed_name or journey.name)}: {_words(problem)}"


def sweep_reports(folders: spool.Folders, archive: str, batches: Sequence[Batch], until: float) -> Swept:
    """Remove the reports of batches that ended up to `until` (seconds since 1970) from an archive; blocks.

    Each only where it is the one that was written for its batch; fates are by batch id.
    """
    swept = Swept()
    try:
        with _opened(folders, archive) as top:
            for batch in batches:
                try:
                    swept.fates[batch.batch_id] = _without_report(top, batch, until)
                except OSError as problem:
                    swept.trouble = f"{printable(report_name(batch))}: {_words(problem)}"
            spool.sync_folder(top)
    except FileNotFoundError:  # the archive itself
        swept.fates = {batch.batch_id: Fate.GONE for batch in batches}
    except OSError as problem:
        swept.trouble = _words(problem)
    return swept


def _without_report(at: int, batch: Batch, until: float) -> Fate:
    """Remove one report; raises OSError."""
    name = report_name(batch)
    try:
        content = spool.read_small(name, at, REPORT_BYTES)
    except FileNotFoundError:
        return Fate.GONE
    except spool.NotAFileError:
        return Fate.CHANGED
    ended = is_report_of(batch, content) and datetime.fromisoformat(read_report(content).ended).timestamp()
    if not ended or ended > until:
        return Fate.CHANGED
    spool.remove(name, at)
    return Fate.REMOVED


# Proving -----------------------------------------------------------------------------------------


def _proven(at: int, journey: Journey, until: float) -> _Doomed:
    """Return what goes; raises `_NotOursError` for what is not exactly as it was filed, and OSError."""
    name = journey.filed_name
    record = None if name is None else _record(at, name, journey)
    if name is None or record is None:
        raise _NotOursError(Fate.GONE)
    if datetime.fromisoformat(record.times.filed).timestamp() > until:
        raise _NotOursError(Fate.CHANGED)
    further = _further(at, journey, name, record)
    document = _stamp(name, at)
    if document is None:
        if further:  # a person has taken the document alone
            raise _NotOursError(Fate.CHANGED)
        return _Doomed(journey, name, ())
    return _Doomed(journey, name, (*further, (name, _unchanged(at, name, record))))


def _record(at: int, name: bytes, journey: Journey) -> Sidecar | None:
    """Return the record in a document's place where it is its own; raises OSError where that cannot be read."""
    try:
        record = read(spool.read_small(sidecar_name(name), at))
    except (FileNotFoundError, spool.NotAFileError, ValueError):
        return None
    outcome = "failed" if journey.error_source else "done"
    said = (record.upload_id, record.queue.name, record.outcome, record.file.sha256)
    return record if said == (journey.upload_id, journey.queue, outcome, journey.sha256) else None


def _stamp(name: bytes, at: int) -> Stamp | None:
    """Return the version of a file, None where there is nothing; a link, folder or device is not ours."""
    try:
        kind, stamp = spool.look(name, at)
    except FileNotFoundError:
        return None
    if kind is not Kind.FILE:
        raise _NotOursError(Fate.CHANGED)
    return stamp


def _further(at: int, journey: Journey, name: bytes, record: Sidecar) -> tuple[tuple[bytes, Stamp], ...]:
    """Return the further files that are there, each being the version that was filed."""
    names = names_beside(journey, name)
    if tuple(map(printable, names)) != tuple(record.beside or ()):
        raise _NotOursError(Fate.CHANGED)
    found = []
    for one, beside in zip(journey.beside, names, strict=True):
        stamp = _stamp(beside, at)
        if stamp is None:
            continue
        filed = one.stamp
        if filed is None or (stamp.size, stamp.mtime_ns) != (filed.size, filed.mtime_ns):
            raise _NotOursError(Fate.CHANGED)
        found.append((beside, stamp))
    return tuple(found)


def _unchanged(at: int, name: bytes, record: Sidecar) -> Stamp:
    """Return the version of the document in the archive where its content is the one that its record names."""
    try:
        fd, status = spool.open_document(name, at)
    except spool.NotAFileError:
        raise _NotOursError(Fate.CHANGED) from None
    try:
        stamp = spool.stamp_of(status)
        same = stamp.size == record.file.size and _same_content(fd, stamp, record)
    finally:
        os.close(fd)
    if not same:
        raise _NotOursError(Fate.CHANGED)
    return stamp


def _same_content(fd: int, stamp: Stamp, record: Sidecar) -> bool:
    if record.file.sha256 is not None:
        return digest_of(fd) == record.file.sha256
    recorded_ns = datetime.fromisoformat(record.file.modified_at).timestamp() * 1e9
    return abs(stamp.mtime_ns - recorded_ns) < _ROUNDING_NS


# Removing ----------------------------------------------------------------------------------------


def _without_record(at: int, doomed: _Doomed, swept: Swept) -> bool:
    """Remove everything of a document but its record; tell whether that may follow."""
    try:
        for name, stamp in doomed.parts:
            _take_away(at, name, stamp)
    except _NotOursError as found:
        swept.fates[doomed.journey.upload_id] = found.fate
    except OSError as problem:
        swept.trouble = f"{printable(doomed.name)}: {_words(problem)}"
    else:
        return True
    return False


def _take_away(at: int, name: bytes, stamp: Stamp) -> None:
    """Remove a file that is still the version that was proven to be ours."""
    if _stamp(name, at) not in {None, stamp}:
        raise _NotOursError(Fate.CHANGED)
    spool.remove(name, at)


def _finish(at: int, doomed: _Doomed, swept: Swept) -> None:
    """Remove the record, unless somebody has put something beside it or in its place."""
    try:
        if _stamp(doomed.name, at) is None and _record(at, doomed.name, doomed.journey) is not None:
            spool.remove(sidecar_name(doomed.name), at)
            swept.fates[doomed.journey.upload_id] = Fate.REMOVED
        else:
            swept.fates[doomed.journey.upload_id] = Fate.CHANGED
    except _NotOursError as found:
        swept.fates[doomed.journey.upload_id] = found.fate
    except OSError as problem:
        swept.trouble = f"{printable(doomed.name)}: {_words(problem)}"
