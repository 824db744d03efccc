"""Digitoo on loopback: log-in, uploads as multipart or as JSON with base64, and lists of documents."""

import json
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from hotfolder.sandbox.answers import reply
from hotfolder.sandbox.base64_json import read_base64_json
from hotfolder.sandbox.callbacks import Caller
from hotfolder.sandbox.digitoo_webhook import body_of, headers_of
from hotfolder.sandbox.faults import Fate, Service
from hotfolder.sandbox.ledger import Entry
from hotfolder.sandbox.life import Life, Lives
from hotfolder.sandbox.multipart import Digest, MalformedForm, TooLarge, read_form
from hotfolder.sandbox.options import DigitooAnswer
from hotfolder.sandbox.visit import Handle, Visit, endpoint
from hotfolder.sandbox.world import World

PREFIX = "/digitoo"
PAGE_SIZE, PAGE_SIZE_MAX = 20, 100
"""Invented: the vendor's paging is not published."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What a request brought."""

    queue: str
    encoding: str
    file_name: str
    media_type: str | None
    digest: Digest
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class Document:
    """A taken document."""

    id: str
    sent: Sent
    at: float
    life: Life


class DigitooService:
    """The routes of one sandbox's Digitoo."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._documents: dict[str, Document] = {}
        self._caller = Caller(world, Service.DIGITOO)
        self._lives = Lives(world)

    def routes(self) -> list[Route]:
        """Return the routes below `PREFIX`."""
        plan: list[tuple[str, str, Handle]] = [
            ("POST", "/api/v2/queues/{queue}/upload", self._upload),
            ("POST", "/api/v2/upload", self._upload),
            ("POST", "/api/v2/auth/login", self._log_in),
            ("GET", "/api/v2/queues/{queue}", self._read_queue),
            ("GET", "/api/v2/queues/{queue}/documents", self._list_documents),
            ("GET", "/api/v2/documents/{id}", self._read_document),
            ("GET", "/api/v2/documents/{id}/annotations", self._read_annotations),
            ("GET", "/api/v2/documents/{id}/annotations-values", self._read_annotation_values),
        ]
        return [
            Route(path, endpoint(self._world, Service.DIGITOO, handle), methods=[method])
            for method, path, handle in plan
        ]

    def _authorize(self, visit: Visit) -> None:
        scheme, _, token = visit.request.headers.get("authorization", "").partition(" ")
        known = token == self._world.credentials.digitoo_token or self._world.tokens[Service.DIGITOO].valid(
            token
        )
        if scheme != "Bearer" or not known:
            raise visit.problem(401)

    async def _log_in(self, visit: Visit) -> Response:
        fields = await _json_fields(visit)
        if not fields.get("email") or not fields.get("password"):
            raise visit.problem(400, "email and password are required")
        await visit.received()
        accepted = self._world.credentials
        if (fields["email"], fields["password"]) != (accepted.digitoo_email, accepted.digitoo_password):
            raise visit.problem(401, "Invalid e-mail or password")
        tokens, lifetime_s = self._world.tokens[Service.DIGITOO], self._world.options.digitoo_token_lifetime_s
        expires_at = datetime.now(UTC) + timedelta(seconds=lifetime_s)
        return reply(
            {
                "data": {
                    "access_token": tokens.issue(lifetime_s),
                    "refresh_token": uuid.uuid4().hex,  # taken nowhere: its end point is not published
                    "expires_at": expires_at.isoformat(),
                }
            }
        )

    def _queue(self, visit: Visit, queue: str) -> str:
        if queue not in self._world.options.digitoo_queues:
            raise visit.problem(404, f"Queue {queue} not found")
        return queue

    async def _upload(self, visit: Visit) -> Response:
        self._authorize(visit)
        in_path = visit.request.path_params.get("queue")
        if in_path is not None:
            self._queue(visit, in_path)
        content_type = visit.request.headers.get("content-type", "")
        try:
            if content_type.lower().startswith("multipart/form-data") and in_path is not None:
                sent = await self._read_multipart(visit, content_type, in_path)
            elif "json" in content_type:
                sent = await self._read_json(visit, in_path)
            else:
                raise visit.problem(400, f"Unexpected content type {content_type!r}")
        except MalformedForm as error:
            raise visit.problem(400, str(error)) from None
        except TooLarge:
            raise visit.problem(413) from None
        if sent.digest.size == 0:
            raise visit.problem(400, "The file is empty")
        await visit.received()
        return self._commit(visit, sent)

    async def _read_multipart(self, visit: Visit, content_type: str, queue: str) -> Sent:
        options = self._world.options
        parts = await read_form(content_type, visit.body(), options.digitoo_max_bytes, visit.named)
        files = [part for part in parts if part.file_name is not None]
        if len(files) != 1 or files[0].name != options.digitoo_file_field:
            raise visit.problem(400, f"Expected exactly one file in the field {options.digitoo_file_field!r}")
        fields = {part.name: part.text.decode("utf-8", "replace") for part in parts if part.file_name is None}
        file = files[0]
        return Sent(queue, "multipart", file.file_name or "", file.media_type, file.digest, fields)

    async def _read_json(self, visit: Visit, in_path: str | None) -> Sent:
        values, digest = await read_base64_json(visit.body(), self._world.options.digitoo_max_bytes)
        name, queue = values.get("FileName"), values.get("QueueID", in_path)
        if not isinstance(name, str) or not name:
            raise visit.problem(400, "FileName is missing")
        if queue is None or (in_path is not None and str(queue) != in_path):
            raise visit.problem(400, "QueueID is missing or another than in the path")
        await visit.named(name)
        fields = {
            key: str(value)
            for key, value in values.items()
            if key not in {"FileName", "FileContent", "QueueID"}
        }
        return Sent(self._queue(visit, str(queue)), "json_base64", name, None, digest, fields)

    def _commit(self, visit: Visit, sent: Sent) -> Response:
        options, number = self._world.options, str(uuid.uuid4())
        good = visit.fate_of(sent.file_name) is Fate.IMPORTED
        life = Life(
            options.digitoo_statuses if good else ("extraction-errored",),
            lambda status: self._tell(document, status),
        )
        document = self._documents[number] = Document(number, sent, time.time(), life)
        self._lives.start(life, options.digitoo_status_every_s)
        self._world.ledger.commit(
            Entry(
                number=self._world.ledger.next_upload(),
                service=Service.DIGITOO.value,
                queue=sent.queue,
                encoding=sent.encoding,
                file_name=sent.file_name,
                media_type=sent.media_type,
                size=sent.digest.size,
                sha256=sent.digest.sha256,
                arrived_at=visit.arrived_at,
                ids={"document": document.id},
                fields=sent.fields,
            )
        )
        return reply(_answer(self._world.options.digitoo_answer, document.id))

    def _tell(self, document: Document, status: str) -> None:
        """Call the address that came with a document, where one did."""
        url, options = document.sent.fields.get("notify_webhook_url"), self._world.options
        if url:
            body = body_of(options.digitoo_webhook_shape, document.id, document.sent.queue, status)
            self._caller.call("POST", url, body, headers_of(options, body))

    def order(self, number: str, status: str) -> bool:
        """Give a document a status of any name; False where there is no such document."""
        document = self._documents.get(number)
        if document is not None:
            document.life.order(status)
        return document is not None

    async def _read_queue(self, visit: Visit) -> Response:
        self._authorize(visit)
        queue = self._queue(visit, visit.request.path_params["queue"])
        return reply({"data": {"id": queue, "name": f"Sandbox {queue}", "type": "received-invoice"}})

    async def _list_documents(self, visit: Visit) -> Response:
        self._authorize(visit)
        if not self._world.options.digitoo_lists_documents:
            raise visit.problem(404)
        queue = self._queue(visit, visit.request.path_params["queue"])
        query = visit.request.query_params
        status = query.get("filters[status]")
        found = [
            d for d in self._documents.values() if d.sent.queue == queue and status in {None, d.life.status}
        ]
        found.reverse()
        size = min(max(visit.number("per_page", PAGE_SIZE), 1), PAGE_SIZE_MAX)
        page, pages = max(visit.number("page", 1), 1), max(1, -(-len(found) // size))
        return reply(
            {
                "data": [
                    _shown(document, document.life.status)
                    for document in found[(page - 1) * size : page * size]
                ],
                "meta": {"current_page": page, "last_page": pages, "per_page": size, "total": len(found)},
            }
        )

    def _found(self, visit: Visit) -> Document:
        self._authorize(visit)
        document = self._documents.get(visit.request.path_params["id"])
        if document is None:
            raise visit.problem(404)
        return document

    async def _read_document(self, visit: Visit) -> Response:
        document = self._found(visit)
        return reply({"data": _shown(document, document.life.seen())})

    async def _read_annotations(self, visit: Visit) -> Response:
        read = [
            {"key": name, "value": value, "page": 1} for name, value in _values(self._found(visit)).items()
        ]
        return reply({"data": read})

    async def _read_annotation_values(self, visit: Visit) -> Response:
        return reply({"data": _values(self._found(visit))})


def _answer(shape: DigitooAnswer, document_id: str) -> Any:
    return {
        DigitooAnswer.DATA_ID: {"data": {"id": document_id}},
        DigitooAnswer.DATA_LIST: {"data": [{"id": document_id}]},
        DigitooAnswer.DATA_DOCUMENTS: {"data": {"documents": [{"id": document_id}]}},
        DigitooAnswer.DATA_DOCUMENT_IDS: {"data": {"document_ids": [document_id]}},
        DigitooAnswer.DOCUMENT_ID: {"document_id": document_id},
        DigitooAnswer.ID: {"id": document_id},
        DigitooAnswer.DOCUMENT_IDS: {"StatusCode": 200, "DocumentIDs": [{"DocumentID": document_id}]},
        DigitooAnswer.NONE: {"data": {}},
    }[shape]


def _values(document: Document) -> dict[str, str]:
    """Return what was read from a document; invented, as the shape around it is."""
    return {"document_number": document.id[:8], "supplier_name": "Sandbox"}


def _shown(document: Document, status: str) -> dict[str, Any]:
    created_at = datetime.fromtimestamp(document.at, UTC).isoformat()
    return {
        "id": document.id,
        "file_name": document.sent.file_name,
        "queue_id": document.sent.queue,
        "status": status,
        "created_at": created_at,
        "updated_at": created_at,
    }


async def _json_fields(visit: Visit) -> dict[str, Any]:
    try:
        fields = json.loads(await visit.small_body())
    except ValueError:
        raise visit.problem(400, "The body is not valid JSON") from None
    if not isinstance(fields, dict):
        raise visit.problem(400)
    return fields
