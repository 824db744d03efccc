"""The words every module shares: what a document is and what is known of its journey."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Protocol


class State(StrEnum):
    """Where a claimed document is on its journey; before the claim nothing is stored."""

    CLAIMED = "claimed"
    """Ours: in the work folder (or about to be moved there); nothing was sent."""
    SENDING = "sending"
    """A request may be on the wire; after a crash this is `UNCERTAIN`."""
    DEFERRED = "deferred"
    """The service certainly did not take it; it is sent again at `not_before`."""
    UNCERTAIN = "uncertain"
    """The service may have taken it; it is asked before anything is sent again."""
    ACCEPTED = "accepted"
    """The service answered that it has the document; its final word may be outstanding."""
    DELIVERED = "delivered"
    """Final and good: to be filed in done/."""
    REFUSED = "refused"
    """Final and bad: to be filed in failed/."""
    FILED = "filed"
    """At rest in done/ or failed/ with its sidecar."""
    RETURNED = "returned"
    """Put back into the drop folder unsent; it will be claimed anew."""


OPEN = frozenset(State) - {State.FILED, State.RETURNED}
"""States of documents that still need work."""

FINAL = frozenset({State.DELIVERED, State.REFUSED})
"""States of documents that only have to be filed."""


class ErrorSource(StrEnum):
    """Who said no."""

    LOCAL = "local"
    SERVER = "server"
    TRANSPORT = "transport"


@dataclass(frozen=True, slots=True)
class Stamp:
    """What identifies one version of a file: any write, rename-over or re-creation changes it."""

    dev: int
    ino: int
    size: int
    mtime_ns: int
    ctime_ns: int

    def same_content(self, other: "Stamp") -> bool:
        """Tell whether only metadata (link count, owner, mode: ctime) can differ."""
        return (self.dev, self.ino, self.size, self.mtime_ns) == (
            other.dev,
            other.ino,
            other.size,
            other.mtime_ns,
        )

    def same_file(self, other: "Stamp") -> bool:
        """Tell whether it is the same file, unchanged, even after a restart, which may renumber devices."""
        return (self.ino, self.size, self.mtime_ns) == (other.ino, other.size, other.mtime_ns)


@dataclass(frozen=True, slots=True)
class Ground:
    """What a folder stands on: where its file system is mounted, of which type it is, and which folder it is."""

    mount_point: str
    fs_type: str
    dev: int
    ino: int


@dataclass(frozen=True, slots=True)
class Answer:
    """The response record of the Digitoo connector (Upload Document Response 1.1.0)."""

    status_code: int
    error_key: str | None = None
    messages: tuple[str, ...] | None = None
    document_ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at sending: wall-clock start in seconds, HTTP status if any, error in words."""

    at: float
    status: int | None
    error: str | None
    duration_ms: int


@dataclass(frozen=True, slots=True)
class Remote:
    """What the service calls the document: addresses and states as it gave them."""

    task: str | None = None
    upload: str | None = None
    documents: tuple[str, ...] = ()
    annotations: tuple[str, ...] = ()
    status: str | None = None
    sla_at: str | None = None
    links: Mapping[str, Any] = field(default_factory=dict)
    objects: Mapping[str, Any] = field(default_factory=dict)
    """What it tells of them, by kind: plain JSON, bounded."""
    shared: bool = False
    """Task and upload are those of several documents, which went in one request."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A further file that lies in the work folder and rests beside its document."""

    in_work: bytes
    pattern: str
    """Its name in the archive, by the document's name there: a text with `{name}` or `{stem}`."""
    stamp: Stamp | None = None
    """The version of it that rests in the archive; None until it does."""


@dataclass(frozen=True, slots=True)
class Attendant:
    """A file that was dropped for a document and moves with it: its companion, or the marker that it was complete."""

    name: bytes
    """Base name as dropped."""
    template: str
    """What makes this name of the document's: a text with `{name}` or `{stem}`."""
    stamp: Stamp
    kept: bool = True
    """Whether it rests beside its document; a marker is removed."""


@dataclass(frozen=True, slots=True)
class Own:
    """What a companion says of its document alone."""

    metadata: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    queue_id: str | None = None
    document_class: str | None = None


@dataclass(frozen=True, slots=True)
class Earlier:
    """A failed journey whose document came back, and where its sidecar was left below failed/."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"ser_json_bytes": "base64", "val_json_bytes": "base64"}

    upload_id: str
    folder: bytes
    name: bytes
    """The document's name in the archive."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Documents of a queue that were ready together (`mode: batch`), in their order; places count from 1."""

    batch_id: str
    queue: str
    began: float
    plan: tuple[tuple[bytes, bytes], ...]
    """Folder below the drop folder, and name, of each."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A queue that takes nothing more since a document went to failed/ (`on_error`), until a person resumes it."""

    since: float
    upload_id: str
    file: str
    """Where the document was dropped, below the drop folder, as text."""


@dataclass(frozen=True, slots=True)
class Journey:
    """Everything known of one claimed document; all times are wall-clock seconds since 1970."""

    __pydantic_config__: ClassVar[dict[str, str]] = {"ser_json_bytes": "base64", "val_json_bytes": "base64"}

    upload_id: str
    queue: str
    connection: str
    backend: str
    queue_id: str | None
    id_source: str
    """`queue`, `folder`, `companion` or `override`: what named the service's queue."""
    folder: bytes
    """Path below the drop folder, empty at its top."""
    name: bytes
    """Base name as dropped."""
    stamp: Stamp
    media_type: str | None
    state: State
    seen_at: float
    ready_at: float
    claimed_at: float
    override_of: str | None = None
    """The id that would have counted, where the connection's override won."""
    sha256: str | None = None
    sent_name: str | None = None
    sent_from: float | None = None
    """When it may first have arrived, by the service's own clock; None: nothing was heard of that clock."""
    attempts: tuple[Attempt, ...] = ()
    inherited: int = 0
    """How many of the attempts are those of the failed journey that it tries again."""
    asked: int = 0
    """How often the service was asked about it since it became uncertain."""
    repeat: bool = False
    """It was uncertain once and the service did not have it: a repeat must be guarded."""
    probably_not_taken: bool = False
    """It became uncertain by a well-formed 503: where nobody can tell, that counts as a no."""
    held: bool = False
    """The service cannot tell whether it has it: a person must look."""
    not_before: float = 0.0
    accepted_at: float | None = None
    accepted_status: int | None = None
    """HTTP status of the accepting answer."""
    told_at: float | None = None
    """When the service last said something new of it."""
    rejected: bool = False
    """The service or a person turned it down after its import; a warning says how."""
    results_from: float | None = None
    """When the service was done with it, where what it found is fetched; its answer is the final one."""
    imported: bool = False
    """The service has imported it: what is outstanding is the work of people there."""
    stalled: bool = False
    """The service has had it for long and has not finished: a person should look."""
    sla_told: bool = False
    """It was said that the moment has passed until which the service promised to be done."""
    filed_at: float | None = None
    filed_name: bytes | None = None
    """Its name in the archive, where that differs or not."""
    answer: Answer | None = None
    error_source: ErrorSource | None = None
    remote: Remote = field(default_factory=Remote)
    possible_duplicate: bool = False
    duplicate_of: str | None = None
    """Upload id of the first document of its content."""
    supersedes: str | None = None
    """Upload id of the shorter document that came under its name just before."""
    retries: Earlier | None = None
    beside: tuple[Beside, ...] = ()
    on_error: str = "continue"
    """What its failure means for its queue: the setting `on_error` as it was at the claim."""
    attendants: tuple[Attendant, ...] = ()
    """What was dropped with it; those that are kept stand in `beside` too, and first."""
    own: Own = field(default_factory=Own)
    batch_id: str | None = None
    place: int | None = None
    """In its batch, from 1."""
    recovered: bool = False
    reason: str | None = None
    """Why it is in its state, in words, for the log and for `why`."""
    warnings: tuple[str, ...] = ()


class Clock(Protocol):
    """Where the time comes from: the one thing besides disk and network that differs between runs."""

    def monotonic(self) -> float:
        """Return seconds from an arbitrary start, never going back."""

    def wall(self) -> float:
        """Return seconds since 1970."""
