"""Sockets below httpx that know when all of a request must be over.

httpx and httpcore limit each single read and write. A server that sends a byte every now and then stays below that
for ever, and takes a place of its connection for as long.
"""

import ssl
import time
from collections.abc import Callable, Iterable
from functools import partial
from math import inf
from threading import local
from typing import Any, TypeVar

import httpcore

_Given = TypeVar("_Given")
_WRITE_BYTES = 256 * 1024
"""Most that httpcore is given to write at once: each time the system takes only a part of it, its limit begins anew."""


class DeadlineExceededError(Exception):
    """The total time of a request is over."""


class Deadline(local):
    """When what a thread has under way must be over, in seconds of the monotonic clock; `inf`: nothing is."""

    at = inf

    def check(self) -> None:
        """Raise `DeadlineExceededError` where the time is over."""
        if time.monotonic() > self.at:
            raise DeadlineExceededError

    def within(self, limit_s: float | None, step: Callable[[float | None], _Given]) -> _Given:
        """Take a step that is told how long it may take: its own limit or what is left, the shorter of both.

        Raises `DeadlineExceededError`, or what the step raises.
        """
        left_s = self.at - time.monotonic()
        if left_s <= 0:
            raise DeadlineExceededError
        if limit_s is not None and limit_s <= left_s:
            return step(limit_s)
        try:
            return step(left_s if left_s < inf else limit_s)
        except httpcore.TimeoutException:
            raise DeadlineExceededError from None


class Streams(httpcore.NetworkBackend):
    """Opens httpcore's sockets, each bound by the deadline of the thread that uses it."""

    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect as httpcore does."""
        connect = partial(
            self._sockets.connect_tcp, host, port, local_address=local_address, socket_options=socket_options
        )
        return _Stream(
            self._deadline.within(timeout, lambda limit_s: connect(timeout=limit_s)), self._deadline
        )


class _Stream(httpcore.NetworkStream):
    """One of httpcore's own streams, bound by a deadline."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._deadline.within(timeout, partial(self._stream.read, max_bytes))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _WRITE_BYTES):
            part = buffer[start : start + _WRITE_BYTES]  # no copy where it is the whole
            self._deadline.within(timeout, partial(self._stream.write, part))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        secured = self._deadline.within(
            timeout, partial(self._stream.start_tls, ssl_context, server_hostname)
        )
        return _Stream(secured, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
