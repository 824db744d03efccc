"""What an audit looks at, as plain facts: rows, work folders, archives (pure)."""

from dataclasses import dataclass

from hotfolder.model import Journey


@dataclass(frozen=True, slots=True)
class Problem:
    """One place where a guarantee does not hold: the file, as bytes, and what is wrong with it."""

    file: bytes
    problem: str


@dataclass(frozen=True, slots=True)
class Row:
    """One document of the journal, and its arrows as (event, state after it), the oldest first."""

    journey: Journey
    arrows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class WorkEntry:
    """One entry of a work folder."""

    name: bytes
    regular: bool


@dataclass(frozen=True, slots=True)
class Record:
    """What a sidecar says, as far as it must agree with journal and document."""

    upload_id: str
    outcome: str
    size: int
    sha256: str | None
    beside: tuple[str, ...] = ()
    """Names of further files that belong to the document, as text."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document in an archive; the digest is None where it was not asked for."""

    path: bytes
    area: str
    size: int
    record: Record | None
    sha256: str | None = None
    flaw: str | None = None
    """Why document or sidecar cannot be read, or what is wrong with the sidecar's form."""


@dataclass(frozen=True, slots=True)
class LonelyRecord:
    """A sidecar in an archive without its document."""

    path: bytes
    record: Record


@dataclass(frozen=True, slots=True)
class Site:
    """The folders of one queue."""

    queue: str
    work_path: bytes
    work: tuple[WorkEntry, ...]
    dropped: frozenset[str]
    """Upload ids of unfinished documents that lie in the drop folder, unchanged, under their name."""
    documents: tuple[Document, ...]
    lonely: tuple[LonelyRecord, ...]
    leftovers: tuple[tuple[bytes, str], ...]
    """Temporary files of filings: path, upload id."""
    unreadable: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything of one look."""

    journal_path: bytes
    rows: tuple[Row, ...]
    sites: tuple[Site, ...]
    unreadable: tuple[Problem, ...] = ()
    batches: frozenset[str] = frozenset()
    """Ids of those whose report is not written yet."""

    @property
    def numbers(self) -> tuple[int, int, int]:
        """Return how many documents lie in archives, how many in work folders, and how many the journal knows."""
        archived = sum(len(site.documents) for site in self.sites)
        at_work = sum(row.journey.state not in _AT_REST for row in self.rows)
        return archived, at_work, len(self.rows)


_AT_REST = frozenset({"filed", "returned"})
