"""Decide which notices go out together, and when (pure)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hotfolder.troubles import Kind, Notice, Pending

MOST_WAITING = 1_000
"""Notices that wait for one target; what is more is only counted."""
HOUR_S, DAY_S = 3600.0, 86_400.0
SLOWED_S = 6 * HOUR_S
"""How far back messages count for how long failed documents are gathered."""
_MOST_DOUBLINGS = 8
KEPT_S = 7 * DAY_S
"""How long a target that cannot be reached is tried: a week has a working day everywhere."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How notices are grouped, and how many messages an hour each target gets."""

    group_s: float
    at_most: int


def enqueue(waiting: Sequence[Pending], new: Iterable[tuple[str, Notice]], number: int) -> list[Pending]:
    """Return the rows to write for new notices, numbered from `number` on; too many become counts."""
    rows: dict[int, Pending] = {}
    waits: dict[str, int] = {}
    spare: dict[_About, Pending] = {}
    for row in waiting:
        waits[row.target] = waits.get(row.target, 0) + 1
        if waits[row.target] > MOST_WAITING and row.letter is None:
            spare[_about(row)] = row
    for target, notice in new:
        waits[target] = waits.get(target, 0) + 1
        row = Pending(number, target, notice)
        if waits[target] > MOST_WAITING:
            known = spare.get(_about(row))
            row = spare[_about(row)] = replace(known, times=known.times + 1) if known else row
        rows[row.number] = row
        number = max(number, row.number + 1)
    return list(rows.values())


_About = tuple[str, str, Kind, tuple[str, ...]]


def _about(row: Pending) -> _About:
    trouble = row.notice.trouble
    return row.target, row.notice.phase.value, trouble.kind, trouble.queues


def outdated(waiting: Iterable[Pending], now: float) -> list[Pending]:
    """Return what has waited in vain for too long."""
    return [row for row in waiting if now - row.notice.at >= KEPT_S]


def is_due(waiting: Sequence[Pending], sent: Sequence[float], pace: Pace, now: float) -> bool:
    """Tell whether the next message of one target is to go.

    `sent` are the moments of its messages of the last day, in order; all in seconds since 1970. What lies in the
    future is a clock that was put back: it keeps nothing waiting.
    """
    if any(row.letter is not None for row in waiting):
        return True  # it was begun: it is repeated until it is taken
    past = [moment for moment in sent if moment <= now]
    gathered = any(not 0 <= now - row.notice.at < _gathers_s(row, past, pace) for row in waiting)
    return gathered and now >= _free_at(past, pace)


def _gathers_s(row: Pending, sent: Sequence[float], pace: Pace) -> float:
    """Return how long a notice waits for others: failed documents longer each time, since they come in swarms."""
    if row.notice.trouble.kind is not Kind.FAILED:
        return pace.group_s
    lately = sum(row.notice.at - moment < SLOWED_S for moment in sent)
    return pace.group_s * 2.0 ** min(lately, _MOST_DOUBLINGS)


def _free_at(sent: Sequence[float], pace: Pace) -> float:
    """Return from when on the limit of an hour allows one more message."""
    return sent[-pace.at_most] + HOUR_S if len(sent) >= pace.at_most else 0.0


def batch(waiting: Sequence[Pending]) -> list[Pending]:
    """Return the rows of one target that go in the next message: those of a message that was begun, else all."""
    begun = next((row.letter for row in waiting if row.letter is not None), None)
    return [row for row in waiting if row.letter == begun]


def is_last(sent: Sequence[float], pace: Pace, now: float) -> bool:
    """Tell whether the limit of an hour allows no further message after the next one."""
    return sum(0 <= now - moment < HOUR_S for moment in sent) + 1 >= pace.at_most
