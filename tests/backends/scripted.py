"""A server on a real socket that does to each connection what a test tells it."""

import socket
import struct
import threading
from collections.abc import Callable
from contextlib import closing
from types import TracebackType
from typing import Any, Self

from hotfolder.backends.answers import Reply
from hotfolder.backends.bodies import Body
from hotfolder.backends.wire import Request, Wire
from tests.backends.parcels import rossum, zeros

SMALL, LARGE = 1000, 30_000_000
"""One piece, and far more than the sockets' buffers hold."""
Talk = Callable[["Line"], object]


class Line:
    """One connection, seen from the server."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._rest = b""

    def head(self) -> bytes:
        """Read a request up to its blank line; empty where the client is gone."""
        while b"\r\n\r\n" not in self._rest:
            data = self.sock.recv(65536)
            if not data:
                return b""
            self._rest += data
        head, _, self._rest = self._rest.partition(b"\r\n\r\n")
        return head

    def body(self, head: bytes) -> bytes:
        """Read the body that belongs to a head."""
        lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")]
        length = int(lengths[0].split(b":")[1]) if lengths else 0
        while len(self._rest) < length:
            data = self.sock.recv(1024 * 1024)
            if not data:
                break
            self._rest += data
        body, self._rest = self._rest[:length], self._rest[length:]
        return body

    def request(self) -> bytes:
        """Read a whole request and return its head."""
        head = self.head()
        self.body(head)
        return head

    def answer(self, status: int, body: bytes = b"{}", headers: str = "") -> None:
        """Write a whole answer."""
        head = f"HTTP/1.1 {status} Invented\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        self.sock.sendall(head.encode() + body)

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Scripted:
    """Serves connections one after the other, each with the next script; the last one stays."""

    def __init__(self, *scripts: Talk) -> None:
        self._scripts = list(scripts)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.settimeout(0.02)
        self._stop = threading.Event()
        self._lines: list[threading.Thread] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self.connections = 0
        self.origin = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._socket.close()

    def wait(self) -> None:
        """Return once the test is over: a script that hangs."""
        self._stop.wait(30.0)

    def _serve(self) -> None:
        while not self._stop.is_set():
            try:
                sock, _ = self._socket.accept()
            except TimeoutError:
                continue
            script = self._scripts[min(self.connections, len(self._scripts) - 1)]
            self.connections += 1
            line = threading.Thread(target=self._talk, args=(script, sock), daemon=True)
            line.start()
            self._lines.append(line)
        for line in self._lines:
            line.join()

    def _talk(self, script: Talk, sock: socket.socket) -> None:
        sock.settimeout(30.0)
        try:
            script(Line(sock))
        except OSError:
            pass  # the client has gone: what it made of it is what the test looks at
        finally:
            sock.close()


def timeouts(**changes: float) -> dict[str, float]:
    """Return limits that no test meets by accident."""
    return {"connect_s": 2.0, "read_s": 10.0, "total_s": 20.0} | changes


def wire(origin: str, **changes: Any) -> Wire:
    """Make a wire to a scripted server."""
    return Wire(rossum(origin, **{"timeouts": timeouts()} | changes), "Rossum")


def document(size: int) -> Body:
    """Make the body of an upload."""
    return Body("application/pdf", size, zeros(size))


def send(origin: str, size: int = SMALL, **changes: Any) -> Reply:
    """Upload a document and return the answer."""
    with closing(wire(origin, **changes)) as way:
        return way.send(Request("POST", "/uploads", body=document(size), repeatable=False))
