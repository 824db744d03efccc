"""Faults as a client meets them on the wire."""

import json
import re
import socket
import struct
import threading
import time
from email.utils import parsedate_to_datetime

import httpx
import pytest

PDF = b"%PDF-1.7 sandbox\n%%EOF\n"
BIG = b"x" * 4_000_000


def _connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def _head(length, name="a.pdf"):
    return (
        f"POST /rossum/api/v1/uploads/{name}?queue=8236 HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Bearer sandbox-rossum-token\r\nContent-Length: {length}\r\n\r\n"
    ).encode()


def _answer(sock):
    """Read one whole answer."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += sock.recv(65536)
    head, _, body = received.partition(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head).group(1))
    while len(body) < length:
        body += sock.recv(65536)
    return head


def _exchange(sock, message):
    """Send, and wait for the first byte of an answer or for the end."""
    sock.sendall(message)
    return sock.recv(1)


def _send_until_stuck(sock):
    """Send until nobody reads any more; return the number of bytes that went out."""
    sent = 0
    try:
        while True:
            sent += sock.send(BIG)
    except TimeoutError:
        return sent


def _unfinished(server):
    """Tell whether the beginning of a request's head has arrived."""
    return any(connection.conn.trailing_data[0] for connection in server._server.server_state.connections)


def _eventually(condition, seconds=10.0):
    """Wait for a condition with a deadline, on an event that nobody sets instead of a nap."""
    deadline, never = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        never.wait(0.01)


@pytest.mark.parametrize("moment", ["before_body", "mid_body", "after_body", "after_commit"])
def test_reset_is_a_reset_and_commits_only_afterwards(start, moment):
    """The client sees ECONNRESET at any moment; the document is taken only when it comes after the commit."""
    server = start([{"match": {"path": "*/uploads/*"}, "do": {"reset": moment}}])
    with _connect(server) as sock, pytest.raises((ConnectionResetError, BrokenPipeError)):
        _exchange(sock, _head(len(BIG)) + BIG)
    assert len(server.ledger) == (moment == "after_commit")
    assert server.ledger.requests[-1].status is None


def test_mid_body_means_that_half_of_it_was_read(start):
    """With half of the body sent, the reset has come; the other half is not waited for."""
    server = start([{"do": {"reset": "mid_body"}}])
    with _connect(server) as sock, pytest.raises(ConnectionResetError):
        _exchange(sock, _head(1000) + b"x" * 500)


def test_hang_after_the_body_ends_with_the_client(start):
    """No answer comes; when the client goes, nothing is committed."""
    server = start([{"match": {"first": 1}, "do": {"hang": "after_body"}}])
    with _connect(server) as sock:
        sock.sendall(_head(3) + b"abc")
        sock.settimeout(0.3)
        with pytest.raises(TimeoutError):
            sock.recv(1)
    assert len(server.ledger) == 0


def test_hang_before_the_body_does_not_read_it(start):
    """The client gets stuck while sending, since nobody reads; when it resets, the request ends."""
    server = start([{"do": {"hang": "before_body"}}])
    with _connect(server) as sock:
        sock.sendall(_head(1 << 30))
        sock.settimeout(0.5)
        assert _send_until_stuck(sock) < 1 << 29
        assert server._server.server_state.tasks
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    _eventually(lambda: not server._server.server_state.tasks)


def test_hang_after_the_commit_has_taken_the_document(start):
    """The answer is withheld, the document is there."""
    server = start([{"do": {"hang": "after_commit"}}])
    with _connect(server) as sock:
        sock.sendall(_head(3) + b"abc")
        _eventually(lambda: len(server.ledger) == 1)
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            sock.recv(1)


def test_hung_requests_end_with_the_server(start):
    """Stopping the server does not wait for a client that waits for the server."""
    server = start([{"do": {"hang": "after_body"}}])
    with _connect(server) as sock:
        sock.sendall(_head(3) + b"abc")
        _eventually(lambda: len(server.ledger.requests) == 1)
        begun = time.monotonic()
        server.stop()
        assert time.monotonic() - begun < 10
        with pytest.raises(ConnectionResetError):
            sock.recv(1)


@pytest.mark.parametrize("at", ["before_body", "mid_body", "after_body", "after_commit"])
def test_status_at_each_moment(start, upload, at):
    """An error can come early, late, or although the document was taken."""
    server = start([{"match": {"first": 1}, "do": {"status": 500, "at": at}}])
    assert upload(server, content=BIG).status_code == 500
    assert len(server.ledger) == (at == "after_commit")
    assert upload(server).status_code == 202


def test_early_answer_comes_before_the_body(start):
    """A refusal before the body does not wait for it, and the rest of it is read politely."""
    server = start([{"match": {"first": 1}, "do": {"status": 413, "at": "before_body"}}])
    with _connect(server) as sock:
        sock.sendall(_head(len(BIG)))
        assert _answer(sock).startswith(b"HTTP/1.1 413 ")
        sock.sendall(BIG + _head(3) + b"abc")
        assert _answer(sock).startswith(b"HTTP/1.1 202 ")


def test_status_with_own_body_and_headers(start, upload):
    """Body and headers of an error can be written by hand, as JSON or as text."""
    rules = [
        {
            "match": {"first": 1},
            "do": {"status": 400, "body": {"file": ["bad"]}, "headers": {"X-Trace": "7"}},
        },
        {"match": {"first": 1}, "do": {"status": 409, "body": "no JSON at all"}},
        {"match": {"first": 1}, "do": {"status": 302, "headers": {"Location": "https://elsewhere.example/"}}},
    ]
    server = start(rules)
    first, second, third = (upload(server) for _ in range(3))
    assert (first.json(), first.headers["x-trace"]) == ({"file": ["bad"]}, "7")
    assert (second.status_code, second.text) == (409, "no JSON at all")
    assert (third.status_code, third.headers["location"]) == (302, "https://elsewhere.example/")


def test_answer_without_content_leaves_the_connection_alone(start):
    """204 has no body, and the next request on the connection is served."""
    server = start([{"match": {"first": 1}, "do": {"status": 204}}])
    with _connect(server) as sock:
        sock.sendall(_head(3) + b"abc")
        assert sock.recv(65536).startswith(b"HTTP/1.1 204 ")
        sock.sendall(_head(3) + b"abc")
        assert _answer(sock).startswith(b"HTTP/1.1 202 ")


def test_html_page_of_a_proxy(start, upload):
    """A proxy's error page is HTML."""
    answer = upload(start([{"do": {"html": 502}}]))
    assert (answer.status_code, answer.headers["content-type"].partition(";")[0]) == (502, "text/html")
    assert "<html>" in answer.text


def test_truncated_json_and_empty_body_follow_a_commit(start, upload):
    """The status is good and the document taken, but the body is of no use."""
    rules = [{"match": {"first": 1}, "do": {"truncated_json": True}}, {"do": {"empty_body": True}}]
    server = start(rules)
    cut, empty = upload(server), upload(server)
    assert (cut.status_code, empty.status_code, empty.content) == (202, 202, b"")
    assert cut.content.startswith(b'{"url"')
    with pytest.raises(json.JSONDecodeError):
        cut.json()
    assert len(server.ledger) == 2


def test_rate_limit_in_seconds_and_as_a_date(start, upload):
    """A 429 says when to come back, in either form, or does not say it."""
    rules = [
        {"match": {"first": 1}, "do": {"rate_limit": 7}},
        {"match": {"first": 1}, "do": {"rate_limit": {"retry_after_s": 60, "date": True}}},
        {"match": {"first": 1}, "do": {"rate_limit": {"retry_after_s": None}}},
    ]
    server = start(rules)
    seconds, date, silent = (upload(server) for _ in range(3))
    assert {answer.status_code for answer in (seconds, date, silent)} == {429}
    assert seconds.headers["retry-after"] == "7"
    assert seconds.json()["url"].startswith("https://rossum.app/")
    assert 50 < parsedate_to_datetime(date.headers["retry-after"]).timestamp() - time.time() <= 60
    assert "retry-after" not in silent.headers
    assert len(server.ledger) == 0


def test_delay_is_before_the_answer_and_after_the_commit(start, upload):
    """A slow answer is a good one; a client that gives up has delivered nevertheless."""
    server = start([{"do": {"delay_s": 0.4}}])
    begun = time.monotonic()
    assert upload(server).status_code == 202
    assert time.monotonic() - begun >= 0.4
    with pytest.raises(httpx.ReadTimeout):
        upload(server, timeout=0.1)
    _eventually(lambda: len(server.ledger) == 2)


def test_delay_before_another_action(start, upload):
    """A delay may precede an error."""
    begun = time.monotonic()
    assert upload(start([{"do": {"delay_s": 0.3, "status": 504}}])).status_code == 504
    assert time.monotonic() - begun >= 0.3


def test_rule_by_file_name_strikes_only_that_file(start, upload):
    """A glob on the name picks one document out of many, whatever the moment."""
    rules = [{"match": {"file": "bad*"}, "do": {"status": 422}}]
    server = start(rules)
    assert [upload(server, name).status_code for name in ("good.pdf", "bad.pdf", "good.pdf")] == [
        202,
        422,
        202,
    ]


def test_rule_by_path_strikes_reading_too(start, rossum, upload):
    """Polling can fail while uploading works."""
    server = start([{"match": {"method": "GET", "path": "*/tasks/*", "first": 1}, "do": {"status": 503}}])
    assert upload(server).status_code == 202
    statuses = [rossum(server, "GET", "tasks/315509?no_redirect=true").status_code for _ in range(2)]
    assert statuses == [503, 200]


def test_fault_strikes_instead_of_a_refusal(start, http):
    """A request that never gets to its moment is struck in place of its answer."""
    server = start([{"do": {"status": 500, "at": "after_commit"}}])
    assert http.post(server.rossum_url + "/uploads?queue=8236").status_code == 500


def test_client_that_leaves_mid_body_commits_nothing(start):
    """An incomplete request is no document."""
    server = start()
    with _connect(server) as sock:
        sock.sendall(_head(1000) + b"x" * 500)
    _eventually(lambda: len(server.ledger.requests) == 1)
    with _connect(server) as sock:
        sock.sendall(_head(3, "b.pdf") + b"abc")
        assert _answer(sock).startswith(b"HTTP/1.1 202 ")
    assert [entry.file_name for entry in server.ledger.entries] == ["b.pdf"]


def test_arrival_is_that_of_the_first_byte(start):
    """The ledger's time is when a request began to arrive, on a connection in use too."""
    server = start()
    with _connect(server) as sock:
        for requests in (1, 2):
            begun = time.time()
            sock.sendall(_head(3)[:10])
            _eventually(lambda: _unfinished(server))
            head = time.time()
            sock.sendall(_head(3)[10:] + b"a")
            _eventually(lambda: len(server.ledger.requests) == requests)  # noqa: B023 — used within the turn
            sock.sendall(b"bc")
            assert _answer(sock).startswith(b"HTTP/1.1 202 ")
            assert begun <= server.ledger.entries[-1].arrived_at <= head
