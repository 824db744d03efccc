"""Read and keep Rossum's objects: tasks, uploads, documents, annotations; anything in them may be null or missing (pure)."""

import json
from collections.abc import Iterable, Iterator, Mapping
from math import isfinite
from typing import Any

from hotfolder.backends.answers import Secrets, clean
from hotfolder.backends.paths import as_text

Object = Mapping[str, Any]

PENDING = frozenset({"created", "importing"})
"""Annotation statuses before the import is over; every other one, known or not, comes after it."""
SETTLED = frozenset({"confirmed", "exported", "split", "rejected", "deleted", "purged", "failed_export"})
"""Annotation statuses after which people have nothing left to do (guide "Annotation lifecycle"); every other one, known or
not, is on its way there: `to_review`, `in_workflow`, `exporting`, ..."""
TURNED_DOWN = frozenset({"rejected", "deleted", "purged", "failed_export"})
"""Those of them that say that it came to nothing."""
FAILED = "failed_import"
"""The one annotation status that says that the import failed (guide "Annotation lifecycle")."""
LEFT_OUT = frozenset({"broken_image", "password_protected_archive", "failed_to_extract"})
LEFT_OUT_PREFIX = "filtered_by_"
"""With it, the attachment statuses of documents that get no annotation (API docs, document)."""
DOCUMENT = ("id", "url", "original_file_name", "mime_type", "attachment_status", "parent")
ANNOTATION = ("id", "url", "status", "messages", "document")
"""What is kept of these: the rest is long, and speaks of the extraction."""
KEPT_BYTES = 64 * 1024
"""Most that is kept of all objects of a document: they stand in its row of the journal and in its sidecar."""
_DEPTH, _WIDTH = 6, 1000
"""Deeper and wider than any object of the API docs; a zip holds fewer than 1,000 files."""


def addresses(document: Any, key: str) -> tuple[str, ...]:
    """Return the addresses in a list of an object, each once; the list may be null or missing."""
    found = document.get(key) if isinstance(document, Mapping) else None
    texts = filter(None, map(as_text, found)) if isinstance(found, list) else ()
    return tuple(dict.fromkeys(texts))


def listed(document: Any, key: str = "results") -> list[Object]:
    """Return the objects of a list; the list may be null or missing."""
    found = document.get(key) if isinstance(document, Mapping) else None
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def statuses(annotations: Iterable[Object]) -> tuple[str, ...]:
    """Return the statuses of annotations, each once."""
    return tuple(dict.fromkeys(filter(None, (as_text(one.get("status")) for one in annotations))))


def words(annotations: Iterable[Object]) -> tuple[str, ...]:
    """Return what the messages of annotations say; a message is `{"content"}`, `{"error"}` or a text."""
    return tuple(filter(None, (_word(one) for annotation in annotations for one in _messages(annotation))))


def left_out(documents: Iterable[Object]) -> tuple[str, ...]:
    """Return the reasons for which documents get no annotation, nothing where one of them still may."""
    reasons = [as_text(one.get("attachment_status")) for one in documents]
    final = [one for one in reasons if one in LEFT_OUT or one.startswith(LEFT_OUT_PREFIX)]
    return tuple(dict.fromkeys(final)) if len(final) == len(reasons) else ()


def only(found: Object, keys: Iterable[str]) -> dict[str, Any]:
    """Return the part of an object that is kept."""
    return {key: found[key] for key in keys if key in found}


def keep(objects: Object, secrets: Secrets, **new: Any) -> dict[str, Any]:
    """Return the kept objects with new ones by kind, fit for a record; null stands for what is too long."""
    kept = dict(objects)
    for kind, value in new.items():
        kept[kind] = _tidy(value, secrets)
        if len(json.dumps(kept)) > KEPT_BYTES:
            kept[kind] = None
    return kept


def _messages(annotation: Object) -> Iterator[Any]:
    found = annotation.get("messages")
    return iter(found if isinstance(found, list) else ())


def _word(message: Any) -> str:
    if isinstance(message, Mapping):
        return as_text(message.get("content")) or as_text(message.get("error"))
    return as_text(message)


def _tidy(value: Any, secrets: Secrets, depth: int = 0) -> Any:
    """Clean every text of a JSON value, and bound it."""
    if isinstance(value, str):
        return clean(value, secrets)
    if isinstance(value, Mapping | list) and depth == _DEPTH:
        return None
    if isinstance(value, Mapping):
        pairs = list(value.items())[:_WIDTH]
        return {clean(str(key), secrets): _tidy(item, secrets, depth + 1) for key, item in pairs}
    if isinstance(value, list):
        return [_tidy(item, secrets, depth + 1) for item in value[:_WIDTH]]
    return None if isinstance(value, float) and not isfinite(value) else value
