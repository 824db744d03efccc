"""Look at journal, work folders and archives, following no link and changing nothing."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace

from pydantic import ValidationError

from hotfolder import spool
from hotfolder.audit.evidence import Document, Evidence, LonelyRecord, Problem, Record, Row, Site, WorkEntry
from hotfolder.audit.proof import LEFTOVER
from hotfolder.batches import REPORT_BYTES, is_report, read
from hotfolder.checks.names import printable
from hotfolder.checks.readiness import Kind
from hotfolder.filing import sidecar_name
from hotfolder.journal import JournalError, Reader
from hotfolder.journal.reader import FILE_NAME
from hotfolder.model import OPEN, Journey, Stamp, State
from hotfolder.settings import Queue, Settings
from hotfolder.sidecar import Sidecar

_ADVICE = "mend it, or run the audit as the service's user"


@dataclass
class Looker:
    """Looks again and again, and reads each version of a document once."""

    settings: Settings
    quick: bool
    _digests: dict[tuple[bytes, Stamp], str] = field(default_factory=dict)

    def look(self) -> Evidence:
        """Look at everything once: the rows, then the folders."""
        path = self.settings.state_dir / FILE_NAME
        rows, batches, unreadable = _rows(self.settings, os.fsencode(path))
        journeys = [row.journey for row in rows if row.journey.state in OPEN]
        sites = [self._site(queue, journeys) for queue in self.settings.queues.values()]
        return Evidence(os.fsencode(path), rows, tuple(sites), unreadable, batches)

    def _site(self, queue: Queue, journeys: list[Journey]) -> Site:
        bad: list[Problem] = []
        drop = os.path.realpath(os.fsencode(queue.folder))
        work_path = os.path.join(drop, spool.WORK_FOLDER)
        work: tuple[WorkEntry, ...] = ()
        dropped: frozenset[str] = frozenset()
        with _noted(drop, bad, missing_is_fine=False), _opened(drop) as top:
            os.listdir(top)
            dropped = frozenset(j.upload_id for j in journeys if j.queue == queue.name and _lies(j, top))
        with _noted(work_path, bad), _opened(work_path) as at:
            work = tuple(_work_entry(name, at) for name in map(os.fsencode, sorted(os.listdir(at))))
        site = Site(queue.name, work_path, work, dropped, (), (), (), ())
        for area, top_path in (("done", queue.done), ("failed", queue.failed)):
            archive = _Archive(area, self.quick, self._digests, bad)
            archive.walk(os.path.realpath(os.fsencode(top_path)))
            site = replace(
                site,
                documents=(*site.documents, *archive.documents),
                lonely=(*site.lonely, *archive.lonely),
                leftovers=(*site.leftovers, *archive.leftovers),
            )
        return replace(site, unreadable=tuple(bad))


def _rows(settings: Settings, path: bytes) -> tuple[tuple[Row, ...], frozenset[str], tuple[Problem, ...]]:
    """Read the journal: documents, and the batches without report.

    One that does not exist yet knows nothing, and says so by what then has no row.
    """
    try:
        with closing(Reader(settings.state_dir)) as reader:
            journeys, history = reader.everything()
            batches = frozenset(b.batch_id for queue in settings.queues for b in reader.open_batches(queue))
    except JournalError as problem:
        if not os.path.lexists(path):
            return (), frozenset(), ()
        return (), frozenset(), (Problem(path, str(problem)),)
    return tuple(Row(j, tuple(history.get(j.upload_id, ()))) for j in journeys), batches, ()


def _lies(journey: Journey, top: int) -> bool:
    """Tell whether the document of an open row lies in the drop folder under its name, unchanged."""
    try:
        with spool.below(top, journey.folder) as folder:
            stamp = spool.look(journey.name, folder)[1]
    except OSError:
        return False
    return journey.state is State.CLAIMED or stamp.same_file(journey.stamp)


def _work_entry(name: bytes, at: int) -> WorkEntry:
    try:
        return WorkEntry(name, spool.look(name, at)[0] is Kind.FILE)
    except FileNotFoundError:  # it has just gone its way
        return WorkEntry(name, regular=True)


@contextmanager
def _opened(path: bytes) -> Iterator[int]:
    fd = spool.open_folder(path)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _noted(path: bytes, bad: list[Problem], *, missing_is_fine: bool = True) -> Iterator[None]:
    """Take note of a folder that cannot be read; one that was not made yet may be fine."""
    try:
        yield
    except FileNotFoundError as problem:
        if not missing_is_fine:
            bad.append(Problem(path, f"the folder cannot be read: {problem.strerror}; {_ADVICE}"))
    except OSError as problem:
        bad.append(Problem(path, f"the folder cannot be read: {problem.strerror or problem}; {_ADVICE}"))


@dataclass
class _Archive:
    """One archive of one queue, walked through."""

    area: str
    quick: bool
    digests: dict[tuple[bytes, Stamp], str]
    bad: list[Problem]
    documents: list[Document] = field(default_factory=list)
    lonely: list[LonelyRecord] = field(default_factory=list)
    leftovers: list[tuple[bytes, str]] = field(default_factory=list)

    def walk(self, top: bytes) -> None:
        """Look at every folder below `top` that is not hidden."""
        pending = [top]
        while pending:
            path = pending.pop()
            with _noted(path, self.bad), _opened(path) as at:
                pending += [os.path.join(path, name) for name in self._folder(path, at)]

    def _folder(self, path: bytes, at: int) -> list[bytes]:
        """Look at one folder and return the names of those in it."""
        files: dict[bytes, Stamp] = {}
        folders: list[bytes] = []
        for name in map(os.fsencode, os.listdir(at)):
            kind, stamp = _looked(name, at)
            leftover = LEFTOVER.fullmatch(name)
            if leftover and kind is Kind.FILE:
                self.leftovers.append((os.path.join(path, name), leftover[1].decode()))
            elif not name.startswith(b"."):
                files |= {name: stamp} if stamp and kind is Kind.FILE else {}
                folders += [name] if kind is Kind.FOLDER else []
        self._sort(path, at, files)
        return folders

    def _sort(self, path: bytes, at: int, files: dict[bytes, Stamp]) -> None:
        """Tell documents from sidecars: a sidecar is what reads as one and has none beside it."""
        records = {name: _record(name, at) for name in files if name.endswith(b".json")}
        beside = {sidecar_name(name): name for name in files}
        further = {one for record in records.values() if isinstance(record, Record) for one in record.beside}
        for name, stamp in files.items():
            full = os.path.join(path, name)
            own = records.get(sidecar_name(name), "there is no record beside it")
            record = records.get(name)
            if isinstance(own, Record):
                self.documents.append(self._document(full, name, stamp, at, own))
            elif isinstance(record, Record):
                if name not in beside:
                    self.lonely.append(LonelyRecord(full, record))
            elif not (_is_report(name, at) or name in beside or printable(name) in further):
                self.documents.append(Document(full, self.area, stamp.size, None, flaw=own))

    def _document(self, full: bytes, name: bytes, stamp: Stamp, at: int, record: Record) -> Document:
        document = Document(full, self.area, stamp.size, record)
        if self.quick or record.sha256 is None or record.size != stamp.size:
            return document
        try:
            if (full, stamp) not in self.digests:
                self.digests[full, stamp] = _digest(name, at)
        except OSError as problem:
            return replace(document, flaw=f"it cannot be read: {problem.strerror or problem}; {_ADVICE}")
        return replace(document, sha256=self.digests[full, stamp])


def _is_report(name: bytes, at: int) -> bool:
    """Tell whether a file is the report of a batch by its name, and by what it says."""
    try:
        return is_report(name) and read(spool.read_small(name, at, REPORT_BYTES)).batch_id in printable(name)
    except (OSError, ValueError):
        return False


def _looked(name: bytes, at: int) -> tuple[Kind, Stamp | None]:
    try:
        return spool.look(name, at)
    except FileNotFoundError:
        return Kind.OTHER, None


def _record(name: bytes, at: int) -> Record | str:
    """Read a sidecar, or say what is wrong with it."""
    try:
        sidecar = Sidecar.model_validate_json(spool.read_small(name, at))
    except OSError as problem:
        return f"its record cannot be read: {problem.strerror or problem}; {_ADVICE}"
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        return (
            f"its record is not valid: {where}: {first['msg']}"
            if where
            else f"its record is not valid: {first['msg']}"
        )
    beside = tuple(sidecar.beside or ())
    return Record(sidecar.upload_id, sidecar.outcome, sidecar.file.size, sidecar.file.sha256, beside)


def _digest(name: bytes, at: int) -> str:
    fd, _ = spool.open_document(name, at)
    with open(fd, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
