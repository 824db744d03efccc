"""The statements about what is told to people, and how its rows are read and written (pure)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter

from hotfolder.model import Journey
from hotfolder.troubles import Arrived, Notice, Pending, Told

_NOTICE: TypeAdapter[Notice] = TypeAdapter(Notice)
_TOLD: TypeAdapter[Told] = TypeAdapter(Told)

PENDING = "SELECT number, target, letter, times, notice FROM notices ORDER BY number"
TOLD = "SELECT told FROM told ORDER BY key"
LETTERS = "SELECT target, at FROM letters WHERE at > ? ORDER BY at"
HOURS = "SELECT hour, number FROM arrivals WHERE queue = ? AND number > 0 ORDER BY hour"
LAST_ARRIVALS = "SELECT queue, max(last_at) FROM arrivals GROUP BY queue"
NEWEST_ARROW = "SELECT coalesce(max(number), 0) FROM arrows"
HAPPENED = """
SELECT a.at, a.event, d.queue, CASE
    WHEN a.event = 'file' AND coalesce(json_extract(d.journey, '$.error_source'), json_extract(d.journey, '$.retries'))
    IS NOT NULL THEN d.journey END
FROM arrows AS a CROSS JOIN documents AS d ON d.upload_id = a.upload_id
WHERE a.number > ? AND a.number <= ? AND a.event IN ('claim', 'file') ORDER BY a.number
"""
"""By the number of the arrow alone, so that it costs what is new and nothing of what is old."""

_PUT = """
INSERT INTO notices (number, target, letter, times, notice) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (number) DO UPDATE SET letter = excluded.letter, times = excluded.times, notice = excluded.notice
"""
_DROP = "DELETE FROM notices WHERE number = ?"
_TELL = "INSERT INTO told VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET told = excluded.told"
_FORGET = "DELETE FROM told WHERE key = ?"
_SENT = "INSERT INTO letters VALUES (?, ?)"
_FORGET_LETTERS = "DELETE FROM letters WHERE at < ?"
_ARRIVED = """
INSERT INTO arrivals VALUES (?, ?, ?, ?) ON CONFLICT (queue, hour) DO UPDATE SET
    number = number + excluded.number, last_at = max(last_at, excluded.last_at)
"""
_FORGET_ARRIVALS = "DELETE FROM arrivals WHERE queue = ? AND hour < ? - 2016"
"""Older than twelve weeks of 168 hours, where something newer is known."""
_MARK = "INSERT INTO bookmarks VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
MARK = "SELECT value FROM bookmarks WHERE name = ?"


@dataclass(frozen=True, slots=True)
class Happened:
    """One arrow of a document that notices care for: when (seconds since 1970), and of which queue."""

    at: float
    event: str
    queue: str
    journey: Journey | None
    """Where it failed, or came back after it had."""


@dataclass(frozen=True, slots=True)
class Change:
    """What changes together in what is told: all of it is committed, or nothing."""

    put: tuple[Pending, ...] = ()
    drop: tuple[int, ...] = ()
    told: tuple[Told, ...] = ()
    forget: tuple[str, ...] = ()
    arrived: tuple[Arrived, ...] = ()
    read_to: int | None = None
    """The number of the last arrow that was read."""
    sent: tuple[str, float] | None = None
    """A message went to this target at this moment (seconds since 1970)."""
    running: str | None = None
    """The run of the daemon that begins; empty: it ends in good order."""

    def __bool__(self) -> bool:
        """Tell whether anything changes."""
        return self != Change()

    @property
    def matters(self) -> bool:
        """Tell whether it must be on stable storage before anything else happens."""
        return bool(self.put or self.drop or self.told or self.sent or self.running is not None)

    def statements(self) -> Iterator[tuple[str, tuple[Any, ...]]]:
        """Yield what is to be executed."""
        for row in self.put:
            yield _PUT, (row.number, row.target, row.letter, row.times, _text(_NOTICE, row.notice))
        yield from ((_DROP, (number,)) for number in self.drop)
        yield from ((_TELL, (told.trouble.key, _text(_TOLD, told))) for told in self.told)
        yield from ((_FORGET, (key,)) for key in self.forget)
        for one in self.arrived:
            yield _ARRIVED, (one.queue, one.hour, one.number, one.last_at)
            yield _FORGET_ARRIVALS, (one.queue, one.hour)
        if self.read_to is not None:
            yield _MARK, ("arrow", str(self.read_to))
        if self.running is not None:
            yield _MARK, ("run", self.running)
        if self.sent is not None:
            yield _SENT, self.sent
            yield _FORGET_LETTERS, (self.sent[1] - 86_400.0,)


def _text(kind: TypeAdapter[Any], value: Any) -> str:
    return kind.dump_json(value, exclude_defaults=True).decode()


def pending_of(row: tuple[Any, ...]) -> Pending:
    """Return what a row of `PENDING` holds; raises ValueError."""
    number, target, letter, times, notice = row
    return Pending(number, target, _NOTICE.validate_json(notice), letter, times)


def told_of(text: str) -> Told:
    """Return what a row of `TOLD` holds; raises ValueError."""
    return _TOLD.validate_json(text)
