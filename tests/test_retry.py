"""Back-off, Retry-After, rate and gates."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfolder.retry import RETRY_AFTER_CAP_S, Bucket, Gate, backoff, parse_retry_after

NOW = datetime(1994, 11, 6, 8, 49, 37, tzinfo=UTC).timestamp()
"""The moment of RFC 9110's own examples of dates (§5.6.7)."""
FRACTIONS = st.floats(0, 1, exclude_max=True)
SPANS = st.floats(0.001, 1e5)
TIMES = st.floats(0, 1e6)


@given(st.integers(-3, 10**6), SPANS, SPANS, FRACTIONS)
def test_backoff_stays_within_its_bounds(attempt: int, first_s: float, max_s: float, fraction: float) -> None:
    """A wait is above a tenth of the exponential bound and never above the greatest allowed."""
    bound = min(max_s, first_s * 2.0 ** min(max(attempt - 1, 0), 200))
    wait_s = backoff(attempt, first_s, max_s, fraction)
    assert 0 < wait_s <= max_s
    assert 0.1 * bound * 0.999 <= wait_s <= bound * 1.001


@given(st.integers(1, 100), FRACTIONS)
def test_backoff_grows_with_the_attempts(attempt: int, fraction: float) -> None:
    """With equal luck, a later attempt never waits less."""
    assert backoff(attempt, 2, 600, fraction) <= backoff(attempt + 1, 2, 600, fraction)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("1", 1),
        (" 120 ", 120),
        ("99999999999999999999999999", RETRY_AFTER_CAP_S),
        ("9" * 5000, RETRY_AFTER_CAP_S),
        ("Sun, 06 Nov 1994 08:50:37 GMT", 60),
        ("Sunday, 06-Nov-94 08:50:37 GMT", 60),
        ("Sun Nov  6 08:50:37 1994", 60),
        ("Sun, 06 Nov 1994 09:50:37 +0100", 60),
        ("Sun, 06 Nov 1994 08:49:37 GMT", 0),
        ("Sat, 05 Nov 1994 08:49:37 GMT", 0),
        ("Sun, 06 Nov 2094 08:49:37 GMT", RETRY_AFTER_CAP_S),
        ("Fri, 31 Dec 9999 23:59:59 -2359", RETRY_AFTER_CAP_S),
        (None, None),
        ("", None),
        ("   ", None),
        ("-5", None),
        ("1.5", None),
        ("1e3", None),
        ("soon", None),
        ("١٢٠", None),
        ("²", None),
        ("Sun, 99 Nov 1994 08:50:37 GMT", None),
        ("Sun, 06 Nov 1994 08:50:37 +9999999999999", None),
        (", , ,", None),
    ],
)
def test_retry_after(text: str | None, seconds: float | None) -> None:
    """Seconds and the three forms of an HTTP date are read; everything else counts as not said."""
    assert parse_retry_after(text, NOW) == seconds


@given(st.text() | st.text("0123456789 ,:-+GMTSunNov"), st.floats(-1e12, 1e12))
def test_no_retry_after_makes_trouble(text: str, now: float) -> None:
    """Whatever a server sends, the wait is nothing or between zero and an hour."""
    wait_s = parse_retry_after(text, now)
    assert wait_s is None or 0 <= wait_s <= RETRY_AFTER_CAP_S


@given(st.integers(-10_000, 10_000))
def test_retry_after_counts_from_now(seconds: int) -> None:
    """A date is as many seconds away as it says, within the cap."""
    text = format_datetime(datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=seconds), usegmt=True)
    assert parse_retry_after(text, NOW) == min(max(seconds, 0), RETRY_AFTER_CAP_S)


@given(st.floats(0.01, 30), st.lists(st.floats(0, 3), max_size=20))
def test_a_bucket_never_gives_more_than_its_rate(per_second: float, gaps: list[float]) -> None:
    """Over any span at most rate * time + burst tokens are given, and in one moment never more than the burst."""
    now, bucket, taken = 0.0, Bucket.full(per_second, 0.0), 0
    burst = max(per_second, 1.0)
    for gap in gaps:
        now += gap
        before = taken
        while bucket.ready_in(now) == 0:
            bucket = bucket.take(now)
            taken += 1
        assert taken <= per_second * now + burst + 1e-6
        assert taken - before <= burst + 1e-6


@given(st.floats(0.01, 30), st.floats(0, 100))
def test_a_bucket_gives_when_it_said_it_would(per_second: float, started: float) -> None:
    """After the wait that an empty bucket asks for, a token is there, give or take a rounding."""
    bucket = Bucket.full(per_second, started)
    while bucket.ready_in(started) == 0:
        bucket = bucket.take(started)
    wait_s = bucket.ready_in(started)
    assert wait_s > 0
    assert bucket.ready_in(started + wait_s) < 1e-9 * max(1.0, wait_s) + 1e-12 * (1 + started)


def test_a_bucket_survives_a_clock_that_stands_still_or_falls_back() -> None:
    """A moment before the last one earns nothing and takes nothing back."""
    bucket = Bucket.full(1.0, 100.0).take(100.0)
    assert bucket.ready_in(50.0) == bucket.ready_in(100.0) == 1.0
    assert bucket.ready_in(101.0) == 0


@given(st.lists(st.tuples(TIMES, st.booleans(), st.booleans()), min_size=1), TIMES, st.integers(0, 8))
def test_a_gate_never_opens_early(troubles: list[tuple[float, bool, bool]], now: float, active: int) -> None:
    """After any run of troubles, nothing goes before the latest moment that one of them asked for."""
    gate = Gate()
    for until, counts, paused in troubles:
        gate = gate.closes(until, "trouble", counts=counts, paused=paused)
    if now < max(until for until, _, _ in troubles):
        assert not gate.allows(now, active)
    if any(paused for _, _, paused in troubles):
        assert not gate.allows(now, active)


def test_a_half_open_gate_lets_a_lone_request_through() -> None:
    """When the wait is over one request goes out, and no second beside it; a success opens the gate."""
    gate = Gate().closes(10.0, "down")
    assert not gate.allows(9.9, 0)
    assert gate.allows(10.0, 0)
    assert not gate.allows(10.0, 1)
    assert gate.opens().allows(0.0, 100)


def test_a_rate_limit_does_not_count_as_a_failure() -> None:
    """After a 429 the gate opens fully, since the service works."""
    gate = Gate().closes(10.0, "429", counts=False)
    assert not gate.allows(9.0, 0)
    assert gate.allows(10.0, 3)


def test_a_pause_ends_with_a_probe() -> None:
    """A paused gate stays shut whatever the time; after a good probe a lone document may go."""
    gate = Gate().closes(10.0, "wrong password", paused=True)
    assert not gate.allows(1e9, 0)
    assert gate.closes(20.0, "down").paused
    assert gate.probed().allows(10.0, 0)
    assert not gate.probed().allows(10.0, 1)
