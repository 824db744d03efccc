"""Several documents in one request to Rossum: which may share it, its mark, and which object is whose (pure).

One request makes one task and one upload with a document for each file, in an order that is not documented, and puts
one metadata on all their annotations. So only names tell the documents apart, and they must differ.
"""

import json
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from html import unescape
from typing import Any
from unicodedata import normalize

from hotfolder.backends.base import Apart, Outcome, Parcel, Refused
from hotfolder.backends.bodies import escape_name
from hotfolder.backends.paths import as_text
from hotfolder.backends.rossum_checks import MARK, METADATA_SURE_BYTES

REQUEST_BYTES = 40_000_000
"""40 MB a request (Upload API). Whether that means MiB is not said, so a request that could be smaller stays below."""
FILES = 100
"""Largest page (API docs, pagination): one question shows the documents of a request."""
NAME_CHARS = 255
"""Django cuts longer names in front of their extension."""

Object = Mapping[str, Any]


# Which documents share a request ------------------------------------------------------------------


def divided(
    parcels: Iterable[Parcel], alike: Callable[[Parcel], Hashable], length: Callable[[Sequence[Parcel]], int]
) -> list[list[Parcel]]:
    """Divide documents, in their order, into those that share a request.

    `alike` is what must be equal for all of one, `length` the bytes of the request's whole body. A document that is
    too large to share goes alone, whatever its size.
    """
    requests: list[list[Parcel]] = []
    for one in parcels:
        if requests and _share([*requests[-1], one], alike, length):
            requests[-1].append(one)
        else:
            requests.append([one])
    return requests


def _share(
    parcels: Sequence[Parcel],
    alike: Callable[[Parcel], Hashable],
    length: Callable[[Sequence[Parcel]], int],
) -> bool:
    first, last = parcels[0], parcels[-1]
    if last.batch_id is None or len(parcels) > FILES or any(one.reject_identical for one in parcels):
        return False  # `reject_identical` allows one file
    return (
        (first.batch_id, alike(first)) == (last.batch_id, alike(last))
        and _names_differ(parcels)
        and len(metadata(parcels).encode("utf-8", "replace")) <= METADATA_SURE_BYTES
        and length(parcels) <= REQUEST_BYTES
    )


def _names_differ(parcels: Sequence[Parcel]) -> bool:
    each = [_keys(one.name) for one in parcels]
    return len(frozenset().union(*each)) == sum(map(len, each))


def metadata(parcels: Sequence[Parcel]) -> str:
    """Return the metadata that the documents of a request share, with our mark: the upload id of each name."""
    first = parcels[0]
    mark = {"batch_id": first.batch_id, "uploads": {one.name: one.upload_id for one in parcels}}
    return json.dumps({**first.metadata, MARK: mark}, ensure_ascii=False, separators=(",", ":"))


def refused(error: Refused) -> Outcome:
    """Return what a refusal of several documents means for each: a 4xx says that none was taken, nothing else does."""
    if error.answer.status_code // 100 != 4:  # noqa: PLR2004 — 4xx
        return error
    return Apart(f"{error}; refused together with others, so it goes by itself", error.status)


# Whose an object is -------------------------------------------------------------------------------


def marks(annotation: Object) -> frozenset[str]:
    """Return the upload ids in an annotation's mark: one, or those of all documents of its request."""
    ours = _ours(annotation)
    uploads = ours.get("uploads")
    several = uploads.values() if isinstance(uploads, Mapping) else ()
    return frozenset(filter(None, map(as_text, (ours.get("upload_id"), *several))))


def is_shared(annotation: Object) -> bool:
    """Tell whether an annotation's mark is that of several documents."""
    return isinstance(_ours(annotation).get("uploads"), Mapping)


def mark_of(annotation: Object, name: str | None) -> str | None:
    """Return the upload id of an annotation's document, which has this name at Rossum; None where none is its own."""
    uploads = _ours(annotation).get("uploads")
    if not isinstance(uploads, Mapping):
        return next(iter(marks(annotation)), None)
    found = [as_text(mark) for sent, mark in uploads.items() if name and is_named(name, sent)]
    return found[0] or None if len(found) == 1 else None


def named(documents: Iterable[Object], sent: str) -> list[Object]:
    """Return the documents that may be a file that was sent under a name; what was made of others is none."""
    return [
        one
        for one in documents
        if not one.get("parent") and is_named(as_text(one.get("original_file_name")), sent)
    ]


def is_named(stored: str, sent: str) -> bool:
    """Tell whether Rossum may store the name `sent` as `stored`."""
    return normalize("NFC", stored) in _keys(sent)


def _ours(annotation: Object) -> Object:
    found = annotation.get("metadata")
    ours = found.get(MARK) if isinstance(found, Mapping) else None
    return ours if isinstance(ours, Mapping) else {}


# Names --------------------------------------------------------------------------------------------


def spellings(name: str) -> tuple[str, ...]:
    """Return the name as sent, escaped, and as Django stores it."""
    sent = escape_name(name)
    return tuple(dict.fromkeys((name, sent, unescape(sent).rpartition("\\")[2], _stored(sent))))


def _stored(sent: str) -> str:
    """Return what Django makes of a form part's file name: `MultiPartParser.sanitize_file_name`, `UploadedFile.name`."""
    base = unescape(sent).rpartition("/")[2].rpartition("\\")[2]
    base = "".join(one for one in base if one.isprintable())
    if len(base) <= NAME_CHARS:
        return base
    stem, dot, extension = base.rpartition(".")
    end = (dot + extension)[:NAME_CHARS] if dot else ""
    return (stem if dot else base)[: NAME_CHARS - len(end)] + end


def _keys(name: str) -> frozenset[str]:
    return frozenset(normalize("NFC", one) for one in spellings(name))
