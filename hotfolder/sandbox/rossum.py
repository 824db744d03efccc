"""Rossum on loopback: log-in, uploads, tasks, and the reading of what was imported."""

import json
import time
from fnmatch import fnmatchcase
from functools import partial
from typing import Any

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from hotfolder.sandbox import rossum_lists
from hotfolder.sandbox.answers import Problem, reply
from hotfolder.sandbox.faults import Service
from hotfolder.sandbox.ledger import Entry
from hotfolder.sandbox.multipart import Digest, MalformedForm, Part, TooLarge, file_name_of, read_form
from hotfolder.sandbox.names import stored_name
from hotfolder.sandbox.rossum_access import Access
from hotfolder.sandbox.rossum_objects import Imported, Rossum, Upload, View
from hotfolder.sandbox.signatures import media_type_of
from hotfolder.sandbox.visit import Handle, Visit, endpoint
from hotfolder.sandbox.world import World

PREFIX = "/rossum/api/v1"
METADATA_MAX_BYTES = 4096
"""4 kB for each object (API docs, metadata)."""
NOT_JSON = "Value must be valid JSON."


class RossumService:
    """The routes of one sandbox's Rossum."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._objects = Rossum()
        self._access = Access(world)

    def routes(self) -> list[Route]:
        """Return the routes below `PREFIX`, the busiest first."""
        plan: list[tuple[str, str, Handle]] = [
            ("POST", "/uploads", self._create_upload),
            ("GET", "/tasks/{id:int}", self._read_task),
            ("GET", "/annotations/{id:int}", self._read_annotation),
            ("GET", "/annotations", self._list_annotations),
            ("GET", "/uploads/{id:int}", self._read_upload),
            ("GET", "/documents/{id:int}", self._read_document),
            ("GET", "/documents", self._list_documents),
            ("GET", "/relations", self._list_relations),
            ("GET", "/queues/{id:int}", self._read_queue),
            ("GET", "/queues", self._list_queues),
            ("POST", "/auth/login", self._access.log_in),
            ("POST", "/auth/logout", self._access.log_out),
            ("GET", "/auth/user", self._read_user),
            ("POST", "/uploads/{filename:path}", self._create_upload),
        ]
        return [
            Route(path, endpoint(self._world, Service.ROSSUM, handle), methods=[method])
            for method, path, handle in plan
        ]

    # Uploads

    async def _create_upload(self, visit: Visit) -> Response:
        self._access.authorize(visit, basic=True)
        queue_id = self._queue_of(visit)
        content_type = visit.request.headers.get("content-type", "")
        if content_type.lower().startswith("multipart/"):
            files, fields = await self._read_multipart(visit, content_type)
            encoding = "multipart"
        else:
            files, fields = [await self._read_raw(visit, content_type)], []
            encoding = "body"
        extra = {part.name: _json_object(part) for part in fields if part.name in {"metadata", "values"}}
        if "identical" in visit.request.scope["query_string"].decode("latin-1"):
            self._reject_identical(visit, files)
        await visit.received()
        return self._commit(visit, queue_id, files, extra, encoding)

    def _queue_of(self, visit: Visit) -> int:
        text = visit.request.query_params.get("queue", "")
        if not text:
            raise Problem(reply({"queue": ["required"]}, 400))
        if not text.isdecimal() or int(text) not in self._world.options.rossum_queues:
            raise visit.problem(404)
        if self._world.options.rossum_queue_status != "active":
            raise visit.problem(400, "The queue is not active.")
        return int(text)

    async def _read_multipart(self, visit: Visit, content_type: str) -> tuple[list[Part], list[Part]]:
        options = self._world.options
        try:
            parts = await read_form(
                content_type,
                visit.body(),
                options.rossum_max_bytes,
                visit.named,
                md5=options.rossum_relations,
            )
        except MalformedForm as error:
            raise visit.problem(400, f"Multipart form parse error - {error}", "parse_error") from None
        except TooLarge:
            raise visit.problem(413) from None
        for part in parts:
            if part.name in {"metadata", "values"} and part.file_name is not None:
                raise Problem(reply({part.name: [NOT_JSON]}, 400))
        files = [part for part in parts if part.name == "content" and part.file_name is not None]
        if not files:
            raise Problem(reply({"content": ["No file was submitted."]}, 400))
        return files, [part for part in parts if part.file_name is None]

    async def _read_raw(self, visit: Visit, content_type: str) -> Part:
        disposition = visit.request.headers.get("content-disposition", "").encode("latin-1")
        name = visit.request.path_params.get("filename") or file_name_of(disposition)
        if not name:
            text = "No file name: send Content-Disposition or put the name into the path."
            raise visit.problem(400, text, "parse_error")
        await visit.named(name)
        part = Part(
            "content",
            name,
            content_type or None,
            Digest(md5=self._world.options.rossum_relations),
            bytearray(),
        )
        limit = self._world.options.rossum_max_bytes
        async for piece in visit.body():
            part.digest.update(piece)
            if limit is not None and part.digest.size > limit:
                raise visit.problem(413)
        return part

    def _reject_identical(self, visit: Visit, files: list[Part]) -> None:
        """Refuse what is already in the organization, by name and content, where this was asked for."""
        if visit.request.query_params.get("reject_identical", "").lower() != "true":
            return
        if len(files) > 1:
            raise visit.problem(400, "Only one file is allowed with reject_identical.")
        file = files[0]
        if (stored_name(file.file_name or ""), file.digest.sha256) in self._objects.identical:
            raise visit.problem(409)

    def _commit(
        self, visit: Visit, queue_id: int, files: list[Part], extra: dict[str, Any], encoding: str
    ) -> Response:
        upload = self._objects.add_upload(queue_id, time.time(), visit.fate, extra.get("metadata", {}))
        number = self._world.ledger.next_upload()
        for part in files:
            imported = self._import(upload, part)
            self._world.ledger.commit(
                Entry(
                    number=number,
                    service=Service.ROSSUM.value,
                    queue=str(queue_id),
                    encoding=encoding,
                    file_name=part.file_name,
                    media_type=part.media_type,
                    size=part.digest.size,
                    sha256=imported.sha256,
                    arrived_at=visit.arrived_at,
                    ids=_ids(upload, imported),
                    metadata=extra.get("metadata"),
                    values=extra.get("values"),
                )
            )
        return reply({"url": self._view(visit).url("tasks", upload.task_id)}, 202)

    def _import(self, upload: Upload, part: Part) -> Imported:
        mime_type = media_type_of(part.digest.head)
        accepted = self._world.options.rossum_accepted_mime_types
        filtered = bool(accepted) and not any(fnmatchcase(mime_type, glob) for glob in accepted)
        status = "filtered_by_queue_mime_type" if filtered else None
        sums = part.digest.sha256, part.digest.md5
        return self._objects.add_file(upload, stored_name(part.file_name or ""), mime_type, sums, status)

    # Reading back

    def _view(self, visit: Visit) -> View:
        origin = self._world.options.rossum_origin or f"http://{visit.host}"
        return View(origin + PREFIX, self._world.options)

    def _found(self, visit: Visit, objects: dict[int, Any]) -> Any:
        self._access.authorize(visit)
        found = objects.get(visit.request.path_params["id"])
        if found is None:
            raise visit.problem(404)
        return found

    async def _read_task(self, visit: Visit) -> Response:
        upload: Upload = self._found(visit, self._objects.tasks)
        if upload.at < self._world.task_horizon:
            raise visit.problem(404)
        task = self._view(visit).task(upload)
        plain = visit.request.query_params.get("no_redirect", "").lower() == "true"
        if task["status"] == "succeeded" and not plain:
            return RedirectResponse(task["result_url"], 303)
        return reply(task)

    async def _read_user(self, visit: Visit) -> Response:
        self._access.authorize(visit)
        return reply(self._view(visit).user(self._world.credentials.rossum_username))

    async def _read_upload(self, visit: Visit) -> Response:
        return reply(self._view(visit).upload(self._found(visit, self._objects.uploads)))

    async def _read_document(self, visit: Visit) -> Response:
        return reply(self._view(visit).document(self._found(visit, self._objects.documents)))

    async def _read_annotation(self, visit: Visit) -> Response:
        file: Imported = self._found(visit, self._objects.annotations)
        number = visit.request.path_params["id"]
        return reply(self._view(visit).annotation(file, number, self._objects.relation_of(file)))

    async def _read_queue(self, visit: Visit) -> Response:
        queues = {number: number for number in self._world.options.rossum_queues}
        return reply(self._view(visit).queue(self._found(visit, queues)))

    async def _list_queues(self, visit: Visit) -> Response:
        self._access.authorize(visit)
        view = self._view(visit)
        return rossum_lists.page(visit, self._world.options.rossum_queues, view, view.queue)

    async def _list_documents(self, visit: Visit) -> Response:
        self._access.authorize(visit)
        view = self._view(visit)
        return rossum_lists.page(visit, rossum_lists.documents(visit, self._objects), view, view.document)

    async def _list_annotations(self, visit: Visit) -> Response:
        self._access.authorize(visit)
        view = self._view(visit)
        files = rossum_lists.annotations(visit, self._objects)
        return rossum_lists.page(
            visit, files, view, partial(rossum_lists.annotation_item, view, self._objects), view.document
        )

    async def _list_relations(self, visit: Visit) -> Response:
        self._access.authorize(visit)
        view = self._view(visit)
        relations = rossum_lists.relations(visit, self._objects)
        return rossum_lists.page(visit, relations, view, view.relation)


def _json_object(part: Part) -> dict[str, Any]:
    """Read a `metadata` or `values` field; 400 for what is no JSON object or too long."""
    if part.name == "metadata" and len(part.text) > METADATA_MAX_BYTES:
        raise Problem(reply({part.name: [f"Metadata may not exceed {METADATA_MAX_BYTES} bytes."]}, 400))
    try:
        value = json.loads(part.text)
    except ValueError:
        raise Problem(reply({part.name: [NOT_JSON]}, 400)) from None
    if not isinstance(value, dict):
        raise Problem(reply({part.name: ["Value must be an object."]}, 400))
    return value


def _ids(upload: Upload, file: Imported) -> dict[str, str]:
    ids = {"task": upload.task_id, "upload": upload.upload_id, "document": file.document_id}
    if file.annotation_id is not None:
        ids["annotation"] = file.annotation_id
    return {name: str(number) for name, number in ids.items()}
