"""Let the requests of one connection out no faster than its limit, whichever thread they come from."""

import time
from collections.abc import Callable
from functools import partial
from threading import Event, Lock

from hotfolder.backends.base import Unavailable
from hotfolder.retry import Departure, Quota


class Pace:
    """The rate of one connection; without a limit nobody waits."""

    def __init__(self, per_second: float | None) -> None:
        self._quota = None if per_second is None else Quota(per_second)
        self._lock = Lock()
        self._over = Event()

    def ready_in(self, *, asks: bool) -> float:
        """Return the seconds until a request may go out, 0: now; `asks`: it is a question."""
        if self._quota is None:
            return 0.0
        with self._lock:
            return self._quota.ready_in(time.monotonic(), asks=asks)

    def wait(self, within_s: float, *, asks: bool) -> Callable[[], None]:
        """Wait for a request's turn; returns what to call when its head has gone out, since connecting takes time.

        Raises `Unavailable` where the turn does not come within `within_s` seconds.
        """
        if self._quota is None:
            return lambda: None
        began = time.monotonic()
        while True:
            with self._lock:
                now = time.monotonic()
                wait_s = self._quota.ready_in(now, asks=asks)
                if wait_s <= 0:
                    return partial(self._gone, self._quota.take(now, asks=asks))
            if now + wait_s - began > within_s or self._over.wait(wait_s):
                raise Unavailable("`limits.per_second` let no request out in time", counts=False)

    def close(self) -> None:
        """Let nobody wait any longer."""
        self._over.set()

    def _gone(self, departure: Departure) -> None:
        departure.at = time.monotonic()
