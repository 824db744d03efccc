"""The three forms of a line of the log: for people, for programs, for journald (pure)."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from hotfolder.checks.names import printable

PRIORITIES = {"TRACE": 7, "DEBUG": 7, "INFO": 6, "SUCCESS": 5, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
"""Levels of sd-daemon(3)."""
LONGEST_CHARS = 16_000
"""Of one message: journald cuts lines at 48 KiB (journald.conf(5), LineMax=), and an escape has up to six bytes."""


@dataclass(frozen=True, slots=True)
class Said:
    """One message: when, how loud, what, and whom it concerns (`queue`, `connection`, `file`, `upload_id`)."""

    at: datetime
    level: str
    text: str
    about: Mapping[str, object] = field(default_factory=dict)


Form = Callable[[Said], str]
"""Makes a message one record, with a line break at its end."""


def as_text(said: Said) -> str:
    """Return time, level and message; all lines but the first are indented, so that none poses as another."""
    moment = f"{said.at:%Y-%m-%d %H:%M:%S}.{said.at.microsecond // 1000:03d}"
    return f"{moment} {said.level:<7} " + "\n".join(_lines(said)) + "\n"


def as_journal(said: Said) -> str:
    """Return the message with journald's priority before each line."""
    priority = PRIORITIES.get(said.level, 6)
    return "".join(f"<{priority}>{line}\n" for line in _lines(said))


def as_json(said: Said) -> str:
    """Return one object on one line, in which only what can be printed stands as itself."""
    line = {
        "time": said.at.isoformat(timespec="milliseconds"),
        "level": said.level,
        "message": _bounded(said.text),
        **{
            key: value for key, value in sorted(said.about.items()) if key not in {"time", "level", "message"}
        },
    }
    return _printable_json(json.dumps(line, ensure_ascii=False, default=str)) + "\n"


FORMS: Mapping[str, Form] = {"text": as_text, "json": as_json, "journal": as_journal}
"""By the setting `log.format`."""


def _bounded(text: str) -> str:
    text = text.rstrip()
    if len(text) <= LONGEST_CHARS:
        return text
    return f"{text[:LONGEST_CHARS]} … ({len(text) - LONGEST_CHARS} more characters)"


def _lines(said: Said) -> list[str]:
    """Return the lines of a message; the first one ends with the id of the document that it is about."""
    first, *further = (_escaped(line) for line in _bounded(said.text).split("\n"))
    upload_id = said.about.get("upload_id")
    mark = f" [id {_escaped(str(upload_id))}]" if upload_id else ""
    return [first + mark, *(f"    {line}" for line in further)]


def _escaped(text: str) -> str:
    return text if text.isprintable() else printable(text.encode("utf-8", "backslashreplace"))


def _printable_json(text: str) -> str:
    """Spell out what a terminal would obey or hide: controls, bidirectional overrides, lone surrogates."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)
