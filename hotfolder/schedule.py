"""When a queue is open: hours of the week as people write them, read by the wall clock (pure).

The wall clock decides, also where it is put forward or back: an hour that it skips does not happen, one that it
shows twice counts twice. What a moment's wall clock shows is an argument.
"""

import difflib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAILY = "daily"
_WORDS = {word.lower(): word for word in (*DAYS, DAILY)}
_DAY_MIN = 24 * 60
_WEEK_MIN = 7 * _DAY_MIN
_MINUTE_S, _HOUR_S = 60.0, 3600.0
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 — wall clocks have no zone
_SHAPE = "expected days and hours such as `Mon-Fri 06:00-20:00` or `daily 22:00-06:00`"

Local = Callable[[float], datetime]
"""Tells what the wall clock shows at a moment (seconds since 1970), without a zone."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The hours of a week in which a queue is open, as minutes from Monday 00:00, `end` excluded."""

    hours: tuple[tuple[int, int], ...]

    def open_at(self, wall: datetime) -> bool:
        """Tell whether it is open while the wall clock shows `wall`."""
        minute = _minute_of(wall)
        return any(begin <= minute < end for begin, end in self.hours)

    def opens_next(self, now: float, local: Local) -> float:
        """Return the first moment from `now` on (seconds since 1970) at which it is open."""
        moment = float(int(now))  # hours begin and end with a second
        while not self.open_at(local(moment)):
            following = moment + min(self._closed_for_s(local(moment)), _HOUR_S)
            if _ahead(following, local) != _ahead(
                moment, local
            ):  # the clock is put forward or back in between
                following = moment - moment % _MINUTE_S + _MINUTE_S
            moment = following
        return moment

    def _closed_for_s(self, wall: datetime) -> float:
        """Return the seconds until the next beginning, by a wall clock that nobody touches."""
        minute = _minute_of(wall)
        minutes = min((begin - minute) % _WEEK_MIN or _WEEK_MIN for begin, _ in self.hours)
        return minutes * _MINUTE_S - wall.second - wall.microsecond / 1e6


def told_closed(schedule: Schedule, now: float, local: Local) -> str | None:
    """Say until when a queue is closed at a moment (seconds since 1970); None where it is open."""
    if schedule.open_at(local(now)):
        return None
    opens = local(schedule.opens_next(now, local))
    return f"outside its schedule until {DAYS[opens.weekday()]} {opens:%H:%M}"


def _minute_of(wall: datetime) -> int:
    return wall.weekday() * _DAY_MIN + wall.hour * 60 + wall.minute


def _ahead(moment: float, local: Local) -> timedelta:
    """Return how far the wall clock is ahead of UTC."""
    return local(moment) - _EPOCH - timedelta(seconds=moment)


# Reading -----------------------------------------------------------------------------------------


def parse(text: str) -> Schedule:
    """Read `DAYS TIME-TIME[, TIME-TIME][; DAYS …]`; days are `Mon`, `Mon-Fri`, `Mon,Wed` or `daily`.

    Hours that end before they begin go over midnight and belong to the day on which they begin. Raises ValueError
    with all mistakes, in words for the operator, none of which repeats what was typed.
    """
    parts = text.split(";")
    mistakes: list[str] = []
    minutes: set[int] = set()
    for number, part in enumerate(parts, 1):
        where = f"part {number}: " if len(parts) > 1 else ""
        days, hours, wrong = _part(part)
        mistakes += [where + mistake for mistake in dict.fromkeys(wrong)]
        for begin, length in ((day * _DAY_MIN + at, length) for day in days for at, length in hours):
            minutes |= {minute % _WEEK_MIN for minute in range(begin, begin + length)}
    if mistakes:
        raise ValueError("; ".join(mistakes))
    return Schedule(tuple(_runs(minutes)))


def _runs(minutes: set[int]) -> Iterator[tuple[int, int]]:
    """Yield the runs of neighbours among the minutes of a week, in order."""
    edges = sorted(
        {m for m in minutes if m - 1 not in minutes} | {m + 1 for m in minutes if m + 1 not in minutes}
    )
    yield from zip(edges[::2], edges[1::2], strict=True)


def _part(text: str) -> tuple[list[int], list[tuple[int, int]], list[str]]:
    """Read one part; returns its days, its hours as (first minute, length), and what is wrong with it."""
    found = re.fullmatch(r"\s*([^0-9]*[^0-9\s])\s+([0-9].*?)\s*", text)
    if found is None:
        return [], [], [_SHAPE]
    wrong: list[str] = []
    days = [day for word in found[1].split(",") for day in _days(word.strip(), wrong)]
    hours = [span for word in found[2].split(",") for span in _span(word.strip(), wrong)]
    return days, hours, wrong


def _days(text: str, wrong: list[str]) -> list[int]:
    if text.lower() == DAILY:
        return list(range(len(DAYS)))
    names = [name.strip().capitalize() for name in text.split("-")]
    unknown = [name for name in names if name not in DAYS]
    wrong += [_no_day(name) for name in unknown]
    if len(names) > 2:  # noqa: PLR2004 — from one to another
        wrong.append("expected two days around a `-`, such as Mon-Fri")
    if unknown or len(names) > 2:  # noqa: PLR2004
        return []
    first, last = DAYS.index(names[0]), DAYS.index(names[-1])
    return [(first + step) % len(DAYS) for step in range((last - first) % len(DAYS) + 1)]


def _no_day(name: str) -> str:
    close = [name[:3]] if name[:3] in DAYS else difflib.get_close_matches(name.lower(), _WORDS, 1)
    hint = f" (did you mean `{_WORDS.get(close[0], close[0])}`?)" if close else ""
    return f"there is no such day; expected {', '.join(DAYS)} or {DAILY}{hint}"


def _span(text: str, wrong: list[str]) -> list[tuple[int, int]]:
    found = re.fullmatch(r"(\d\d?):(\d\d)\s*-\s*(\d\d?):(\d\d)", text, re.ASCII)
    if found is None:
        wrong.append("expected hours such as 06:00-20:00, with a `,` between two of them")
        return []
    begin_h, begin_m, end_h, end_m = map(int, found.groups())
    begin, end = begin_h * 60 + begin_m, end_h * 60 + end_m
    if max(begin_m, end_m) > 59 or begin >= _DAY_MIN or end > _DAY_MIN:  # noqa: PLR2004 — minutes of an hour
        wrong.append("a time is between 00:00 and 24:00, which can only be an end")
        return []
    if begin == end:
        wrong.append("hours that begin and end at one time are none; write 00:00-24:00 for the whole day")
        return []
    return [(begin, (end - begin) % _DAY_MIN or _DAY_MIN)]
