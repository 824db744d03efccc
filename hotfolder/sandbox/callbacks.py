"""Calls that a service makes by itself: to loopback alone, noted in the ledger whatever becomes of them."""

import asyncio
import contextlib
import ipaddress
import random
import time
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from hotfolder.sandbox.faults import Service
from hotfolder.sandbox.ledger import Call
from hotfolder.sandbox.world import World

TIMEOUT_S = 10.0
"""Invented: how long the services wait for an answer is not published."""
AGAIN_S = 0.2
"""Pause before a call is tried again."""


class NotCalled(Exception):  # noqa: N818 — a fact about the address
    """The address is none that a sandbox calls; `str()` says why."""


class Caller:
    """Makes the calls of one service, each in a task of its own."""

    def __init__(self, world: World, service: Service) -> None:
        self._world = world
        self._service = service
        self._tasks: set[asyncio.Task[None]] = set()
        self._chance = random.Random(0)  # noqa: S311 — repeatable

    def call(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Make a call soon, as often and as late as the options say."""
        for _ in range(self._world.options.webhook_repeats):
            delay_s = self._chance.uniform(0.0, self._world.options.webhook_spread_s)
            call = Call(self._service.value, method, url, body.decode(), dict(headers))
            task = asyncio.get_running_loop().create_task(self._made(call, delay_s))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _made(self, call: Call, delay_s: float) -> None:
        await self._world.pause(delay_s)
        call.at = time.time()
        self._world.ledger.calls.append(call)
        for left in reversed(range(self._world.options.webhook_tries)):
            call.tries += 1
            try:
                call.status = await asyncio.wait_for(_answer(call), TIMEOUT_S)
                call.error = None
            except NotCalled as error:
                call.error = str(error)
                return
            except (OSError, ValueError, TimeoutError) as error:
                call.error = str(error) or type(error).__name__
            if (call.status or 0) // 100 == 2 or not left:  # noqa: PLR2004 — 2xx
                return
            await self._world.pause(AGAIN_S)


async def _answer(call: Call) -> int:
    """Send one request and return the status of its answer."""
    host, port, target = _place(call.url)
    body = call.body.encode()
    lines = {"Host": f"{host}:{port}", "Content-Length": str(len(body)), "Connection": "close"}
    lines = {name: value for name, value in ({**call.headers, **lines}).items() if _is_one_line(name + value)}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(f"{call.method} {target} HTTP/1.1\r\n{head}\r\n".encode() + body)
        await writer.drain()
        first = (await reader.readline()).split()
        if len(first) < 2 or not first[1].isdigit():  # noqa: PLR2004 — version and status
            raise ValueError("no HTTP answer")
        return int(first[1])
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _is_one_line(text: str) -> bool:
    return "\r" not in text and "\n" not in text


def _place(url: str) -> tuple[str, int, str]:
    """Return host, port and target of an address on loopback; raises `NotCalled`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 80
    except ValueError as error:
        raise NotCalled(f"not called: {error}") from None
    if parts.scheme != "http":
        raise NotCalled("not called: the sandbox speaks plain HTTP only")
    host = "127.0.0.1" if host == "localhost" else host
    try:
        near = ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = False
    if not near:
        raise NotCalled("not called: the sandbox calls addresses on loopback only")
    query = f"?{parts.query}" if parts.query else ""
    return host, port, quote((parts.path or "/") + query, safe="/?=&%+:;,@!$'()*-._~[]")
