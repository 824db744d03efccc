"""Speak to Digitoo (API v2): upload to a queue; what the vendor does not publish is a setting."""

import re
import time
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import replace
from secrets import token_hex
from typing import IO, ClassVar
from urllib.parse import quote

from hotfolder.backends import bodies, callbacks, digitoo_list
from hotfolder.backends.answers import Secrets
from hotfolder.backends.base import (
    JPEG,
    PDF,
    PNG,
    PROCESSED,
    TIFF,
    Backend,
    CannotTell,
    Finding,
    Listed,
    Parcel,
    Receipt,
    Traits,
    Unauthorized,
)
from hotfolder.backends.bodies import Body, Field, File, escape_name
from hotfolder.backends.channel import Channel, Credentials, Token, log_in, reveal, token_of
from hotfolder.backends.digitoo_documents import Documents
from hotfolder.backends.moments import moment
from hotfolder.backends.pace import Pace
from hotfolder.backends.paths import numbers_of, values
from hotfolder.backends.policy import Judge, Profile
from hotfolder.backends.wire import Wire
from hotfolder.settings import DigitooConnection

PROFILE = Profile(
    "Digitoo",
    message_paths=(
        "message",
        "messages[]",
        "messages[].message",
        "Messages[].Message",
        "errors[].message",
        "errors[].detail",
        "detail",
        "title",
        "error.message",
        "error",
    ),
    key_paths=(
        "error_key",
        "errorKey",
        "ErrorKey",
        "key",
        "code",
        "error.key",
        "error.code",
        "errors[].key",
        "errors[].code",
    ),
)
DOCUMENT_ID_PATHS = (
    "data.documents[].id",
    "data[].id",
    "data.document_ids[]",
    "data.id",
    "document_id",
    "id",
    "DocumentIDs[].DocumentID",
)
TOKEN_PATHS = ("data.access_token", "access_token", "data.accessToken", "token")
EXPIRY_PATHS = ("data.expires_at", "expires_at", "data.expiresAt")
RENEWED_BEFORE_S = 60.0
"""A token is renewed this long before its end, so that no upload meets it."""


class Digitoo(Backend):
    """One account at Digitoo."""

    traits: ClassVar[Traits] = Traits(
        "digitoo",
        frozenset({PDF, JPEG, PNG, TIFF}),
        25 * 1024 * 1024,  # ours: the vendor states no limit; it keeps film scans and backups out
        needs_queue_id=True,
        follows_up=True,
        keeps_mark=False,
        finds_by_time=True,
        serial=True,  # the connector's specification: several queues without override are served in turn
    )

    def __init__(self, connection: DigitooConnection, now: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._now = now
        self._secrets = Secrets()
        self._judge = Judge(PROFILE, connection, self._secrets, now)
        self._wire = Wire(connection, PROFILE.service)
        self._channel = Channel(connection, self._wire, self._judge, self._credentials())
        self._documents = Documents(self._channel, connection.base_url, self._secrets, now)

    @property
    def ahead_s(self) -> float | None:
        """See `Backend`."""
        return self._channel.ahead_s

    def learn_time(self) -> None:
        """Log in; with a fixed token nothing is learnt before the first document."""
        self._channel.log_in()

    @property
    def pace(self) -> Pace:
        """See `Backend`."""
        return self._wire.pace

    def upload(self, parcel: Parcel) -> Receipt:
        """Send one document; the receipt is final unless more is waited for."""
        template = self._connection.upload.path or "/api/v2/queues/{queue_id}/upload"
        path = template.replace("{queue_id}", _quoted(parcel.queue_id))
        path = path.replace("{name}", quote(parcel.name, safe="", errors="replace"))
        reply = self._channel.upload(path, self._body(parcel))
        where = self._connection.upload.document_id_paths or DOCUMENT_ID_PATHS
        found = reply.ids(where)
        if not found and not reply.structured:
            self._judge.doubt(reply, "a JSON body")
        # A yes without id is a yes: where the id stands is not published.
        receipt = Receipt(
            reply.status,
            final=True,
            document_ids=found,
            warnings=() if found else ("document_id_not_found: the answer names no document",),
        )
        return self._taken(receipt, parcel)

    def follow_up(self, receipt: Receipt, parcel: Parcel) -> Receipt:
        """Ask the document for its status where that is waited for; else the yes to the upload was final."""
        known = numbers_of(receipt.remote)
        if known and parcel.wait_for == PROCESSED:
            return self._documents.followed(receipt)
        return replace(receipt, final=True, document_ids=known or receipt.document_ids)

    def find(self, parcel: Parcel, since: float, known: Container[str] = ()) -> Receipt | None:
        """Look for the document's name among the queue's documents; only a single hit counts."""
        names = {parcel.name, escape_name(parcel.name)}
        hits = [
            number
            for number, name, created in digitoo_list.since(self._channel, parcel.queue_id, since)
            if name in names and created >= since and number not in known
        ]
        if len(hits) > 1:
            raise CannotTell(f"Digitoo has {len(hits)} documents named {parcel.name!r} from that time")
        return self._taken(Receipt(200, final=True, document_ids=(hits[0],)), parcel) if hits else None

    def check(self, queue_ids: tuple[str, ...]) -> list[Finding]:
        """Log in and ask for each queue; what a queue accepts is not published."""
        self._channel.log_in()
        findings = [self._check_queue(one) for one in queue_ids]
        return [Finding(ok=True, text=f"logged in at {self._wire.host}"), *findings]

    def documents(self, queue_id: str | None, limit: int) -> Iterator[Listed]:
        """List the documents of a queue."""
        return digitoo_list.listed(self._channel, queue_id, limit)

    def results(self, receipt: Receipt, parcel: Parcel, into: IO[bytes]) -> bool:
        """Write what was read in the document."""
        del parcel
        return self._documents.results(receipt, into)

    def close(self) -> None:
        """Close the sockets."""
        self._channel.close()

    def _taken(self, receipt: Receipt, parcel: Parcel) -> Receipt:
        return self._documents.taken(receipt) if parcel.wait_for == PROCESSED else receipt

    def _credentials(self) -> Credentials:
        bearer = {"Authorization": "Bearer {token}"}
        if self._connection.token is not None:
            return Credentials(bearer, self._fixed, renewable=False)
        return Credentials(bearer, self._log_in, renewable=True)

    def _fixed(self) -> Token:
        return Token(reveal(self._connection.token, self._secrets, "the token"))

    def _log_in(self) -> Token:
        connection = self._connection
        who = {
            "email": connection.email or "",
            "password": reveal(connection.password, self._secrets, "the password"),
        }
        reply = log_in(connection, self._wire, self._judge, "/api/v2/auth/login", who)
        token = token_of(reply, connection.login.token_paths or TOKEN_PATHS, self._judge)
        ends = [end for path in EXPIRY_PATHS for end in map(moment, values(path, reply.document, {})) if end]
        return Token(token, ends[0] - RENEWED_BEFORE_S if ends else None)

    def _body(self, parcel: Parcel) -> Body:
        settings = self._connection.upload
        file = File(parcel.name, parcel.media_type, parcel.size_bytes, parcel.pieces)
        extra = bodies.filled(settings.fields, parcel)
        if (address := callbacks.address(self._connection, parcel, self._secrets)) is not None:
            extra = {"notify_webhook_url": address, **extra}
        if settings.encoding == "body":
            raise Unauthorized(
                "Digitoo takes no bare body; set `upload.encoding` to multipart or json_base64"
            )
        if settings.encoding == "json_base64":
            keys = {"FileName": parcel.name, "QueueID": _integer(parcel.queue_id), **extra}
            return bodies.json_base64(file, keys, settings.file_field or "FileContent")
        fields = [Field(name, text) for name, text in extra.items()]
        return bodies.multipart(settings.file_field or "file", file, fields, token_hex(16))

    def _check_queue(self, queue_id: str) -> Finding:
        reply = self._channel.get(f"/api/v2/queues/{_quoted(queue_id)}")
        if reply.status == 404:  # noqa: PLR2004
            return Finding(
                ok=False,
                text=f"queue {queue_id} does not exist or this account cannot see it; check `queue_id`",
            )
        if not isinstance(reply.document, Mapping):
            return Finding(
                ok=False, text=f"{self._wire.host} does not describe queue {queue_id}; check `base_url`"
            )
        return Finding(
            ok=True, text=f"queue {queue_id} ({reply.text('data.name', 'name') or 'without name'}) exists"
        )


def _integer(queue_id: str | None) -> int | str | None:
    """Return the id as the connector's schema wants it (QueueID: Integer) where it is a number."""
    if queue_id is None or not re.fullmatch(r"0|[1-9][0-9]{0,18}", queue_id):
        return queue_id
    return int(queue_id)


def _quoted(queue_id: str | None) -> str:
    return quote(queue_id or "", safe="")
