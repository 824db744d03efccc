"""The record beside every filed document: its shape, its JSON Schema, and how it is drawn from a journey (pure)."""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hotfolder.checks.names import escaped, printable
from hotfolder.connector import DocumentID, Message, UploadDocumentResponse
from hotfolder.model import Answer, Attempt, Journey

SCHEMA: Literal["hotfolder/sidecar/1"] = "hotfolder/sidecar/1"
_YEAR_1_S, _YEAR_9999_S = -62_135_596_800.0, 253_402_300_799.0
"""What ISO 8601 and `datetime` can say; a file's time stamp may be anything that fits 64 bits."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class BatchRecord(_Record):
    """Its place in the batch that it went with."""

    id: str
    place: int = Field(ge=1)


class FileRecord(_Record):
    """The document as it was dropped."""

    name: str = Field(description="base name as text, with escapes for what is not printable UTF-8")
    name_bytes: str | None = Field(description="base64 of the name where the text is not the name itself")
    folder: str | None = Field(default=None, description="path below the drop folder, in recursive queues")
    size: int = Field(ge=0, description="bytes")
    sha256: str | None = Field(description="of the bytes that were sent; null where nothing was read")
    media_type: str | None = Field(description="by content")
    modified_at: str
    companion: str | None = Field(default=None, description="name of its companion, as dropped")


class QueueRecord(_Record):
    """Where it went."""

    name: str
    id: str | None = Field(description="queue of the service")
    id_source: str = Field(description="what named it: queue, folder, companion or override")
    override_of: str | None = Field(
        default=None, description="the id that would have counted, where an override won"
    )


class AttemptRecord(_Record):
    """One try at sending."""

    at: str
    status: int | None
    error: str | None
    duration_ms: int


class Times(_Record):
    """UTC moments of the journey; null for a step that was not reached."""

    seen: str
    ready: str
    claimed: str
    accepted: str | None
    filed: str


class RemoteRecord(_Record):
    """What the service calls it."""

    task: str | None
    upload: str | None
    documents: list[str]
    annotations: list[str]
    status: str | None
    sla_at: str | None
    links: dict[str, Any]
    objects: dict[str, Any] | None = Field(
        default=None, description="the service's objects by kind, as it gave them: Rossum's task, upload, ..."
    )


class EventRecord(_Record):
    """What the service told of the document by itself: Digitoo Webhook - Document Status Changed 1.0.0, and when."""

    received_at: str
    last_at: str = Field(description="when it was told last")
    times: int = Field(ge=1, description="how often it was told")
    webhook_event: str | None
    id: str
    status: str | None
    queue_id: str | None
    warning: str | None = Field(description="what does not fit to the document")
    body: Any = Field(description="the record as it came; null where it is long")


class Sidecar(_Record):
    """The record beside every document in done/ and failed/."""

    schema_: Literal["hotfolder/sidecar/1"] = Field(alias="schema")
    outcome: Literal["done", "failed"]
    response: UploadDocumentResponse | None = Field(
        description="null for a failed document of a queue with on_error: stop_without_record"
    )
    error_source: Literal["local", "server", "transport"] | None
    file: FileRecord
    queue: QueueRecord
    connection: str
    backend: str
    upload_id: str
    sent_name: str | None
    attempts: list[AttemptRecord]
    times: Times
    remote: RemoteRecord
    possible_duplicate: bool
    duplicate_of: str | None = Field(description="upload id of the first document of this content")
    supersedes: str | None = Field(
        default=None, description="upload id of the shorter document of this name that came just before"
    )
    retry_of: str | None = Field(
        default=None, description="upload id under which it failed before it came back"
    )
    beside: list[str] | None = Field(
        default=None,
        description="names of the further files of the document in its folder, in the form of file.name",
    )
    batch: BatchRecord | None = Field(default=None, description="in queues with mode: batch")
    recovered: bool
    warnings: list[str]
    events: list[EventRecord] = Field(description="in the order in which they were received")


def read(content: bytes) -> Sidecar:
    """Return the record in the bytes of a sidecar's file; raises `ValueError` for anything else."""
    return Sidecar.model_validate_json(content)


def sidecar_schema() -> dict[str, Any]:
    """Return the JSON Schema of a sidecar."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Sidecar.model_json_schema(by_alias=True),
    }


def moment(seconds: float) -> str:
    """Return seconds since 1970 as UTC in ISO 8601, with milliseconds, in the years 1 to 9999."""
    sayable = min(max(seconds, _YEAR_1_S), _YEAR_9999_S)
    return datetime.fromtimestamp(sayable, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _attempt(attempt: Attempt, *, silent: bool) -> AttemptRecord:
    error = None if silent else attempt.error
    return AttemptRecord(
        at=moment(attempt.at), status=attempt.status, error=error, duration_ms=attempt.duration_ms
    )


def _response(answer: Answer) -> UploadDocumentResponse:
    return UploadDocumentResponse(
        StatusCode=answer.status_code,
        ErrorKey=answer.error_key,
        Messages=None if answer.messages is None else [Message(Message=m) for m in answer.messages],
        DocumentIDs=None
        if answer.document_ids is None
        else [DocumentID(DocumentID=d) for d in answer.document_ids],
    )


def _file(journey: Journey) -> FileRecord:
    name = printable(journey.name)
    return FileRecord(
        name=name,
        name_bytes=None if name.encode() == journey.name else base64.b64encode(journey.name).decode(),
        folder=printable(journey.folder) if journey.folder else None,
        size=journey.stamp.size,
        sha256=journey.sha256,
        media_type=journey.media_type,
        modified_at=moment(journey.stamp.mtime_ns / 1e9),
        companion=next((printable(one.name) for one in journey.attendants if one.kept), None),
    )


def _times(journey: Journey, filed_at: float) -> Times:
    return Times(
        seen=moment(journey.seen_at),
        ready=moment(journey.ready_at),
        claimed=moment(journey.claimed_at),
        accepted=None if journey.accepted_at is None else moment(journey.accepted_at),
        filed=moment(filed_at),
    )


def _silent(journey: Journey) -> bool:
    return journey.error_source is not None and journey.on_error == "stop_without_record"


def response_of(journey: Journey) -> UploadDocumentResponse | None:
    """Return the response record of a final document; None where its queue's records tell no error."""
    return None if _silent(journey) or journey.answer is None else _response(journey.answer)


def draw(journey: Journey, filed_at: float, beside: Sequence[bytes] = ()) -> Sidecar:
    """Draw the sidecar of a final document and its further files; raises `ValueError` where it has no answer yet."""
    silent = _silent(journey)
    if journey.answer is None and not silent:
        raise ValueError(f"{journey.upload_id} has no final answer")
    remote = journey.remote
    return Sidecar(
        schema_=SCHEMA,
        outcome="failed" if journey.error_source else "done",
        response=response_of(journey),
        error_source=journey.error_source.value if journey.error_source else None,
        file=_file(journey),
        queue=QueueRecord(
            name=journey.queue,
            id=journey.queue_id,
            id_source=journey.id_source,
            override_of=journey.override_of,
        ),
        connection=journey.connection,
        backend=journey.backend,
        upload_id=journey.upload_id,
        sent_name=journey.sent_name,
        attempts=[_attempt(a, silent=silent) for a in journey.attempts],
        times=_times(journey, filed_at),
        remote=RemoteRecord(
            task=remote.task,
            upload=remote.upload,
            documents=list(remote.documents),
            annotations=list(remote.annotations),
            status=remote.status,
            sla_at=remote.sla_at,
            links=dict(remote.links),
            objects=None if silent else dict(remote.objects) or None,
        ),
        possible_duplicate=journey.possible_duplicate,
        duplicate_of=journey.duplicate_of,
        supersedes=journey.supersedes,
        retry_of=journey.retries.upload_id if journey.retries else None,
        beside=[printable(name) for name in beside] or None,
        batch=BatchRecord(id=journey.batch_id, place=journey.place or 1) if journey.batch_id else None,
        recovered=journey.recovered,
        warnings=list(journey.warnings),
        events=[],
    )


_SAID_ONLY_WHEN_SET = (
    ("file", "folder"),
    ("file", "companion"),
    ("queue", "override_of"),
    ("", "supersedes"),
    ("", "retry_of"),
    ("", "beside"),
    ("remote", "objects"),
    ("", "batch"),
)
"""Keys of few documents, as (object, key): the others' records stay as they always were."""


def render(sidecar: Sidecar) -> bytes:
    """Return the sidecar as the bytes of its file."""
    keep = sidecar.model_dump(by_alias=True)  # not in JSON's mode, which fails at a lone surrogate in a key
    for place, key in _SAID_ONLY_WHEN_SET:
        holder = keep[place] if place else keep
        if holder[key] is None:
            del holder[key]
    return escaped(json.dumps(keep, ensure_ascii=False, indent=2)).encode() + b"\n"
