"""Serves a sandbox on a loopback socket: in a thread for tests and demos, or in the foreground."""

import asyncio
import contextlib
import ipaddress
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from uvicorn import Config, Server
from uvicorn.protocols.http.h11_impl import H11Protocol

from hotfolder.sandbox import digitoo, docdigitizer, docdigitizer_v3, rossum
from hotfolder.sandbox.app import Application
from hotfolder.sandbox.faults import Scenario, load_scenario, read_scenario
from hotfolder.sandbox.ledger import Ledger
from hotfolder.sandbox.options import SandboxOptions
from hotfolder.sandbox.world import World

BACKLOG = 2048
"""Connections that may wait to be accepted: uvicorn's own default."""
START_TIMEOUT_S = 10.0
GRACE_S = 1.0
"""How long running requests may go on after the stop."""
DATE_EVERY_S = 1.0
"""How often the Date header is renewed: its resolution."""


class NotLoopback(ValueError):  # noqa: N818 — says what it is
    """The sandbox was told to listen on an address that others can reach, or on none at all."""


class _Protocol(H11Protocol):
    """Tells the application when a request's first byte came, and on which connection."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {"transport": transport, "arrived_at": 0.0}

    def data_received(self, data: bytes) -> None:
        if not self.conn.trailing_data[0]:  # no unfinished head: each request takes its own copy of this
            self.app_state["arrived_at"] = time.time()
        super().data_received(data)


class _Server(Server):
    """Uvicorn without its signal handlers and without its tenths of a second of waiting."""

    def __init__(self, config: Config, world: World, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._world = world
        self._announce = started
        self._stop = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to whoever runs the sandbox."""
        yield

    def request_stop(self) -> None:
        """Ask the server to stop; callable from any thread."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop.set)

    async def main_loop(self) -> None:
        """Serve until asked to stop."""
        self._loop = asyncio.get_running_loop()
        await self.on_tick(0)
        self._announce()
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), DATE_EVERY_S)
            await self.on_tick(0)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close idle connections at once, give running requests a moment, then abort."""
        self._world.closing.set()
        for server in self.servers:
            server.close()
        for sock in sockets or []:
            sock.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if self.server_state.tasks:
            await asyncio.wait(list(self.server_state.tasks), timeout=GRACE_S)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        if self.server_state.tasks:
            await asyncio.wait(list(self.server_state.tasks), timeout=GRACE_S)


def loopback_socket(host: str, port: int) -> socket.socket:
    """Return a bound socket on a loopback address; raises `NotLoopback` or `OSError`.

    IPPROTO_TCP is spelled out since asyncio sets TCP_NODELAY only on sockets made so (uvicorn #3149).
    """
    address = "127.0.0.1" if host == "localhost" else host.strip("[]")
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        raise NotLoopback(f"{host!r} is no address; use 127.0.0.1, ::1 or localhost") from None
    if not known.is_loopback:
        raise NotLoopback(f"the sandbox takes invented passwords and listens on loopback only, not on {host}")
    family = socket.AF_INET6 if known.version == 6 else socket.AF_INET  # noqa: PLR2004 — IPv6
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.bind((address, port))
    except OSError:
        sock.close()
        raise
    return sock


class SandboxServer:
    """A sandbox in a thread, as a context manager; `start` and `stop` simulate an outage on one port.

    Raises `NotLoopback`, `OSError` where the port is taken, `RuntimeError` where it does not start.
    """

    def __init__(
        self,
        options: SandboxOptions | None = None,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        scenario: Any = (),
    ) -> None:
        self.world = World(options=options or SandboxOptions())
        self.host = host
        self.port = port
        self._application = Application(self.world)
        self._thread: threading.Thread | None = None
        self._server: _Server | None = None
        self.play(scenario)

    def play(self, scenario: Any) -> None:
        """Start a scenario: a `Scenario`, or rules as they stand in a file; raises `ScenarioError`."""
        self.world.play(scenario if isinstance(scenario, Scenario) else read_scenario(scenario))

    @property
    def ledger(self) -> Ledger:
        """The ledger itself."""
        return self.world.ledger

    @property
    def origin(self) -> str:
        """Scheme, host and port, without a slash at the end."""
        return f"http://{self.host}:{self.port}"

    @property
    def rossum_url(self) -> str:
        """Base URL of Rossum."""
        return self.origin + rossum.PREFIX

    @property
    def digitoo_url(self) -> str:
        """Base URL of Digitoo."""
        return self.origin + digitoo.PREFIX

    @property
    def docdigitizer_url(self) -> str:
        """Base URL of DocDigitizer."""
        return self.origin + docdigitizer.PREFIX

    @property
    def docdigitizer_v3_url(self) -> str:
        """Base URL of DocDigitizer's v3."""
        return self.origin + docdigitizer.PREFIX + docdigitizer_v3.PREFIX

    def start(self) -> None:
        """Listen, and return once requests are answered."""
        sock = loopback_socket(self.host, self.port)
        self.port = sock.getsockname()[1]
        self.world.closing = asyncio.Event()
        started = threading.Event()
        self._server = _Server(_config(self._application), self.world, started.set)
        self._thread = threading.Thread(target=self._server.run, args=([sock],), name="sandbox", daemon=True)
        self._thread.start()
        if not started.wait(START_TIMEOUT_S):
            raise RuntimeError(f"the sandbox did not start within {START_TIMEOUT_S:.0f} s")

    def stop(self) -> None:
        """Stop listening, end what hangs, and keep everything that was received."""
        if self._server is not None and self._thread is not None:
            self._server.request_stop()
            self._thread.join()
        self._server = self._thread = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _config(application: Application) -> Config:
    return Config(
        application,
        http=_Protocol,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
    )


def listening_address(listen: str) -> tuple[str, int]:
    """Split `host:port` or a bare port; raises `NotLoopback` for what is neither."""
    host, _, port = listen.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 — the greatest port
        raise NotLoopback(
            f"{listen!r} is no address to listen on; write 127.0.0.1:8650, or port 0 for a free one"
        )
    return host or "127.0.0.1", int(port)


def serve(listen: str, scenario: Path | None) -> None:
    """Serve in the foreground until SIGINT or SIGTERM; `listen` is `host:port`, port 0 takes a free one.

    Raises `NotLoopback`, `ScenarioError` or `OSError`.
    """
    host, port = listening_address(listen)
    server = SandboxServer(host=host, port=port, scenario=load_scenario(scenario) if scenario else ())
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: asked.set())
    with server:
        print(welcome(server), flush=True)  # noqa: T201 — data of the command
        asked.wait()


def welcome(server: SandboxServer) -> str:
    """Return what a person needs in order to use the sandbox."""
    a, options = server.world.credentials, server.world.options
    return f"""\
Rossum        {server.rossum_url}
              username {a.rossum_username}, password {a.rossum_password}, token {a.rossum_token}
              queue {options.rossum_queues[0]}
Digitoo       {server.digitoo_url}
              email {a.digitoo_email}, password {a.digitoo_password}, token {a.digitoo_token}
              queue {options.digitoo_queues[0]}
DocDigitizer  {server.docdigitizer_url}, v3 {server.docdigitizer_v3_url}
              API key {a.docdigitizer_api_key}
Admin         {server.origin}/admin/ledger, /requests, /calls, /scenario, /passwords, /expire, /annotations, /documents
"""
