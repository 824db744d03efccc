"""Draw journeys from what the folders tell, where the journal does not (pure)."""

import base64
from dataclasses import dataclass, replace
from datetime import datetime

from hotfolder.claims import Origin, moment_of
from hotfolder.connector import UploadDocumentResponse
from hotfolder.delivery import sent_name
from hotfolder.model import Answer, Attempt, ErrorSource, Journey, Remote, Stamp, State
from hotfolder.sidecar import RemoteRecord, Sidecar


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def name_of(record: Sidecar) -> bytes:
    """Return the name under which a recorded document was dropped; raises `ValueError` for what can be none."""
    text = record.file.name_bytes
    name = record.file.name.encode() if text is None else base64.b64decode(text, validate=True)
    if name in {b"", b".", b".."} or b"/" in name or b"\0" in name:
        raise ValueError("no entry of a folder has this name")
    return name


def from_sidecar(record: Sidecar, folder: bytes, filed_name: bytes) -> Journey:
    """Return the journey that ended with a sidecar found in the archive's `folder` beside `filed_name`.

    Its state is the final one before filing. Raises `ValueError` or `OverflowError` for a record not of our making.
    """
    modified_ns = round(_seconds(record.file.modified_at) * 1000) * 1_000_000
    return Journey(
        upload_id=record.upload_id,
        queue=record.queue.name,
        connection=record.connection,
        backend=record.backend,
        queue_id=record.queue.id,
        id_source=record.queue.id_source,
        override_of=record.queue.override_of,
        folder=folder,
        name=name_of(record),
        stamp=Stamp(0, 0, record.file.size, modified_ns, 0),
        media_type=record.file.media_type,
        state=State.DELIVERED if record.outcome == "done" else State.REFUSED,
        seen_at=_seconds(record.times.seen),
        ready_at=_seconds(record.times.ready),
        claimed_at=_seconds(record.times.claimed),
        sha256=record.file.sha256,
        sent_name=record.sent_name,
        attempts=tuple(Attempt(_seconds(a.at), a.status, a.error, a.duration_ms) for a in record.attempts),
        accepted_at=None if record.times.accepted is None else _seconds(record.times.accepted),
        filed_at=_seconds(record.times.filed),
        filed_name=filed_name,
        answer=_answer(record.response),
        error_source=None if record.error_source is None else ErrorSource(record.error_source),
        remote=_remote(record.remote),
        possible_duplicate=record.possible_duplicate,
        duplicate_of=record.duplicate_of,
        supersedes=record.supersedes,
        on_error="continue" if record.response else "stop_without_record",
        batch_id=record.batch.id if record.batch else None,
        place=record.batch.place if record.batch else None,
        recovered=record.recovered,
        warnings=tuple(record.warnings),
    )


def _remote(record: RemoteRecord) -> Remote:
    return Remote(
        task=record.task,
        upload=record.upload,
        documents=tuple(record.documents),
        annotations=tuple(record.annotations),
        status=record.status,
        sla_at=record.sla_at,
        links=record.links,
        objects=record.objects or {},
    )


def _answer(response: UploadDocumentResponse | None) -> Answer | None:
    if response is None:
        return None
    return Answer(
        response.StatusCode,
        response.ErrorKey,
        None if response.Messages is None else tuple(m.Message for m in response.Messages),
        None if response.DocumentIDs is None else tuple(d.DocumentID for d in response.DocumentIDs),
    )


@dataclass(frozen=True, slots=True)
class Content:
    """What a look into a document of the work folder tells."""

    stamp: Stamp
    media_type: str | None
    sha256: str


def from_work(upload_id: str, place: tuple[bytes, bytes], origin: Origin, stamp: Stamp) -> Journey:
    """Return the journey of a document that lies in the work folder and of which nothing else is known."""
    began = moment_of(upload_id)
    folder, name = place
    return Journey(
        upload_id=upload_id,
        queue=origin.queue,
        connection=origin.connection,
        backend=origin.backend,
        queue_id=origin.queue_id,
        id_source=origin.id_source,
        override_of=origin.override_of,
        folder=folder,
        name=name,
        stamp=stamp,
        media_type=None,
        state=State.UNCERTAIN,
        seen_at=began,
        ready_at=began,
        claimed_at=began,
    )


def doubted(journey: Journey, content: Content, not_before: float) -> Journey:
    """Return a journey of which nobody knows whether it was sent, to be asked about from a moment on."""
    journey = replace(journey, stamp=content.stamp, sha256=content.sha256, media_type=content.media_type)
    return replace(
        journey,
        state=State.UNCERTAIN,
        asked=0,
        held=False,
        not_before=not_before,
        sent_name=journey.sent_name or sent_name(journey),
        reason="the journal was lost or is an old copy: it may have been sent before; the service is asked",
    )
