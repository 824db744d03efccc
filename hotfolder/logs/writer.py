"""Hand lines to standard error from a thread of its own: whoever does not read them holds up nobody else."""

import os
import select
from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Thread

MOST_BYTES = 1 << 20
"""What waits for a reader, some ten thousand lines; what comes beyond is counted, and the count is told."""


class Writer:
    """Lines on their way to a descriptor; `put` never blocks and never raises.

    What `put` has taken is written within a moment. A process that is killed in that moment takes its last lines
    along; one that ends calls `flush`.
    """

    def __init__(self, descriptor: int | None, lost: Callable[[int], str]) -> None:
        """`descriptor` None: nobody listens. `lost` makes the line that tells of so many lost ones."""
        self.lost = lost
        self._descriptor = descriptor
        # A SimpleQueue may be put to from a finalizer that interrupts another `put`.
        self._pieces: SimpleQueue[tuple[bytes, int] | Event] = SimpleQueue()
        self._thread: Thread | None = None
        self._taken = self._dropped = self._told = 0
        """Changed by whoever puts; loguru lets one do so at a time."""
        self._gone = self._failed = 0
        """Changed by the thread alone."""
        self._torn = False

    def put(self, text: str) -> None:
        """Take one record, which ends with a line break; it is dropped while too much waits."""
        if self._descriptor is None:
            return
        if self._taken - self._gone > MOST_BYTES:
            self._dropped += 1
            return
        missing = self._dropped + self._failed - self._told
        if missing:
            text = self.lost(missing) + text
            self._told += missing
        piece = text.encode("utf-8", "backslashreplace")
        self._taken += len(piece)
        self._pieces.put((piece, 1 + missing))
        if self._thread is None:
            self._thread = Thread(target=self._work, name="log", daemon=True)
            self._thread.start()

    def flush(self, within_s: float) -> bool:
        """Wait until all that was taken is written, or nobody took it for `within_s` seconds; tell which."""
        if self._thread is None:
            return True
        done = Event()
        self._pieces.put(done)
        return done.wait(within_s)

    def _work(self) -> None:
        while True:
            given = self._pieces.get()
            if isinstance(given, Event):
                given.set()
                continue
            piece, lines = given
            try:
                self._write(piece)
            except OSError:  # a full disk, a reader that went away: what comes later may get through
                self._failed += lines
            self._gone += len(piece)

    def _write(self, piece: bytes) -> None:
        """Write one record; raises OSError. What is left of a torn one stays a line of its own."""
        assert self._descriptor is not None  # noqa: S101 — `put` has seen to it
        view = memoryview(b"\n" + piece if self._torn else piece)
        whole = len(view)
        try:
            while view:
                try:
                    view = view[os.write(self._descriptor, view) :]
                except BlockingIOError:  # somebody who shares it has made it so
                    room = select.poll()
                    room.register(self._descriptor, select.POLLOUT)
                    room.poll()
        finally:
            if len(view) < whole:
                self._torn = bool(view)
