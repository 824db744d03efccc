"""The data schemas of the specification "Digitoo - Upload Document" (connector version 3.0), each with its version (pure).

Its users map these names already: what goes out by `upload.encoding: json_base64`, what comes back in a sidecar's
`response`, and what a webhook tells are of these shapes.
"""

from typing import ClassVar

from pydantic import Base64Bytes, BaseModel, ConfigDict, Field

VERSION = "3.0"
"""Of the connector itself."""


class _Schema(BaseModel):
    """One data schema; further keys of what others send are passed over."""

    model_config = ConfigDict(frozen=True, populate_by_name=True, hide_input_in_errors=True)
    VERSION: ClassVar[str]


class _Record(_Schema):
    """A schema that we write ourselves: no further keys."""

    model_config = ConfigDict(extra="forbid")


class UploadDocumentRequest(_Schema):
    """Digitoo - Upload Document Request: one document as it goes out."""

    VERSION: ClassVar[str] = "1.2.0"

    FileName: str
    FileContent: Base64Bytes = Field(repr=False)
    QueueID: int | str | None = None
    """Integer in the specification; ids that are no numbers are passed on as they are."""


class Message(_Record):
    """Digitoo - Message: what went wrong, in words."""

    VERSION: ClassVar[str] = "1.1.0"

    Message: str


class DocumentID(_Record):
    """Digitoo - Document ID: what the service calls one document."""

    VERSION: ClassVar[str] = "1.1.0"

    DocumentID: str


class UploadDocumentResponse(_Record):
    """Digitoo - Upload Document Response: what the connector's users map already."""

    VERSION: ClassVar[str] = "1.1.0"

    StatusCode: int = Field(description="HTTP status of the service, or the one it would have used")
    ErrorKey: str | None = Field(description="machine-readable error, where there is one")
    Messages: list[Message] | None = Field(description="on failure only, never empty then")
    DocumentIDs: list[DocumentID] | None = Field(description="on success only; may be empty")


class DocumentStatusChanged(_Schema):
    """Digitoo Webhook - Document Status Changed: what a service tells of a document by itself.

    The specification allows no null; the webhook that is set per document carries no `webhook_event`
    (docs.digitoo.ai), and DocDigitizer's callbacks know no queue.
    """

    VERSION: ClassVar[str] = "1.0.0"

    webhook_event: str | None = None
    id: str
    status: str
    queue_id: str | None = None


class Connection(_Schema):
    """Digitoo - Connection: what the log-in takes; `settings.DigitooConnection` has it under its own names."""

    VERSION: ClassVar[str] = "1.1.0"

    email: str
    password: str = Field(repr=False)
