"""The connections: one account at one service each."""

import re
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator
from pydantic.json_schema import SkipJsonSchema
from pydantic_core.core_schema import ValidationInfo

from hotfolder.settings.addresses import BaseUrl, ReadableFile, RequestPath
from hotfolder.settings.headers import HeaderName, HeaderValue
from hotfolder.settings.quantities import Count, Seconds, Wait, duration_text
from hotfolder.settings.secrets import Secret
from hotfolder.settings.section import NAME_KEY, Flag, Section, Text
from hotfolder.settings.webhooks import Paths, Webhook

RETRY_MAX_S = 600.0
V3_BASE_URL = "https://api.docdigitizer.com/v3/docingester"
V3_READ_S = 300.0
"""DocDigitizer's own client waits this long for a document's result."""


def _queue_id(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    # 8236.0 or 1.10 would come out as other text than was written.
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        raise ValueError("expected the queue's id: a whole number, or text in quotes")
    return value


def _status(key: str) -> str:
    match = re.fullmatch(r"\s*([1-5][0-9]{2})(?:\s+([A-Za-z0-9_.-]+))?\s*", key)
    if not match:
        raise ValueError("expected an HTTP status such as 409, or status and code such as 403 NO_LICENCE")
    return " ".join(part for part in match.groups() if part)


QueueId = Annotated[str, BeforeValidator(_queue_id), WithJsonSchema({"type": ["string", "integer"]})]
"""What a service calls its queue; opaque, kept exactly as written."""
Status = Annotated[str, BeforeValidator(_status)]
"""`409`, or `403 NO_LICENCE`."""


class Limits(Section):
    """How much a connection is asked to do at once."""

    concurrency: Count = 4
    """Requests at the same time."""
    per_second: float = Field(default=8.0, strict=True, gt=0, le=10_000)
    """Requests started within any second: log-ins, uploads, questions; below one, one in a longer time."""


class Timeouts(Section):
    """How long a request may take."""

    connect_s: Wait = 10.0
    """Until the connection stands."""
    read_s: Wait = 60.0
    """Without a byte of answer."""
    total_s: Wait = 900.0
    """From the first byte sent to the last one received."""


class Retry(Section):
    """The back-off after trouble, with full jitter."""

    first_s: Wait = 2.0
    """Bound of the first wait; it doubles with each attempt."""
    max_s: Wait = Field(
        default_factory=lambda fields: max(RETRY_MAX_S, fields["first_s"]),
        json_schema_extra={"default": duration_text(RETRY_MAX_S)},
    )
    """Bound of the longest wait; left out: 10m, or `first` where that is longer."""

    @field_validator("max_s")
    @classmethod
    def _not_below_first(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("first_s", 0.0):
            raise ValueError("must not be shorter than `first`")
        return value


class Upload(Section):
    """How a document is sent; null or left out: as the service documents it."""

    path: RequestPath | None = None
    """Path below base_url; templates {queue_id} {name} {document_class}."""
    encoding: Literal["multipart", "body", "json_base64"] | None = None
    """Shape of the request's body."""
    file_field: Text | None = None
    """Name of the multipart field, or the JSON key, that holds the document."""
    fields: dict[str, str] = Field(default_factory=dict, repr=False, exclude=True)
    """Further fields of the form; kept out of dumps, they may hold tokens."""
    document_id_paths: Paths | None = None
    """Where the answer holds the document's id; the first hit counts."""


class Login(Section):
    """How a token is got; null or left out: as the service documents it."""

    path: RequestPath | None = None
    """Path below base_url."""
    fields: dict[str, str] = Field(default_factory=dict, repr=False, exclude=True)
    """Further fields of the log-in request; kept out of dumps, they may hold credentials."""
    token_paths: Paths | None = None
    """Where the answer holds the token; the first hit counts."""


class Errors(Section):
    """Where an error answer holds what people and programs should know."""

    message_paths: Paths | None = None
    """Where the answer holds its message; the first hit counts."""
    key_paths: Paths | None = None
    """Where the answer holds its error key; the first hit counts."""


class ConnectionSection(Section):
    """What every connection takes."""

    needs_queue_id: ClassVar[bool] = True
    """Whether a queue of this connection must say which queue of the service it feeds."""
    takes_webhook_url: ClassVar[bool] = True
    """Whether the service can be told with each upload whom to call."""
    calls_by_get: ClassVar[bool] = False
    """Whether the service may call back by GET."""

    name: SkipJsonSchema[str] = Field(alias=NAME_KEY)
    """The connection's key under `connections`."""
    # Stands before base_url, whose validator looks at it.
    allow_insecure_http: Flag = False
    """Send documents and credentials without TLS."""
    base_url: BaseUrl
    """Address of the service, https; without trailing slash."""
    timeouts: Timeouts = Timeouts()
    """How long a request may take."""
    retry: Retry = Retry()
    """The back-off after trouble."""
    ask_after_s: Seconds = 45.0
    """How long to wait before asking about an uncertain document."""
    limits: Limits | None = None
    """Limits of this connection; null: the common ones."""
    ca_file: ReadableFile | None = None
    """PEM file of the company's certificate authority; null: the system's."""
    headers: dict[HeaderName, HeaderValue] = Field(default_factory=dict, repr=False, exclude=True)
    """Headers of every request; templates {key} {token}; kept out of dumps, they may hold credentials."""
    upload: Upload = Upload()
    """How a document is sent."""
    login: Login = Login()
    """How a token is got."""
    errors: Errors = Errors()
    """Where an error answer holds what people and programs should know."""
    statuses: dict[Status, Literal["done", "fail", "retry", "pause"]] = Field(default_factory=dict)
    """What an HTTP status (or status and code) means, where it differs from the service's documents."""
    webhook: Webhook | None = None
    """What the service shows when it calls this program; null: nobody may call for this connection."""

    @property
    def ends_at(self) -> str | None:
        """Return why the service cannot be asked how it goes on with a document, None where it can."""
        return None

    @property
    def answers_with_results(self) -> bool:
        """Tell whether the answer to an upload holds what was found in the document."""
        return False


def _needed(value: Secret | str | None, condition: bool, why: str) -> None:  # noqa: FBT001 — read as "value needed if condition"
    if value is None and condition:
        raise ValueError(f"is needed {why}")


class RossumConnection(ConnectionSection):
    """An account at Rossum."""

    takes_webhook_url: ClassVar[bool] = False

    @property
    def ends_at(self) -> str | None:
        """See `ConnectionSection`."""
        if self.auth == "basic":
            return "`auth: basic` can only upload, and nothing can be asked with it; use `auth: login` or `token`"
        if self.upload.document_id_paths:
            return "with `upload.document_id_paths` the answer to the upload is the last word; leave that out"
        return None

    backend: Literal["rossum"] = "rossum"
    """Which service this is."""
    auth: Literal["login", "token", "basic"] = "login"
    """How to prove who we are; `token` where only a token is given."""
    username: Text | None = Field(default=None, validate_default=True)
    """User of `auth: login` and `auth: basic`."""
    password: Secret | None = Field(default=None, validate_default=True)
    """Password of `auth: login` and `auth: basic`."""
    token: Secret | None = Field(default=None, validate_default=True)
    """Token of `auth: token`."""

    @model_validator(mode="before")
    @classmethod
    def _token_alone(cls, value: Any) -> Any:
        if (
            isinstance(value, dict)
            and value.get("token")
            and not value.keys() & {"auth", "username", "password"}
        ):
            return {**value, "auth": "token"}
        return value

    @field_validator("username", "password")
    @classmethod
    def _for_user(cls, value: Secret | str | None, info: ValidationInfo) -> Secret | str | None:
        _needed(value, info.data.get("auth") in {"login", "basic"}, "(or give `token` alone)")
        return value

    @field_validator("token")
    @classmethod
    def _for_token(cls, value: Secret | None, info: ValidationInfo) -> Secret | None:
        _needed(value, info.data.get("auth") == "token", "by `auth: token`")
        return value


class DigitooConnection(ConnectionSection):
    """An account at Digitoo."""

    backend: Literal["digitoo"] = "digitoo"
    """Which service this is."""
    base_url: BaseUrl = "https://api.digitoo.ai"
    """Address of the service, https; without trailing slash."""
    token: Secret | None = None
    """Token of a service account; instead of email and password."""
    email: Text | None = Field(default=None, validate_default=True)
    """User of the log-in."""
    password: Secret | None = Field(default=None, validate_default=True)
    """Password of the log-in."""
    queue_id_override: QueueId | None = None
    """If set, wins over the queue_id of every queue of this connection."""

    @field_validator("email", "password")
    @classmethod
    def _for_login(cls, value: Secret | str | None, info: ValidationInfo) -> Secret | str | None:
        # A token that was given and is bad is not in `data`; it is reported by itself.
        _needed(
            value,
            info.data.get("token", "bad") is None,
            "(or give `token` instead of `email` and `password`)",
        )
        if value is not None and info.data.get("token") is not None:
            raise ValueError("give either `token` or `email` and `password`")
        return value


class DocDigitizerConnection(ConnectionSection):
    """An account at DocDigitizer."""

    needs_queue_id: ClassVar[bool] = False
    calls_by_get: ClassVar[bool] = True

    @property
    def ends_at(self) -> str | None:
        """See `ConnectionSection`."""
        v3 = "`api: v3` answers at once, and its answer is the result; leave `wait_for` out"
        return v3 if self.api == "v3" else None

    @property
    def answers_with_results(self) -> bool:
        """See `ConnectionSection`."""
        return self.api == "v3"

    backend: Literal["docdigitizer"] = "docdigitizer"
    """Which service this is."""
    base_url: BaseUrl = "https://api.docdigitizer.com"
    """Address of the service, https; without trailing slash."""
    api_key: Secret
    """Key of the account."""
    api: Literal["v1", "v3"] = "v1"
    """Generation of the service's interface; with v3, `base_url` and `timeouts.read` have other defaults."""

    @model_validator(mode="before")
    @classmethod
    def _of_its_generation(cls, value: Any) -> Any:
        """Fill in what v3 has other defaults for: its address, and its answer that holds the whole result."""
        if not isinstance(value, dict) or value.get("api") != "v3":
            return value
        times = value.get("timeouts", {})
        if isinstance(times, dict) and "read_s" not in times:
            value = {**value, "timeouts": {"read": f"{V3_READ_S:g}s", **times}}
        return {"base_url": V3_BASE_URL, **value}


Connection = Annotated[
    RossumConnection | DigitooConnection | DocDigitizerConnection, Field(discriminator="backend")
]
CONNECTIONS: dict[str, type[ConnectionSection]] = {
    "rossum": RossumConnection,
    "digitoo": DigitooConnection,
    "docdigitizer": DocDigitizerConnection,
}
"""The class of a connection by its `backend`."""
