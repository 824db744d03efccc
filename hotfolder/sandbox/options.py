"""What can be chosen about a sandbox, and the invented credentials that it accepts."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

MIB = 1024 * 1024


class DigitooAnswer(StrEnum):
    """Where Digitoo's answer to an upload holds the document's id; the vendor does not publish it."""

    DATA_ID = "data.id"
    DATA_LIST = "data[].id"
    DATA_DOCUMENTS = "data.documents[].id"
    DATA_DOCUMENT_IDS = "data.document_ids[]"
    DOCUMENT_ID = "document_id"
    ID = "id"
    DOCUMENT_IDS = "DocumentIDs[].DocumentID"
    NONE = "none"


class KeyHeader(StrEnum):
    """Which header must carry DocDigitizer's API key: the specification and the guides disagree."""

    EITHER = "either"
    AUTHORIZATION = "authorization"
    AUTHENTICATION = "authentication"


class IdPlace(StrEnum):
    """Where DocDigitizer tells the document's id after an upload."""

    BODY = "body"
    HEADER = "header"
    LATER = "later"


class ExtractError(StrEnum):
    """What a refusal of DocDigitizer's v3 looks like: its pages, its gateway and its newest document disagree."""

    SERVICE = "service"
    GATEWAY = "gateway"
    FAILED = "failed"


class WebhookShape(StrEnum):
    """What Digitoo's call about a document looks like: three are documented."""

    CONNECTOR = "connector"
    DOCUMENT = "document"
    SUBSCRIPTION = "subscription"


class SandboxOptions(BaseModel):
    """The choices, with defaults that behave like the services; sizes in bytes, times in seconds."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rossum_max_bytes: int | None = 40 * MIB
    """Files of one request together: 40 MB (Upload API); whether MB means MiB is not stated."""
    rossum_queues: tuple[int, ...] = (8236,)
    rossum_queue_status: str = "active"
    rossum_accepted_mime_types: tuple[str, ...] = ()
    """The queue's `settings.accepted_mime_types`; empty accepts all."""
    rossum_task_polls: int = Field(1, ge=0)
    """How many times a task answers `running`."""
    rossum_annotation_polls: int = Field(1, ge=0)
    """How many times an annotation answers `importing`."""
    rossum_lag_s: float = Field(0.0, ge=0.0)
    """Age at which an upload's documents and annotations appear in the lists."""
    rossum_origin: str | None = None
    """Scheme and host of the object URLs, where they shall differ from the address called."""
    rossum_token_lifetime_s: float = 162 * 3600.0
    """Default and maximum of the service (API docs, authentication)."""
    rossum_statuses: tuple[str, ...] = Field(("to_review",), min_length=1)
    """What an annotation becomes after its import, one a look; the last one stays."""
    rossum_hook_documents: int = Field(0, ge=0)
    """How many documents a hook of the queue adds to each upload."""
    rossum_shuffle: bool = False
    """Whether an upload names its documents and annotations in another order than that of its files."""
    rossum_nulls: bool = False
    """Whether what may be null is null: a task's content, an upload's creator and its empty lists."""
    rossum_datapoints: int = Field(2, ge=0)
    """How many values an annotation's content has."""
    rossum_relations: bool = True
    """Whether duplicates get a relation, whose key is an MD5; False saves hashing twice."""

    digitoo_max_bytes: int | None = None
    digitoo_queues: tuple[str, ...] = ("q7",)
    digitoo_file_field: str = "file"
    """`file` in the vendor's documentation, `files` in a public client."""
    digitoo_answer: DigitooAnswer = DigitooAnswer.DATA_ID
    digitoo_lists_documents: bool = True
    """False: the list of a queue's documents is 404, as with a role that may only upload."""
    digitoo_token_lifetime_s: float = 3600.0
    """Invented: the service tells its own in `expires_at`."""
    digitoo_statuses: tuple[str, ...] = Field(("received",), min_length=1)
    """What a document is from its upload on, one a look at it; the last one stays."""
    digitoo_status_every_s: float | None = Field(None, ge=0.0)
    """The next status comes by itself after so many seconds; None: only looks and orders bring it."""
    digitoo_webhook_shape: WebhookShape = WebhookShape.CONNECTOR
    digitoo_webhook_secret: str | None = None
    """Key of the signature (HMAC of the body); None: calls are not signed."""
    digitoo_webhook_header: str = "X-Signature"
    """Invented, as is everything about the signature: the vendor only says that there can be one."""
    digitoo_webhook_algorithm: Literal["sha1", "sha256", "sha512"] = "sha256"
    digitoo_webhook_encoding: Literal["hex", "base64"] = "hex"
    digitoo_webhook_prefix: str = ""

    webhook_repeats: int = Field(1, ge=1)
    """How many times each call is made."""
    webhook_spread_s: float = Field(0.0, ge=0.0)
    """Each call waits up to so long, so that calls overtake each other."""
    webhook_tries: int = Field(1, ge=1)
    """How many times a call is tried until its answer is a 2xx."""

    extract_max_bytes: int | None = 50 * MIB
    """What DocDigitizer's v3 takes: 50 MB (vendor's page of the end point)."""
    extract_types: tuple[str, ...] = ("application/pdf",)
    """The OpenAPI description says PDF only, a newer page images too."""
    extract_state: str = "COMPLETED"
    """The state in the answer to a document that was taken."""
    extract_pascal: bool = False
    """Whether the answer's keys are written PascalCase, as on the vendor's pages, or camelCase, as its server does."""
    extract_names_document: bool = True
    """Whether the answer holds an id besides the one that came with the document."""
    extract_error: ExtractError = ExtractError.SERVICE

    docdigitizer_max_bytes: int | None = 25 * MIB
    docdigitizer_key_header: KeyHeader = KeyHeader.EITHER
    docdigitizer_id: IdPlace = IdPlace.BODY
    docdigitizer_task_polls: int = Field(1, ge=0)
    """How many times a task answers `PENDING` (and, with `later`, hides the document's id)."""
    docdigitizer_statuses: tuple[str, ...] = Field(("success",), min_length=1)
    """A document's `annotation_status` from its upload on, one a look at it; the last one stays."""
    docdigitizer_status_every_s: float | None = Field(None, ge=0.0)
    """The next status comes by itself after so many seconds; None: only looks and orders bring it."""
    docdigitizer_accepted: Literal[201, 202] = 202
    """The good answer to an upload: the specification knows both."""
    docdigitizer_sla_s: float = 1800.0
    """From the upload to the SLA moment: half an hour for trial accounts; below 0 it has passed."""
    docdigitizer_cursor_breaks_after: int | None = Field(None, ge=1)
    """How many pages a cursor leads on; beyond it is broken, and the list begins again."""
    docdigitizer_callback_id: Literal["document_id", "docid"] = "document_id"
    """What a callback calls the document's id: the guide's words and its example disagree."""
    docdigitizer_lists_tags: bool = True
    """Whether the list of documents shows the tags that they came with."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the sandbox accepts; invented, printed at the start, of no use anywhere else."""

    rossum_username: str = "scanner@sandbox.example"
    rossum_password: str = "sandbox-password"  # noqa: S105 — invented, see above
    rossum_token: str = "sandbox-rossum-token"  # noqa: S105 — invented
    digitoo_email: str = "scanner@sandbox.example"
    digitoo_password: str = "sandbox-password"  # noqa: S105 — invented
    digitoo_token: str = "sandbox-service-token"  # noqa: S105 — invented
    docdigitizer_api_key: str = "sandbox-api-key"
