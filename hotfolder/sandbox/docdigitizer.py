"""DocDigitizer v1 on loopback: annotate calls, tasks, and documents with their links."""

import mimetypes
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from hotfolder.sandbox.answers import reply
from hotfolder.sandbox.callbacks import Caller
from hotfolder.sandbox.docdigitizer_callback import Callback, callback_of
from hotfolder.sandbox.docdigitizer_v3 import ExtractService
from hotfolder.sandbox.faults import Fate, Service
from hotfolder.sandbox.ledger import Entry
from hotfolder.sandbox.life import Life, Lives
from hotfolder.sandbox.multipart import MalformedForm, Part, TooLarge, read_form
from hotfolder.sandbox.options import IdPlace, KeyHeader
from hotfolder.sandbox.visit import Handle, Visit, endpoint
from hotfolder.sandbox.world import World

PREFIX = "/docdigitizer"
MEDIA_TYPES = frozenset({"application/pdf", "image/jpeg", "image/png", "image/tiff"})
CALLED_BACK = {"pending": "start", "success": "annotated", "reviewed": "annotated", "Invalid": "rejected"}
"""The word for a status in a callback (vendor's guide); any other status is its own word."""
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
    life: Life
    callback: Callback
    task_reads: int = 0


class DocDigitizerService:
    """The routes of one sandbox's DocDigitizer."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._documents: dict[str, Document] = {}
        self._by_task: dict[str, Document] = {}
        self._caller = Caller(world, Service.DOCDIGITIZER)
        self._lives = Lives(world)

    def routes(self) -> list[Route]:
        """Return the routes below `PREFIX`."""
        plan: list[tuple[str, str, Handle]] = [
            ("POST", "/api/v1/documents/annotate", self._annotate),
            ("POST", "/api/v1/documents/annotate:{document_class}", self._annotate),
            ("POST", "/api/v1/documents", self._annotate),
            ("GET", "/api/v1/tasks", self._list_tasks),
            ("GET", "/api/v1/tasks/{id}", self._read_task),
            ("GET", "/api/v1/documents", self._list_documents),
            ("GET", "/api/v1/documents/{id}", self._read_document),
            ("GET", "/api/v1/documents/{id}/annotations", self._read_annotations),
            ("GET", "/api/v1/documents/{id}/reviews", self._read_reviews),
            ("GET", "/api/v1/documents/{id}/assets", self._read_assets),
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
        fields = {p.name: p.text.decode("utf-8", "replace") for p in parts if p.file_name is None}
        document = self._taken(visit, kept.file_name or "", media_type, tags, callback_of(fields))
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
                fields=fields,
                dropped=tuple(part.file_name or "" for part in dropped),
            )
        )
        return self._accepted(visit, document)

    def _taken(
        self, visit: Visit, name: str, media_type: str, tags: tuple[str, ...], callback: Callback
    ) -> Document:
        options = self._world.options
        good = visit.fate_of(name) is Fate.IMPORTED
        life = Life(
            options.docdigitizer_statuses if good else ("Invalid",),
            lambda status: self._tell(document, status),
        )
        document_class = visit.request.path_params.get("document_class")
        numbers = str(uuid.uuid4()), str(uuid.uuid4())
        document = Document(*numbers, document_class, name, media_type, tags, time.time(), life, callback)
        self._documents[document.document_id] = self._by_task[document.task_id] = document
        self._tell(document, life.status)
        self._lives.start(life, options.docdigitizer_status_every_s)
        return document

    def _tell(self, document: Document, status: str) -> None:
        """Call the address that came with a document, where one did."""
        word, name = CALLED_BACK.get(status, status), self._world.options.docdigitizer_callback_id
        if document.callback.url:
            self._caller.call(*document.callback.about({name: document.document_id, "status": word}))

    def order(self, number: str, status: str) -> bool:
        """Give a document a status of any name; False where there is no such document."""
        document = self._documents.get(number)
        if document is not None:
            document.life.order(status)
        return document is not None

    def _accepted(self, visit: Visit, document: Document) -> Response:
        place = self._world.options.docdigitizer_id
        task = self._task(document, "PENDING")
        headers = {}
        if place is IdPlace.BODY:
            task["document_id"] = document.document_id
        if place is IdPlace.HEADER:
            headers["X-Document-Location"] = f"http://{visit.host}{PREFIX}{_path(document)}"
        status = self._world.options.docdigitizer_accepted
        detail = "Accepted" if status == 202 else "Created"  # noqa: PLR2004 — HTTP status
        return reply({"detail": detail, "status": status, "task": task}, status, headers)

    def _task(self, document: Document, status: str) -> dict[str, Any]:
        return {
            "id": document.task_id,
            "created": _naive(document.at),
            "status": status,
            "sla_moment": _naive(document.at + self._world.options.docdigitizer_sla_s),
            "links": {"self": f"/api/v1/tasks/{document.task_id}", "collection": "/api/v1/tasks"},
        }

    def _looked_at(self, document: Document) -> str:
        """Return the status of a task, without counting this as a look."""
        pending = document.task_reads < self._world.options.docdigitizer_task_polls
        return "PENDING" if pending else "DONE"

    async def _read_task(self, visit: Visit) -> Response:
        self._authorize(visit)
        document = self._by_task.get(visit.request.path_params["id"])
        if document is None or document.at < self._world.task_horizon:
            raise visit.problem(404)
        status = self._looked_at(document)
        pending = status == "PENDING"
        document.task_reads += 1
        body: dict[str, Any] = {
            "detail": "OK",
            "status": 200,
            "task": self._task(document, status),
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
        shown = self._shown(document, document.life.seen())
        shown |= {"annotations": {"data": _read(document, shown["annotation_status"])}}
        return reply({"detail": "OK", "status": 200, "document": shown})

    async def _read_annotations(self, visit: Visit) -> Response:
        document = self._found(visit)
        node = {"data": _read(document, document.life.status), "links": _links(document)}
        return reply({"detail": "OK", "status": 200, "annotations": node})

    async def _read_reviews(self, visit: Visit) -> Response:
        document = self._found(visit)
        reviewed = document.life.status == "reviewed"
        data = [{"reviewed": _naive(document.at), "corrected": ["total"]}] if reviewed else []
        return reply({"detail": "OK", "status": 200, "reviews": {"data": data, "links": _links(document)}})

    async def _read_assets(self, visit: Visit) -> Response:
        document = self._found(visit)
        original = {"name": document.file_name, "media_type": document.media_type, "kind": "original"}
        return reply(
            {"detail": "OK", "status": 200, "assets": {"data": [original], "links": _links(document)}}
        )

    async def _list_documents(self, visit: Visit) -> Response:
        documents = list(self._documents.values())
        return self._page(visit, "documents", documents, lambda one: self._shown(one, one.life.status))

    async def _list_tasks(self, visit: Visit) -> Response:
        documents = list(self._documents.values())
        return self._page(visit, "tasks", documents, lambda one: self._task(one, self._looked_at(one)))

    def _page(
        self,
        visit: Visit,
        name: str,
        documents: Sequence[Document],
        show: Callable[[Document], dict[str, Any]],
    ) -> Response:
        """Answer with the page at the query's cursor; a broken cursor leads to the first page."""
        self._authorize(visit)
        query = visit.request.query_params
        size_text = query.get("maxRetrieve", str(PAGE_SIZE))
        if not size_text.isdecimal():
            raise visit.problem(400, "maxRetrieve must be a whole number")
        size = min(max(int(size_text), 1), PAGE_SIZE_MAX)
        breaks = self._world.options.docdigitizer_cursor_breaks_after
        reach = len(documents) if breaks is None else min(len(documents), breaks * size - 1)
        start = _position(query.get("cursorId"), reach)
        page = documents[start or 0 :][:size]
        end = (start or 0) + len(page)
        headers = {
            "X-More-Results-Available": str(end < len(documents)).lower(),
            "X-Cursor-ID": f"c{end}",
            "X-Cursor-Was-Broken": str(start is None).lower(),
        }
        body = {"detail": "OK", "status": 200, name: [show(document) for document in page]}
        return reply(body, headers=headers)

    def _shown(self, document: Document, status: str) -> dict[str, Any]:
        shown = {
            "id": document.document_id,
            "name": document.file_name,
            "created": _naive(document.at),
            "document_class": document.document_class,
            "media_type": document.media_type,
            "annotation_status": status,
            "links": _links(document),
        }
        return shown | {"tags": list(document.tags)} if self._world.options.docdigitizer_lists_tags else shown


def _media_type(file: Part) -> str:
    """Return the part's media type, inferred from the extension where it has none (specification)."""
    if file.media_type:
        return file.media_type.partition(";")[0].strip().lower()
    return mimetypes.guess_type(file.file_name or "")[0] or ""


def _read(document: Document, status: str) -> dict[str, Any]:
    """Return what the engine read from a document; invented, since each customer has a schema of his own."""
    known = status in {"success", "reviewed"}
    return {"document_class": document.document_class, "total": "121.00"} if known else {}


def _position(cursor: str | None, reach: int) -> int | None:
    """Return where a page starts; None for a broken cursor, one that leads further than `reach` too."""
    if cursor is None:
        return 0
    number = cursor.removeprefix("c")
    return int(number) if cursor.startswith("c") and number.isdecimal() and int(number) <= reach else None


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
