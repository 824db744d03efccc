"""The server: loopback alone, quick to start and stop, flat in memory, quiet."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from hotfolder.sandbox.server import NotLoopback, SandboxServer, listening_address, loopback_socket

MIB = 1 << 20


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org", "10.0.0.1", "169.254.0.1"])
def test_refuses_what_others_can_reach(host):
    """Anything but loopback is refused before it is bound."""
    with pytest.raises(NotLoopback):
        SandboxServer(host=host).start()


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:80", ("127.0.0.1", 80)),
        ("[::1]:0", ("[::1]", 0)),
        (":7", ("127.0.0.1", 7)),
        ("7", ("127.0.0.1", 7)),
    ],
)
def test_listening_addresses(listen, address):
    """Host and port, or the port alone."""
    assert listening_address(listen) == address


@pytest.mark.parametrize("listen", ["127.0.0.1", "localhost:", "localhost:x", "localhost:70000", ""])
def test_bad_listening_addresses(listen):
    """What holds no port is refused with an example."""
    with pytest.raises(NotLoopback, match=r"127\.0\.0\.1:8650"):
        listening_address(listen)


def test_socket_sends_at_once():
    """The protocol is spelled out, on which asyncio's TCP_NODELAY depends."""
    with loopback_socket("localhost", 0) as sock:
        assert sock.proto == socket.IPPROTO_TCP
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_starts_and_stops_in_a_moment(http):
    """Start and stop take a moment, with a connection kept alive."""
    begun = time.monotonic()
    with SandboxServer() as server:
        assert http.get(server.origin + "/admin/ledger").json() == []
    assert time.monotonic() - begun < 5
    with pytest.raises(httpx.ConnectError):
        http.get(server.origin + "/admin/ledger")


def test_outage_keeps_port_and_documents(start, http, upload):
    """Stopped and started again, it is the same service on the same port."""
    server = start()
    upload(server)
    port = server.port
    server.stop()
    server.start()
    assert server.port == port
    assert upload(server).status_code == 202
    assert len(server.ledger) == 2


def test_taken_port_is_an_error(sandbox):
    """A port that somebody has is reported, not shared."""
    with pytest.raises(OSError, match="in use"):
        SandboxServer(port=sandbox.port).start()


def test_date_is_told(sandbox, http):
    """Answers carry the server's clock and not the server's name."""
    answer = http.get(sandbox.origin + "/admin/ledger")
    assert "date" in answer.headers
    assert "server" not in answer.headers


def _sandbox_process(*arguments):
    code = "import sys; from pathlib import Path; from hotfolder.sandbox.server import serve; "
    code += "serve(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None)"
    return subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True)


def test_foreground_prints_its_addresses_and_ends_on_sigterm(tmp_path, http):
    """A person is told the three base URLs and credentials; SIGTERM ends it with status 0."""
    scenario = tmp_path / "scenario.yaml"
    scenario.write_text("- do: {status: 503}\n")
    with _sandbox_process("127.0.0.1:0", str(scenario)) as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "/admin/" in line:
                break
        text = "".join(lines)
        for expected in ("/rossum/api/v1", "/digitoo", "sandbox-password", "sandbox-api-key", "8236", "q7"):
            assert expected in text
        url = re.search(r"http://127\.0\.0\.1:\d+/rossum/api/v1", text).group()
        assert http.get(url + "/queues").status_code == 503
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def _peak_kib(pid):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(r"VmHWM:\s+(\d+)", status.read()).group(1))


def _send(port, head, prefix, suffix, pieces):
    length = len(prefix) + len(suffix) + pieces * MIB
    block = b"QUJD" * (MIB // 4)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sock:
        sock.sendall(head + f"Content-Length: {length}\r\n\r\n".encode() + prefix)
        for _ in range(pieces):
            sock.sendall(block)
        sock.sendall(suffix)
        assert sock.recv(65536)[9:10] == b"2"


def _request(path, token, content_type):
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {token}",
        f"Content-Type: {content_type}",
        "",
    )
    return "\r\n".join(lines).encode()


UPLOADS = {
    "multipart": (
        _request(
            "/rossum/api/v1/uploads?queue=8236", "sandbox-rossum-token", "multipart/form-data; boundary=B"
        ),
        b'--B\r\nContent-Disposition: form-data; name="content"; filename="a"\r\n\r\n',
        b"\r\n--B--\r\n",
    ),
    "body": (
        _request("/rossum/api/v1/uploads/a?queue=8236", "sandbox-rossum-token", "application/octet-stream"),
        b"",
        b"",
    ),
    "json_base64": (
        _request("/digitoo/api/v2/upload", "sandbox-service-token", "application/json"),
        b'{"FileName": "a", "QueueID": "q7", "FileContent": "',
        b'"}',
    ),
}
"""Request without its length, what precedes the content, what follows it."""


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="memory is read from /proc")
@pytest.mark.parametrize("encoding", UPLOADS)
def test_large_uploads_stream(encoding):
    """Four uploads of 40 MB at once do not raise the peak by the size of one."""
    head, prefix, suffix = UPLOADS[encoding]
    with _sandbox_process("127.0.0.1:0") as process:
        port = int(re.search(r":(\d+)/", process.stdout.readline()).group(1))
        _send(port, head, prefix, suffix, 1)
        before = _peak_kib(process.pid)
        threads = [threading.Thread(target=_send, args=(port, head, prefix, suffix, 40)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        grown = _peak_kib(process.pid) - before
        sizes = [entry["size"] for entry in httpx.get(f"http://127.0.0.1:{port}/admin/ledger").json()]
        process.send_signal(signal.SIGTERM)
    assert sizes[1:] == [40 * MIB if encoding != "json_base64" else 30 * MIB] * 4
    assert grown < 12 * 1024, f"the peak grew by {grown} KiB"
