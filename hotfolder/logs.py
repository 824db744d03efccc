"""Set up loguru once: to standard error, in text, JSON, or with journald's priorities."""

import json
import logging
import os
import sys
from typing import TYPE_CHECKING

from loguru import logger

from hotfolder.checks.names import printable

if TYPE_CHECKING:
    from loguru import Message, Record

_PRIORITIES = {"TRACE": 7, "DEBUG": 7, "INFO": 6, "SUCCESS": 5, "WARNING": 4, "ERROR": 3, "CRITICAL": 2}
"""Levels of sd-daemon(3)."""


class _Intercept(logging.Handler):
    """Pass what libraries log on to loguru; watchdog says an overflow in hundreds of equal lines."""

    def emit(self, record: logging.LogRecord) -> None:
        level = "DEBUG" if record.name.startswith("watchdog") else record.levelname
        try:
            logger.opt(depth=6, exception=record.exc_info).log(level, "{}", record.getMessage())
        except ValueError:
            logger.log("INFO", "{}", record.getMessage())


def set_up(level: str, form: str) -> None:
    """Send everything of at least `level` to standard error; `form` is text, json or journal."""
    logger.remove()
    if form == "text" and os.environ.get("JOURNAL_STREAM") == _stream_id():
        form = "journal"
    sink = {"json": _json, "journal": _journal, "text": _text}[form]
    logger.add(sink, level=level, format="{message}", backtrace=False, diagnose=False, catch=True)
    logging.basicConfig(handlers=[_Intercept()], level=logging.WARNING, force=True)
    for noisy in ("httpx", "httpcore", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _stream_id() -> str:
    try:
        status = os.fstat(2)
    except OSError:
        return ""
    return f"{status.st_dev}:{status.st_ino}"


def _write(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except (OSError, ValueError):
        return  # nobody reads standard error any more; that must not stop the documents


def _lines(message: str) -> list[str]:
    """Return the lines of a message; all but the first are shown indented, so that none poses as another."""
    lines = message.rstrip().split("\n")
    return [printable(line.encode("utf-8", "backslashreplace")) for line in lines]


def _text(message: "Message") -> None:
    record: Record = message.record
    lines = "\n    ".join(_lines(message))
    _write(f"{record['time']:YYYY-MM-DD HH:mm:ss.SSS} {record['level'].name:<7} {lines}\n")


def _journal(message: "Message") -> None:
    priority = _PRIORITIES.get(message.record["level"].name, 6)
    first, *further = _lines(message)
    _write("".join(f"<{priority}>{line}\n" for line in (first, *("    " + one for one in further))))


def _json(message: "Message") -> None:
    record: Record = message.record
    line = {
        "time": record["time"].isoformat(),
        "level": record["level"].name,
        "message": str(message).rstrip(),
        **{k: str(v) for k, v in record["extra"].items()},
    }
    _write(json.dumps(line, ensure_ascii=False) + "\n")
