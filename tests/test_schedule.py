"""The hours of a queue."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hotfolder.schedule import DAYS, Local, Schedule, parse, told_closed

MONDAY = datetime(2026, 11, 23)  # noqa: DTZ001 — a wall clock
MINUTE_S, WEEK_MIN = 60.0, 7 * 24 * 60


def at(text: str) -> datetime:
    """Return the wall clock of a moment of that week, such as `Tue 06:00` or `Tue 06:00:59`."""
    day, _, time = text.partition(" ")
    hour, minute, second = map(int, f"{time}:0".split(":")[:3])
    return MONDAY + timedelta(days=DAYS.index(day), hours=hour, minutes=minute, seconds=second)


def utc(moment: float) -> datetime:
    """Return the wall clock of a machine that keeps UTC."""
    return datetime.fromtimestamp(moment, UTC).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("text", "wall", "is_open"),
    [
        ("Mon-Fri 06:00-20:00", "Mon 05:59:59", False),
        ("Mon-Fri 06:00-20:00", "Mon 06:00", True),
        ("Mon-Fri 06:00-20:00", "Fri 19:59:59", True),
        ("Mon-Fri 06:00-20:00", "Fri 20:00", False),
        ("Mon-Fri 06:00-20:00", "Sat 12:00", False),
        ("Mon,Wed 6:00-7:00", "Tue 06:30", False),
        ("Mon, Wed 6:00 - 7:00", "Wed 06:30", True),
        ("Mon-Tue,Thu 06:00-07:00", "Thu 06:30", True),
        ("Fri-Mon 06:00-07:00", "Sun 06:30", True),
        ("Fri-Mon 06:00-07:00", "Tue 06:30", False),
        ("DAILY 00:00-24:00", "Sun 23:59:59", True),
        ("daily 08:00-12:00, 13:00-17:00", "Sun 12:30", False),
        ("daily 08:00-12:00, 13:00-17:00", "Sun 13:00", True),
        ("mon-fri 06:00-20:00; sat 08:00-12:00", "Sat 11:59", True),
        ("Fri 22:00-06:00", "Sat 05:59", True),
        ("Fri 22:00-06:00", "Fri 05:59", False),
        ("Sun 22:00-06:00", "Mon 05:59", True),
        ("Sun 22:00-00:00", "Sun 23:59", True),
        ("Sun 22:00-00:00", "Mon 00:00", False),
    ],
)
def test_hours_of_a_week(*, text: str, wall: str, is_open: bool) -> None:
    """Hours count on their days, from their first second to their last, over midnight and the week's end."""
    assert parse(text).open_at(at(wall)) is is_open


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", ["expected days and hours such as"]),
        ("daily", ["expected days and hours such as"]),
        ("06:00-20:00", ["expected days and hours such as"]),
        ("Mon-Fri 06:00-20:00;", ["part 2: expected days and hours"]),
        ("Mo-Fri 06:00-20:00", ["no such day", "did you mean `Mon`?"]),
        ("Wednesday 06:00-20:00", ["no such day", "did you mean `Wed`?"]),
        ("dayly 06:00-20:00", ["did you mean `daily`?"]),
        ("Mon-Wed-Fri 06:00-20:00", ["two days around a `-`"]),
        ("Mon 06-20", ["expected hours such as"]),
        ("Mon 06:00-20:00 21:00-22:00", ["a `,` between two"]),
        ("Mon 06:60-20:00", ["between 00:00 and 24:00"]),
        ("Mon 24:00-06:00", ["between 00:00 and 24:00"]),
        ("Mon 06:00-24:01", ["between 00:00 and 24:00"]),
        ("Mon 06:00-06:00", ["write 00:00-24:00"]),
        ("Tu 6-7; Mon 25:00-26:00", ["part 1: there", "`Tue`", "part 1: expected hours", "part 2: a time"]),
    ],
)
def test_mistakes_are_told_together(text: str, says: list[str]) -> None:
    """Every part that is wrong is named, with the nearest day, in one error."""
    with pytest.raises(ValueError, match=r"expected|write|between|no such day") as caught:
        parse(text)
    assert [part for part in says if part not in str(caught.value)] == []


# Against a slow oracle ----------------------------------------------------------------------------

Span = tuple[int, int]
times = st.integers(0, 24 * 60 - 1)
spans = st.tuples(times, st.integers(1, 24 * 60)).filter(lambda s: s[0] != s[1])
parts = st.tuples(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=3),
    st.lists(spans, min_size=1, max_size=3),
)
plans = st.lists(parts, min_size=1, max_size=3)
Plan = list[tuple[list[tuple[int, int]], list[Span]]]


def written(plan: Plan) -> str:
    """Write a plan the way people do."""
    clock = "{:02}:{:02}".format
    return "; ".join(
        ",".join(DAYS[a] if a == b else f"{DAYS[a]}-{DAYS[b]}" for a, b in days)
        + " "
        + ", ".join(f"{clock(*divmod(a, 60))}-{clock(*divmod(b, 60))}" for a, b in hours)
        for days, hours in plan
    )


def is_open(plan: Plan, wall: datetime) -> bool:
    """Tell the slow way, from the day itself and the one before it."""
    minute = wall.hour * 60 + wall.minute
    for days, hours in plan:
        named = {(a + step) % 7 for a, b in days for step in range((b - a) % 7 + 1)}
        for begin, end in hours:
            today = begin <= minute < end if begin < end else minute >= begin
            over = begin > end and minute < end
            if (today and wall.weekday() in named) or (over and (wall.weekday() - 1) % 7 in named):
                return True
    return False


@given(plan=plans, minute=st.integers(0, WEEK_MIN - 1), second=st.integers(0, 59))
def test_open_as_the_oracle_says(plan: Plan, minute: int, second: int) -> None:
    """Whatever is written, it is open when a plain reading of the words says so."""
    wall = MONDAY + timedelta(minutes=minute, seconds=second)
    assert parse(written(plan)).open_at(wall) is is_open(plan, wall)


def jumping(at_minute: int, by_min: int) -> Local:
    """Return a wall clock of UTC that is put forward or back in one minute of the first week."""
    jump = MONDAY.replace(tzinfo=UTC).timestamp() + at_minute * MINUTE_S

    def local(moment: float) -> datetime:
        return utc(moment + (by_min * MINUTE_S if moment >= jump else 0.0))

    return local


@given(
    plan=plans,
    start_s=st.floats(0, WEEK_MIN * MINUTE_S - 1),
    at_minute=st.integers(0, WEEK_MIN),
    by_min=st.sampled_from([0, 60, -60, 30, -30]),
)
@example(plan=[([(6, 6)], [(150, 165)])], start_s=6 * 86_400.0, at_minute=6 * 24 * 60 + 120, by_min=60)
@example(plan=[([(0, 6)], [(150, 165)])], start_s=10_000.0, at_minute=180, by_min=-60)
def test_opens_next_as_minute_by_minute(plan: Plan, start_s: float, at_minute: int, by_min: int) -> None:
    """The next opening is the one that is found by looking at the clock in every single minute."""
    schedule, local = parse(written(plan)), jumping(at_minute, by_min)
    now = MONDAY.replace(tzinfo=UTC).timestamp() + start_s
    slow = now if is_open(plan, local(now)) else now - now % MINUTE_S + MINUTE_S
    while not is_open(plan, local(slow)):
        slow += MINUTE_S
    assert schedule.opens_next(now, local) == pytest.approx(slow, abs=1.0)
    assert (told_closed(schedule, now, local) is None) is is_open(plan, local(now))


def test_what_is_told() -> None:
    """People read the day and the minute at which it opens."""
    friday = MONDAY.replace(tzinfo=UTC).timestamp() + 4.9 * 86_400
    schedule = parse("Mon-Fri 06:00-20:00")
    assert told_closed(schedule, friday, utc) == "outside its schedule until Mon 06:00"
    assert told_closed(schedule, friday - 7 * 3600, utc) is None


# A real wall clock --------------------------------------------------------------------------------

ASK = """
import json, sys
from datetime import datetime
from hotfolder.schedule import parse
local = datetime.fromtimestamp
for text, moment in json.load(sys.stdin):
    schedule = parse(text)
    print(json.dumps([schedule.open_at(local(moment)), schedule.opens_next(moment, local)]))
"""


def in_prague(*questions: tuple[str, str]) -> list[list[object]]:
    """Ask, for schedules and moments in UTC, whether it is open in Prague, and when (in UTC) it is next."""
    asked = [(text, datetime.fromisoformat(moment).timestamp()) for text, moment in questions]
    ended = subprocess.run(
        [sys.executable, "-c", ASK],
        input=json.dumps(asked),
        env={**os.environ, "TZ": "Europe/Prague"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = map(json.loads, ended.stdout.splitlines())
    return [[is_open, datetime.fromtimestamp(opens, UTC).isoformat()[:19]] for is_open, opens in found]


def test_the_night_that_skips_an_hour() -> None:
    """On 28 March 2027 the clocks of Prague go from 02:00 to 03:00: what is skipped does not happen."""
    assert in_prague(
        ("daily 02:30-04:00", "2027-03-28T00:59:00Z"),
        ("daily 02:30-04:00", "2027-03-28T01:00:00Z"),
        ("daily 02:15-02:45", "2027-03-28T00:59:00Z"),
        ("daily 06:00-07:00", "2027-03-27T20:00:00Z"),
    ) == [
        [False, "2027-03-28T01:00:00"],
        [True, "2027-03-28T01:00:00"],
        [False, "2027-03-29T00:15:00"],
        [False, "2027-03-28T04:00:00"],
    ]


def test_the_night_that_has_an_hour_twice() -> None:
    """On 25 October 2026 the clocks of Prague show 02:00 to 03:00 twice, and it is open twice."""
    assert in_prague(
        ("daily 02:15-02:45", "2026-10-25T00:30:00Z"),
        ("daily 02:15-02:45", "2026-10-25T00:50:00Z"),
        ("daily 02:15-02:45", "2026-10-25T01:30:00Z"),
        ("daily 02:15-02:45", "2026-10-25T01:45:00Z"),
        ("daily 06:00-07:00", "2026-10-24T20:00:00Z"),
    ) == [
        [True, "2026-10-25T00:30:00"],
        [False, "2026-10-25T01:15:00"],
        [True, "2026-10-25T01:30:00"],
        [False, "2026-10-26T01:15:00"],
        [False, "2026-10-25T05:00:00"],
    ]


def test_a_schedule_is_data() -> None:
    """Two texts of one meaning are one schedule."""
    assert (
        parse("Sat-Sun 00:00-24:00") == parse("sun,sat 00:00-12:00,12:00-00:00") == Schedule(((7200, 10080),))
    )
