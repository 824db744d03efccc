"""Hold what a queue wants to send against Rossum's rules, before the first document and with each (pure)."""

import json
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from hotfolder.backends.base import Finding, Parcel, Refused, Wanted
from hotfolder.model import Answer, ErrorSource

MARK = "hotfolder"
"""Key of our part of an annotation's metadata: {"upload_id", "sha256"}."""
METADATA_BYTES, METADATA_SURE_BYTES = 4096, 4000
"""Metadata up to 4 kB per object (API docs, metadata); between the two the service decides."""
VALUE_PREFIX = "upload:"
"""A field of the schema is filled by what its `rir_field_names` call `upload:ID` (Upload API)."""


def metadata(own: Mapping[str, Any], upload_id: str, sha256: str) -> str:
    """Return the metadata as sent, with our mark."""
    mark = {MARK: {"upload_id": upload_id, "sha256": sha256}}
    return json.dumps({**own, **mark}, ensure_ascii=False, separators=(",", ":"))


def filtered_out(wanted: Wanted, accepted: Iterable[str]) -> list[Finding]:
    """Say which types the queue would leave out; `accepted` are its `accepted_mime_types`, empty for all."""
    globs = [one.strip().lower() for one in accepted]
    out = sorted(t for t in wanted.media_types if not any(fnmatchcase(t, glob) for glob in globs))
    if not globs or not out:
        return []
    said = (
        f"queue {wanted.queue_id} accepts {', '.join(globs)}: Rossum would leave out {', '.join(out)}; "
        "take that out of `types`, or add it to the queue's `accepted_mime_types` there"
    )
    return [Finding(ok=False, text=said)]


def unsent(wanted: Wanted, *, raw: bool) -> list[Finding]:
    """Say what of metadata and values cannot be sent, or will hardly be what was meant."""
    if raw:
        if not (wanted.metadata or wanted.values):
            return []
        said = "`metadata` and `values` cannot be sent with `upload.encoding: body`; use multipart"
        return [Finding(ok=False, text=said)]
    return [*_long(wanted), *_strange(wanted)]


def _long(wanted: Wanted) -> list[Finding]:
    size = len(metadata(wanted.metadata, "u" * 36, "s" * 64).encode("utf-8", "replace"))
    if size <= METADATA_SURE_BYTES:
        return []
    fine = size <= METADATA_BYTES
    judged = "which the service may refuse" if fine else "so every document would be refused"
    said = (
        f"queue {wanted.queue_id}: `metadata` and our mark are {size} bytes long, Rossum takes 4 kB, {judged}"
    )
    return [Finding(ok=fine, text=f"{said}; shorten it")]


def _strange(wanted: Wanted) -> list[Finding]:
    strange = sorted(key for key in wanted.values if not key.startswith(VALUE_PREFIX))
    if not strange:
        return []
    said = f"`values` without `{VALUE_PREFIX}` fill no field of Rossum's schema: "
    return [Finding(ok=True, text=said + ", ".join(strange))]


def sure_metadata(parcel: Parcel) -> str:
    """Return the metadata of a document that goes alone, with our mark; raises `Refused` for more than Rossum takes."""
    written = metadata(parcel.metadata, parcel.upload_id, parcel.sha256)
    size = len(written.encode("utf-8", "replace"))
    if size > METADATA_BYTES:
        told = f"The document's metadata is {size} bytes long and Rossum takes {METADATA_BYTES}; shorten it."
        raise Refused(Answer(400, None, (told,)), source=ErrorSource.LOCAL)
    return written
