from datetime import UTC, datetime, timedelta

import pytest

from hotfolder.notices.usual import (
    LONGEST_H,
    WEEK_H,
    learned,
    open_s,
    quiet_hours,
    slots_in_words,
    too_quiet,
)
from hotfolder.schedule import parse

MONDAY = datetime(2026, 11, 2)  # noqa: DTZ001 — a wall clock
HOUR_S = 3600.0


def local(moment):
    """Show UTC on the wall."""
    return datetime.fromtimestamp(moment, UTC).replace(tzinfo=None)


def at(days=0, hours=0.0):
    """Return a moment so long after a Monday's midnight, in seconds since 1970."""
    return (MONDAY + timedelta(days=days, hours=hours)).replace(tzinfo=UTC).timestamp()


def hour(days, hours):
    """Return an hour counted from 1970."""
    return int(at(days, hours) // HOUR_S)


OFFICE = [hour(day, h) for day in range(28) if day % 7 < 5 for h in range(8, 17)]
"""Four weeks of an office, Monday to Friday, eight to five."""


def test_an_office_has_working_hours():
    """Nights and weekends are no silence, half a morning is."""
    habit = learned(OFFICE, at(28), local)
    assert slots_in_words(habit.slots) == "Mon-Fri 08-17"
    assert (habit.gap_h, habit.weeks, habit.limit_h) == (0, 3, 2)
    friday = at(25, 16.5)
    assert quiet_hours(habit, friday, at(28, 8), local) == 0
    assert too_quiet("auto", habit, friday, at(28, 10), None, local) is None
    said = too_quiet("auto", habit, friday, at(28, 11), None, local)
    assert "3 working hours; in the last 3 weeks it was at most 0 nearly always" in said
    assert "Mon-Fri 08-17" in said


def test_a_holiday_changes_little():
    """A day off in the past does not make the next broken scanner go unnoticed."""
    without = [h for h in OFFICE if h // 24 != hour(9, 0) // 24]
    assert learned(without, at(28), local).limit_h <= 4


def test_two_weeks_are_needed():
    """Nothing is usual after a week, and nothing is told then."""
    assert learned([], at(28), local) is None
    assert learned([h for h in OFFICE if h < hour(7, 0)], at(13), local) is None
    assert too_quiet("auto", None, at(0), at(99), None, local) is None


def test_an_irregular_queue_counts_every_hour():
    """Where there are no working hours, plain hours count, and the limit is what is usual for it."""
    seldom = [hour(day, (day * 7) % 24) for day in range(0, 28, 3)]
    habit = learned(seldom, at(28), local)
    assert len(habit.slots) == WEEK_H
    assert slots_in_words(habit.slots) == "at any hour"
    assert 100 < habit.limit_h <= LONGEST_H
    assert too_quiet("auto", habit, at(27), at(29), None, local) is None


def test_only_the_last_weeks_count():
    """What was usual last spring is not learned from."""
    assert learned([h - 20 * WEEK_H for h in OFFICE], at(28), local) is None


def test_the_bounds_hold_for_any_past():
    """However seldom documents come, a week of silence is told."""
    habit = learned([hour(0, 1), hour(21, 2)], at(28), local)
    assert habit.limit_h == LONGEST_H
    assert too_quiet("auto", habit, at(21), at(29, 5), None, local)


def test_a_duration_is_counted_in_open_hours():
    """With a schedule, a night is not counted; without one it is."""
    hours = parse("Mon-Fri 08:00-18:00")
    assert open_s(at(0, 17), at(1, 9), hours, local) == pytest.approx(2 * HOUR_S, abs=600)
    assert open_s(at(0, 17), at(1, 9), None, local) == 16 * HOUR_S
    assert open_s(at(1), at(0), hours, local) == 0
    assert too_quiet(3 * HOUR_S, None, at(0, 17), at(1, 9), hours, local) is None
    assert "4 h" in too_quiet(4 * HOUR_S, None, at(0, 17), at(1, 9), None, local)


def test_hours_are_written_as_people_do():
    """Days that are alike go together, lunch breaks and weekends show."""
    office = {day * 24 + h for day in range(4) for h in (8, 9, 13)} | {5 * 24 + 10}
    assert slots_in_words(frozenset(office)) == "Mon-Thu 08-10, 13-14; Sat 10-11"
