"""The total time of a request holds below httpx, whatever the other end does and whatever lies between."""

import ssl
import time
from collections.abc import Callable
from contextlib import closing
from math import inf
from pathlib import Path

import httpcore
import pytest
import trustme

from hotfolder.backends.base import Unavailable, Uncertain
from hotfolder.backends.deadline import Deadline, DeadlineExceededError
from hotfolder.backends.wire import Request
from tests.backends.scripted import LARGE, SMALL, Line, Scripted, document, send, timeouts, wire

TOTAL_S, SOON_S = 0.5, 8.0
"""The limit, and what a busy machine may add."""
QUICKLY = timeouts(total_s=TOTAL_S)
HEAD = b"HTTP/1.1 202 Accepted\r\nX-Long: "


def drip(line: Line, server: Scripted) -> None:
    """Send the head of an answer byte by byte, without an end."""
    line.sock.sendall(HEAD)
    while not server._stop.wait(0.01):
        line.sock.sendall(b"x")


def expect_the_end(origin: str, size: int = SMALL, **changes: object) -> None:
    """Upload, and see it end at its total limit, with nobody knowing whether it was taken."""
    started = time.monotonic()
    with pytest.raises(Uncertain, match=r"longer than 0\.5 s in all, after the whole document"):
        send(origin, size, timeouts=QUICKLY, **changes)
    assert TOTAL_S <= time.monotonic() - started < SOON_S


def test_head_of_an_answer_that_drips() -> None:
    """An answer whose head comes byte by byte ends at the total limit: the document may have been taken."""
    with Scripted(lambda line: (line.request(), drip(line, server))) as server:
        expect_the_end(server.origin)


def test_head_that_drips_through_tls(tmp_path: Path) -> None:
    """The limit holds inside TLS as well."""
    authority, path = trustme.CA(), tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def script(line: Line) -> None:
        with context.wrap_socket(line.sock, server_side=True) as wrapped:
            inner = Line(wrapped)
            inner.request()
            drip(inner, server)

    with Scripted(script) as server:
        expect_the_end(server.origin.replace("http:", "https:"), ca_file=path)


def test_head_that_drips_through_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit holds where a proxy lies between, and for what the proxy itself says."""
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with Scripted(lambda line: (line.request(), drip(line, server))) as server:
        monkeypatch.setenv("HTTP_PROXY", server.origin)
        monkeypatch.setenv("HTTPS_PROXY", server.origin)
        expect_the_end("http://service.example", allow_insecure_http=True)
        with pytest.raises(Unavailable, match=r"longer than 0\.5 s in all"):
            send("https://service.example", timeouts=QUICKLY)


def test_hidden_hang_in_tls() -> None:
    """A server that never ends the handshake is left at the total limit, and has nothing."""
    with Scripted(lambda _: server.wait()) as server:
        started = time.monotonic()
        with pytest.raises(Unavailable, match="had not gone out whole"):
            send(server.origin.replace("http:", "https:"), timeouts=QUICKLY)
        server._stop.set()
    assert time.monotonic() - started < SOON_S


def test_document_that_is_taken_in_sips() -> None:
    """A server that takes a document a little at a time is left at the total limit, and has it not whole."""

    def script(line: Line) -> None:
        while not server._stop.wait(0.005):
            line.sock.recv(1000)

    with Scripted(script) as server:
        started = time.monotonic()
        with pytest.raises(Unavailable, match="had not gone out whole"):
            send(server.origin, LARGE, timeouts=QUICKLY)
        assert time.monotonic() - started < SOON_S


def test_place_is_free_afterwards() -> None:
    """A request that ran out of time leaves nothing that is in the way of the next one."""
    first: Callable[[Line], object] = lambda line: (line.request(), drip(line, server))  # noqa: E731 — a one-liner

    def second(line: Line) -> None:
        line.request()
        line.answer(200)

    with Scripted(first, second) as server, closing(wire(server.origin, timeouts=QUICKLY)) as way:
        with pytest.raises(Unavailable, match="longer"):
            way.send(Request("GET", "/tasks/1"))
        server._stop.set()
        way._timeouts = way._timeouts.model_copy(update={"total_s": 20.0})
        assert way.send(Request("POST", "/", body=document(SMALL), repeatable=False)).status == 200
    assert server.connections == 2


def test_shorter_of_two_limits_is_told() -> None:
    """A step is told its own limit or what is left, and running out of either is told apart."""
    deadline, told = Deadline(), []
    deadline.within(3.0, told.append)
    deadline.within(None, told.append)
    assert told == [3.0, None]
    deadline.at = time.monotonic() + 100.0
    deadline.within(3.0, told.append)
    deadline.within(None, told.append)
    assert told[2] == 3.0
    assert 0.0 < told[3] <= 100.0

    def late(limit_s: float | None) -> None:
        raise httpcore.ReadTimeout(limit_s)

    with pytest.raises(httpcore.ReadTimeout):
        deadline.within(3.0, late)
    with pytest.raises(DeadlineExceededError):
        deadline.within(1000.0, late)


def test_nothing_begins_after_the_end() -> None:
    """Where the time is over, no step is taken; without an end none ever is refused."""
    deadline = Deadline()
    deadline.check()
    deadline.at = time.monotonic() - 1.0
    with pytest.raises(DeadlineExceededError):
        deadline.within(3.0, pytest.fail)
    with pytest.raises(DeadlineExceededError):
        deadline.check()
    deadline.at = inf
    assert deadline.within(3.0, lambda limit_s: limit_s) == 3.0
