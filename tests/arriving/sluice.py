"""A connection to a server that lets only so much through, until it is opened or broken."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.arriving.servers import LOOPBACK

_PIECE_BYTES = 1 << 14


class Sluice:
    """Stands before a server's port; one client may come."""

    def __init__(self, port: int, through_bytes: int) -> None:
        self._gate = threading.Event()
        self._left = through_bytes
        self._listening = socket.create_server((LOOPBACK, 0))
        self._server = socket.create_connection((LOOPBACK, port))
        self._client: socket.socket | None = None
        self.port = int(self._listening.getsockname()[1])
        self._threads = [threading.Thread(target=self._towards_server, daemon=True)]
        self._threads[0].start()

    def open(self) -> None:
        """Let everything through."""
        self._gate.set()

    def close(self) -> None:
        """Break the connection."""
        for end in (self._listening, self._client, self._server):
            if end is not None:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
        self._gate.set()
        for thread in self._threads:
            thread.join(10)
        for end in (self._listening, self._client, self._server):
            if end is not None:
                end.close()

    def _towards_server(self) -> None:
        with suppress(OSError):  # broken on purpose
            self._client, _ = self._listening.accept()
            back = threading.Thread(target=self._towards_client, args=(self._client,), daemon=True)
            self._threads.append(back)
            back.start()
            while piece := self._client.recv(_PIECE_BYTES):
                self._left -= len(piece)
                if self._left < 0:
                    self._gate.wait()
                self._server.sendall(piece)

    def _towards_client(self, client: socket.socket) -> None:
        with suppress(OSError):
            while piece := self._server.recv(_PIECE_BYTES):
                client.sendall(piece)


@contextmanager
def sluice(port: int, through_bytes: int) -> Iterator[Sluice]:
    """Have a sluice for the length of a block."""
    made = Sluice(port, through_bytes)
    try:
        yield made
    finally:
        made.close()
