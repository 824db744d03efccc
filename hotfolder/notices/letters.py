"""Write a message from notices: a subject, a text for people, JSON for programs (pure)."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hotfolder.checks.names import printable
from hotfolder.troubles import Kind, Notice, Pending, Phase

SCHEMA = "hotfolder/notices/1"
_NAMED = 5
"""Documents named of each group: enough to see what they have in common."""
_GROUPS = 40
"""Groups told in one message; the rest is counted."""
_IN_JSON = 200
_SUBJECT_CHARS = 150
_TEXT_CHARS = 500
"""Longest sentence: a service's own words may be a page."""

_HEADINGS = {Phase.BEGAN: "WRONG", Phase.LASTS: "STILL WRONG", Phase.OVER: "WELL AGAIN"}
_MANY = {
    (Phase.BEGAN, Kind.FAILED): "{number} documents of queue {queue} went to failed/",
    (Phase.OVER, Kind.FAILED): "{number} failed documents of queue {queue} were sent again and delivered",
    (Phase.BEGAN, Kind.STUCK): "{number} documents of queue {queue} do not get on",
    (Phase.LASTS, Kind.STUCK): "{number} documents of queue {queue} still do not get on",
    (Phase.OVER, Kind.STUCK): "{number} documents of queue {queue} are not stuck any more",
}

Zoned = Callable[[float], datetime]
"""Tells what the wall clock shows at a moment (seconds since 1970), with its zone."""


@dataclass(frozen=True, slots=True)
class Sender:
    """Who writes: the machine's name, and how its wall clock is read."""

    host: str
    zoned: Zoned


@dataclass(frozen=True, slots=True)
class Letter:
    """One message; `name` stays the same when it is sent again."""

    name: str
    host: str
    at: float
    """Seconds since 1970."""
    subject: str
    """One line."""
    text: str
    notices: tuple[dict[str, Any], ...] = ()
    more: int = 0
    """How many notices are only counted."""

    def as_json(self) -> dict[str, Any]:
        """Return it for a program."""
        return {
            "schema": SCHEMA,
            "id": self.name,
            "host": self.host,
            "at": _iso(self.at),
            "subject": self.subject,
            "text": self.text,
            "notices": list(self.notices),
            "more": self.more,
        }


def _iso(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}"


def _one_line(text: str, most: int = _TEXT_CHARS) -> str:
    line = printable(" ".join(text.split()).encode("utf-8", "backslashreplace"))
    return line if len(line) <= most else line[: most - 1] + "…"


@dataclass(slots=True)
class _Group:
    """Notices that are told in one paragraph."""

    notices: list[Notice]
    number: int

    @property
    def first(self) -> Notice:
        return self.notices[0]


def write(name: str, rows: Sequence[Pending], sender: Sender, now: float, remark: str = "") -> Letter:
    """Write the message that holds some notices; `remark` is its last paragraph."""
    groups = _grouped(rows)
    paragraphs = []
    for phase, heading in _HEADINGS.items():
        told = [group for group in groups if group.first.phase is phase]
        paragraphs += (
            [heading, *(_paragraph(group, sender.zoned) for group in told[:_GROUPS])] if told else []
        )
        if len(told) > _GROUPS:
            paragraphs.append(f"* and {len(told) - _GROUPS} more things; `hotfolder status` shows them all")
    closing = f"This is hotfolder on {sender.host}. `hotfolder status` there shows how all queues fare."
    text = "\n\n".join([*paragraphs, *filter(None, [remark]), closing]) + "\n"
    rows_shown = [row for row in rows if row.times == 1][:_IN_JSON]
    shown = tuple(_as_json(row.notice) for row in rows_shown)
    return Letter(name, sender.host, now, _subject(groups, sender), text, shown, _number(rows) - len(shown))


def write_briefly(name: str, rows: Sequence[Pending], sender: Sender, now: float) -> Letter:
    """Write a message that only counts: for a target that refuses the words of the whole one."""
    number = _number(rows)
    text = (
        f"There are {number} notices whose words this target does not take.\n\n"
        f"`hotfolder status` on {sender.host}, and its log, show what they are about.\n"
    )
    return Letter(name, sender.host, now, f"[hotfolder {sender.host}] {number} notices", text, (), number)


def last_remark(until: float, sender: Sender) -> str:
    """Return what the last message says that the limit of an hour allows."""
    until_then = _moment(until, sender.zoned)
    return f"This is the last message until {until_then} (`at_most`); what happens meanwhile comes together."


def _number(rows: Iterable[Pending]) -> int:
    return sum(row.times for row in rows)


def _grouped(rows: Iterable[Pending]) -> list[_Group]:
    """Put documents of a queue together; everything else stands alone."""
    groups: dict[tuple[Any, ...], _Group] = {}
    for row in rows:
        trouble = row.notice.trouble
        of_file = trouble.file is not None and len(trouble.queues) == 1
        about = (trouble.queues if of_file else trouble.key, row.notice.phase, trouble.kind)
        group = groups.setdefault(about, _Group([], 0))
        group.notices.append(row.notice)
        group.number += row.times
    return list(groups.values())


def _subject(groups: Sequence[_Group], sender: Sender) -> str:
    """Name what is worst, and how much more there is."""
    worst = next((p for p in Phase if any(g.first.phase is p for g in groups)), Phase.BEGAN)
    told = [_headline(group) for group in groups if group.first.phase is worst]
    more = f" (and {len(groups) - 1} more)" if len(groups) > 1 else ""
    mark = "" if worst is Phase.BEGAN else f"{worst.value}: "
    line = _one_line(
        f"[hotfolder {sender.host}] {mark}{told[0] if told else 'nothing'}", _SUBJECT_CHARS - len(more)
    )
    return line + more


def _headline(group: _Group) -> str:
    notice = group.first
    trouble = notice.trouble
    if group.number > 1:
        return _many(group)
    if notice.phase is Phase.OVER:
        return trouble.well
    if trouble.file is not None:
        return f"queue {trouble.queues[0]}: {trouble.file}: {trouble.what}"
    return trouble.what


def _many(group: _Group) -> str:
    notice = group.first
    queue = notice.trouble.queues[0] if notice.trouble.queues else "?"
    form = _MANY.get((notice.phase, notice.trouble.kind), "{number} notices about queue {queue}")
    return form.format(number=group.number, queue=queue)


def _paragraph(group: _Group, zoned: Zoned) -> str:
    lines = [f"* {_one_line(_headline(group))}", *map("  {}".format, _details(group, zoned))]
    return "\n".join(lines)


def _details(group: _Group, zoned: Zoned) -> Iterator[str]:
    notice = group.first
    trouble = notice.trouble
    if group.number > 1:
        named = group.notices[:_NAMED]
        for one in named:
            said = f": {one.trouble.what}" if one.phase is not Phase.OVER else ""
            yield f"  {_one_line(f'{one.trouble.file}{said}')}"
        if group.number > len(named):
            yield f"  and {group.number - len(named)} more"
    moments = [one.trouble.since for one in group.notices]
    first, last = _moment(min(moments), zoned), _moment(max(moments), zoned)
    if notice.phase is Phase.OVER:
        yield f"Since {_moment(notice.at, zoned)}; it began {first}."
    elif first == last:
        yield f"{'At' if trouble.kind is Kind.FAILED else 'Since'} {first}."
    else:
        yield f"The first {first}, the last {last}."
    if trouble.advice and notice.phase is not Phase.OVER:
        yield f"What to do: {_one_line(trouble.advice)}"


def _moment(moment: float, zoned: Zoned) -> str:
    return f"{zoned(moment):%Y-%m-%d %H:%M:%S %z}"


def _as_json(notice: Notice) -> dict[str, Any]:
    trouble = notice.trouble
    return {
        "phase": notice.phase.value,
        "kind": trouble.kind.value,
        "key": trouble.key,
        "queues": list(trouble.queues),
        "file": trouble.file,
        "what": _one_line(trouble.well if notice.phase is Phase.OVER else trouble.what),
        "advice": None if notice.phase is Phase.OVER else _one_line(trouble.advice) or None,
        "since": _iso(trouble.since),
        "at": _iso(notice.at),
    }
