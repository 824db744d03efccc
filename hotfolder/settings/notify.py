"""Who is told when something is wrong, by which way, about what, and how often."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo, WithJsonSchema, model_validator
from pydantic.json_schema import SkipJsonSchema

from hotfolder.settings.addresses import HIGHEST_PORT, ReadableFile, address_fault, is_loopback
from hotfolder.settings.headers import HeaderName
from hotfolder.settings.quantities import DURATION_PATTERN, Count, Seconds, Wait, parse_duration_s
from hotfolder.settings.secrets import Secret, SecretUnavailable
from hotfolder.settings.section import NAME_KEY, EntryName, Flag, Section, Text, named, origin_of
from hotfolder.troubles import Kind

MINUTE_S, HOUR_S, DAY_S = 60.0, 3600.0, 86_400.0
LEARNED = "auto"
"""What `quiet_after` says where it is learned."""
PORTS = {"starttls": 587, "tls": 465, "none": 25}
"""Submission (RFC 6409), submissions (RFC 8314), and plain SMTP (RFC 5321)."""
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|[0-9A-Fa-f:.]+")


def _mailbox(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(
        r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,253}", value
    ):
        raise ValueError("expected a mail address such as it@acme.example, without a name before it")
    return value


def _mailboxes(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _some(value: Any) -> Any:
    if value == []:
        raise ValueError("is empty, and nothing would be told; leave it out, and everything is")
    return value


def _host(value: str) -> str:
    if not _HOST.fullmatch(value):
        raise ValueError("expected a host's name or address, such as mail.acme.example")
    return value


def _quiet(value: Any) -> Any:
    if value is None or value == "off":
        return None
    if value == LEARNED:
        return LEARNED
    if isinstance(value, float):  # built by a program
        return value
    seconds = parse_duration_s(value) if isinstance(value, str) else 0.0
    if seconds < MINUTE_S:
        raise ValueError("expected off, auto, or a duration of at least 1m")
    return seconds


def _told_address(value: Secret, info: ValidationInfo) -> Secret:
    """Refuse an address that no notice may go to, where it can be read now; it is not quoted."""
    origin = origin_of(info)
    if origin is None or not origin.look:
        return value
    try:
        address = value.reveal()
    except SecretUnavailable:
        return value  # said by the secret itself
    if fault := address_fault(address):
        raise ValueError(fault)
    return value


Mailbox = Annotated[str, BeforeValidator(_mailbox), WithJsonSchema({"type": "string", "pattern": "@"})]
"""A bare mail address in ASCII."""
Subject = Annotated[Kind, WithJsonSchema({"type": "string", "enum": list(Kind)})]
"""What a target is told about."""
_QUIET_SCHEMA = WithJsonSchema(
    {"anyOf": [{"enum": ["off", LEARNED, None]}, {"type": "string", "pattern": DURATION_PATTERN}]}
)
Quiet = Annotated[float | Literal["auto"] | None, BeforeValidator(_quiet), _QUIET_SCHEMA]
"""None: never told; seconds; or learned."""


class Target(Section):
    """What every target has, whatever way leads to it."""

    name: SkipJsonSchema[str] = Field(alias=NAME_KEY)
    """What the configuration calls it."""
    about: Annotated[tuple[Subject, ...], BeforeValidator(_some)] = tuple(Kind)
    """What it is told: queue, delivery, failed, stuck, quiet, program."""
    queues: tuple[Text, ...] = ()
    """Queues that it is told about; empty: all. Trouble of the program itself concerns every target."""
    timeout_s: Wait = 30.0
    """How long the sending of one message may take in all."""


class EmailTarget(Target):
    """Letters by SMTP."""

    via: Literal["email"] = "email"
    """Which way leads to it."""
    to: Annotated[tuple[Mailbox, ...], BeforeValidator(_mailboxes)] = Field(min_length=1, max_length=100)
    """Who gets the letters: one address or several."""
    sender: Mailbox = Field(alias="from")
    """Address that the letters come from."""
    host: Annotated[Text, AfterValidator(_host)]
    """Mail server that takes letters."""
    port: Annotated[Count, Field(le=HIGHEST_PORT)] | None = None
    """Its port; null: 587 with starttls, 465 with tls, 25 with none."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """How the way is protected; none only to this machine, or with `allow_insecure`."""
    username: Text | None = None
    """User to log in as; null: no log-in."""
    password: Secret | None = None
    """Password of that user."""
    ca_file: ReadableFile | None = None
    """PEM file of the company's certificate authority; null: the system's."""
    allow_insecure: Flag = False
    """Send letters, and the password, without TLS to another machine. Don't."""

    @property
    def at_port(self) -> int:
        """Return the port that counts."""
        return self.port or PORTS[self.security]

    @model_validator(mode="after")
    def _fits(self) -> "EmailTarget":
        if (self.username is None) != (self.password is None):
            raise ValueError("`username` and `password` go together; give both or none")
        if self.security == "none" and not is_loopback(self.host) and not self.allow_insecure:
            raise ValueError(
                "letters travel over TLS: write `security: starttls` or `tls`, or set `allow_insecure: true`"
            )
        return self


class WebhookTarget(Target):
    """A POST of JSON to an address."""

    via: Literal["webhook"] = "webhook"
    """Which way leads to it."""
    url: Annotated[Secret, AfterValidator(_told_address)]
    """Address of the receiver, treated as a secret: https, or http to this machine."""
    headers: dict[HeaderName, Secret] = Field(default_factory=dict)
    """Headers of the request, such as Authorization; their values are secrets."""
    ca_file: ReadableFile | None = None
    """PEM file of the company's certificate authority; null: the system's."""


class AppriseTarget(Target):
    """One of the many services that Apprise knows; needs `pip install hotfolder[notify]`."""

    via: Literal["apprise"] = "apprise"
    """Which way leads to it."""
    url: Secret
    """Apprise's address of the service, treated as a secret."""


AnyTarget = Annotated[EmailTarget | WebhookTarget | AppriseTarget, Field(discriminator="via")]
TARGETS: dict[str, type[Target]] = {"email": EmailTarget, "webhook": WebhookTarget, "apprise": AppriseTarget}
"""The class of a target by its `via`."""


class Notify(Section):
    """Telling people by itself."""

    targets: Annotated[dict[EntryName, AnyTarget], BeforeValidator(named)] = Field(min_length=1)
    """Who is told, by a name of your choice."""
    group_s: Seconds = MINUTE_S
    """What happens within this time goes in one message."""
    at_most: Annotated[Count, Field(le=60)] = 6
    """Messages an hour to each target; what is more waits and goes together."""
    repeat_s: Wait = DAY_S
    """Trouble that lasts is told again after this time."""
    undelivered_after_s: Seconds = 1800.0
    """How long a service may take nothing before that is told."""
    stuck_after_s: Wait = 4 * HOUR_S
    """How long a document may wait, or a queue may stay paused by hand, before that is told."""
    quiet_after: Quiet = None
    """How long nothing may arrive before that is told: off, a duration, or auto, which learns it from each queue's past."""
