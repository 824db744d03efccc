"""Post messages as JSON to a webhook: one request, no redirect, cut off when its time is over.

It has a small client of its own beside `backends.wire`, which is about documents: pace, log-ins, uncertain uploads.
"""

import json
import socket
import ssl
import threading
from contextlib import suppress
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from hotfolder import __version__
from hotfolder.notices.letters import Letter
from hotfolder.notices.ways import NotSentError, revealed
from hotfolder.settings import WebhookTarget
from hotfolder.settings.addresses import address_fault, is_loopback


class _Scissors:
    """Cuts the connection of one request when its time is over: httpx starts its clock anew with each byte."""

    def __init__(self, after_s: float) -> None:
        self.cut = False
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(after_s, self._snip)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def trace(self, event: str, told: dict[str, Any]) -> None:
        """Take note of each connection that httpx opens (its extension `trace`)."""
        if not event.endswith((".connect_tcp.complete", ".start_tls.complete")):
            return
        opened = told["return_value"].get_extra_info("socket")
        with self._lock:
            self._sockets.append(opened)
            if self.cut:
                _shut(opened)

    def _snip(self) -> None:
        with self._lock:
            self.cut = True
            for opened in self._sockets:
                _shut(opened)


def _shut(opened: socket.socket) -> None:
    with suppress(OSError):
        socket.socket.shutdown(
            opened, socket.SHUT_RDWR
        )  # also of a TLS socket: its own way is not for two threads


class Post:
    """The way to one webhook."""

    def __init__(self, target: WebhookTarget) -> None:
        self._target = target

    def send(self, letter: Letter) -> str | None:
        """See `Way`. What the receiver answers besides its status is not read: it may repeat what is secret."""
        target = self._target
        url = revealed(target.url)
        if fault := address_fault(url):
            raise NotSentError(f"its `url` cannot be used: {fault}")
        headers = {name: revealed(secret) for name, secret in target.headers.items()}
        host = urlsplit(url).hostname or ""
        content = json.dumps(letter.as_json(), ensure_ascii=False).encode("utf-8", "replace")
        with _Scissors(target.timeout_s) as scissors:
            try:
                status = self._status(url, headers, content, scissors)
            except (httpx.HTTPError, httpx.InvalidURL, ValueError, OSError) as problem:
                reason = _reason(problem, host, target.timeout_s, cut=scissors.cut)
                certain = isinstance(
                    problem, httpx.ConnectError | httpx.ConnectTimeout | httpx.LocalProtocolError
                )
                raise NotSentError(reason, certain=certain) from None
        if 200 <= status < 300:  # noqa: PLR2004 — the classes of RFC 9110 §15
            return None
        moved = "; redirects are not followed, give the address it leads to" if 300 <= status < 400 else ""  # noqa: PLR2004
        # 408 and 5xx: a proxy may have given up on a receiver that did take it.
        certain = status < 500 and status != 408  # noqa: PLR2004 — see above
        answered = f"the receiver at {host} answered {status}{moved}"
        raise NotSentError(answered, certain=certain, content=status in {400, 413, 415, 422})

    def _status(self, url: str, headers: dict[str, str], content: bytes, scissors: _Scissors) -> int:
        target = self._target
        own = {
            "User-Agent": f"hotfolder/{__version__}",
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
        }
        replaced = {name.lower() for name in headers}
        sent = {name: value for name, value in own.items() if name.lower() not in replaced} | headers
        client = httpx.Client(
            verify=ssl.create_default_context(cafile=target.ca_file),
            trust_env=not is_loopback(urlsplit(url).hostname or ""),
            follow_redirects=False,
            timeout=target.timeout_s,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        )
        with client:
            request = client.build_request(
                "POST", url, headers=sent, content=content, extensions={"trace": scissors.trace}
            )
            # The status is the whole answer: a body that never ends is not waited for.
            response = client.send(request, stream=True, auth=None)
            response.close()
            return response.status_code


def _reason(problem: Exception, host: str, timeout_s: float, *, cut: bool) -> str:
    if cut or isinstance(problem, httpx.TimeoutException):
        return f"the receiver at {host} has not answered within {timeout_s:g} s"
    text = str(problem)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return f"the certificate of {host} is not trusted; correct `url`, or set `ca_file`"
    if isinstance(problem, httpx.ConnectError):
        return f"the receiver at {host} cannot be reached"
    if isinstance(problem, httpx.LocalProtocolError | httpx.InvalidURL | ValueError):
        # Its text may quote a header or the address.
        return f"no valid request for {host} could be made; check `url` and `headers`"
    return f"the receiver at {host} broke the connection off ({type(problem).__name__})"
