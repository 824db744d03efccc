"""One request on its way through a service, and the faults that strike it."""

import asyncio
import select
import socket
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from email.utils import formatdate

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hotfolder.sandbox.answers import Problem, error_body, problem, reply
from hotfolder.sandbox.faults import Do, Fate, Moment, Service
from hotfolder.sandbox.world import World

HANG_CHECK_S = 0.05
"""How often a hanging request looks whether its client went away."""

SMALL_BODY_BYTES = 64 * 1024
"""Far more than any log-in."""

PROXY_PAGE = "<html><head><title>{0} Error</title></head><body><h1>{0}</h1><hr>proxy</body></html>"


class _Silence(Response):
    """No answer at all: the connection is already gone."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 — ASGI
        await asyncio.sleep(0)  # lets the server learn of the lost connection before we return


class _Struck(Exception):  # noqa: N818 — control flow, not an error
    def __init__(self, response: Response) -> None:
        super().__init__()
        self.response = response


class Visit:
    """One request: its body, its service, and at most one fault that strikes at its moment."""

    def __init__(self, world: World, service: Service, request: Request) -> None:
        self.world = world
        self.service = service
        self.request = request
        self.fate = Fate.IMPORTED
        self._fates: dict[str, Fate] = {}
        self._moment = Moment.BEFORE_BODY
        self._fault: Do | None = None

    @property
    def arrived_at(self) -> float:
        """When the first byte of the request arrived, in seconds since 1970."""
        return float(self.request.scope["state"].get("arrived_at") or time.time())

    @property
    def host(self) -> str:
        """Host and port as the client called them."""
        return self.request.headers.get("host", "localhost")

    def problem(self, status: int, text: str | None = None, code: str | None = None) -> Problem:
        """Make this service's refusal, ready to be raised."""
        return problem(self.service, status, text, code)

    async def begin(self) -> None:
        """Choose the fault of this request among the rules that need no file name."""
        self._choose(None)
        await self._reach(Moment.BEFORE_BODY)

    async def named(self, file_name: str) -> None:
        """Choose the fault by a file name, where none was chosen before."""
        if self._fault is None and self.fate is Fate.IMPORTED:
            self._choose(file_name)
            await self._reach(self._moment)

    def fate_of(self, file_name: str | None) -> Fate:
        """Return what becomes of one file of the request: its own rule counts, then the request's."""
        return self._fates.get(file_name or "", self.fate)

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the body piece by piece; a fault mid-body strikes once half of it has arrived."""
        declared = int(self.request.headers.get("content-length", 0))
        seen = 0
        async for piece in self.request.stream():
            if not piece:
                continue
            seen += len(piece)
            if seen * 2 >= declared and self._moment < Moment.MID_BODY:
                await self._reach(Moment.MID_BODY)
            yield piece

    async def small_body(self) -> bytes:
        """Return the whole body of a request that is no upload; 413 where it is long."""
        body = bytearray()
        async for piece in self.body():
            body += piece
            if len(body) > SMALL_BODY_BYTES:
                raise self.problem(413)
        return bytes(body)

    def number(self, name: str, default: int) -> int:
        """Return a whole number of the query, the default where it is missing or none."""
        text = self.request.query_params.get(name, "")
        return int(text) if text.isdecimal() else default

    async def received(self) -> None:
        """Say that the request is complete and good; to be called before anything is committed."""
        await self._reach(Moment.AFTER_BODY)

    async def finish(self, answer: Response) -> Response:
        """Return the answer as it shall go out."""
        self._moment = Moment.AFTER_COMMIT
        fault, self._fault = self._fault, None
        if fault is None:
            return answer
        await self.world.pause(fault.delay_s)
        if fault.truncated_json:
            whole = bytes(answer.body)
            return Response(whole[: len(whole) // 2], answer.status_code, media_type="application/json")
        if fault.empty_body:
            return Response(b"", answer.status_code, media_type="application/json")
        return await self._act(fault) or answer

    def _choose(self, file_name: str | None) -> None:
        request = self.request
        fault = self.world.script.choose(self.service, request.method, request.scope["path"], file_name)
        if fault is not None and fault.fate is not None:
            if file_name is None:
                self.fate = fault.fate
            else:
                self._fates[file_name] = fault.fate
                fault = fault if fault.delay_s else None  # the next file has a fate of its own
        self._fault = fault

    async def _reach(self, moment: Moment) -> None:
        """Let the fault strike if its moment has come."""
        self._moment = moment
        fault = self._fault
        if fault is None or fault.moment > moment:
            return
        self._fault = None
        await self.world.pause(fault.delay_s)
        response = await self._act(fault)
        if response is not None:
            raise _Struck(response)

    async def _act(self, fault: Do) -> Response | None:
        """Do what the rule says; None where the request goes on."""
        if fault.status is not None:
            return self._refusal(fault, fault.status)
        if fault.html is not None:
            return Response(PROXY_PAGE.format(fault.html), fault.html, fault.headers, "text/html")
        if fault.rate_limit is not None:
            return self._rate_limited(fault)
        if fault.reset is not None:
            self._abort()
            return _Silence()
        if fault.hang is not None:
            await self._hang()
            return _Silence()
        return None

    def _refusal(self, fault: Do, status: int) -> Response:
        if status in {204, 304}:
            return Response(status_code=status, headers=fault.headers)  # neither may have a body
        if fault.body is None:
            return reply(error_body(self.service, status, fault.code), status, fault.headers)
        if isinstance(fault.body, str):
            return Response(fault.body, status, fault.headers)
        return reply(fault.body, status, fault.headers)

    def _rate_limited(self, fault: Do) -> Response:
        headers = dict(fault.headers)
        limit = fault.rate_limit
        if limit is not None and limit.retry_after_s is not None:
            moment = formatdate(time.time() + limit.retry_after_s, usegmt=True)
            headers["Retry-After"] = moment if limit.date else str(limit.retry_after_s)
        return reply(error_body(self.service, 429), 429, headers)

    async def _hang(self) -> None:
        """Wait until the client is gone; where the body is not read, only the kernel knows of a reset.

        A plain close with unread data before it stays hidden until the client's kernel gives up.
        """
        poller = select.poll()
        poller.register(self._transport.get_extra_info("socket").fileno(), select.POLLRDHUP | select.POLLHUP)
        while not (self.world.closing.is_set() or self._transport.is_closing() or poller.poll(0)):
            await self.world.pause(HANG_CHECK_S)
        self._abort()

    def _abort(self) -> None:
        """Reset the connection: without lingering, closing sends RST instead of FIN (socket(7))."""
        transport = self._transport
        if not transport.is_closing():
            linger = struct.pack("ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()

    @property
    def _transport(self) -> asyncio.Transport:
        transport: asyncio.Transport = self.request.scope["state"]["transport"]
        return transport


Handle = Callable[[Visit], Awaitable[Response]]


def endpoint(world: World, service: Service, handle: Handle) -> Callable[[Request], Awaitable[Response]]:
    """Wrap a service's function as a Starlette endpoint that faults can strike."""

    async def run(request: Request) -> Response:
        visit = Visit(world, service, request)
        try:
            await visit.begin()
            try:
                answer = await handle(visit)
            except Problem as refusal:
                answer = refusal.response
            return await visit.finish(answer)
        except _Struck as struck:
            return struck.response
        except ClientDisconnect:
            return _Silence()

    return run
