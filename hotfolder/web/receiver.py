"""Take what services tell by themselves: bounded, proven, on stable storage before the answer."""

import asyncio
import time
from collections.abc import Callable, Mapping

from loguru import logger
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from hotfolder.checks.names import printable
from hotfolder.journal import Journal
from hotfolder.news import News
from hotfolder.settings.webhooks import MAX_BODY_BYTES
from hotfolder.web.verdicts import STRANGER, Call, Door, Rejection, judged

_BODY_WITHIN_S = 10.0
"""For a body of some 64 KiB."""
_MOST_AT_ONCE = 128
"""Records that wait for the journal; whoever comes then is asked to come again."""
_WRITTEN_WITHIN_S = 10.0
"""For a commit, before the service is asked to tell it again: it gives up sooner or later, and a repeat is harmless."""
_COME_AGAIN_S = 10
_TIDY_EVERY = 500
_KEPT_S, _MOST_ORPHANS = 30 * 86_400.0, 10_000
"""How long what was told is remembered, for the sake of repeats, and how much of what belongs to no document."""
_GONE = 499
"""The caller hung up; nobody reads this status."""


class Receiver:
    """`/webhooks/CONNECTION` and `/webhooks/CONNECTION/SECRET`."""

    def __init__(
        self, journal: Journal, heard: Callable[[str, str], None], count: Callable[[str, str], None]
    ) -> None:
        """Take the journal, and what is called (in the web server's thread) after something new was written.

        `heard` is told the connection, and what the service calls the document; `count` the connection, and what became
        of each call: taken, turned_away or put_off.
        """
        self.doors: Mapping[str, Door] = {}
        """Replaced as a whole where the configuration changes."""
        self._journal = journal
        self._heard = heard
        self._count = count
        self._waiting = 0
        self._since_tidied = 0
        self._told: set[tuple[str, str]] = set()
        self._trouble: str | None = None
        self._full = False

    async def answer(self, request: Request) -> Response:
        """Answer one call: 202 for what is safely written, repeats and strange documents included."""
        try:
            return await self._answered(request)
        except Exception as problem:  # noqa: BLE001 — a fault here must be heard of, once, and disturb nobody
            self._tell(f"the program failed: {type(problem).__name__}: {problem}")
            return JSONResponse({"error": "the program failed"}, 500, {"Connection": "close"})

    async def _answered(self, request: Request) -> Response:
        name = request.path_params["connection"]
        door = self.doors.get(name)
        limit_bytes = door.webhook.max_body_bytes if door else MAX_BODY_BYTES
        try:
            async with asyncio.timeout(_BODY_WITHIN_S):
                body = await _body(request, limit_bytes)
        except TimeoutError:
            return self._turned_away(door, Rejection(408, "the body did not come in time"))
        except ClientDisconnect:
            return Response(status_code=_GONE)
        if body is None:
            return self._turned_away(door, Rejection(413, f"the body is larger than {limit_bytes} bytes"))
        found = judged(door, _call(request, body), time.time())
        if isinstance(found, Rejection):
            return self._turned_away(door, found)
        return await self._taken(found)

    async def _taken(self, news: News) -> Response:
        """Write what was told, and answer only then."""
        if self._waiting >= _MOST_AT_ONCE:
            return self._later(news)
        self._waiting += 1
        try:
            async with asyncio.timeout(_WRITTEN_WITHIN_S):
                await asyncio.wrap_future(self._journal.hear(news))
        except (OSError, TimeoutError) as problem:
            self._tell(str(problem) or "the journal does not answer")
            return self._later(news)
        finally:
            self._waiting -= 1
        self._tell(None)
        self._told = {told for told in self._told if told[0] != news.connection}
        logger.debug("connection {}: told of {}: {}", news.connection, news.document_id, news.status)
        self._heard(news.connection, news.document_id)
        self._count(news.connection, "taken")
        self._tidy()
        return JSONResponse({}, 202)

    def _later(self, news: News) -> Response:
        self._count(news.connection, "put_off")
        return JSONResponse({"error": "try again later"}, 503, {"Retry-After": str(_COME_AGAIN_S)})

    def _tidy(self) -> None:
        """Forget now and then what is old, and the oldest of too much that belongs to no document."""
        self._since_tidied += 1
        if self._since_tidied < _TIDY_EVERY:
            return
        self._since_tidied = 0
        full = sum(self._journal.reader.orphans().values()) > _MOST_ORPHANS
        if full and not self._full:
            text = "webhooks tell of more than {} documents that nobody sent; the oldest are forgotten"
            logger.warning(text, _MOST_ORPHANS)
        self._full = full
        self._journal.forget_news(time.time() - _KEPT_S, _MOST_ORPHANS)

    def _turned_away(self, door: Door | None, why: Rejection) -> Response:
        """Refuse a call; the log has it once until one is taken, so that strangers cannot fill it."""
        name = door.connection if door else ""
        self._count(name, "turned_away")
        level = "DEBUG" if (name, why.why) in self._told else "WARNING"
        self._told.add((name, why.why))
        about = f"connection {name}" if door else "a connection that takes none"
        logger.log(
            level, "a webhook for {} was turned away ({}): {}", printable(about.encode()), why.status, why.why
        )
        words = {STRANGER.status: "not found"}.get(why.status, "not taken")
        # What is left of the body is not read.
        return JSONResponse({"error": words}, why.status, {"Connection": "close"})

    def _tell(self, trouble: str | None) -> None:
        if trouble == self._trouble:
            return
        if trouble is None:
            logger.info("webhooks are taken again")
        else:
            logger.error("webhooks are put off, the services must tell them again: {}", trouble)
        self._trouble = trouble


def _call(request: Request, body: bytes) -> Call:
    # A header is bytes; starlette reads them as Latin-1, people write UTF-8.
    headers = {
        n.lower(): v.encode("latin-1").decode("utf-8", "surrogateescape") for n, v in request.headers.items()
    }
    word = request.path_params.get("word")
    return Call(request.method, word, headers, request.url.query, body)


async def _body(request: Request, limit_bytes: int) -> bytes | None:
    """Return the body, None where it is larger than `limit_bytes`: the rest is not read."""
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit_bytes:
        return None
    read = bytearray()
    async for piece in request.stream():
        read += piece
        if len(read) > limit_bytes:
            return None
    return bytes(read)
