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


FIRST_STEPS = 4
"""A log-in, the hour there, and an upload go out at once, and one to spare: a single document waits for nothing."""


class Window:
    """At most so many requests within so many seconds, counted from when the head of each has gone out."""

    def __init__(self, most: int, within_s: float) -> None:
        self.most = most
        self.within_s = within_s
        self.going = 0
        """How many were let out whose heads are still on their way, since connecting takes time."""
        self.gone: deque[float] = deque()
        """When the heads of the latest went out (monotonic), in that order."""

    def free_in(self, now: float) -> float:
        """Return the seconds until one more may go out, 0: now."""
        while self.gone and now - self.gone[0] >= self.within_s:
            self.gone.popleft()
        room = self.most - self.going
        if room <= 0:
            return self.within_s
        return 0.0 if len(self.gone) < room else max(self.gone[-room] + self.within_s - now, 0.0)

    def went(self, now: float) -> None:
        """Note that the head of one that was let out has gone, or never will."""
        self.going -= 1
        self.gone.append(now)


class Quota:
    """So many requests within any second, of which questions take at most half.

    Windows and no bucket of tokens: what a bucket has in store goes out on top of its rate. Rates below one make
    the window longer, fractions above it are left out. What waits goes out in two bursts a second and not in one,
    since on a slow way the end of one burst and the begin of the next but one would arrive within a second.
    """

    def __init__(self, per_second: float) -> None:
        most, within_s = max(int(per_second), 1), max(1.0, 1.0 / per_second)
        self.all = Window(most, within_s)
        self.burst = Window(max((most + 1) // 2, FIRST_STEPS), within_s / 2)
        # Half of one is one in twice the time.
        self.questions = Window(max(most // 2, 1), within_s if most > 1 else 2 * within_s)

    def ready_in(self, now: float, *, asks: bool) -> float:
        """Return the seconds until one more request may go out, 0: now; `asks`: it is a question."""
        return max(window.free_in(now) for window in self._windows(asks=asks))

    def take(self, *, asks: bool) -> None:
        """Let one request out; `went` must follow."""
        for window in self._windows(asks=asks):
            window.going += 1

    def went(self, now: float, *, asks: bool) -> None:
        """Note that the head of one that was let out has gone, or never will."""
        for window in self._windows(asks=asks):
            window.went(now)

    def goes_on(self, before: "Quota") -> None:
        """Count what went out under another limit until now."""
        self.all.gone.extend(before.all.gone)
        self.burst.gone.extend(before.burst.gone)
        self.questions.gone.extend(before.questions.gone)

    def _windows(self, *, asks: bool) -> tuple[Window, ...]:
        return (self.all, self.burst, self.questions) if asks else (self.all, self.burst)


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
    since: float = 0.0
    """When the trouble began."""

    @property
    def trouble(self) -> str | None:
        """Return what keeps documents waiting, None where nothing is known to."""
        return None if self.mended else self.reason

    def closes(
        self, until: float, reason: str, *, now: float = 0.0, counts: bool = True, paused: bool = False
    ) -> "Gate":
        """Return the gate after trouble at the moment `now`; it never opens earlier than it already would."""
        since = now if self.reason is None else self.since
        until, paused = max(until, self.closed_until), paused or self.paused
        return Gate(self.failures + counts, until, reason, paused, since=since)

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
