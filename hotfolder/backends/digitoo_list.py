"""Read the list of a Digitoo queue's documents, whose shape and paging are not published."""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import quote

from hotfolder.backends.answers import Reply
from hotfolder.backends.base import CannotTell, Listed, Unauthorized
from hotfolder.backends.channel import Channel
from hotfolder.backends.moments import moment
from hotfolder.backends.paths import as_text, values

LISTS = ("data", "data.documents", "documents", "")
NAMES = ("file_name", "original_file_name", "filename", "original_filename", "fileName", "name")
CREATED = ("created_at", "createdAt", "created", "uploaded_at")
STATUSES = ("status", "state")
"""Where a list of documents may hold them, their names, times and statuses: not published, all are tried."""
PAGE = 100
PAGES_MAX = 100

Object = Mapping[str, Any]


def pages(channel: Channel, queue_id: str | None, size: int = PAGE) -> Iterator[list[Object]]:
    """Yield the pages of a queue's documents; the one who asks stops where nothing new comes.

    Raises `CannotTell` for a list that is hidden, of unknown shape or too long; `Unavailable`, `Unauthorized`.
    """
    where = f"/api/v2/queues/{quote(queue_id or '', safe='')}/documents"
    for page in range(1, PAGES_MAX + 1):
        ask = channel.further if page > 1 else channel.get
        yield _page(ask, f"{where}?page={page}&per_page={size}")
    raise CannotTell(f"Digitoo lists more than {size * PAGES_MAX} documents in this queue")


def listed(channel: Channel, queue_id: str | None, limit: int) -> Iterator[Listed]:
    """Yield up to `limit` of a queue's documents, in the service's order; it keeps no mark of ours."""
    yield from islice(_listed(channel, queue_id, min(limit, PAGE)), limit)


def since(channel: Channel, queue_id: str | None, moment_s: float) -> Iterator[tuple[str, str, float]]:
    """Yield id, name and time of a queue's documents until they are older than a moment (seconds since 1970)."""
    seen: set[str] = set()
    for page in pages(channel, queue_id):
        documents = [_facts(one) for one in page]
        fresh = [one for one in documents if one[0] not in seen]
        yield from fresh
        seen.update(number for number, _, _ in fresh)
        times = [created for _, _, created in documents]
        # A service that ignores `page` repeats itself; one that lists the newest first has told enough.
        if not fresh or (times == sorted(times, reverse=True) and times[-1] < moment_s):
            return


def _listed(channel: Channel, queue_id: str | None, size: int) -> Iterator[Listed]:
    seen: set[str] = set()
    for page in pages(channel, queue_id, size):
        fresh = [one for one in map(_shown, page) if one.number not in seen]
        yield from fresh
        seen.update(one.number for one in fresh)
        if not fresh:
            return


def _shown(document: Object) -> Listed:
    name, status = _first(document, NAMES), _first(document, STATUSES)
    return Listed(as_text(document.get("id")), name or None, _created(document), status or None)


def _facts(document: Object) -> tuple[str, str, float]:
    """Return id, name and time of a listed document; raises `CannotTell` where one is missing."""
    number, name, created = as_text(document.get("id")), _first(document, NAMES), _created(document)
    if number and name and created is not None:
        return number, name, created
    raise CannotTell("Digitoo's list of documents shows no names or times to compare")


def _first(document: Object, keys: tuple[str, ...]) -> str:
    return next((text for key in keys if (text := as_text(document.get(key)))), "")


def _created(document: Object) -> float | None:
    return next((at for key in CREATED if (at := moment(document.get(key))) is not None), None)


def _page(ask: Callable[[str], Reply], path: str) -> list[Object]:
    try:
        reply = ask(path)
    except Unauthorized as error:
        if error.status != 403:  # noqa: PLR2004 — may upload, may not look
            raise
        raise CannotTell(f"this account may not list the queue's documents: {error}") from None
    lists = [one for where in LISTS for one in values(where, reply.document, {}) if isinstance(one, list)]
    if reply.status == 404 or not lists:  # noqa: PLR2004
        raise CannotTell("Digitoo shows no list of this queue's documents")
    if not all(isinstance(one, Mapping) for one in lists[0]):
        raise CannotTell("Digitoo's list of documents shows no names or times to compare")
    return lists[0]
