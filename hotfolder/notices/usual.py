"""Learn from a queue's own past how long it is usually quiet, and judge whether it is quiet for longer (pure)."""

import itertools
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from hotfolder.schedule import DAYS, Local, Schedule

HOUR_S = 3600.0
WEEK_H = 168
LEARNS_WEEKS = 8
"""How many weeks count: a season's habits, not last year's."""
LEAST_WEEKS = 2
"""Less is no habit: one week has one Monday."""
_IN_WEEKS = 0.25
"""An hour of the week belongs to the working hours where documents came in it in a quarter of the weeks, and in two
at least: holidays and sickness leave gaps."""
_COVERS = 0.8
"""Where fewer of the hours with documents lie in working hours than this, there are none, and every hour counts."""
_OF_GAPS = 0.98
"""Two gaps in a hundred are public holidays and company parties, and not what is usual."""
LEAST_H, LONGEST_H = 2, 168
"""A quiet hour is never worth a message, and a week always is."""
_STEP_S = 300.0
_MOST_STEPS = 20_000


@dataclass(frozen=True, slots=True)
class Habit:
    """What is usual for a queue; hours of the week are counted from Monday 00:00 on the wall clock."""

    slots: frozenset[int]
    """Its working hours."""
    gap_h: int
    """How many working hours without a document 98 of 100 gaps do not exceed."""
    weeks: int
    """From how many weeks that was learned."""

    @property
    def limit_h(self) -> int:
        """Return after how many quiet working hours it is told: twice what is usual, within bounds."""
        return min(max(2 * self.gap_h, LEAST_H), LONGEST_H)


def slot_of(wall: datetime) -> int:
    """Return the hour of the week that a wall clock shows."""
    return wall.weekday() * 24 + wall.hour


def learned(hours: Iterable[int], now: float, local: Local) -> Habit | None:
    """Learn from the hours (counted from 1970) in which documents came; None where they tell too little."""
    this_hour = int(now // HOUR_S)
    known = sorted(hour for hour in hours if this_hour - LEARNS_WEEKS * WEEK_H <= hour < this_hour)
    weeks = (this_hour - known[0]) // WEEK_H if known else 0
    if weeks < LEAST_WEEKS:
        return None
    slots_of = [slot_of(local(hour * HOUR_S)) for hour in known]
    times = Counter(slots_of)
    slots = frozenset(slot for slot, number in times.items() if number >= max(2.0, weeks * _IN_WEEKS))
    if sum(slot in slots for slot in slots_of) < _COVERS * len(known):
        slots = frozenset(range(WEEK_H))
    gaps = sorted(_gaps(known, slots, local))
    usual = gaps[min(int(len(gaps) * _OF_GAPS), len(gaps) - 1)] if gaps else 0
    return Habit(slots, usual, weeks)


def _gaps(known: list[int], slots: frozenset[int], local: Local) -> list[int]:
    """Return how many working hours lie between each two hours with documents."""
    found = []
    for earlier, later in itertools.pairwise(known):
        between = range(earlier + 1, later)
        found.append(sum(slot_of(local(hour * HOUR_S)) in slots for hour in between))
    return found


def quiet_hours(habit: Habit, last: float, now: float, local: Local) -> int:
    """Return how many whole working hours have passed since the last document (both in seconds since 1970)."""
    begin, end = int(last // HOUR_S) + 1, int(now // HOUR_S)
    begin = max(begin, end - LEARNS_WEEKS * WEEK_H)
    return sum(slot_of(local(hour * HOUR_S)) in habit.slots for hour in range(begin, end))


def open_s(last: float, now: float, hours: Schedule | None, local: Local) -> float:
    """Return the seconds since the last document, without those in which the queue's schedule keeps it closed."""
    if hours is None or now <= last:
        return max(now - last, 0.0)
    step_s = max(_STEP_S, (now - last) / _MOST_STEPS)
    steps = int((now - last) / step_s)
    return sum(step_s for step in range(steps) if hours.open_at(local(last + (step + 0.5) * step_s)))


def slots_in_words(slots: frozenset[int]) -> str:
    """Return hours of the week as people write them, such as `Mon-Fri 07-17`; days that are alike go together."""
    if len(slots) == WEEK_H:
        return "at any hour"
    days = {day: _hours_in_words({slot % 24 for slot in slots if slot // 24 == day}) for day in range(7)}
    parts: list[tuple[int, int, str]] = []
    for day, text in days.items():
        if parts and parts[-1][1] == day - 1 and parts[-1][2] == text:
            parts[-1] = (parts[-1][0], day, text)
        else:
            parts.append((day, day, text))
    named = ((DAYS[a] if a == b else f"{DAYS[a]}-{DAYS[b]}", text) for a, b, text in parts if text)
    return "; ".join(f"{name} {text}" for name, text in named)


def _hours_in_words(hours: set[int]) -> str:
    runs: list[tuple[int, int]] = []
    for hour in sorted(hours):
        if runs and runs[-1][1] == hour:
            runs[-1] = (runs[-1][0], hour + 1)
        else:
            runs.append((hour, hour + 1))
    return ", ".join(f"{begin:02}-{end:02}" for begin, end in runs)


def too_quiet(
    quiet_after: float | str,
    habit: Habit | None,
    last: float,
    now: float,
    hours: Schedule | None,
    local: Local,
) -> str | None:
    """Say why a queue is quiet for longer than usual; None where it is not, or where nothing is usual yet."""
    if isinstance(quiet_after, float):
        passed_s = open_s(last, now, hours, local)
        outside = "" if hours is None else " of its open hours"
        return (
            f"more than the {quiet_after / HOUR_S:g} h{outside} of `quiet_after`"
            if passed_s > quiet_after
            else None
        )
    if habit is None:
        return None
    passed_h = quiet_hours(habit, last, now, local)
    if passed_h <= habit.limit_h:
        return None
    when = slots_in_words(habit.slots)
    return (
        f"{passed_h} working hours; in the last {habit.weeks} weeks it was at most {habit.gap_h} nearly always "
        f"(working hours are those in which documents usually come: {when})"
    )
