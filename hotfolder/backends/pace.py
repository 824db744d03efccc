"""Let the requests of one connection out no faster than its limit, whichever thread they come from."""

import time
from threading import Event, Lock

from hotfolder.retry import Quota

PATIENCE = 4.0
"""How many windows of a slow limit a request waits at least: a step may ask twice, at half of the rate."""


class NoTurnError(Exception):
    """A request was not let out; nothing was sent."""


class Turn:
    """A request that was let out; it holds its place in the window until its head has gone out."""

    def __init__(self, pace: "Pace", *, asks: bool) -> None:
        self._pace: Pace | None = pace
        self._asks = asks

    def gone(self) -> None:
        """Note that the head has gone out, or never will; only the first word counts."""
        pace, self._pace = self._pace, None
        if pace is not None:
            pace.went(asks=self._asks)


class Pace:
    """The rate of one connection; without a limit nobody waits."""

    def __init__(self, per_second: float | None = None) -> None:
        self.quota = None if per_second is None else Quota(per_second)
        self._lock = Lock()
        self._over = Event()

    def ready_in(self, *, asks: bool) -> float:
        """Return the seconds until a request may go out, 0: now; `asks`: it is a question."""
        if self.quota is None:
            return 0.0
        with self._lock:
            return self.quota.ready_in(time.monotonic(), asks=asks)

    def wait(self, within_s: float, *, asks: bool) -> Turn:
        """Wait for a request's turn, for `within_s` seconds or `PATIENCE`; `gone` must be called on what is returned.

        Raises `NoTurnError` where the turn does not come in that time, or the program ends.
        """
        if self.quota is None:
            return Turn(self, asks=asks)
        until = time.monotonic() + max(within_s, PATIENCE * self.quota.all.within_s)
        while (wait_s := self._taken(self.quota, asks=asks)) > 0:
            if time.monotonic() + wait_s > until:
                raise NoTurnError("`limits.per_second` let no request out in time")
            if self._over.wait(wait_s):
                raise NoTurnError("it ended before `limits.per_second` let the next request out")
        return Turn(self, asks=asks)

    def went(self, *, asks: bool) -> None:
        """Note that a request's head has gone out: from now on its place is taken for the length of the window."""
        if self.quota is not None:
            with self._lock:
                self.quota.went(time.monotonic(), asks=asks)

    def goes_on(self, before: "Pace") -> None:
        """Count the requests of one that this follows, which is at an end: a reload must not double the rate."""
        if self.quota is not None and before.quota is not None:
            self.quota.goes_on(before.quota)

    def end(self) -> None:
        """Let nobody wait any longer; whose turn it is may still go."""
        self._over.set()

    def _taken(self, quota: Quota, *, asks: bool) -> float:
        with self._lock:
            wait_s = quota.ready_in(time.monotonic(), asks=asks)
            if wait_s <= 0:
                quota.take(asks=asks)
            return wait_s
