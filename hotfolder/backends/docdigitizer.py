"""Speak to DocDigitizer (API v1): one file a call, then the task that tells the document's id."""

import re
import time
from collections.abc import Callable, Container, Iterator
from dataclasses import replace
from secrets import token_hex
from typing import IO, ClassVar
from urllib.parse import quote

from hotfolder.backends import bodies, callbacks, docdigitizer_links, docdigitizer_list
from hotfolder.backends.answers import Reply, Secrets
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
    Uncertain,
)
from hotfolder.backends.bodies import Body, Field, File
from hotfolder.backends.channel import Channel, Credentials, Token, reveal
from hotfolder.backends.docdigitizer_documents import Documents
from hotfolder.backends.moments import iso, moment
from hotfolder.backends.pace import Pace
from hotfolder.backends.paths import as_text, last_segment, numbers_of
from hotfolder.backends.policy import Judge, Profile, Verdict
from hotfolder.backends.wire import Wire
from hotfolder.model import Remote
from hotfolder.settings import DocDigitizerConnection

PROFILE = Profile(
    "DocDigitizer",
    message_paths=("detail", "message", "title", "error.message", "error_description"),
    key_paths=("code", "message_code", "messageCode", "error.code"),
    statuses={"404 INVALID_OUTPUT_FORMAT": Verdict.FAIL},
    # Specification, "Request Status".
    known_keys={
        400: ("BAD_REQUEST",),
        401: ("WRONG_AUTH",),
        403: ("NOT_ENOUGH_PERMISSIONS", "NO_LICENCE", "EXPIRED_LICENCE"),
        404: ("NOT_FOUND", "INVALID_OUTPUT_FORMAT"),
        409: ("CONFLICT",),
        415: ("FILE_TYPE_NOT_SUPPORTED",),
        422: ("INCOHERENT_DATA",),
        500: ("UNEXPECTED_ERROR",),
        501: ("NOT_IMPLEMENTED",),
    },
)
DOCUMENT_ID_PATHS = (
    "task.document_id",
    "header:X-Document-Location",
    "header:Location",
    "document.id",
    "task.document.id",
)
TASK_ID_PATHS = ("task.id", "id", "taskId", "task.links.self")
SLA_PATHS = ("task.sla_moment", "task.slaMoment", "task.sla")
TAG_HEADER = "X-Docdigitizer-Tag"


class DocDigitizer(Backend):
    """One account at DocDigitizer."""

    traits: ClassVar[Traits] = Traits(
        "docdigitizer",
        frozenset({PDF, JPEG, PNG, TIFF}),
        25 * 1024 * 1024,  # "25Mb" (specification); between MB and MiB the service decides
        needs_queue_id=False,
        follows_up=True,
        takes=frozenset({"document_class"}),
    )

    def __init__(self, connection: DocDigitizerConnection, now: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._secrets = Secrets()
        self._judge = Judge(PROFILE, connection, self._secrets, now)
        self._wire = Wire(connection, PROFILE.service)
        # The specification names the header "Authentication", the guides and every client "Authorization".
        key = "API_KEY {key}"
        credentials = Credentials({"Authorization": key, "Authentication": key}, self._key, renewable=False)
        self._channel = Channel(connection, self._wire, self._judge, credentials)
        self._documents = Documents(self._channel, connection.base_url, self._secrets, now)

    @property
    def ahead_s(self) -> float | None:
        """See `Backend`."""
        return self._channel.ahead_s

    @property
    def pace(self) -> Pace:
        """See `Backend`."""
        return self._wire.pace

    def upload(self, parcel: Parcel) -> Receipt:
        """Send one document; the receipt is final where the answer holds the document's id."""
        reply = self._channel.upload(
            self._upload_path(parcel), self._body(parcel), {TAG_HEADER: _tags(parcel)}
        )
        remote = self._remote(reply, Remote())
        receipt = Receipt(reply.status, final=False, remote=remote, warnings=self._strangers(remote))
        if found := self._ids(reply):
            return self._known(receipt, found, parcel)
        if receipt.remote.task is None:
            self._judge.doubt(reply, "its task or document")
            warning = "document_id_not_found: the answer names neither document nor task"
            return replace(receipt, final=True, warnings=(*receipt.warnings, warning))
        return receipt

    def follow_up(self, receipt: Receipt, parcel: Parcel) -> Receipt:
        """Ask the task for the document's id, then the document for its status where that is waited for."""
        task = receipt.remote.task
        if receipt.final or (task is None and not receipt.remote.documents):
            return receipt
        if known := numbers_of(receipt.remote):
            waits = parcel.wait_for == PROCESSED
            return self._documents.followed(receipt) if waits else self._known(receipt, known, parcel)
        reply = self._channel.get(f"/api/v1/tasks/{quote(last_segment(task or ''), safe='')}")
        if reply.status == 404:  # noqa: PLR2004
            raise Uncertain("DocDigitizer does not know the task of this upload any more", status=404)
        remote = self._remote(reply, receipt.remote)
        warnings = tuple(dict.fromkeys((*receipt.warnings, *self._strangers(remote))))
        receipt = replace(receipt, remote=remote, warnings=warnings)
        found = self._ids(reply)
        return self._known(receipt, found, parcel) if found else receipt

    def find(self, parcel: Parcel, since: float, known: Container[str] = ()) -> Receipt | None:
        """Look for the tag with the upload's id; it is exact, so neither time nor `known` matter."""
        del since, known
        seen_tags = seen_documents = False
        for document in docdigitizer_list.documents(self._channel):
            tags = docdigitizer_list.tags_of(document)
            seen_documents = True
            seen_tags = seen_tags or tags is not None
            number = as_text(document.get("id"))
            if number and tags and _mark(parcel) in tags:
                links = docdigitizer_links.kept({}, {"document": document}, self._secrets)
                return self._known(Receipt(202, final=True, remote=Remote(links=links)), (number,), parcel)
        if seen_documents and not seen_tags:
            raise CannotTell("DocDigitizer's list of documents does not show their tags")
        return None

    def check(self, queue_ids: tuple[str, ...]) -> list[Finding]:
        """Show the key by asking for one document; there are no queues to look at."""
        del queue_ids
        reply = self._channel.get("/api/v1/documents?maxRetrieve=1")
        if reply.status == 404:  # noqa: PLR2004
            return [Finding(ok=False, text=f"{self._wire.host} has no /api/v1/documents; check `base_url`")]
        try:
            docdigitizer_list.objects(reply.document)
        except CannotTell:
            text = (
                "the API key is accepted at {}, but documents whose answer was lost cannot be looked up there"
            )
            return [Finding(ok=True, text=text.format(self._wire.host))]
        return [Finding(ok=True, text=f"the API key is accepted at {self._wire.host}")]

    def results(self, receipt: Receipt, parcel: Parcel, into: IO[bytes]) -> bool:
        """Write the document's latest annotations, and its reviews."""
        del parcel
        return self._documents.results(receipt, into)

    def documents(self, queue_id: str | None, limit: int) -> Iterator[Listed]:
        """List the documents of the account, which has no queues; our tag tells whose they are."""
        del queue_id
        return docdigitizer_list.listed(self._channel, limit)

    def close(self) -> None:
        """Close the sockets."""
        self._channel.close()

    def _key(self) -> Token:
        return Token(reveal(self._connection.api_key, self._secrets, "the API key"))

    def _upload_path(self, parcel: Parcel) -> str:
        document_class = quote(parcel.document_class or "", safe="")
        template = self._connection.upload.path
        if template is None:
            return "/api/v1/documents/annotate" + (f":{document_class}" if document_class else "")
        path = template.replace("{document_class}", document_class)
        path = path.replace("{queue_id}", quote(parcel.queue_id or "", safe=""))
        return path.replace("{name}", quote(parcel.name, safe="", errors="replace"))

    def _body(self, parcel: Parcel) -> Body:
        settings = self._connection.upload
        if settings.encoding not in {None, "multipart"}:
            raise Unauthorized("DocDigitizer takes multipart only; leave `upload.encoding` out")
        extra = bodies.filled(settings.fields, parcel)
        if (address := callbacks.address(self._connection, parcel, self._secrets)) is not None:
            shown = callbacks.headers(self._connection, self._secrets)
            proof = {f"callback_headers[{name}]": value for name, value in shown.items()}
            extra = {"callback_url": address, "callback_method": "POST", **proof, **extra}
        file = File(parcel.name, parcel.media_type, parcel.size_bytes, parcel.pieces)
        fields = [Field(name, text) for name, text in extra.items()]
        return bodies.multipart(settings.file_field or "files", file, fields, token_hex(16))

    def _ids(self, reply: Reply) -> tuple[str, ...]:
        return reply.ids(self._connection.upload.document_id_paths or DOCUMENT_ID_PATHS)

    def _known(self, receipt: Receipt, found: tuple[str, ...], parcel: Parcel) -> Receipt:
        """Note the document's id, which says that it was imported; that it is done is asked of the document itself."""
        documents = tuple(
            f"{self._connection.base_url}/api/v1/documents/{quote(one, safe='')}" for one in found
        )
        remote = replace(receipt.remote, documents=documents)
        final = parcel.wait_for != PROCESSED
        return replace(receipt, final=final, document_ids=found, remote=remote, imported=True)

    def _strangers(self, remote: Remote) -> tuple[str, ...]:
        return docdigitizer_links.strangers(remote.links, self._connection.base_url, self._secrets)

    def _remote(self, reply: Reply, before: Remote) -> Remote:
        """Note task, SLA moment and links; addresses are rebuilt on our host, the links kept as they came."""
        task = reply.text(*TASK_ID_PATHS)
        address = (
            f"{self._connection.base_url}/api/v1/tasks/{quote(last_segment(task), safe='')}" if task else None
        )
        return replace(
            before,
            task=before.task or address,
            status=reply.text("document.annotation_status", "task.status") or before.status,
            sla_at=_in_utc(reply.text(*SLA_PATHS)) or before.sla_at,
            links=docdigitizer_links.kept(before.links, reply.document, self._secrets),
        )


def _mark(parcel: Parcel) -> str:
    return docdigitizer_list.MARK + parcel.upload_id


def _tags(parcel: Parcel) -> str:
    """Return the header's two tags; a comma would split the queue's name, a header is ASCII."""
    return f"{re.sub(r'[^A-Za-z0-9._-]', '_', parcel.queue)},{_mark(parcel)}"


def _in_utc(text: str | None) -> str | None:
    """Write a moment with its zone (the service's are UTC, specification "Date time"); else as it came."""
    at = moment(text)
    return text if at is None else iso(at)
