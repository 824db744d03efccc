"""The report of a batch: which documents it held, in order, and what became of each (pure)."""

import base64
import json
import re
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from hotfolder.checks.names import escaped, printable
from hotfolder.connector import UploadDocumentResponse
from hotfolder.filing import sidecar_name
from hotfolder.model import Batch, Journey, State
from hotfolder.sidecar import moment, response_of

SCHEMA: Literal["hotfolder/batch/1"] = "hotfolder/batch/1"
SUFFIX = b".batch.json"
REPORT_BYTES = 1 << 24
"""More than a report of 256 documents can have, each with long names and many words of its service."""
_NAME = re.compile(rb"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.batch\.json")


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class FileReport(_Record):
    """One document of a batch."""

    place: int = Field(ge=1)
    name: str = Field(description="as dropped, with escapes for what is not printable UTF-8")
    name_bytes: str | None = Field(description="base64 of the name where the text is not the name itself")
    folder: str | None = Field(description="path below the drop folder")
    upload_id: str | None = Field(description="null where it was never claimed")
    outcome: Literal["done", "failed", "untouched", "missing"] = Field(
        description="untouched: it lies in the drop folder, or was taken away from there; "
        "missing: it left the work folder without us"
    )
    archive: str | None = Field(description="path below done/ or failed/")
    sidecar: str | None = Field(description="the same of its record")
    response: UploadDocumentResponse | None


class BatchReport(_Record):
    """The report beside the documents of a batch."""

    schema_: Literal["hotfolder/batch/1"] = Field(alias="schema")
    batch_id: str
    queue: str
    mode: Literal["batch"]
    began: str
    ended: str
    stopped_at: int | None = Field(description="place of the document at which its queue stopped (on_error)")
    files: list[FileReport]


def report_name(batch: Batch) -> bytes:
    """Return the name of a batch's report in done/."""
    return batch.batch_id.encode() + SUFFIX


def is_report(name: bytes) -> bool:
    """Tell whether a file of an archive is named like a report."""
    return _NAME.fullmatch(name) is not None


def draw(batch: Batch, members: Sequence[Journey], ended: float) -> BatchReport:
    """Draw the report of a batch, none of whose documents is under way any more (`ended`: seconds since 1970)."""
    by_place = {j.place: j for j in members}
    stops = (j.place for j in members if j.error_source and j.on_error != "continue" and j.place)
    return BatchReport(
        schema_=SCHEMA,
        batch_id=batch.batch_id,
        queue=batch.queue,
        mode="batch",
        began=moment(batch.began),
        ended=moment(ended),
        stopped_at=min(stops, default=None),
        files=[_file(place, key, by_place.get(place)) for place, key in enumerate(batch.plan, 1)],
    )


def _file(place: int, key: tuple[bytes, bytes], journey: Journey | None) -> FileReport:
    folder, name = key
    rests = journey is not None and journey.state is State.FILED
    archived = (journey.filed_name or name) if journey is not None and rests else None
    return FileReport(
        place=place,
        name=printable(name),
        name_bytes=None if printable(name).encode() == name else base64.b64encode(name).decode(),
        folder=printable(folder) if folder else None,
        upload_id=journey.upload_id if journey else None,
        outcome=_outcome(journey),
        archive=_path(folder, archived),
        sidecar=_path(folder, None if archived is None else sidecar_name(archived)),
        response=response_of(journey) if journey is not None and rests else None,
    )


def _outcome(journey: Journey | None) -> Literal["done", "failed", "untouched", "missing"]:
    if journey is None or journey.state is State.RETURNED:
        return "untouched"
    if journey.state is not State.FILED:
        return "missing"
    return "failed" if journey.error_source else "done"


def _path(folder: bytes, name: bytes | None) -> str | None:
    return None if name is None else printable(b"/".join(filter(None, (folder, name))))


def render(report: BatchReport) -> bytes:
    """Return a report as the bytes of its file."""
    drawn = report.model_dump(by_alias=True)  # not in JSON's mode, which fails at a lone surrogate
    return escaped(json.dumps(drawn, ensure_ascii=False, indent=2)).encode() + b"\n"


def read(content: bytes) -> BatchReport:
    """Return the report in the bytes of its file; raises `ValueError` for anything else."""
    return BatchReport.model_validate_json(content)


def is_report_of(batch: Batch, content: bytes) -> bool:
    """Tell whether the bytes of a file are the report of a batch, at whatever time it was drawn."""
    try:
        report = read(content)
    except ValueError:
        return False
    return (report.batch_id, report.queue) == (batch.batch_id, batch.queue)


def batch_schema() -> dict[str, Any]:
    """Return the JSON Schema of a report."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **BatchReport.model_json_schema(by_alias=True),
    }
