"""The contract between the journey and a service.

A backend speaks to one service over one connection. Its methods block, are safe to call from
several threads at once, never retry by themselves, and fail in exactly four ways:

    DeliveryError
    ├── Refused        the service will never take this document         → failed/ with the reason
    ├── Unavailable    not now; certainly not taken                      → again later
    ├── Unauthorized   credentials, licence or configuration are wrong   → pause, tell the operator
    └── Uncertain      the request may have arrived                      → ask before sending again
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import IO, Any, ClassVar

from hotfolder.backends.pace import Pace
from hotfolder.model import Answer, ErrorSource, Remote

ANNOTATIONS_SCHEMA = "hotfolder/annotations/1"
"""What `Backend.results` calls the shape of its JSON: `fetched_at`, `source`, and the service's own words."""
PROCESSED = "processed"
"""The value of a queue's `wait_for` that asks for the service's last word."""
PDF, JPEG, PNG, TIFF = "application/pdf", "image/jpeg", "image/png", "image/tiff"


def fault_in_words(surprise: Exception) -> str:
    """Return what is said of a failure that no contract names."""
    return f"the program failed: {type(surprise).__name__}: {surprise}"


class DeliveryError(Exception):
    """Common base of the four ways to fail; `str()` is one sentence for people, without secrets."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        """HTTP status that caused it, None where nobody answered."""


class Refused(DeliveryError):  # noqa: N818 — named after what it says of the document
    """The service will never take this document; `answer` is the record for the sidecar."""

    def __init__(
        self, answer: Answer, *, remote: Remote | None = None, source: ErrorSource = ErrorSource.SERVER
    ) -> None:
        *others, last = answer.messages or ("refused",)
        words = "; ".join([*(one.removesuffix(".") for one in others), last])
        super().__init__(words, status=answer.status_code)
        self.answer = answer
        self.remote = remote
        """What is known of the document on the service, for a refusal that came after acceptance."""
        self.source = source
        """`LOCAL` where nothing was sent, since the service could only have refused it."""


class Unavailable(DeliveryError):  # noqa: N818 — named after what it says of the document
    """Not now, and certainly not taken: no connection, 425, 429, an incomplete request."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        counts: bool = True,
    ) -> None:
        super().__init__(message, status=status)
        self.retry_after_s = retry_after_s
        """Seconds the service asked us to wait."""
        self.counts = counts
        """Whether this was an attempt; False for 429."""


class Scope(StrEnum):
    """What an `Unauthorized` stops."""

    CONNECTION = "connection"
    QUEUE = "queue"


class Unauthorized(DeliveryError):  # noqa: N818 — named after what it says of the document
    """Credentials, licence or configuration are wrong: every further document would fail alike."""

    def __init__(self, message: str, *, status: int | None = None, scope: Scope = Scope.CONNECTION) -> None:
        super().__init__(message, status=status)
        self.scope = scope


class Uncertain(DeliveryError):  # noqa: N818 — named after what it says of the document
    """The request may have arrived; the service must be asked before anything is sent again."""

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after_s: float | None = None,
        probably_not_taken: bool = False,
    ) -> None:
        super().__init__(message, status=status)
        self.retry_after_s = retry_after_s
        self.probably_not_taken = probably_not_taken
        """True for a well-formed 503: counts as not taken where the service cannot tell."""


class CannotTell(Exception):  # noqa: N818 — an answer to a question, not a fault
    """The service has no way to say whether it has the document, or its answer is ambiguous."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What a service can do, as data, so that nothing outside a backend asks for its name."""

    name: str
    media_types: frozenset[str]
    max_bytes: int | None
    """Largest document by default, in bytes; None: the service states no limit."""
    needs_queue_id: bool
    follows_up: bool
    """Whether `follow_up` can learn more after acceptance."""
    finds_by_time: bool = False
    """Whether `find` leaves out what arrived before a moment, so that the service's clock must be known."""
    keeps_mark: bool = True
    """Whether the service keeps a mark of ours, so that `find` tells two documents of one name apart."""
    takes: frozenset[str] = frozenset()
    """Which of a queue's `metadata`, `values`, `document_class` and `reject_identical` reach the service."""
    serial: bool = False
    """Whether documents for several of its queues go one after the other, unless the connection sets limits."""
    files_per_request: int = 1
    """Most documents of a batch in one request; see `Backend.together`."""
    request_bytes: int | None = None
    """Most bytes of a request with several documents, its framing included; None: no limit is stated."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """One document as it goes out."""

    upload_id: str
    queue: str
    queue_id: str | None
    name: str
    """File name as sent: text, at most 255 bytes of UTF-8, without control characters."""
    media_type: str
    size_bytes: int
    sha256: str
    pieces: Callable[[], Iterator[bytes]]
    """Opens the content afresh; the pieces add up to `size_bytes` or it raises `ContentChanged`."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    document_class: str | None = None
    webhook_url: str | None = None
    reject_identical: bool = False
    """Ask a service that can to refuse a document that it already has."""
    wait_for: str = "imported"
    """Which word of the service is final: accepted, imported or processed."""
    results: bool = False
    """Whether `Backend.results` will be asked for what was found in it."""
    batch_id: str | None = None
    """The batch that it goes with."""


class ContentChanged(Exception):  # noqa: N818 — a fact about the file, not about the service
    """The file is not what was hashed any more; raised by `Parcel.pieces`, passed through by `upload`."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A clear yes of the service."""

    status: int
    """HTTP status of the accepting answer."""
    final: bool
    """False: `follow_up` will tell more."""
    document_ids: tuple[str, ...] = ()
    remote: Remote = field(default_factory=Remote)
    warnings: tuple[str, ...] = ()
    imported: bool = False
    """The import is over, what is left is people's work: questions may be rarer."""
    rejected: bool = False
    """The service or a person turned the document down after its import; a warning says how."""


@dataclass(frozen=True, slots=True)
class Apart:
    """The service refused a request of several documents, and took none: by itself this one may be fine."""

    reason: str
    status: int | None = None
    """HTTP status of the refusal, None where the request did not go out whole."""


Outcome = Receipt | DeliveryError | ContentChanged | OSError | Apart
"""What sending one document among several can come to."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of `check`."""

    ok: bool
    text: str
    is_note: bool = False
    """Whether it works, and somebody may still want it otherwise."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One document as its service lists it; the texts are the service's own, not made fit for a terminal."""

    number: str
    """The service's id of the document, empty where the list shows none."""
    name: str | None = None
    created_at: float | None = None
    """Seconds since 1970."""
    status: str | None = None
    upload_id: str | None = None
    """The mark that an upload of ours left; None where there is none, or the service shows none."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a queue of the configuration wants to send to a queue of the service."""

    queue_id: str
    media_types: frozenset[str]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """With its templates not filled in."""
    values: Mapping[str, Any] = field(default_factory=dict)


class Backend(ABC):
    """One service over one connection; made once, used from several threads, closed once."""

    traits: ClassVar[Traits]

    @property
    def ahead_s(self) -> float | None:
        """How far the service's clock is ahead of ours, in seconds, by its latest answer; None: not known."""
        return None

    def learn_time(self) -> None:  # noqa: B027 — most need not
        """Have `ahead_s` told before a document goes out, where one is looked for by its time; may raise `DeliveryError`."""

    @property
    def pace(self) -> Pace:
        """How fast requests of this connection go out; each takes its turn there."""
        return Pace()

    @abstractmethod
    def upload(self, parcel: Parcel) -> Receipt:
        """Send one document once.

        Raises `Refused`, `Unavailable`, `Unauthorized`, `Uncertain`, or `ContentChanged`.
        """

    def together(self, parcels: Sequence[Parcel]) -> list[list[Parcel]]:
        """Divide documents of a batch, in their order, into those that one request can hold; nothing is sent."""
        return [[one] for one in parcels]

    def upload_many(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        """Send documents that `together` put into one request, once; returns what became of each, in their order.

        `Apart` only where the service certainly took none of them.
        """
        return [self._uploaded(one) for one in parcels]

    def _uploaded(self, parcel: Parcel) -> Outcome:
        try:
            return self.upload(parcel)
        except (DeliveryError, ContentChanged, OSError) as known:
            return known

    @abstractmethod
    def follow_up(self, receipt: Receipt, parcel: Parcel) -> Receipt:
        """Ask once how an accepted document fares; the same receipt, not final, means "still at it".

        Raises `Refused` where the service failed to import it, `Unavailable`, `Unauthorized`, or
        `Uncertain` where the service has forgotten what it accepted.
        """

    def shares_questions(self, remote: Remote) -> bool:
        """Tell whether one request asks about many documents of which this much is known; nothing is sent."""
        del remote
        return False

    def follow_up_many(self, asked: Sequence[tuple[Receipt, Parcel]]) -> list[Receipt | DeliveryError]:
        """Ask once how many accepted documents fare; returns or fails for each what `follow_up` would.

        A request that fails is one error for all that it was for.
        """
        return [self._followed_up(receipt, parcel) for receipt, parcel in asked]

    def _followed_up(self, receipt: Receipt, parcel: Parcel) -> Receipt | DeliveryError:
        try:
            return self.follow_up(receipt, parcel)
        except DeliveryError as error:
            return error

    @abstractmethod
    def find(self, parcel: Parcel, since: float, known: Container[str] = ()) -> Receipt | None:
        """Ask whether the service has a document that was sent at or after `since` (seconds since 1970, skew included).

        `known` are ids of documents that belong to other journeys: where only the name can be compared,
        they are no hits. None is a clear no. Raises `CannotTell`, `Unavailable` or `Unauthorized`.
        """

    @abstractmethod
    def check(self, queue_ids: tuple[str, ...]) -> list[Finding]:
        """Log in and look at the queues.

        Raises `Unavailable` or `Unauthorized` where the log-in itself fails.
        """

    def results(self, receipt: Receipt, parcel: Parcel, into: IO[bytes]) -> bool:
        """Write what the service found in a document that it is done with into a file, as JSON; False: nothing is there.

        After False and after an error the file holds anything. Raises `CannotTell`, `Unavailable` or `Unauthorized`.
        """
        del receipt, parcel, into
        return False

    def documents(self, queue_id: str | None, limit: int) -> Iterator[Listed]:
        """Yield up to `limit` documents that a queue of the service holds, the newest first where it can be asked so.

        Raises, at the latest while they are taken, `CannotTell`, `Unavailable` or `Unauthorized`.
        """
        del queue_id, limit
        raise CannotTell(f"documents at {self.traits.name} cannot be listed")

    def check_wanted(self, wanted: Wanted) -> list[Finding]:
        """Compare what a queue wants to send with what the service will take, as far as it tells.

        Raises `Unavailable` or `Unauthorized`.
        """
        del wanted
        return []

    @abstractmethod
    def close(self) -> None:
        """Give back sockets and files; later calls may fail."""
