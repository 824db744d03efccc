"""Put the web server's addresses together, and keep them as the configuration says."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future

from loguru import logger
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hotfolder.journal import Journal
from hotfolder.settings import Secret, SecretUnavailable, Settings
from hotfolder.web.receiver import Receiver
from hotfolder.web.server import Server
from hotfolder.web.verdicts import Door

_WELL_WITHIN_S = 2.0
"""For the documents' loop to say that it runs."""
_METHODS = ["GET", "POST"]


class Front:
    """The web server of a daemon."""

    def __init__(
        self, journal: Journal, heard: Callable[[str, str], None], well: Callable[[], Awaitable[bool]]
    ) -> None:
        """Belong to the running event loop, on which `heard` is called after each webhook and `well` is awaited.

        `heard` is told the connection, and what the service calls the document.
        """
        self._loop = asyncio.get_running_loop()
        self._heard = heard
        self._well = well
        self._receiver = Receiver(journal, self._pass_on)
        self._server: Server | None = None

    def apply(self, settings: Settings) -> None:
        """Listen as a configuration says; blocks for a few seconds where another address is left."""
        self._receiver.doors = doors(settings)
        listen = settings.http.listen if settings.http else None
        if self._server is not None and self._server.listen != listen:
            self.close()
        if listen is not None and self._server is None:
            self._server = Server(listen, self._application())
            self._server.start()

    def close(self) -> None:
        """Stop listening; blocks for a few seconds at most."""
        if self._server is not None:
            self._server.stop()
        self._server = None

    @property
    def port(self) -> int | None:
        """Return where it listens, None while it does not."""
        return self._server.port if self._server else None

    def _application(self) -> Starlette:
        take = self._receiver.answer
        return Starlette(
            routes=[
                Route("/webhooks/{connection}", take, methods=_METHODS),
                Route("/webhooks/{connection}/{word:path}", take, methods=_METHODS),
                Route("/healthz", self._health),
            ],
        )

    async def _health(self, request: Request) -> Response:
        """Say whether every loop of the daemon runs: 200 or 503."""
        del request
        try:
            async with asyncio.timeout(_WELL_WITHIN_S):
                well = await asyncio.wrap_future(self._asked())
        except (TimeoutError, RuntimeError):
            well = False
        return JSONResponse({"status": "ok" if well else "failing"}, 200 if well else 503)

    def _asked(self) -> Future[bool]:
        async def ask() -> bool:
            return await self._well()

        return asyncio.run_coroutine_threadsafe(ask(), self._loop)

    def _pass_on(self, connection: str, document_id: str) -> None:
        self._loop.call_soon_threadsafe(self._heard, connection, document_id)


def doors(settings: Settings) -> dict[str, Door]:
    """Return what each connection asks of those who call for it; one whose secret cannot be had lets nobody in."""
    found = {}
    for name, connection in settings.connections.items():
        webhook = connection.webhook
        if webhook is None:
            continue
        try:
            secret = _revealed(webhook.secret)
            key = _revealed(webhook.signature.secret if webhook.signature else None)
        except SecretUnavailable as problem:
            logger.error("connection {}: nobody may call for it: {}; then reload", name, problem)
            continue
        found[name] = Door(name, webhook, connection.calls_by_get, secret, key)
    return found


def _revealed(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()
