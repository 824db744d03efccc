"""When to try again: back-off, Retry-After, rate and the gate of a connection (pure; time is an argument)."""

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


@dataclass(frozen=True, slots=True)
class Bucket:
    """A token bucket: `per_second` tokens a second, at most one second's worth in store."""

    per_second: float
    tokens: float
    at: float

    @classmethod
    def full(cls, per_second: float, now: float) -> "Bucket":
        """Make a bucket with a second's worth of tokens."""
        return cls(per_second, max(per_second, 1.0), now)

    def ready_in(self, now: float) -> float:
        """Return the seconds until a token can be taken; 0: now."""
        return max(0.0, (1.0 - self._store(now)) / self.per_second)

    def take(self, now: float) -> "Bucket":
        """Return the bucket with one token fewer."""
        return replace(self, tokens=self._store(now) - 1.0, at=max(now, self.at))

    def _store(self, now: float) -> float:
        earned = max(now - self.at, 0.0) * self.per_second
        return min(max(self.per_second, 1.0), self.tokens + earned)


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
