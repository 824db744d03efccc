"""Back-off, Retry-After, rate and gates."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfolder.retry import RETRY_AFTER_CAP_S, Gate, Quota, backoff, parse_retry_after

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


STEPS = st.lists(st.tuples(st.floats(0, 1.5), st.booleans(), st.floats(0, 0.3)), max_size=60)
"""Requests that want to go out: how long after the one before, whether it asks, how long connecting takes."""


def _played(per_second: float, steps: list[tuple[float, bool, float]]) -> list[tuple[float, bool]]:
    """Play requests of one thread against a quota; return when each head went out, and whether it asked."""
    now, quota, gone = 0.0, Quota(per_second), []
    for gap, asks, connecting in steps:
        now += gap
        while (wait_s := quota.ready_in(now, asks=asks)) > 0:
            assert wait_s <= 2 * quota.all.within_s + 1e-6
            now += wait_s + 1e-9
        quota.take(asks=asks)
        now += connecting
        quota.went(now, asks=asks)
        gone.append((now, asks))
    return gone


@given(st.floats(0.01, 30), STEPS)
def test_a_quota_holds_in_every_window(per_second: float, steps: list[tuple[float, bool, float]]) -> None:
    """No second, and no longer window of a rate below one, sees more requests than the rate allows."""
    gone = [at for at, _ in _played(per_second, steps)]
    window = Quota(per_second).all
    assert window.most <= max(per_second, 1.0)
    for began in gone:
        assert sum(began <= at < began + window.within_s - 1e-6 for at in gone) <= window.most


@given(st.floats(0.01, 30), STEPS)
def test_questions_take_half(per_second: float, steps: list[tuple[float, bool, float]]) -> None:
    """Questions are never more than half of what the rate allows, over any two windows at most."""
    quota = Quota(per_second)
    asked = [at for at, asks in _played(per_second, steps) if asks]
    within_s = 2 * quota.all.within_s
    for began in asked:
        assert sum(began <= at < began + within_s - 1e-6 for at in asked) <= quota.all.most


def test_a_lone_document_never_waits_for_questions() -> None:
    """Where nothing but questions goes out, the next log-in and document find room at once."""
    quota = Quota(8.0)
    while quota.ready_in(5.0, asks=True) == 0:
        quota.take(asks=True)
        quota.went(5.0, asks=True)
    for _ in range(4):
        assert quota.ready_in(5.5, asks=False) == 0
        quota.take(asks=False)
        quota.went(5.5, asks=False)
    assert quota.ready_in(5.5, asks=False) == 0.5
    assert quota.ready_in(6.0, asks=False) == 0


def test_what_waits_goes_out_in_two_bursts() -> None:
    """Eight a second are four at once and four half a second later: a slow way makes less of a crowd of them."""
    quota, at = Quota(8.0), []
    now = 0.0
    while now < 1.0:
        if (wait_s := quota.ready_in(now, asks=False)) > 0:
            now += wait_s
        else:
            quota.take(asks=False)
            quota.went(now, asks=False)
            at.append(now)
    assert at[:8] == [0.0] * 4 + [0.5] * 4


def test_slow_connecting_does_not_double_the_rate() -> None:
    """What was let out keeps its place until its head has gone, however long connecting takes."""
    quota = Quota(2.0)
    for _ in range(2):
        quota.take(asks=False)
    assert quota.ready_in(50.0, asks=False) > 0
    quota.went(60.0, asks=False)
    quota.went(60.2, asks=False)
    assert quota.ready_in(60.9, asks=False) == pytest.approx(0.1)
    assert quota.ready_in(61.0, asks=False) == 0


def test_a_quota_that_goes_on_counts_what_went_before() -> None:
    """The requests of the last second count under the new limit too."""
    before, after = Quota(4.0), Quota(2.0)
    for asks in (True, False):
        before.take(asks=asks)
        before.went(7.0, asks=asks)
    after.goes_on(before)
    assert after.ready_in(7.5, asks=False) == 0.5
    assert after.ready_in(8.0, asks=True) == 0


@given(st.floats(0.01, 30), st.floats(0, 100), st.booleans())
def test_a_quota_gives_when_it_said_it_would(per_second: float, started: float, asks: bool) -> None:  # noqa: FBT001 — drawn
    """After the wait that a full window asks for, a request may go, give or take a rounding."""
    quota = Quota(per_second)
    while quota.ready_in(started, asks=asks) == 0:
        quota.take(asks=asks)
        quota.went(started, asks=asks)
    wait_s = quota.ready_in(started, asks=asks)
    assert 0 < wait_s <= 2 * quota.all.within_s + 1e-6
    assert quota.ready_in(started + wait_s + 1e-9, asks=asks) < 1e-6


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


def test_a_gate_knows_since_when_there_is_trouble() -> None:
    """From the first of a row of troubles, a good probe in between included, until a success."""
    gate = Gate().closes(10.0, "down", now=5.0).closes(30.0, "still down", now=12.0)
    assert gate.since == 5.0
    assert gate.probed().closes(50.0, "down again", now=40.0).since == 5.0
    assert gate.opens().closes(70.0, "down", now=60.0).since == 60.0
