"""Serve HTTP from a thread of its own, so that whoever calls, and however, the documents' loop does not wait."""

import asyncio
import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import uvicorn
from loguru import logger
from uvicorn.protocols.http.h11_impl import H11Protocol

from hotfolder.pulse import Beat
from hotfolder.web import guests
from hotfolder.web.guests import Entrance, Guest, Guests

_ANSWER_WITHIN_S = 30.0
"""For a request to be answered and the answer to be taken: a body and a commit have 10 s each."""
_LONGEST_HEAD_BYTES = 16 * 1024
"""Of a request; nginx takes 8 KiB a line."""
_AGAIN_S = 5.0
_BACKLOG = 128
_TICK_S = 1.0
"""How often the Date header is renewed: its resolution."""
_GRACE_S = 3
"""How long running requests may go on at the end."""


class _Protocol(H11Protocol):
    """One connection, which must bring the head of each request, and take each answer, in time."""

    def __init__(self, guests: Guests, **rest: Any) -> None:
        super().__init__(**rest)
        self._guests = guests
        self._guest: Guest | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        # Only a certificate that was verified has contents here.
        self.app_state = {**self.app_state, "certified": bool(tls is not None and tls.getpeercert())}
        self._guest = self._guests.at(transport.get_extra_info("socket").fileno())
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._work()

    def on_response_complete(self) -> None:
        self._wait()
        super().on_response_complete()  # begins with the next request where that is here
        if self.cycle is not None and not self.cycle.response_complete:
            self._work()

    def _wait(self) -> None:
        """Begin to wait for the head of a request."""
        if self._guest is not None:
            self._guest.busy, self._guest.idle_since = False, self.loop.time()
            self._within(guests.HEAD_WITHIN_S)

    def _work(self) -> None:
        """Begin to answer."""
        if self._guest is not None and not self._guest.busy:
            self._guest.busy = True
            self._within(_ANSWER_WITHIN_S)

    def _within(self, seconds: float) -> None:
        assert self._guest is not None  # noqa: S101 — asked by both
        if self._guest.patience is not None:
            self._guest.patience.cancel()
        self._guest.patience = self.loop.call_later(seconds, self.transport.abort)


class _Uvicorn(uvicorn.Server):
    """Uvicorn without its signal handlers, and awake once a second instead of ten times."""

    def __init__(self, config: uvicorn.Config, beat: Beat) -> None:
        super().__init__(config)
        self._beat = beat
        self._ending = asyncio.Event()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the daemon."""
        yield

    async def main_loop(self) -> None:
        """Serve until asked to stop."""
        while not self.should_exit:
            self._beat.works()
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

    def __init__(
        self, listen: str, application: Any, tls: Callable[[], ssl.SSLContext] | None = None
    ) -> None:
        """Take HOST:PORT, and what makes the TLS context and may raise OSError; nothing is opened before `start`."""
        self.listen = listen
        self.port: int | None = None
        """Where it listens, None while it does not."""
        self.beat = Beat()
        """Of the thread, while it serves."""
        self._application = application
        self._tls = tls
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
                context = self._tls() if self._tls else None
                with _bound(self.listen) as listening:
                    asyncio.run(self._serve(listening, context))
            except Exception as problem:  # noqa: BLE001 — whatever ails the web server, the documents go on
                self._tell(f"the web server cannot listen on {self.listen}: {problem}")
            self.port = None
            self._stop.wait(_AGAIN_S)

    async def _serve(self, listening: Entrance, context: ssl.SSLContext | None) -> None:
        listening.guests = Guests()
        server = _Uvicorn(_config(self._application, listening.guests, context), self.beat)
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
            self.beat.rests()
            with self._lock:
                self._running = None

    def _tell(self, trouble: str) -> None:
        """Say trouble once until it is over."""
        if trouble != self._trouble:
            logger.error("{}; it is tried again, and documents go on meanwhile", trouble)
        self._trouble = trouble


def _bound(listen: str) -> Entrance:
    """Return a socket bound to HOST:PORT; raises OSError.

    IPPROTO_TCP is spelt out since asyncio sets TCP_NODELAY only on sockets made so (uvicorn #3149).
    """
    host, _, port = listen.rpartition(":")
    found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, _, _, address = found[0]
    made = Entrance(family, kind, socket.IPPROTO_TCP)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(_BACKLOG)  # whoever is told the port may call at once
    except OSError:
        made.close()
        raise
    return made


def _config(application: Any, there: Guests, context: ssl.SSLContext | None) -> uvicorn.Config:
    # What strangers send is no news: uvicorn would write a line for each malformed request.
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    return uvicorn.Config(
        application,
        http=partial(_Protocol, there),  # type: ignore[arg-type]  # it makes one
        h11_max_incomplete_event_size=_LONGEST_HEAD_BYTES,
        ssl_context_factory=(lambda *_: context) if context else None,
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
