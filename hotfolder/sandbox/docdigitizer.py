"""DocDigitizer v1 on loopback: annotate calls, tasks, and documents with their links."""

import mimetypes
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from hotfolder.sandbox.answers import reply
from hotfolder.sandbox.docdigitizer_v3 import ExtractService
from hotfolder.sandbox.faults import Fate, Service
from hotfolder.sandbox.ledger import Entry
from hotfolder.sandbox.multipart import MalformedForm, Part, TooLarge, read_form
from hotfolder.sandbox.options import IdPlace, KeyHeader
from hotfolder.sandbox.visit import Handle, Visit, endpoint
from hotfolder.sandbox.world import World

PREFIX = "/docdigitizer"
MEDIA_TYPES = frozenset({"application/pdf", "image/jpeg", "image/png", "image/tiff"})
SLA = timedelta(minutes=30)
"""Of trial accounts (vendor's guide)."""
PAGE_SIZE, PAGE_SIZE_MAX = 20, 100
"""Invented: each end point has its own default, and none is published."""


@dataclass(slots=True)
class Document:
    """A taken document and its task."""

    document_id: str
    task_id: str
    document_class: str | None
    file_name: str
    media_type: str
    tags: tuple[str, ...]
    at: float
    fate: Fate
    task_reads: int = 0


class DocDigitizerService:
    """The routes of one sandbox's DocDigitizer."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._documents: dict[str, Document] = {}
        self._by_task: dict[str, Document] = {}

    def routes(self) -> list[Route]:
        """Return the routes below `PREFIX`."""
        plan: list[tuple[str, str, Handle]] = [
            ("POST", "/api/v1/documents/annotate", self._annotate),
            ("POST", "/api/v1/documents/annotate:{document_class}", self._annotate),
            ("GET", "/api/v1/tasks/{id}", self._read_task),
            ("GET", "/api/v1/documents", self._list_documents),
            ("GET", "/api/v1/documents/{id}", self._read_document),
            ("GET", "/api/v1/documents/{id}/annotations", self._read_annotations),
            ("GET", "/api/v1/documents/{id}/reviews", self._read_reviews),
        ]
        routes = [
            Route(path, endpoint(self._world, Service.DOCDIGITIZER, handle), methods=[method])
            for method, path, handle in plan
        ]
        return [*routes, *ExtractService(self._world).routes()]

    def _authorize(self, visit: Visit) -> None:
        wanted = self._world.options.docdigitizer_key_header
        names = ["authorization", "authentication"] if wanted is KeyHeader.EITHER else [wanted.value]
        given = {visit.request.headers.get(name) for name in names} - {None}
        if f"API_KEY {self._world.credentials.docdigitizer_api_key}" not in given:
            raise visit.problem(401)

    async def _annotate(self, visit: Visit) -> Response:
        self._authorize(visit)
        content_type = visit.request.headers.get("content-type", "")
        try:
            limit = self._world.options.docdigitizer_max_bytes
            parts = await read_form(content_type, visit.body(), limit, visit.named)
        except MalformedForm as error:
            raise visit.problem(400, str(error)) from None
        except TooLarge:
            raise visit.problem(413) from None
        files = [part for part in parts if part.file_name is not None and part.name == "files"]
        if not files:
            raise visit.problem(400, "No file in the field 'files'")
        media_type = _media_type(files[0])
        if media_type not in MEDIA_TYPES:
            raise visit.problem(415)
        if files[0].digest.size == 0:
            raise visit.problem(422, "The file is empty")
        await visit.received()
        return self._commit(visit, parts, files, media_type)

    def _commit(self, visit: Visit, parts: list[Part], files: list[Part], media_type: str) -> Response:
        kept, *dropped = files
        tags = tuple(
            tag.strip()
            for tag in visit.request.headers.get("x-docdigitizer-tag", "").split(",")
            if tag.strip()
        )
        document = Document(
            str(uuid.uuid4()),
            str(uuid.uuid4()),
            visit.request.path_params.get("document_class"),
            kept.file_name or "",
            media_type,
            tags,
            time.time(),
            visit.fate,
        )
        self._documents[document.document_id] = self._by_task[document.task_id] = document
        self._world.ledger.commit(
            Entry(
                number=self._world.ledger.next_upload(),
                service=Service.DOCDIGITIZER.value,
                queue=document.document_class,
                encoding="multipart",
                file_name=kept.file_name,
                media_type=kept.media_type,
                size=kept.digest.size,
                sha256=kept.digest.sha256,
                arrived_at=visit.arrived_at,
                ids={"document": document.document_id, "task": document.task_id},
                tags=tags,
                fields={p.name: p.text.decode("utf-8", "replace") for p in parts if p.file_name is None},
                dropped=tuple(part.file_name or "" for part in dropped),
            )
        )
        return self._accepted(visit, document)

    def _accepted(self, visit: Visit, document: Document) -> Response:
        place = self._world.options.docdigitizer_id
        task = _task(document, "PENDING")
        headers = {}
        if place is IdPlace.BODY:
            task["document_id"] = document.document_id
        if place is IdPlace.HEADER:
            headers["X-Document-Location"] = f"http://{visit.host}{PREFIX}{_path(document)}"
        return reply({"detail": "Accepted", "status": 202, "task": task}, 202, headers)

    async def _read_task(self, visit: Visit) -> Response:
        self._authorize(visit)
        document = self._by_task.get(visit.request.path_params["id"])
        if document is None or document.at < self._world.task_horizon:
            raise visit.problem(404)
        pending = document.task_reads < self._world.options.docdigitizer_task_polls
        document.task_reads += 1
        body: dict[str, Any] = {
            "detail": "OK",
            "status": 200,
            "task": _task(document, "PENDING" if pending else "DONE"),
        }
        if self._world.options.docdigitizer_id is not IdPlace.LATER or not pending:
            body["document"] = {"id": document.document_id, "links": _links(document)}
        return reply(body)

    def _found(self, visit: Visit) -> Document:
        self._authorize(visit)
        document = self._documents.get(visit.request.path_params["id"])
        if document is None:
            raise visit.problem(404)
        return document

    async def _read_document(self, visit: Visit) -> Response:
        document = self._found(visit)
        shown = self._shown(document) | {"annotations": {"data": {}}}
        return reply({"detail": "OK", "status": 200, "document": shown})

    async def _read_annotations(self, visit: Visit) -> Response:
        document = self._found(visit)
        return reply({"detail": "OK", "status": 200, "annotations": {"data": {}, "links": _links(document)}})

    async def _read_reviews(self, visit: Visit) -> Response:
        document = self._found(visit)
        return reply({"detail": "OK", "status": 200, "reviews": {"data": [], "links": _links(document)}})

    async def _list_documents(self, visit: Visit) -> Response:
        self._authorize(visit)
        query = visit.request.query_params
        size_text = query.get("maxRetrieve", str(PAGE_SIZE))
        if not size_text.isdecimal():
            raise visit.problem(400, "maxRetrieve must be a whole number")
        size = min(max(int(size_text), 1), PAGE_SIZE_MAX)
        start = _position(query.get("cursorId"), len(self._documents))
        page = list(self._documents.values())[start or 0 :][:size]
        end = (start or 0) + len(page)
        headers = {
            "X-More-Results-Available": str(end < len(self._documents)).lower(),
            "X-Cursor-ID": f"c{end}",
            "X-Cursor-Was-Broken": str(start is None).lower(),
        }
        body = {"detail": "OK", "status": 200, "documents": [self._shown(document) for document in page]}
        return reply(body, headers=headers)

    def _shown(self, document: Document) -> dict[str, Any]:
        shown = {
            "id": document.document_id,
            "name": document.file_name,
            "created": _naive(document.at),
            "document_class": document.document_class,
            "media_type": document.media_type,
            "annotation_status": "success" if document.fate is Fate.IMPORTED else "Invalid",
            "links": _links(document),
        }
        return shown | {"tags": list(document.tags)} if self._world.options.docdigitizer_lists_tags else shown


def _media_type(file: Part) -> str:
    """Return the part's media type, inferred from the extension where it has none (specification)."""
    if file.media_type:
        return file.media_type.partition(";")[0].strip().lower()
    return mimetypes.guess_type(file.file_name or "")[0] or ""


def _position(cursor: str | None, length: int) -> int | None:
    """Return where a page starts; None for a broken cursor, which starts again."""
    if cursor is None:
        return 0
    number = cursor.removeprefix("c")
    return int(number) if cursor.startswith("c") and number.isdecimal() and int(number) <= length else None


def _naive(seconds: float) -> str:
    """Write a moment as v1 does: UTC without a zone."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def _path(document: Document) -> str:
    return f"/api/v1/documents/{document.document_id}"


def _links(document: Document) -> dict[str, str]:
    path = _path(document)
    return {
        "annotations": f"{path}/annotations",
        "assets": f"{path}/assets",
        "collection": "/api/v1/documents",
        "reviews": f"{path}/reviews",
        "self": path,
    }


def _task(document: Document, status: str) -> dict[str, Any]:
    return {
        "id": document.task_id,
        "created": _naive(document.at),
        "status": status,
        "sla_moment": _naive(document.at + SLA.total_seconds()),
        "links": {"self": f"/api/v1/tasks/{document.task_id}", "collection": "/api/v1/tasks"},
    }
