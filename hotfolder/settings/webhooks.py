"""What a service that calls back must show, and where its records hold what is to be known."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from hotfolder.settings.headers import HeaderName, HeaderValue
from hotfolder.settings.quantities import Bytes
from hotfolder.settings.secrets import Secret
from hotfolder.settings.section import Section, Text

Paths = Annotated[tuple[Text, ...], Field(min_length=1)]
ID_PATHS = ("document_id", "id", "documentId", "docid", "doc_id", "data.id")
EVENT_PATHS = ("webhook_event", "event", "type")
STATUS_PATHS = ("status", "stateText", "state")
QUEUE_ID_PATHS = ("queue_id", "queueId")
"""Keys of the connector's schema, of Digitoo's two webhooks and of DocDigitizer's callbacks; the first hit counts."""
REJECTIONS = (
    *("extraction-rejected", "extraction-errored", "export-errored", "deleted"),  # Digitoo
    *("rejected", "92", "error", "999"),  # DocDigitizer: v1 and v2 by text, v2 by number
)
"""Statuses, in any case, that somebody must hear of: the document was delivered and came to nothing."""
MAX_BODY_BYTES = 64 * 1024


class Signature(Section):
    """A keyed digest (HMAC, RFC 2104) of the body, in a header."""

    header: HeaderName
    """Header that carries it."""
    secret: Secret
    """The key that both sides know."""
    algorithm: Literal["sha256", "sha1", "sha512"] = "sha256"
    """The hash function."""
    encoding: Literal["hex", "base64"] = "hex"
    """How the digest is written."""
    prefix: HeaderValue = ""
    """What stands before it in the header, such as sha256=."""


class Webhook(Section):
    """What a service shows when it calls back, and how its records are read."""

    secret: Secret | None = None
    """Word that proves who calls: the path's last part, or a header's value."""
    header: HeaderName | None = None
    """Header that carries `secret`; null: it is the last part of the path."""
    signature: Signature | None = None
    """Keyed digest that proves who calls, instead of `secret` or besides."""
    document_id_paths: Paths = ID_PATHS
    """Where a record holds the document's id; the first hit counts."""
    event_paths: Paths = EVENT_PATHS
    """Where a record holds what happened."""
    status_paths: Paths = STATUS_PATHS
    """Where a record holds the document's status."""
    queue_id_paths: Paths = QUEUE_ID_PATHS
    """Where a record holds the service's queue."""
    rejections: tuple[Text, ...] = REJECTIONS
    """Statuses that are told loudly, in any case of letters."""
    max_body_bytes: Bytes = Field(default=MAX_BODY_BYTES, json_schema_extra={"default": "64KiB"})
    """Largest record that is read."""

    @model_validator(mode="after")
    def _proves(self) -> "Webhook":
        if self.secret is None and self.signature is None:
            raise ValueError("needs `secret` or `signature`, or anybody could call")
        if self.header is not None and self.secret is None:
            raise ValueError("`header` says where `secret` is; give that too")
        return self
