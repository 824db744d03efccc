"""Walk DocDigitizer's lists by their cursor, and read the documents in them.

GET documents?maxRetrieve=100            → X-More-Results-Available: true, X-Cursor-ID: c1
GET documents?maxRetrieve=100&cursorId=c1 → X-More-Results-Available: false
"""

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from hotfolder.backends.answers import Reply
from hotfolder.backends.base import CannotTell, Listed, Unauthorized
from hotfolder.backends.channel import Channel
from hotfolder.backends.moments import moment
from hotfolder.backends.paths import as_text

PAGE = 100
PAGES_MAX = 100
LISTS = ("documents", "data", "items", "results")
"""Where a list of documents may hold the documents: the specification shows no body, all are tried."""
TAGS = ("tags", "tag")
NAMES = ("name", "file_name", "filename", "original_file_name", "fileName")
CREATED = ("created", "created_at", "createdAt")
STATUSES = ("annotation_status", "annotationStatus", "status")
"""Where a listed document may hold its tags, name, time and status."""
MARK = "hotfolder-"
"""What our tag begins with; the upload's id follows."""

Object = Mapping[str, Any]


def pages(channel: Channel, path: str, query: Mapping[str, str | int]) -> Iterator[Reply]:
    """Yield the pages of a list, the request being the same but for `cursorId` (specification, "Response pagination").

    Raises `CannotTell` for a list that is hidden, breaks off, turns in a circle or does not end; `Unavailable`,
    `Unauthorized`.
    """
    asked = dict(query)
    walked: set[str] = set()
    for _ in range(PAGES_MAX):
        reply = _page(channel.further if walked else channel.get, f"{path}?{urlencode(asked)}")
        more = reply.headers.get("x-more-results-available", "false").lower() == "true"
        cursor = reply.headers.get("x-cursor-id", "")
        # A broken cursor begins anew at the first page: what lies between was not seen, even if this is the last.
        broken = reply.headers.get("x-cursor-was-broken", "false").lower() == "true"
        yield reply  # what it holds is there, however the list goes on
        if broken or (more and (not cursor or cursor in walked)):
            raise CannotTell("DocDigitizer's list of documents broke off")
        if not more:
            return
        walked.add(cursor)
        asked["cursorId"] = cursor
    raise CannotTell(f"DocDigitizer lists more than {PAGES_MAX} pages of documents")


def documents(channel: Channel, size: int = PAGE) -> Iterator[Object]:
    """Yield the account's documents as they are listed, `size` a page; raises as `pages` does."""
    for reply in pages(channel, "/api/v1/documents", {"maxRetrieve": size}):
        yield from objects(reply.document)


def objects(document: Any) -> Iterator[Object]:
    """Return the documents in the body of a page; raises `CannotTell` where it holds no list."""
    holders = [document] if not isinstance(document, Mapping) else [document.get(key) for key in LISTS]
    found = next((one for one in holders if isinstance(one, list)), None)
    if found is None:
        raise CannotTell("DocDigitizer's answer holds no list of documents")
    return (one for one in found if isinstance(one, Mapping))


def tags_of(document: Object) -> frozenset[str] | None:
    """Return a listed document's tags, None where it shows none; a list or one text with commas."""
    for key in TAGS:
        shown = document.get(key)
        if isinstance(shown, str):
            return frozenset(one.strip() for one in shown.split(","))
        if isinstance(shown, list):
            return frozenset(map(as_text, shown))
    return None


def listed(channel: Channel, limit: int) -> Iterator[Listed]:
    """Yield up to `limit` of the account's documents, in the service's order."""
    for document in islice(documents(channel, min(limit, PAGE)), limit):
        marks = (tag.removeprefix(MARK) for tag in sorted(tags_of(document) or ()) if tag.startswith(MARK))
        yield Listed(
            as_text(document.get("id")),
            _first(document, NAMES),
            next((at for key in CREATED if (at := moment(document.get(key))) is not None), None),
            _first(document, STATUSES),
            next(marks, None),
        )


def _first(document: Object, keys: tuple[str, ...]) -> str | None:
    return next((text for key in keys if (text := as_text(document.get(key)))), None)


def _page(ask: Callable[[str], Reply], path: str) -> Reply:
    try:
        reply = ask(path)
    except Unauthorized as error:
        if error.status != 403:  # noqa: PLR2004 — may upload, may not look
            raise
        raise CannotTell(f"this key may not list documents: {error}") from None
    if reply.status == 404:  # noqa: PLR2004
        raise CannotTell("DocDigitizer shows no list of documents")
    return reply
