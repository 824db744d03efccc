"""Speak to Rossum (API v1): upload, task, upload object, annotations; found again by a mark in the metadata.

POST uploads?queue=ID → task → upload → documents and annotations → an annotation that is imported
"""

import json
import time
from base64 import b64encode
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from secrets import token_hex
from typing import IO, ClassVar
from urllib.parse import quote, urlsplit

from hotfolder.backends import bodies, rossum_batch, rossum_checks, rossum_search
from hotfolder.backends.answers import Reply, Secrets
from hotfolder.backends.base import (
    JPEG,
    PDF,
    PNG,
    TIFF,
    Apart,
    Backend,
    ContentChanged,
    DeliveryError,
    Finding,
    Listed,
    Outcome,
    Parcel,
    Receipt,
    Refused,
    Scope,
    Traits,
    Unauthorized,
    Uncertain,
    Wanted,
)
from hotfolder.backends.bodies import Body, Field, File
from hotfolder.backends.channel import Channel, Credentials, Token, log_in, reveal, token_of
from hotfolder.backends.pace import Pace
from hotfolder.backends.paths import texts
from hotfolder.backends.policy import Judge, Profile
from hotfolder.backends.rossum_followup import FollowUp
from hotfolder.backends.wire import Wire
from hotfolder.model import Remote
from hotfolder.settings import RossumConnection

TOKEN_RENEWED_S = 160 * 3600.0
"""Tokens live 162 h at most (API docs, authentication); a running upload must not meet the end."""
PROFILE = Profile(
    "Rossum",
    message_paths=("detail", "message", "error"),
    key_paths=("code",),
    link_paths=("url",),
    known_keys={
        400: ("bad_request",),
        401: ("authentication_failed",),
        403: ("access_forbidden",),
        404: ("not_found",),
        409: ("conflict_status",),
        413: ("payload_too_large",),
        429: ("rate_limited",),
        502: ("bad_gateway",),
        503: ("service_unavailable",),
        504: ("gateway_timeout",),
    },
)


class Rossum(Backend):
    """One account at Rossum."""

    traits: ClassVar[Traits] = Traits(
        "rossum",
        frozenset({PDF, JPEG, PNG, TIFF}),
        40 * 1024 * 1024,  # 40 MB a request (Upload API); what lies between MB and MiB, the service decides
        needs_queue_id=True,
        follows_up=True,
        finds_by_time=True,
        takes=frozenset({"metadata", "values", "reject_identical"}),
        files_per_request=rossum_batch.FILES,
        request_bytes=rossum_batch.REQUEST_BYTES,
    )

    def __init__(self, connection: RossumConnection, now: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._now = now
        self._secrets = Secrets()
        self._judge = Judge(PROFILE, connection, self._secrets, now)
        self._wire = Wire(connection, PROFILE.service)
        self._channel = Channel(connection, self._wire, self._judge, self._credentials())
        self._search = rossum_search.Search(self._channel, now)
        self._follow_up = FollowUp(self._channel, self._judge)

    @property
    def ahead_s(self) -> float | None:
        """See `Backend`."""
        return self._channel.ahead_s

    def learn_time(self) -> None:
        """Ask who we are: with a fixed token there is no log-in that would tell."""
        self._channel.get("/auth/user")

    @property
    def pace(self) -> Pace:
        """See `Backend`."""
        return self._wire.pace

    def upload(self, parcel: Parcel) -> Receipt:
        """Send one document; the receipt is not final, since the import is still to come."""
        reply = self._channel.upload(self._upload_path(parcel), self._body(parcel))
        return self._taken(reply)

    def together(self, parcels: Sequence[Parcel]) -> list[list[Parcel]]:
        """Divide by equal queue, metadata and values, different names and Rossum's limits."""
        upload = self._connection.upload
        # Ids in the answer itself would belong to nobody.
        if upload.encoding in {"body", "json_base64"} or upload.document_id_paths:
            return super().together(parcels)
        return rossum_batch.divided(parcels, self._alike, lambda some: self._shared_body(some).length)

    def upload_many(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        """Send documents in one request: one task and one upload for all of them."""
        if len(parcels) == 1:
            return super().upload_many(parcels)
        spoiled: bodies.Spoiled = {}
        told: Outcome
        try:
            reply = self._channel.upload(self._upload_path(parcels[0]), self._shared_body(parcels, spoiled))
            receipt = self._taken(reply)
            told = replace(receipt, remote=replace(receipt.remote, shared=True))
        except Refused as error:
            told = rossum_batch.refused(error)
        except DeliveryError as error:
            told = error
        except (ContentChanged, OSError) as error:
            told = Apart(f"another document of its request cannot be sent: {error}")
        return [spoiled.get(one.upload_id, told) if isinstance(told, Apart) else told for one in parcels]

    def _taken(self, reply: Reply) -> Receipt:
        if found := reply.ids(self._connection.upload.document_id_paths or ()):
            return Receipt(reply.status, final=True, document_ids=found)
        task = reply.text("url") if reply.good else None
        if task is not None:
            return Receipt(reply.status, final=False, remote=Remote(task=task))
        if reply.good:
            raise Uncertain(
                f"Rossum answered {reply.status} without the address of its task, "
                "so nobody knows whether it took the document",
                status=reply.status,
            )
        said = f"{self._judge.says(reply)}, which `statuses` counts as done"
        return Receipt(reply.status, final=True, warnings=(said,))

    def follow_up(self, receipt: Receipt, parcel: Parcel) -> Receipt:
        """Ask for the next thing that is not known yet: task and upload, then the annotations."""
        try:
            return self._follow_up.ask(receipt, parcel)
        except Unauthorized as error:
            if (unwatched := self._unwatched(receipt, error)) is None:
                raise
            return unwatched

    def shares_questions(self, remote: Remote) -> bool:
        """Annotations are asked about together, once they are known."""
        return bool(remote.annotations)

    def follow_up_many(self, asked: Sequence[tuple[Receipt, Parcel]]) -> list[Receipt | DeliveryError]:
        """Ask about the annotations of all, or about each document alone as long as it has none."""
        if not all(self.shares_questions(receipt.remote) for receipt, _ in asked):
            return super().follow_up_many(asked)
        told = self._follow_up.ask_many(asked)
        return [self._unwatched(receipt, one) or one for (receipt, _), one in zip(asked, told, strict=True)]

    def _unwatched(self, receipt: Receipt, told: Receipt | DeliveryError) -> Receipt | None:
        """Return the last receipt of a document whose import this log-in may not watch, None for any other."""
        basic = self._connection.auth == "basic" and isinstance(told, Unauthorized)
        if not basic or told.status not in {401, 403}:
            return None
        warning = "the import cannot be watched with `auth: basic`, Rossum answers such questions with "
        return replace(receipt, final=True, warnings=(*receipt.warnings, f"{warning}{told.status}"))

    def find(self, parcel: Parcel, since: float, known: Container[str] = ()) -> Receipt | None:
        """Look for the mark in the queue's annotations, then for the document's name."""
        return self._search.find(parcel, since, known)

    def check(self, queue_ids: tuple[str, ...]) -> list[Finding]:
        """Log in, then look at each queue: is it there, is it active, what does it accept."""
        try:
            user = self._channel.get("/auth/user")
        except Unauthorized as error:
            if self._connection.auth != "basic" or error.status not in {401, 403}:
                raise
            return [Finding(ok=True, text="`auth: basic` can only upload: nothing can be checked beforehand")]
        name = user.text("username", "email") or "the configured user"
        return [Finding(ok=True, text=f"logged in as {name}"), *map(self._check_queue, queue_ids)]

    def results(self, receipt: Receipt, parcel: Parcel, into: IO[bytes]) -> bool:
        """Write what stands in the annotations."""
        del parcel
        return self._follow_up.results(receipt.remote, into)

    def documents(self, queue_id: str | None, limit: int) -> Iterator[Listed]:
        """List the documents of a queue that have an annotation."""
        return self._search.listed(queue_id or "", limit)

    def check_wanted(self, wanted: Wanted) -> list[Finding]:
        """Hold metadata and values against their rules, and the types against what the queue accepts."""
        found = rossum_checks.unsent(wanted, raw=self._raw)
        try:
            reply = self._channel.get(f"/queues/{quote(wanted.queue_id, safe='')}")
        except Unauthorized as error:
            if self._connection.auth != "basic" or error.status not in {401, 403}:
                raise
            return found
        accepted = texts(("settings.accepted_mime_types[]",), reply.document, reply.headers)
        return [*rossum_checks.filtered_out(wanted, accepted), *found]

    def close(self) -> None:
        """Close the sockets; the token stays valid, another program may share it."""
        self._channel.close()

    def _credentials(self) -> Credentials:
        if self._connection.auth == "basic":
            return Credentials({"Authorization": "Basic {token}"}, self._basic, renewable=False)
        bearer = {"Authorization": "Bearer {token}"}
        if self._connection.auth == "token":
            return Credentials(bearer, self._fixed, renewable=False)
        return Credentials(bearer, self._log_in, renewable=True)

    def _log_in(self) -> Token:
        connection = self._connection
        who = {
            "username": connection.username or "",
            "password": reveal(connection.password, self._secrets, "the password"),
        }
        reply = log_in(connection, self._wire, self._judge, "/auth/login", who)
        token = token_of(reply, connection.login.token_paths or ("key",), self._judge)
        return Token(token, self._now() + TOKEN_RENEWED_S)

    def _fixed(self) -> Token:
        return Token(reveal(self._connection.token, self._secrets, "the token"))

    def _basic(self) -> Token:
        password = reveal(self._connection.password, self._secrets, "the password")
        pair = f"{self._connection.username}:{password}".encode()
        return Token(self._secrets.remember(b64encode(pair).decode()))

    def _upload_path(self, parcel: Parcel) -> str:
        path = self._path.replace("{queue_id}", quote(parcel.queue_id or "", safe=""))
        path = path.replace("{name}", quote(parcel.name, safe="", errors="replace"))
        if parcel.reject_identical:
            path += ("&" if "?" in path else "?") + "reject_identical=true"
        return path

    @property
    def _path(self) -> str:
        default = "/uploads/{name}?queue={queue_id}" if self._raw else "/uploads?queue={queue_id}"
        return self._connection.upload.path or default

    @property
    def _named(self) -> bool:
        """True where the path holds the name: elsewhere a raw body has none, and Rossum answers 400."""
        return "{name}" in urlsplit(self._path).path

    @property
    def _raw(self) -> bool:
        return self._connection.upload.encoding == "body"

    def _body(self, parcel: Parcel) -> Body:
        settings = self._connection.upload
        file = File(parcel.name, parcel.media_type, parcel.size_bytes, parcel.pieces)
        if settings.encoding == "json_base64":
            raise Unauthorized("Rossum takes no base64 in JSON; set `upload.encoding` to multipart or body")
        if self._raw:
            if parcel.metadata or parcel.values:
                raise Unauthorized(
                    "`metadata` and `values` of the queue cannot be sent with `upload.encoding: body`; "
                    "use multipart",
                    scope=Scope.QUEUE,
                )
            return bodies.raw(file, None if self._named else bodies.disposition(parcel.name))
        fields = [*_fields(parcel), *self._extra(parcel)]
        return bodies.multipart(self._file_field, file, fields, token_hex(16))

    @property
    def _file_field(self) -> str:
        return self._connection.upload.file_field or "content"

    def _extra(self, parcel: Parcel) -> list[Field]:
        filled = bodies.filled(self._connection.upload.fields, parcel)
        return [Field(name, text) for name, text in filled.items()]

    def _alike(self, parcel: Parcel) -> str:
        """Return what documents of one request have in common, as text."""
        shared = (
            self._upload_path(parcel),
            parcel.metadata,
            parcel.values,
            *map(asdict, self._extra(parcel)),
        )
        return json.dumps(shared, default=dict, sort_keys=True)

    def _shared_body(self, parcels: Sequence[Parcel], spoiled: bodies.Spoiled | None = None) -> Body:
        """Encode several documents; which of them turns out unreadable or changed is noted in `spoiled`."""
        noted = {} if spoiled is None else spoiled
        fields = [*_fields(parcels[0], rossum_batch.metadata(parcels)), *self._extra(parcels[0])]
        files = [bodies.noting(one, noted) for one in parcels]
        return bodies.multipart_of(self._file_field, files, fields, token_hex(16))

    def _check_queue(self, queue_id: str) -> Finding:
        reply = self._channel.get(f"/queues/{quote(queue_id, safe='')}")
        if reply.status == 404:  # noqa: PLR2004
            return Finding(
                ok=False, text=f"queue {queue_id} does not exist or this user cannot see it; check `queue_id`"
            )
        if not isinstance(reply.document, Mapping):
            return Finding(
                ok=False, text=f"{self._wire.host} does not describe queue {queue_id}; check `base_url`"
            )
        named = f"queue {queue_id} ({reply.text('name') or 'without name'})"
        status = reply.text("status") or "active"
        if status != "active":
            return Finding(ok=False, text=f"{named} is {status}: it takes no documents; choose another")
        accepted = texts(("settings.accepted_mime_types[]",), reply.document, reply.headers)
        return Finding(ok=True, text=f"{named} is active and accepts {', '.join(accepted) or 'all types'}")


class RossumBody(Rossum):
    """One account whose uploads are raw bodies: these carry no metadata, and so no mark of ours."""

    traits: ClassVar[Traits] = replace(Rossum.traits, keeps_mark=False, files_per_request=1)


def _fields(parcel: Parcel, metadata: str | None = None) -> list[Field]:
    """Make the form fields beside the document; raises `Refused` for metadata that is too long."""
    fields = [Field("metadata", metadata or rossum_checks.sure_metadata(parcel), "application/json")]
    if parcel.values:
        fields.append(Field("values", json.dumps(dict(parcel.values)), "application/json"))
    return fields
