"""What a service tells of a document by itself, as the journal keeps it (pure)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class News:
    """One webhook; `times` and `last_at` count its repeats. All times are seconds since 1970."""

    connection: str
    key: str
    """SHA-256 of the record in its canonical form: what is told twice has the same."""
    document_id: str
    """What the service calls the document; empty where the record names none."""
    status: str | None
    event: str | None
    queue_id: str | None
    body: str | None
    """The record as JSON, None where it is long."""
    received_at: float
    rejected: bool = False
    """The status means that the document came to nothing."""
    times: int = 1
    last_at: float = 0.0
    upload_id: str | None = None
    """The document of ours that it is about; None: none that is known yet."""
    number: int = 0
    """Of its row, 0 before there is one."""
    fresh: bool = True
    """Nobody was told of it yet."""
