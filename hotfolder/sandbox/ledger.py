"""The ledger: every document that a sandbox took, and the requests that it saw."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

RECENT_REQUESTS = 10_000
"""How many requests are remembered: enough for a test, bounded for a benchmark."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One committed document; times are seconds since 1970, sizes bytes."""

    number: int
    """Number of the upload within this sandbox, from 1; files of one request share it."""
    service: str
    queue: str | None
    encoding: str
    """`multipart`, `body` or `json_base64`."""
    file_name: str | None
    """As it stood in the request, before the service changed anything about it."""
    media_type: str | None
    """As the part or the request said; None where nothing was said."""
    size: int
    sha256: str
    arrived_at: float
    """When the first byte of its request arrived."""
    ids: Mapping[str, str]
    metadata: Mapping[str, Any] | None = None
    values: Mapping[str, Any] | None = None
    tags: tuple[str, ...] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    """Other text fields of the form, such as `notify_webhook_url`."""
    dropped: tuple[str, ...] = ()
    """Names of further files in the request that the service silently dropped."""


@dataclass(slots=True)
class RequestLine:
    """One request as it looked from outside; headers and bodies are not kept."""

    at: float
    method: str
    path: str
    query: str
    target: str = ""
    """Path and query byte for byte as they stood in the request line."""
    status: int | None = None
    """None while it runs, and where no answer was given."""


@dataclass(slots=True)
class Call:
    """One call that a service made, or would have made if the address were on loopback."""

    service: str
    method: str
    url: str
    body: str
    headers: Mapping[str, str]
    at: float = 0.0
    status: int | None = None
    """Of the answer; None where there was none."""
    error: str | None = None
    tries: int = 0


class Ledger:
    """What was received; written by the server's thread, readable from any."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._requests: deque[RequestLine] = deque(maxlen=RECENT_REQUESTS)
        self._uploads = 0
        self.calls: deque[Call] = deque(maxlen=RECENT_REQUESTS)
        """The most recent calls that the services made."""
        self.counts: Counter[str] = Counter()
        """Requests by `METHOD /service`."""

    def next_upload(self) -> int:
        """Return the number of the next accepted upload."""
        self._uploads += 1
        return self._uploads

    def commit(self, entry: Entry) -> None:
        """Take a document into the book."""
        self._entries.append(entry)

    def note(self, line: RequestLine) -> None:
        """Remember a request."""
        self._requests.append(line)
        self.counts[f"{line.method} /{line.path.lstrip('/').partition('/')[0]}"] += 1

    def clear(self) -> None:
        """Forget documents, requests and calls; upload numbers go on."""
        self._entries.clear()
        self._requests.clear()
        self.calls.clear()
        self.counts.clear()

    @property
    def entries(self) -> list[Entry]:
        """The committed documents, in the order of their commit."""
        return list(self._entries)

    @property
    def requests(self) -> list[RequestLine]:
        """The most recent requests, the oldest first."""
        return list(self._requests)

    def __len__(self) -> int:
        return len(self._entries)

    def as_json(self) -> list[dict[str, Any]]:
        """Return the committed documents as plain values."""
        return [asdict(entry) for entry in self.entries]
