"""Rossum's lists: filters, ordering and pages."""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from hotfolder.sandbox.answers import Problem, reply
from hotfolder.sandbox.rossum_objects import USER_ID, Imported, Relation, Rossum
from hotfolder.sandbox.rossum_view import View
from hotfolder.sandbox.visit import Visit

PAGE_SIZE, PAGE_SIZE_MAX = 20, 100
"""Default and greatest page size (API docs, pagination)."""

ORDERINGS = {"id", "created_at", "arrived_at"}
"""All three follow the order of creation here."""


def documents(visit: Visit, objects: Rossum) -> list[Imported]:
    """Return the documents that the query's filters leave."""
    query = visit.request.query_params
    found = _visible(visit, objects.documents.values())
    if (name := query.get("original_file_name")) is not None:
        found = [file for file in found if file.file_name == name]
    if (status := query.get("attachment_status")) is not None:
        found = [file for file in found if file.attachment_status == status]
    return _filtered(visit, found, lambda file: file.document_id)


def annotations(visit: Visit, objects: Rossum) -> list[Imported]:
    """Return the annotations that the query's filters leave."""
    query = visit.request.query_params
    wanted = _numbers(query.get("id"))
    if wanted is not None:
        candidates: Iterable[Imported] = (
            objects.annotations[n] for n in sorted(wanted) if n in objects.annotations
        )
    else:
        candidates = objects.annotations.values()
    found = _visible(visit, candidates)
    if (queue := query.get("queue")) is not None:
        found = [file for file in found if str(file.upload.queue_id) == queue]
    if (md5 := query.get("relations__key")) is not None:
        found = [file for file in found if file.md5 == md5 and objects.relation_of(file)]
    return _filtered(visit, found, lambda file: file.annotation_id or 0)


def annotation_item(view: View, objects: Rossum, file: Imported) -> dict[str, Any]:
    """Show one annotation of a list."""
    return view.annotation(file, file.annotation_id or 0, objects.relation_of(file))


def relations(visit: Visit, objects: Rossum) -> list[Relation]:
    """Return the duplicate relations that the query's filters leave."""
    query = visit.request.query_params
    if query.get("type", "duplicate") != "duplicate":
        return []
    key = query.get("key")
    return [r for r in objects.relations.values() if r.shown and (key is None or r.md5 == key)]


def page(
    visit: Visit,
    items: Sequence[Any],
    view: View,
    show: Callable[[Any], dict[str, Any]],
    document: Callable[[Any], dict[str, Any]] | None = None,
) -> Response:
    """Answer with the page that the query asks for, with its documents if it wants them; 404 beyond the last."""
    query = visit.request.query_params
    size = min(max(visit.number("page_size", PAGE_SIZE), 1), PAGE_SIZE_MAX)
    number = visit.number("page", 1)
    pages = max(1, -(-len(items) // size))
    if not 1 <= number <= pages:
        raise visit.problem(404, "Invalid page.")
    path = visit.request.scope["path"].rpartition("/")[2]

    def link(target: int) -> str | None:
        if not 1 <= target <= pages:
            return None
        return f"{view.base}/{path}?{urlencode({**query, 'page': target})}"

    shown = items[(number - 1) * size : number * size]
    wanted = document is not None and "documents" in query.get("sideload", "").split(",")
    sideload = {"documents": [document(item) for item in shown]} if document and wanted else {}
    return reply(
        {
            "pagination": {
                "total": len(items),
                "total_pages": pages,
                "next": link(number + 1),
                "previous": link(number - 1),
            },
            "results": [show(item) for item in shown],
        }
        | sideload
    )


def _visible(visit: Visit, files: Iterable[Imported]) -> list[Imported]:
    """Keep what is old enough to be listed, Rossum importing asynchronously, and what no failed task left behind."""
    latest = time.time() - visit.world.options.rossum_lag_s
    return [file for file in files if file.upload.at <= latest and not file.upload.failed]


def _filtered(visit: Visit, found: list[Imported], number_of: Callable[[Imported], int]) -> list[Imported]:
    """Apply the filters that documents and annotations share, and the ordering."""
    query = visit.request.query_params
    wanted = _numbers(query.get("id"))
    if wanted is not None:
        found = [file for file in found if number_of(file) in wanted]
    if query.get("creator", str(USER_ID)) != str(USER_ID):
        found = []
    for name in ("arrived_at", "created_at"):
        found = _between(
            found, _moment(query.get(f"{name}_after"), name), _moment(query.get(f"{name}_before"), name)
        )
    ordering = query.get("ordering", "").split(",")[0]
    if ordering.lstrip("-") in ORDERINGS and ordering.startswith("-"):
        found = found[::-1]
    return found


def _between(found: list[Imported], after: float | None, before: float | None) -> list[Imported]:
    if after is not None:
        found = [file for file in found if file.upload.at >= after]
    if before is not None:
        found = [file for file in found if file.upload.at <= before]
    return found


def _moment(text: str | None, name: str) -> float | None:
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise Problem(reply({name: ["Enter a valid date/time."]}, 400)) from None


def _numbers(text: str | None) -> set[int] | None:
    if text is None:
        return None
    return {int(piece) for piece in text.split(",") if piece.strip().isdecimal()}
