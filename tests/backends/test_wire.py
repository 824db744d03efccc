"""What can happen on the wire is told apart: certainly not taken, or nobody knows."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from threading import Thread

import pytest

from hotfolder.backends import wire as wires
from hotfolder.backends.base import ContentChanged, Unavailable, Uncertain
from hotfolder.backends.bodies import Body
from hotfolder.backends.wire import ANSWER_BYTES, Request
from tests.backends.scripted import LARGE, SMALL, Line, Scripted, document, send, timeouts, wire


def test_answer() -> None:
    """Status, headers in lower case and JSON are returned, whatever the status."""

    def script(line: Line) -> None:
        line.request()
        line.answer(418, b'{"a": 1}', "X-Odd: One\r\n")

    with Scripted(script) as server:
        reply = send(server.origin)
    assert (reply.status, reply.headers["x-odd"], reply.document) == (418, "One", {"a": 1})
    assert reply.request_complete


def test_request_head() -> None:
    """A request has its length, no chunks, who we are, and no cookie that a server once set."""
    heads: list[bytes] = []

    def script(line: Line) -> None:
        for _ in range(2):
            heads.append(line.request())
            line.answer(200, b"{}", "Set-Cookie: session=1; Path=/\r\n")

    with Scripted(script) as server, closing(wire(server.origin)) as way:
        for _ in range(2):
            way.send(Request("POST", "/a?b=1", {"X-More": "m", "accept": "odd"}, document(SMALL)))
        assert not way._client().cookies
    assert heads[0] == heads[1]
    lines = heads[0].decode().split("\r\n")
    assert lines[0] == "POST /a?b=1 HTTP/1.1"
    names = {line.split(":")[0].lower() for line in lines[1:]}
    assert {"host", "content-length", "user-agent", "x-more"} <= names
    assert not {"transfer-encoding", "cookie"} & names
    assert "Content-Length: 1000" in lines
    assert [line for line in lines if line.lower().startswith("accept:")] == ["accept: odd"]


def test_connection_is_reused() -> None:
    """Requests of one thread share a connection."""

    def script(line: Line) -> None:
        while line.request():
            line.answer(200)

    with Scripted(script) as server, closing(wire(server.origin)) as way:
        for _ in range(5):
            way.send(Request("POST", "/", body=document(SMALL)))
        way.close()
    assert server.connections == 1


def test_nobody_listens() -> None:
    """A refused connection is certain."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    with pytest.raises(Unavailable, match="cannot be reached"):
        send(f"http://127.0.0.1:{port}")


def test_name_that_does_not_exist() -> None:
    """A host's name that nobody knows is certain, and named."""
    with pytest.raises(Unavailable, match=r"nowhere\.invalid"):
        send("https://nowhere.invalid")


@pytest.mark.parametrize("status", [413, 429])
@pytest.mark.parametrize("after", ["keeps reading", "half closes", "closes", "resets"])
def test_early_answer(status: int, after: str) -> None:
    """A refusal that comes while the document still goes out is heard, whatever the server does then."""

    def script(line: Line) -> None:
        head = line.head()
        line.answer(status, b'{"detail": "no"}', "Retry-After: 9\r\nConnection: close\r\n")
        if after == "keeps reading":
            line.body(head)
        elif after == "half closes":
            line.sock.shutdown(socket.SHUT_WR)
            line.body(head)

    with Scripted(script) as server:
        reply = send(server.origin, LARGE)
    assert (reply.status, reply.headers["retry-after"]) == (status, "9")
    assert reply.request_complete is (after in {"keeps reading", "half closes"})


def test_reset_after_the_head() -> None:
    """A reset while most of the document is unsent is certain: no server can have all of it."""

    def script(line: Line) -> None:
        line.head()
        line.reset()

    with Scripted(script) as server, pytest.raises(Unavailable, match="had not gone out whole"):
        send(server.origin, LARGE)


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_reset_after_the_body(size: int) -> None:
    """A reset after the last byte leaves everything open."""

    def script(line: Line) -> None:
        line.request()
        line.reset()

    with Scripted(script) as server, pytest.raises(Uncertain, match="after the whole document"):
        send(server.origin, size)


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 2", b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: no\r\n\r\n"],
)
def test_no_http(answer: bytes) -> None:
    """A server that closes in silence or speaks something else leaves everything open."""

    def script(line: Line) -> None:
        line.request()
        line.sock.sendall(answer)

    with Scripted(script) as server, pytest.raises(Uncertain):
        send(server.origin)


@pytest.mark.parametrize(("size", "kind"), [(LARGE, Unavailable), (SMALL, Uncertain)])
def test_hang(size: int, kind: type[Exception]) -> None:
    """A server that stops reading, or stops before its answer, is given up after the read limit."""
    with Scripted(lambda line: (line.head(), server.wait())[1]) as server:
        started = time.monotonic()
        with pytest.raises(kind, match=r"0\.3 s"):
            send(server.origin, size, timeouts=timeouts(read_s=0.3))
        assert time.monotonic() - started < 8.0
        server._stop.set()


@pytest.mark.parametrize("body", [None, document(SMALL)])
def test_question_is_always_repeatable(body: Body | None) -> None:
    """Trouble with a question or a log-in is never uncertain."""

    def script(line: Line) -> None:
        line.request()
        line.reset()

    with Scripted(script) as server, closing(wire(server.origin)) as way, pytest.raises(Unavailable):
        way.send(Request("POST" if body else "GET", "/tasks/1", body=body))


def test_total_limit_while_sending() -> None:
    """A document that goes out too slowly is stopped at the total limit, and certainly not taken."""

    def slow() -> Iterator[bytes]:
        for _ in range(100):
            time.sleep(0.02)  # the document's storage is slow; nothing is waited for
            yield bytes(10_000)

    body = Body("application/pdf", 1_000_000, slow)

    def script(line: Line) -> None:
        line.request()

    with Scripted(script) as server, closing(wire(server.origin, timeouts=timeouts(total_s=0.2))) as way:
        with pytest.raises(Unavailable, match=r"longer than 0\.2 s"):
            way.send(Request("POST", "/", body=body, repeatable=False))
        way.close()


def test_total_limit_while_reading() -> None:
    """An answer that trickles is cut at the total limit; its status counts, its half JSON does not."""

    def script(line: Line) -> None:
        line.request()
        line.sock.sendall(b'HTTP/1.1 202 Accepted\r\nContent-Length: 100000\r\n\r\n{"url": "')
        while not server._stop.wait(0.01):
            line.sock.sendall(b"x")

    with Scripted(script) as server:
        started = time.monotonic()
        reply = send(server.origin, timeouts=timeouts(total_s=1.5))
        assert time.monotonic() - started < 8.0
    assert (reply.status, reply.document) == (202, None)


def test_huge_answer_is_cut() -> None:
    """Of an endless answer a megabyte is read, and then the connection is closed."""
    sent: list[int] = []

    def script(line: Line) -> None:
        line.request()
        line.sock.sendall(b"HTTP/1.1 400 Bad\r\nContent-Length: 1000000000\r\n\r\n")
        while not server._stop.is_set():
            line.sock.sendall(bytes(100_000))
            sent.append(100_000)

    with Scripted(script) as server:
        reply = send(server.origin)
    assert len(reply.content) == ANSWER_BYTES
    assert sum(sent) < 500_000_000


def test_answer_that_breaks_off() -> None:
    """Where an answer's body breaks off, its status is known and what came is kept."""

    def script(line: Line) -> None:
        line.request()
        line.sock.sendall(b"HTTP/1.1 422 Odd\r\nContent-Length: 100\r\n\r\nhalf")
        line.sock.shutdown(socket.SHUT_WR)

    with Scripted(script) as server:
        reply = send(server.origin)
    assert (reply.status, reply.content, reply.document) == (422, b"half", None)


def test_early_yes_is_marked() -> None:
    """A yes to a document that had not gone out whole is told from a yes."""

    def script(line: Line) -> None:
        line.head()
        line.answer(202, b'{"url": "x/1"}', "Connection: close\r\n")
        line.reset()

    # The reset may overtake the answer; a yes it must not become.
    with Scripted(script) as server, suppress(Unavailable):
        assert not send(server.origin, LARGE).request_complete


def test_stale_connection_is_not_used() -> None:
    """A connection that the server closed while idle is noticed before a document goes into it."""

    def script(line: Line) -> None:
        line.request()
        line.answer(200)

    with Scripted(script) as server, closing(wire(server.origin)) as way:
        for _ in range(3):
            way.send(Request("POST", "/", body=document(SMALL), repeatable=False))
            _until(lambda: not any(one.is_alive() for one in server._lines))
    assert server.connections == 3


def test_idle_connection_is_left_before_the_server_leaves_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """An upload never meets the moment in which a server closes a connection that has been idle for too long."""
    assert wires.KEEPALIVE_S < 2.0, "the shortest limit in use"
    monkeypatch.setattr(wires, "KEEPALIVE_S", 0.05)

    def script(line: Line) -> None:
        line.request()
        line.answer(200)
        line.request()  # it was on its way while we closed
        line.reset()

    with Scripted(script) as server, closing(wire(server.origin)) as way:
        for number in range(3):
            assert way.send(Request("POST", "/", body=document(SMALL), repeatable=False)).status == 200
            idle_from = time.monotonic()
            assert server.connections == number + 1
            _until(lambda: time.monotonic() > idle_from + wires.KEEPALIVE_S)  # noqa: B023 — waited for here
        way.close()


def test_redirect_is_an_answer() -> None:
    """A redirect to another host is returned, not followed."""

    def never(line: Line) -> None:
        pytest.fail(f"asked for {line.head()!r}")

    with Scripted(never) as other:

        def script(line: Line) -> None:
            line.request()
            line.answer(307, b"", f"Location: {other.origin}/\r\n")

        with Scripted(script) as server:
            assert send(server.origin).status == 307
        assert other.connections == 0


def test_pieces_own_error_passes() -> None:
    """What the document's storage raises is no matter of the network."""

    def broken() -> Iterator[bytes]:
        yield bytes(LARGE // 2)
        raise ContentChanged("odd")

    def script(line: Line) -> None:
        line.request()

    with Scripted(script) as server, closing(wire(server.origin)) as way:
        with pytest.raises(ContentChanged, match="odd"):
            way.send(Request("POST", "/", body=Body("application/pdf", LARGE, broken), repeatable=False))
        way.close()


def test_header_that_is_no_header_is_not_shown() -> None:
    """A value that cannot stand in a header is refused before it is sent, and not quoted."""
    with (
        Scripted(Line.request) as server,
        closing(wire(server.origin)) as way,
        pytest.raises(Unavailable) as raised,
    ):
        way.send(Request("GET", "/", {"Authorization": "Bearer top\nsecret"}))
    assert "secret" not in str(raised.value)


def test_clients_of_ended_threads_are_closed() -> None:
    """Threads that come and go leave no sockets behind."""

    def script(line: Line) -> None:
        while line.request():
            line.answer(200)

    with Scripted(script) as server, closing(wire(server.origin)) as way:
        clients = []
        for _ in range(3):
            thread = Thread(target=way.send, args=(Request("POST", "/", body=document(SMALL)),))
            thread.start()
            thread.join()
            clients += [client for _, client in way._clients]
        assert [client.is_closed for client in clients] == [True, True, False]
        way.close()
        assert clients[-1].is_closed


def _until(condition: Callable[[], bool], within_s: float = 5.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.005)
