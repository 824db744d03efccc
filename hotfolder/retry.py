"""When to try again: back-off, Retry-After, rate and the gate of a connection (pure; time is an argument)."""

from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime

RETRY_AFTER_CAP_S = 3600.0
"""Longest wait that a server can impose: beyond an hour an operator should see us trying."""


def backoff(attempt: int, first_s: float, max_s: float, fraction: float) -> float:
    """Return the seconds before try `attempt` + 1, with full jitter (`fraction` is uniform in [0, 1)).

    Full jitter as in the AWS Architecture Blog, "Exponential Backoff And Jitter": uniform between
    nothing and the exponential bound; here never below a tenth of it, so that a loop cannot spin.
    """
    bound = min(max_s, first_s * 2.0 ** min(max(attempt - 1, 0), 64))
    return bound * (0.1 + 0.9 * fraction)


def parse_retry_after(text: str | None, now: float) -> float | None:
    """Read a Retry-After header (RFC 9110 §10.2.3: seconds or an HTTP date) as seconds from `now`.

    Never negative, at most `RETRY_AFTER_CAP_S`; None for what is neither.
    """
    if not text:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), RETRY_AFTER_CAP_S)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    try:
        wait_s = moment.timestamp() - now
    except (OverflowError, ValueError):
        return None
    return min(max(wait_s, 0.0), RETRY_AFTER_CAP_S)


@dataclass(slots=True)
class Departure:
    """One request that was let out, and when (monotonic)."""

    at: float


class Quota:
    """So many requests within any second, of which questions leave a part to documents that want to go out.

    A window and no bucket of tokens: what a bucket has in store goes out on top of its rate. Rates below one make
    the window longer, fractions above it are left out.
    """

    def __init__(self, per_second: float) -> None:
        self.most = max(int(per_second), 1)
        self.within_s = max(1.0, 1.0 / per_second)
        self._out: deque[Departure] = deque()
        self._asked: deque[Departure] = deque()
        """Those of them that are questions."""

    def ready_in(self, now: float, *, asks: bool) -> float:
        """Return the seconds until one more request may go out; 0: now. The wait may turn out shorter."""
        for out in (self._out, self._asked):
            while out and now - out[0].at >= self.within_s:
                out.popleft()
        wait_s = self._free_in(self._out, self.most, now)
        if not asks:
            return wait_s
        share = self._share(busy=len(self._asked) < len(self._out))
        return max(wait_s, self._free_in(self._asked, share, now))

    def take(self, now: float, *, asks: bool) -> Departure:
        """Let one request out, which may ask about documents that the service has; its moment may be put right later."""
        departure = Departure(now)
        self._out.append(departure)
        if asks:
            self._asked.append(departure)
        return departure

    def _share(self, *, busy: bool) -> int:
        """Return how many questions may go out: half beside documents, else all but what the next one needs."""
        return max(self.most // 2 if busy else self.most - max(self.most // 4, 1), 1)

    def _free_in(self, out: deque[Departure], most: int, now: float) -> float:
        return 0.0 if len(out) < most else max(out[-most].at + self.within_s - now, 0.0)


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether a connection or a queue may be used: closed after trouble, opened by success."""

    failures: int = 0
    closed_until: float = 0.0
    reason: str | None = None
    paused: bool = False
    """True after `Unauthorized`: nothing is claimed; when `closed_until` is over, a probe goes out."""
    mended: bool = False
    """True after a good probe, until a document has shown whether it was right."""

    @property
    def trouble(self) -> str | None:
        """Return what keeps documents waiting, None where nothing is known to."""
        return None if self.mended else self.reason

    def closes(self, until: float, reason: str, *, counts: bool = True, paused: bool = False) -> "Gate":
        """Return the gate after trouble; it never opens earlier than it already would."""
        return Gate(self.failures + counts, max(until, self.closed_until), reason, paused or self.paused)

    def opens(self) -> "Gate":
        """Return the gate after a success."""
        return Gate()

    def probed(self) -> "Gate":
        """Return the gate after a probe that went well: one document may go at once, and opens it or not."""
        failures = max(self.failures, 1)
        return replace(self, paused=False, failures=failures, closed_until=0.0, mended=True)

    def allows(self, now: float, active: int) -> bool:
        """Tell whether one more request may start beside `active` others; half open, only a lone one."""
        if self.paused or now < self.closed_until:
            return False
        return self.failures == 0 or active == 0
