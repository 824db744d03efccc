"""Real receivers of notices on loopback: a mail server, a webhook, and servers that behave badly on purpose."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

USER, PASSWORD = "hotfolder@acme.example", "m4il-p4ssword-of-a-test"


class Mailbox:
    """A mail server that keeps what it takes."""

    def __init__(
        self, *, tls: ssl.SSLContext | None = None, starttls: ssl.SSLContext | None = None, auth: bool = False
    ):
        self.letters: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.refuses: str | None = None
        self.refused_recipients: set[str] = set()
        options: dict[str, Any] = {"authenticator": self._known, "auth_required": True} if auth else {}
        if auth and tls is not None:
            options["auth_require_tls"] = False  # it is all in TLS, which aiosmtpd does not count
        if starttls is not None:
            options |= {"tls_context": starttls, "require_starttls": True}
        if tls is not None:
            options["ssl_context"] = tls
        port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=port, **options)
        self.port = port

    def _known(self, _server: Any, _session: Any, _envelope: Any, _how: str, data: Any) -> AuthResult:
        given = (data.login, data.password)
        return AuthResult(success=given == (USER.encode(), PASSWORD.encode()), handled=False)

    async def handle_RCPT(  # noqa: N802 — the library's name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        """Take a recipient or not."""
        if address in self.refused_recipients:
            return "550 5.1.1 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 — the library's name
        """Take a letter."""
        if self.refuses:
            return self.refuses
        message = message_from_bytes(envelope.content, policy=default)
        assert isinstance(message, EmailMessage)
        self.recipients.append(list(envelope.rcpt_tos))
        self.letters.append(message)
        return "250 OK"

    @property
    def subjects(self) -> list[str]:
        """Return the subjects of the letters."""
        return [str(letter["Subject"]) for letter in self.letters]

    @property
    def text(self) -> str:
        """Return the texts of all letters."""
        return "\n".join(letter.get_content() for letter in self.letters)

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Hook:
    """A receiver of webhooks that keeps what it is told."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.told: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.status = 200
        self.location: str | None = None
        hook = self

        class _Taker(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.paths.append(self.path)
                hook.headers.append(dict(self.headers))
                if hook.status < 300:
                    hook.told.append(json.loads(body))
                self.send_response(hook.status)
                if hook.location:
                    self.send_header("Location", hook.location)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)  # what it was told comes back: nothing of it may be repeated in a log

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Taker)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def notices(self) -> list[dict[str, Any]]:
        """Return everything that it was told, one by one."""
        return [notice for message in self.told for notice in message["notices"]]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@contextmanager
def badly(behave: Callable[[socket.socket, threading.Event], None]) -> Iterator[int]:
    """Serve each connection by a function that is told when the test is over; yields the port."""
    over = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(0.1)
    threads: list[threading.Thread] = []

    def one(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            behave(connection, over)

    def serve() -> None:
        while not over.is_set():
            with suppress(TimeoutError):
                connection, _ = listening.accept()
                connection.settimeout(10)
                threads.append(thread := threading.Thread(target=one, args=(connection,), daemon=True))
                thread.start()

    server = threading.Thread(target=serve, daemon=True)
    server.start()
    try:
        yield listening.getsockname()[1]
    finally:
        over.set()
        server.join()
        listening.close()
        for thread in threads:
            thread.join(15)
