"""Speak HTTP to one host: the only module that knows httpx, with bounded time and bounded answers.

Every failure leaves here as `Unavailable` (the request certainly did not arrive whole) or `Uncertain`
(all of it had been handed to the system when the trouble began).
"""

import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from http.cookiejar import CookieJar, DefaultCookiePolicy
from threading import Lock, Thread, current_thread, local
from urllib.parse import urlsplit

import httpx

from hotfolder import __version__
from hotfolder.backends.answers import Reply, parse
from hotfolder.backends.base import DeliveryError, Unauthorized, Unavailable, Uncertain
from hotfolder.backends.bodies import Body
from hotfolder.backends.deadline import Deadline, DeadlineExceededError, Streams
from hotfolder.backends.pace import NoTurnError, Pace, Turn
from hotfolder.settings import ConnectionSection
from hotfolder.settings.addresses import is_loopback

ANSWER_BYTES = 1024 * 1024
"""Most of an answer that is read: a hundred annotations are below it, and nobody fills our memory."""
JOINED_BYTES = 256 * 1024
"""Bodies up to this size go out as one piece: half the system calls (benchmark "small uploads")."""
KEEPALIVE_S = 1.5
"""An idle connection is not used again after this long, since a server that closes it just then leaves the
upload uncertain; the shortest limits in use are 2 s (old Apache) and 5 s (uvicorn, Node.js)."""


class _Nothing(httpx.SyncByteStream):
    """The body of a request without one: it is taken when the head has gone out."""

    def __init__(self, gone: Callable[[], None]) -> None:
        self._gone = gone

    def __iter__(self) -> Iterator[bytes]:
        self._gone()
        return iter(())


class _Outgoing(httpx.SyncByteStream):
    """A request's body on its way out, which knows whether it was handed over whole."""

    def __init__(self, body: Body, deadline: Deadline, gone: Callable[[], None]) -> None:
        self._body = body
        self._deadline = deadline
        self._gone = gone
        self.complete = False
        """True once the system took the last byte. Before that nobody can have accepted the request, since
        its Content-Length was not reached."""

    def __iter__(self) -> Iterator[bytes]:
        self.complete = False
        self._gone()
        pieces = self._body.pieces()
        if self._body.length <= JOINED_BYTES:
            pieces = iter((b"".join(pieces),))
        # One piece is held back: a file that turns out changed at its end must not have gone out whole.
        held = next(pieces, b"")
        for piece in pieces:
            self._deadline.check()
            yield held
            held = piece
        self._deadline.check()
        yield held
        self.complete = True


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it goes out; `path` (with its query) is appended to the connection's base address."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Body | None = None
    repeatable: bool = True
    """False for an upload: then trouble after the last byte is `Uncertain`."""
    answer_bytes: int = ANSWER_BYTES
    """Most of its answer that is read."""
    into: Callable[[bytes], None] | None = None
    """Takes the body of a 2xx piece by piece, all of it, and may raise; the answer then holds none."""
    rooted: bool = False
    """True: `path` starts at the root of the host, as the links in answers do, not below the base address."""


class Wire:
    """The way to one host for several threads: each has its own client, all share one TLS context."""

    def __init__(self, connection: ConnectionSection, service: str) -> None:
        self._base_url = connection.base_url
        self._timeouts = connection.timeouts
        times = connection.timeouts
        each_s = min(times.read_s, times.total_s)
        self._limits = httpx.Timeout(each_s, connect=min(times.connect_s, times.total_s))
        self._ca_file = connection.ca_file
        self.pace = Pace(connection.limits.per_second if connection.limits else None)
        self._service = service
        parts = urlsplit(connection.base_url)
        self.host = parts.netloc
        self._origin = f"{parts.scheme}://{parts.netloc}"
        # No proxy can reach this machine's loopback.
        self._use_proxies = not is_loopback(parts.hostname or "")
        # A queue's address is the same for all its documents, and parsing it is a twentieth of a small upload.
        self._address = lru_cache(maxsize=64)(httpx.URL)
        self._mine = local()
        self._deadline = Deadline()
        self._lock = Lock()
        self._clients: list[tuple[Thread, httpx.Client]] = []
        self._context: ssl.SSLContext | None = None

    def send(self, request: Request) -> Reply:
        """Send a request and return its answer, whatever its status.

        Raises `Unavailable`, `Uncertain` (uploads only), `Unauthorized` for a bad `ca_file`; passes through
        what the body's pieces raise. Redirects are answers, cookies are dropped.
        """
        turn = self._turn(asks=request.method == "GET")
        self._deadline.at = time.monotonic() + self._timeouts.total_s
        outgoing = _Outgoing(request.body, self._deadline, turn.gone) if request.body else None
        try:
            ready = self._prepare(request, outgoing or _Nothing(turn.gone))
            response = self._client().send(ready, stream=True, auth=None)
        except (httpx.HTTPError, httpx.InvalidURL, DeadlineExceededError) as error:
            raise self._failure(error, request, outgoing) from None
        finally:
            turn.gone()
        if request.into is not None and response.is_success:
            content = self._pour(response, request.into)
        else:
            content = self._read(response, request.answer_bytes)
        headers = {name.lower(): value for name, value in response.headers.items()}
        complete = outgoing is None or outgoing.complete
        reply = Reply(response.status_code, headers, content, parse(content), complete)
        # Page after page of a list would be in memory twice.
        return replace(reply, content=b"") if reply.good and reply.structured else reply

    def close(self) -> None:
        """Close the clients of all threads."""
        self.pace.end()
        with self._lock:
            clients, self._clients = self._clients, []
        for _, client in clients:
            client.close()
        self._mine = local()

    def _turn(self, *, asks: bool) -> Turn:
        try:
            return self.pace.wait(self._timeouts.total_s, asks=asks)
        except NoTurnError as late:
            raise Unavailable(str(late), counts=False) from None

    def _prepare(self, request: Request, stream: httpx.SyncByteStream) -> httpx.Request:
        """Build the request by hand: with `files=` or `build_request` httpx costs twice the time."""
        headers = {
            "Host": self.host,
            "User-Agent": f"hotfolder/{__version__}",
            "Accept": "application/json",
            # What is read is bounded; a compressed answer would be unbounded again.
            "Accept-Encoding": "identity",
        }
        if request.body:
            headers |= {"Content-Type": request.body.content_type, **request.body.headers}
            headers["Content-Length"] = str(request.body.length)
        elif request.method != "GET":
            headers["Content-Length"] = "0"
        _overlay(headers, request.headers)
        return httpx.Request(
            request.method,
            self._address((self._origin if request.rooted else self._base_url) + request.path),
            headers=[(name.encode(), value.encode()) for name, value in headers.items()],
            stream=stream,
            extensions={"timeout": self._limits.as_dict()},
        )

    def _read(self, response: httpx.Response, most: int) -> bytes:
        """Read the answer's body as far as it comes: the status is known, half a body beats none."""
        parts: list[bytes] = []
        size = 0
        try:
            for part in response.iter_raw():
                parts.append(part)
                size += len(part)
                if size > most:
                    break
        except (httpx.HTTPError, DeadlineExceededError):
            pass  # what is missing shows when the body is read as JSON
        finally:
            response.close()
        return b"".join(parts)[:most]

    def _pour(self, response: httpx.Response, into: Callable[[bytes], None]) -> bytes:
        """Hand on the answer's body as far as it comes; whoever takes it must see whether it is whole."""
        try:
            with suppress(httpx.HTTPError, DeadlineExceededError):
                for part in response.iter_raw():
                    into(part)
        finally:
            response.close()
        return b""

    def _failure(self, error: Exception, request: Request, outgoing: _Outgoing | None) -> DeliveryError:
        what = self._describe(error)
        if request.repeatable or outgoing is None:
            return Unavailable(what)
        if not outgoing.complete:
            return Unavailable(f"{what}; the document had not gone out whole")
        return Uncertain(f"{what}, after the whole document had gone out")

    def _describe(self, error: Exception) -> str:
        where = f"{self._service} at {self.host}"
        reason = str(error)
        if isinstance(error, DeadlineExceededError):
            return f"the request to {where} took longer than {self._timeouts.total_s:g} s in all"
        if isinstance(error, httpx.ConnectTimeout):
            return f"{where} could not be reached within {self._timeouts.connect_s:g} s"
        if isinstance(error, httpx.TimeoutException):
            return f"{where} said and took nothing for {self._timeouts.read_s:g} s"
        if "CERTIFICATE_VERIFY_FAILED" in reason:
            return (
                f"the certificate of {where} is not trusted ({_certificate_fault(reason)}); correct "
                "`base_url`, or set `ca_file` to the company's certificate authority"
            )
        if isinstance(error, httpx.ConnectError):
            return f"{where} cannot be reached ({reason or 'no reason given'})"
        if isinstance(error, httpx.ProxyError):
            return f"the proxy on the way to {where} refuses ({reason}); check HTTPS_PROXY and NO_PROXY"
        if isinstance(error, httpx.LocalProtocolError | httpx.InvalidURL | httpx.UnsupportedProtocol):
            # Its text may quote a header, and with it a password.
            return f"no valid request for {where} could be made; check its address, `headers` and credentials"
        return f"{where} broke the connection off ({reason or type(error).__name__})"

    def _client(self) -> httpx.Client:
        client: httpx.Client | None = getattr(self._mine, "client", None)
        if client is None:
            client = self._mine.client = self._open()
        return client

    def _open(self) -> httpx.Client:
        """Make this thread's client (one per thread was twice as fast as a shared one)."""
        with self._lock:
            self._context = self._context or self._trust()
            client = httpx.Client(
                verify=self._context,
                trust_env=self._use_proxies,
                follow_redirects=False,
                limits=httpx.Limits(max_keepalive_connections=1, keepalive_expiry=KEEPALIVE_S),
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            )
            _bind(client, Streams(self._deadline))
            gone = [pair for pair in self._clients if not pair[0].is_alive()]
            self._clients = [pair for pair in self._clients if pair[0].is_alive()]
            self._clients.append((current_thread(), client))
        for _, old in gone:
            old.close()
        return client

    def _trust(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._ca_file)
        except OSError as error:  # ssl.SSLError is one
            raise Unauthorized(
                f"`ca_file` {self._ca_file} cannot be used ({error.strerror or error}); "
                "it must be a readable PEM file with the certificate authority"
            ) from None


def _bind(client: httpx.Client, streams: Streams) -> None:
    """Have a client, straight and through a proxy, open its sockets so: httpx has no argument for it, httpcore does."""
    for transport in (client._transport, *client._mounts.values()):  # noqa: SLF001 — see above
        if isinstance(transport, httpx.HTTPTransport):
            transport._pool._network_backend = streams  # noqa: SLF001 — see above


def json_body(content: bytes) -> Body:
    """Wrap a small JSON text, such as a log-in, as a body."""
    pieces: Callable[[], Iterator[bytes]] = lambda: iter((content,))  # noqa: E731 — a named one-liner
    return Body("application/json", len(content), pieces)


def _overlay(headers: dict[str, str], further: Mapping[str, str]) -> None:
    """Add headers, replacing those of the same name in any case."""
    names = {name.lower(): name for name in headers}
    for name, value in further.items():
        headers.pop(names.get(name.lower(), name), None)
        headers[name] = value


def _certificate_fault(reason: str) -> str:
    return reason.rpartition("certificate verify failed: ")[2].partition(" (_ssl")[0]
