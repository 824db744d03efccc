"""Say to monitoring how the daemon fares: `/healthz`, `/readyz`, `/metrics`, `/api/status`."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from loguru import logger
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hotfolder.metrics import CAUSES, Counts, Exposition, Facts, QueueFacts, Store
from hotfolder.web.access import Denial, Gatekeeper, Shown, denied

_WELL_WITHIN_S = 2.0
"""For the documents' loop to say that it runs."""
_FRESH_S = 0.5
"""How old an answer of the documents' loop may be: however many ask, it is asked twice a second at most."""
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
_METHODS = ["GET"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Views:
    """What there is to be seen of the daemon; `well`, `facts` and `report` are awaited on its own loop."""

    well: Callable[[], Awaitable[bool]]
    facts: Callable[[], Awaitable[Facts]]
    report: Callable[[], Awaitable[dict[str, Any]]]
    """What `status --json` shows."""
    store: Callable[[], Store]
    """Blocks, and may raise anything."""
    counts: Counts


class _Shared:
    """The answer of the documents' loop to one question, asked for once however many wait for it."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, ask: Callable[[], Awaitable[T]], fresh_s: float = _FRESH_S
    ) -> None:
        self._loop = loop
        self._ask = ask
        self._fresh_s = fresh_s
        self._asked: asyncio.Future[Any] | None = None
        self._asked_at = 0.0

    async def get(self) -> Any:
        """Return the answer; raises TimeoutError where the loop does not give one, and what it raised."""
        now = asyncio.get_running_loop().time()
        fresh = self._asked is not None and (not self._asked.done() or now - self._asked_at < self._fresh_s)
        if not fresh:
            self._asked_at = now
            self._asked = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._answer(), self._loop))
            self._asked.add_done_callback(_heard)
        assert self._asked is not None  # noqa: S101 — asked just now
        async with asyncio.timeout(_WELL_WITHIN_S):
            return await asyncio.shield(self._asked)

    async def _answer(self) -> Any:
        return await self._ask()


def _heard(asked: asyncio.Future[Any]) -> None:
    """Take note of a failure that nobody may be waiting for any more."""
    if not asked.cancelled():
        asked.exception()


class Monitoring:
    """The addresses for monitoring."""

    def __init__(self, loop: asyncio.AbstractEventLoop, views: Views) -> None:
        """Take the documents' loop, and what there is to be seen."""
        self.keeper = Gatekeeper()
        """Replaced as a whole where the configuration changes."""
        self._well = _Shared(loop, views.well, 0.0)
        self._facts = _Shared(loop, views.facts)
        self._report = _Shared(loop, views.report)
        self._store = views.store
        self._exposition = Exposition(views.counts)
        self._writing = asyncio.Semaphore(1)
        self._told: set[str] = set()

    def routes(self) -> list[Route]:
        """Return the addresses."""
        return [
            Route("/healthz", self._guarded(self._health), methods=_METHODS),
            Route("/readyz", self._guarded(self._ready), methods=_METHODS),
            Route("/metrics", self._guarded(self._metrics), methods=_METHODS),
            Route("/api/status", self._guarded(self._status), methods=_METHODS),
        ]

    def _guarded(
        self, answer: Callable[[Request], Coroutine[Any, Any, Response]]
    ) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return an answer that is bounded, and does not tell a stranger what went wrong in it."""

        async def guarded(request: Request) -> Response:
            if request.headers.get("content-length", "0") != "0" or "transfer-encoding" in request.headers:
                return JSONResponse({"error": "a body is not taken here"}, 413, {"Connection": "close"})
            try:
                response = await answer(request)
            except TimeoutError:
                self._tell(
                    "late", "the web server has no answer: the documents' loop does not give one in time"
                )
                response = JSONResponse({"error": "try again later"}, 503)
            except Exception as problem:  # noqa: BLE001 — a fault here must be heard of, once, and disturb nobody
                self._tell("fault", f"the web server failed: {type(problem).__name__}: {problem}")
                response = JSONResponse({"error": "the program failed"}, 500)
            response.headers.update(_HEADERS)
            return response

        return guarded

    # Addresses ----------------------------------------------------------------------------------

    async def _health(self, request: Request) -> Response:
        """Say whether every loop of the daemon runs: 200 or 503, to anybody."""
        del request
        try:
            well = await self._well.get()
        except TimeoutError:
            well = False
        return JSONResponse({"status": "ok" if well else "failing"}, 200 if well else 503)

    async def _ready(self, request: Request) -> Response:
        """Say whether every queue delivers what is dropped: 200 or 503; which does not, and why, to whoever may know."""
        try:
            facts: Facts | None = await self._facts.get()
        except TimeoutError:
            facts = None
        ready = facts is not None and facts.ready
        told: dict[str, Any] = {"status": "ready" if ready else "not ready"}
        if denied(self.keeper, _shown(request)) is None:
            told["queues"] = [_told(queue) for queue in facts.queues] if facts else []
            told["hung"] = facts.hung if facts else ["the documents' loop"]
        return JSONResponse(told, 200 if ready else 503)

    async def _status(self, request: Request) -> Response:
        """Answer what `status --json` prints."""
        if (denial := self._denied(request)) is not None:
            return denial
        return JSONResponse(await self._report.get())

    async def _metrics(self, request: Request) -> Response:
        """Answer a scrape; what cannot be had in time is left out, and said to be missing."""
        if (denial := self._denied(request)) is not None:
            return denial
        accept = request.headers.get("accept", "")
        async with self._writing:  # one at a time: who asks often waits, and the daemon does not
            try:
                facts: Facts | None = await self._facts.get()
            except TimeoutError:
                facts = None
            text, media_type = await asyncio.to_thread(self._written, facts, accept)
        return Response(text, headers={"Content-Type": media_type})

    def _written(self, facts: Facts | None, accept: str) -> tuple[bytes, str]:
        store: Store | None = None
        try:
            store = self._store()
        except Exception as problem:  # noqa: BLE001 — the rest is worth having, and this is said
            self._tell("store", f"/metrics is not whole: {problem}")
        return self._exposition.write(facts, store, accept)

    # Who asks -----------------------------------------------------------------------------------

    def _denied(self, request: Request) -> Response | None:
        """Return the answer to somebody who may not know, None where he may; the log has each kind once."""
        denial = denied(self.keeper, _shown(request))
        if denial is None:
            self._told.discard("denied")
            return None
        self._tell(f"denied {denial.status}", f"somebody was not told how the daemon fares: {denial.why}")
        return _turned_away(denial)

    def _tell(self, kind: str, text: str) -> None:
        """Say something once until the configuration is read anew, so that strangers cannot fill the log."""
        if kind not in self._told:
            logger.warning("{}", text)
        self._told.add(kind)

    def forget_told(self) -> None:
        """Say everything again where it happens again."""
        self._told = set()


def _turned_away(denial: Denial) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if denial.status == 401 else {}  # noqa: PLR2004 — HTTP
    return JSONResponse({"error": denial.why}, denial.status, headers)


def _shown(request: Request) -> Shown:
    # A header is bytes; starlette reads them as Latin-1, people write UTF-8.
    headers = {
        n.lower(): v.encode("latin-1").decode("utf-8", "surrogateescape") for n, v in request.headers.items()
    }
    return Shown(headers, certified=bool(getattr(request.state, "certified", False)))


def _told(queue: QueueFacts) -> dict[str, Any]:
    causes = [{"cause": cause, "text": CAUSES[cause]} for cause in queue.causes]
    return {"name": queue.name, "ready": queue.ready, "state": queue.state, "causes": causes}
