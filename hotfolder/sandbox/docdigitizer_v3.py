"""DocDigitizer v3 on loopback: one call that takes a document and answers with what was found in it."""

import time
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response
from starlette.routing import Route

from hotfolder.sandbox.answers import Problem, reply
from hotfolder.sandbox.faults import Fate, Service
from hotfolder.sandbox.ledger import Entry
from hotfolder.sandbox.multipart import MalformedForm, Part, TooLarge, read_form
from hotfolder.sandbox.options import ExtractError
from hotfolder.sandbox.visit import Visit, endpoint
from hotfolder.sandbox.world import World

PREFIX = "/v3/docingester"
TOKEN_CHARS = 7
"""Longest `requestToken` (OpenAPI description)."""
WORDS: Mapping[int, str] = {
    400: "Bad request",
    401: "Invalid or missing API key",
    413: "The file is larger than the plan allows",
    415: "Only PDF documents are taken",
    422: "The document could not be read",
}


class ExtractService:
    """The route of one sandbox's DocDigitizer v3."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """Return the routes below DocDigitizer's prefix."""
        handle = endpoint(self._world, Service.DOCDIGITIZER, self._extract)
        return [Route(f"{PREFIX}/extract", handle, methods=["POST"])]

    async def _extract(self, visit: Visit) -> Response:
        options = self._world.options
        if visit.request.headers.get("x-api-key") != self._world.credentials.docdigitizer_api_key:
            raise self._problem(401)
        content_type = visit.request.headers.get("content-type", "")
        try:
            parts = await read_form(content_type, visit.body(), options.extract_max_bytes, visit.named)
        except MalformedForm as error:
            raise self._problem(400, str(error)) from None
        except TooLarge:
            raise self._problem(413) from None
        fields = {p.name: p.text.decode("utf-8", "replace") for p in parts if p.file_name is None}
        file = self._only_file(parts)
        self._check(fields)
        if (file.media_type or "") not in options.extract_types:
            raise self._problem(415)
        if file.digest.size == 0:
            raise self._problem(422, "The file is empty")
        await visit.received()
        if visit.fate is not Fate.IMPORTED:
            return reply(self._cased({"stateText": "ERROR", "messages": [WORDS[422]]} | _trace()))
        return self._commit(visit, file, fields)

    def _only_file(self, parts: list[Part]) -> Part:
        files = [part for part in parts if part.file_name is not None]
        if len(files) != 1 or files[0].name != "files":
            raise self._problem(400, "Expected exactly one file in the field 'files'")
        return files[0]

    def _check(self, fields: Mapping[str, str]) -> None:
        for name in ("id", "contextID"):
            if not _is_uuid(fields.get(name)):
                raise self._problem(400, f"{name} must be a UUID")
        if len(fields.get("requestToken", "")) > TOKEN_CHARS:
            raise self._problem(400, f"requestToken has more than {TOKEN_CHARS} characters")

    def _commit(self, visit: Visit, file: Part, fields: Mapping[str, str]) -> Response:
        options = self._world.options
        number = str(uuid.uuid4()) if options.extract_names_document else fields["id"]
        self._world.ledger.commit(
            Entry(
                number=self._world.ledger.next_upload(),
                service=Service.DOCDIGITIZER.value,
                queue=fields.get("pipelineIdentifier"),
                encoding="multipart",
                file_name=file.file_name,
                media_type=file.media_type,
                size=file.digest.size,
                sha256=file.digest.sha256,
                arrived_at=visit.arrived_at,
                ids={"document": number},
                fields=fields,
            )
        )
        answer: dict[str, Any] = {"stateText": options.extract_state, "messages": [], **_trace()}
        if options.extract_names_document:
            answer["documentId"] = number
        answer["output"] = {"extractions": [{"docType": "Invoice", "total": "7.00"}]}
        return reply(self._cased(answer | {"timers": {"total": round(time.time() - visit.arrived_at, 3)}}))

    def _cased(self, answer: Mapping[str, Any]) -> dict[str, Any]:
        """Write the answer's own keys as the option says; what was found in the document keeps its names."""
        pascal = self._world.options.extract_pascal
        return {key[0].upper() + key[1:] if pascal else key: value for key, value in answer.items()}

    def _problem(self, status: int, text: str | None = None) -> Problem:
        words = text or WORDS[status]
        match self._world.options.extract_error:
            case ExtractError.GATEWAY:
                body: dict[str, Any] = {"error": WORDS[status], "message": words, "statusCode": status}
            case ExtractError.FAILED:
                error = {"code": f"E{status}", "message": words}
                body = {"requestToken": None, "state": "Failed", "error": error}
            case ExtractError.SERVICE:
                body = self._cased({"stateText": "ERROR", "messages": [words]} | _trace())
        return Problem(reply(body, status))


def _trace() -> dict[str, Any]:
    return {"traceId": uuid.uuid4().hex[:12]}


def _is_uuid(text: str | None) -> bool:
    try:
        return text is not None and str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
