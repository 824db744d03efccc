"""What a queue's status file says to people who see nothing but the folder: in their words, bounded (pure)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hotfolder.checks.names import printable
from hotfolder.checks.sniff import PLACARD
from hotfolder.schedule import DAYS, Local

RENEWED_S = 300.0
"""A placard is written anew at least so often, so that its age shows whether the service is alive."""
SHOWN = 10
"""Most documents that are named under one heading."""
_NAME_CHARS, _WORDS_CHARS = 80, 240
_ADDRESS = re.compile(r"\w+://[^\s\"'<>]+|(?<![\w.])/(?:[^\s/:;,\"'`]+/)+[^\s:;,\"'`]*")
"""A web address, or a path: neither leads anywhere from where the reader sits."""


class Condition(StrEnum):
    """How a queue fares, as its users need to know it; each with what they read (`{}` stands for the detail)."""

    WORKS = "Everything works. What you put into this folder is sent by itself."
    ODD = (
        "What you put into this folder is sent by itself. "
        "Something needs your administrator's attention, though; tell them if this stays so."
    )
    BUSY = (
        "The service that takes the documents cannot be reached at present, or is busy. It is tried again and again; "
        "you need not do anything."
    )
    CLOSED = "Documents are sent at set hours only. The next ones go out from {} on."
    BY_HAND = "PAUSED by your administrator."
    LOCKED_OUT = "PAUSED: the service that takes the documents does not let us in. Tell your administrator."
    DISK = "PAUSED: there is trouble with a disk of this service. Tell your administrator."
    DOUBT = (
        "STOPPED: nobody can tell whether one of your documents arrived. Your administrator has to decide what happens "
        "to it before the others are sent."
    )
    STOPPED = "STOPPED, because {} was not accepted. Your administrator has to let the others go on."
    ENDED = "NOT RUNNING since {}. If that takes long, tell your administrator."


_STAYS = "What you put into this folder stays here and is sent afterwards."
_WAITS = {
    Condition.CLOSED,
    Condition.BY_HAND,
    Condition.LOCKED_OUT,
    Condition.DISK,
    Condition.DOUBT,
    Condition.STOPPED,
    Condition.ENDED,
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a queue, the weightiest first."""

    stopped_at: str | None = None
    """The document at which it stopped."""
    by_hand: bool = False
    locked_out: bool = False
    """Credentials or settings are wrong."""
    disk: bool = False
    """The journal cannot be written, or nothing can be claimed or filed."""
    doubt: bool = False
    """An uncertain document holds up all others."""
    unreachable: bool = False
    opens: datetime | None = None
    """When its hours begin again; None: now."""
    odd: bool = False
    """Anything else that only an administrator can put right."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A document under a heading: its name, since when (seconds since 1970), what is said of it."""

    name: bytes
    since: float
    words: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything that a placard tells; `number` may be more than what is named."""

    queue: str
    condition: str
    waiting: Sequence[Listed] = ()
    waiting_number: int = 0
    going_number: int = 0
    """Documents that are being sent, or that the service works on."""
    doubtful: Sequence[Listed] = ()
    doubtful_number: int = 0
    failed: Sequence[Listed] = ()
    failed_place: str | None = None
    """Where they lie, seen from the folder; None: elsewhere."""
    more_failed: bool = False


def condition_of(facts: Facts) -> str:
    """Return how a queue fares, in a sentence or two."""
    stays = f" {_STAYS}"
    if facts.stopped_at is not None:
        return Condition.STOPPED.format(_short(facts.stopped_at, _NAME_CHARS)) + stays
    for so, condition in (
        (facts.by_hand, Condition.BY_HAND),
        (facts.locked_out, Condition.LOCKED_OUT),
        (facts.disk, Condition.DISK),
        (facts.doubt, Condition.DOUBT),
    ):
        if so:
            return condition.value + stays
    if facts.opens is not None:
        return Condition.CLOSED.format(f"{DAYS[facts.opens.weekday()]} {facts.opens:%H:%M}") + stays
    if facts.unreachable:
        return Condition.BUSY.value
    return Condition.ODD.value if facts.odd else Condition.WORKS.value


def ended(now: float, local: Local) -> str:
    """Return what is to be read while the service does not run (`now`: seconds since 1970)."""
    return f"{Condition.ENDED.format(_moment(now, local))} {_STAYS}"


_WAITING_WORDS = (
    ("it has only just appeared", "it has just arrived"),
    ("a program still has it open", "a program still has it open: close it there"),
    ("it is ready", "it is next in line"),
    ("it is not acceptable", "it cannot be accepted, and goes to the documents that failed"),
    ("the file is empty", "it is empty so far"),
    ("the file has another name", "it is only a link: put a copy here instead"),
    ("fewer than this queue's", "it is too small to be a document"),
    ("bytes have been written", "it is still being copied, or the copy was broken off"),
    ("cannot be read", "it cannot be opened: tell your administrator"),
    ("cannot be looked at", "it cannot be opened: tell your administrator"),
    ("its marker", "the file that says that it is complete is not here yet"),
    ("cannot be used", "the file that came with it cannot be used: put that right"),
    ("its companion", "the file that has to come with it is not here yet"),
)
"""What the program says of a file that waits, by a part of it, and what that means to its owner."""
_NOT_YET = "it is not complete yet"


def why_waiting(reason: str) -> str:
    """Return in an owner's words why a document waits; whatever is not known here means that it is not complete."""
    return next((words for part, words in _WAITING_WORDS if part in reason), _NOT_YET)


def drawn(sheet: Sheet, local: Local) -> str:
    """Draw all but the moment of writing; the same facts make the same text."""
    parts = [f"{sheet.queue}: {sheet.condition}"]
    if sheet.going_number:
        parts.append(f"BEING SENT: {sheet.going_number}")
    if sheet.waiting_number:
        parts.append(
            _list(f"WAITING HERE: {sheet.waiting_number}", sheet.waiting, sheet.waiting_number, local)
        )
    if sheet.doubtful_number:
        heading = f"NOT KNOWN YET WHETHER THEY ARRIVED (do not put them here again): {sheet.doubtful_number}"
        parts.append(_list(heading, sheet.doubtful, sheet.doubtful_number, local))
    if sheet.failed:
        number = f"{len(sheet.failed)} and more" if sheet.more_failed else str(len(sheet.failed))
        where = f'they lie in "{sheet.failed_place}"' if sheet.failed_place else "your administrator has them"
        parts.append(_list(f"NOT SENT ({where}): {number}", sheet.failed, len(sheet.failed), local))
        parts.append(
            "Put a document that is put right into this folder again, and delete the one that failed."
        )
    return "\n\n".join(parts)


def written(text: str, now: float, local: Local) -> bytes:
    """Return a whole placard as the file holds it: UTF-8 with its mark, and Windows' line breaks, for any editor.

    Notepad knew neither other line breaks before Windows 10 1809 nor UTF-8 without a mark before 1903.
    """
    whole = f"{PLACARD}: {_moment(now, local)}\n\n{text}\n\n{_FOOT}\n"
    return whole.replace("\n", "\r\n").encode("utf-8-sig", "backslashreplace")


_FOOT = """\
----
The service writes this text anew whenever something changes, at least every five minutes. If the moment at the top is
more than a quarter of an hour ago, nothing is sent at present: tell your administrator. This file is not sent, and
what you write into it is lost."""


def _list(heading: str, listed: Sequence[Listed], number: int, local: Local) -> str:
    lines = [heading]
    for one in listed:
        words = _short(_ADDRESS.sub("…", one.words), _WORDS_CHARS)
        name = _short(printable(one.name), _NAME_CHARS)
        lines.append(f"  {name} ({_moment(one.since, local)}): {words}")
    if number > len(listed):
        lines.append(f"  and {number - len(listed)} more")
    return "\n".join(lines)


def _short(text: str, most: int) -> str:
    line = " ".join(printable(text.encode("utf-8", "backslashreplace")).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _moment(moment: float, local: Local) -> str:
    return f"{local(moment):%Y-%m-%d %H:%M}"
