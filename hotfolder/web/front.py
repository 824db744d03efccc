"""Put the web server's addresses together, and keep them as the configuration says."""

import asyncio
from collections.abc import Callable
from functools import partial

from loguru import logger
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hotfolder.certificates import context_of, mark_of
from hotfolder.journal import Journal
from hotfolder.pulse import Beat
from hotfolder.settings import Http, Secret, SecretUnavailable, Settings, Tls
from hotfolder.web.access import Gatekeeper
from hotfolder.web.monitoring import Monitoring, Views
from hotfolder.web.receiver import Receiver
from hotfolder.web.server import Server
from hotfolder.web.verdicts import Door

_METHODS = ["GET", "POST"]


class Front:
    """The web server of a daemon."""

    def __init__(self, journal: Journal, heard: Callable[[str, str], None], views: Views) -> None:
        """Belong to the running event loop, on which `heard` is called after each webhook and the views are awaited.

        `heard` is told the connection, and what the service calls the document.
        """
        self._loop = asyncio.get_running_loop()
        self._heard = heard
        self._receiver = Receiver(journal, self._pass_on, views.counts.told)
        self._monitoring = Monitoring(self._loop, views)
        self.beat = Beat()
        """Of the web server's loop; to be replaced before `apply` is called."""
        self._server: Server | None = None
        self._tls: str | None = None
        """What marks the certificates in use, None without TLS."""

    def apply(self, settings: Settings) -> None:
        """Listen as a configuration says; blocks for a few seconds where another address or certificate is taken."""
        self._receiver.doors = doors(settings)
        http = settings.http
        self._monitoring.keeper = keeper_of(http) if http else Gatekeeper(nobody=True)
        self._monitoring.forget_told()
        if self._server is not None and (http is None or self._must_move(self._server, http)):
            self.close()
        if http is not None and self._server is None:
            _warn(http)
            self._tls = _mark(http.tls) if http.tls else None
            context = partial(context_of, http.tls) if http.tls else None
            self._server = Server(http.listen, self._application(), context)
            self._server.beat = self.beat
            self._server.start()

    def _must_move(self, server: Server, http: Http) -> bool:
        """Tell whether to listen anew: on another address, or with other certificates, if those are any good."""
        if server.listen != http.listen or (http.tls is None) != (self._tls is None):
            return True
        if http.tls is None or (mark := _mark(http.tls)) == self._tls:
            return False
        try:
            context_of(http.tls)
        except OSError as problem:
            logger.error("the web server keeps its old certificate: {}; then reload", problem)
            return False
        return mark != self._tls

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
        application = Starlette(
            routes=[
                Route("/webhooks/{connection}", take, methods=_METHODS),
                Route("/webhooks/{connection}/{word:path}", take, methods=_METHODS),
                *self._monitoring.routes(),
            ],
            exception_handlers={HTTPException: _no_such_place},
        )
        application.router.redirect_slashes = False  # it would repeat the host that a stranger named
        return application

    def _pass_on(self, connection: str, document_id: str) -> None:
        self._loop.call_soon_threadsafe(self._heard, connection, document_id)


async def _no_such_place(request: Request, problem: Exception) -> Response:
    """Answer what no address is for, or no method, without a word of what was asked."""
    del request
    assert isinstance(problem, HTTPException)  # noqa: S101 — registered for these
    words = {404: "not found", 405: "this method is not taken here"}.get(problem.status_code, "not taken")
    headers = {**(problem.headers or {}), "Connection": "close"}
    return JSONResponse({"error": words}, problem.status_code, headers)


def _warn(http: Http) -> None:
    if http.tls is None and not http.within_machine:
        text = (
            "the web server speaks plain HTTP on {}: whoever is in between reads its token; give `http.tls`"
        )
        logger.warning(text, http.listen)


def _mark(tls: Tls) -> str:
    try:
        return mark_of(tls)
    except OSError as problem:
        return f"unread: {problem.strerror}"


def keeper_of(http: Http) -> Gatekeeper:
    """Return what the web server asks of those who want to know; a token that cannot be had lets nobody in."""
    try:
        token = _revealed(http.token)
    except SecretUnavailable as problem:
        logger.error("nobody may ask how the daemon fares: {}; then reload", problem)
        return Gatekeeper(certificate=http.asks_for_certificates, nobody=True)
    return Gatekeeper(token, certificate=http.asks_for_certificates)


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
            text = "connection {}: nobody may call for it: {}; then reload"
            logger.bind(connection=name).error(text, name, problem)
            continue
        found[name] = Door(name, webhook, connection.calls_by_get, secret, key)
    return found


def _revealed(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()
