"""Serve HTTP from a thread of its own, so that whoever calls, and however, the documents' loop does not wait."""

import asyncio
import contextlib
import logging
import socket
import threading
from collections.abc import Iterator
from typing import Any

import uvicorn
from loguru import logger
from uvicorn.protocols.http.h11_impl import H11Protocol

_HEAD_WITHIN_S = 10.0
"""For a connection to bring the whole head of its next request."""
_MOST_CONNECTIONS = 256
"""A service opens a handful; the program's documents need descriptors too, of 1,024 by default."""
_AGAIN_S = 5.0
_BACKLOG = 128
_TICK_S = 1.0
"""How often the Date header is renewed: its resolution."""
_GRACE_S = 3
"""How long running requests may go on at the end."""


class _Protocol(H11Protocol):
    """One connection of a limited number, which must bring the head of each request in time."""

    _patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > _MOST_CONNECTIONS:
            transport.abort()
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect_head()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._expect_head()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._let_go()

    def _expect_head(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._let_go()
        elif self._patience is None:
            self._patience = self.loop.call_later(_HEAD_WITHIN_S, self.transport.abort)

    def _let_go(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._patience = None


class _Uvicorn(uvicorn.Server):
    """Uvicorn without its signal handlers, and awake once a second instead of ten times."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._ending = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the daemon."""
        yield

    async def main_loop(self) -> None:
        """Serve until asked to stop."""
        while not self.should_exit:
            await self.on_tick(0)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TICK_S):
                    await self._ending.wait()

    def end(self) -> None:
        """Stop serving; to be called on the server's own loop."""
        self.should_exit = True
        self._ending.set()


class Server:
    """One ASGI application on one address; an address that is taken is tried again until it is free."""

    def __init__(self, listen: str, application: Any) -> None:
        """Take HOST:PORT; nothing is opened before `start`."""
        self.listen = listen
        self.port: int | None = None
        """Where it listens, None while it does not."""
        self._application = application
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._running: tuple[_Uvicorn, asyncio.AbstractEventLoop] | None = None
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)

    def start(self) -> None:
        """Begin to listen, in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening and let running requests finish; blocks for a few seconds at most."""
        self._stop.set()
        with self._lock, contextlib.suppress(RuntimeError):  # its loop has just ended by itself
            if self._running is not None:
                server, loop = self._running
                loop.call_soon_threadsafe(server.end)
        self._thread.join(_GRACE_S + 2)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                with _bound(self.listen) as listening:
                    asyncio.run(self._serve(listening))
            except Exception as problem:  # noqa: BLE001 — whatever ails the web server, the documents go on
                self._tell(f"the web server cannot listen on {self.listen}: {problem}")
            self.port = None
            self._stop.wait(_AGAIN_S)

    async def _serve(self, listening: socket.socket) -> None:
        server = _Uvicorn(_config(self._application))
        with self._lock:
            if self._stop.is_set():
                return
            self._running = server, asyncio.get_running_loop()
        host, self.port = listening.getsockname()[:2]
        self._trouble = None
        logger.info("the web server listens on {}:{}", f"[{host}]" if ":" in host else host, self.port)
        try:
            await server.serve(sockets=[listening])
        finally:
            with self._lock:
                self._running = None

    def _tell(self, trouble: str) -> None:
        """Say trouble once until it is over."""
        if trouble != self._trouble:
            logger.error("{}; it is tried again, and documents go on meanwhile", trouble)
        self._trouble = trouble


def _bound(listen: str) -> socket.socket:
    """Return a socket bound to HOST:PORT; raises OSError.

    IPPROTO_TCP is spelt out since asyncio sets TCP_NODELAY only on sockets made so (uvicorn #3149).
    """
    host, _, port = listen.rpartition(":")
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, _, _, address = found[0]
    made = socket.socket(family, kind, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(_BACKLOG)  # whoever is told the port may call at once
    except OSError:
        made.close()
        raise
    return made


def _config(application: Any) -> uvicorn.Config:
    # What strangers send is no news: uvicorn would write a line for each malformed request.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    return uvicorn.Config(
        application,
        http=_Protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_S,
        backlog=_BACKLOG,
    )
