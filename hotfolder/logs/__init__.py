"""The log: set up once, on standard error, in text, JSON, or with journald's priorities; and whom a line is about."""

import atexit
import os
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from loguru import logger

from hotfolder import veil
from hotfolder.checks.names import printable
from hotfolder.logs.forms import FORMS, Form, Said
from hotfolder.logs.libraries import listen
from hotfolder.logs.writer import Writer
from hotfolder.model import Journey

if TYPE_CHECKING:
    from loguru import Logger, Message

_FLUSH_WITHIN_S = 1.0
"""How long the end of the program waits for a reader that is merely slow."""


@dataclass(slots=True)
class _Standing:
    """What `set_up` has set up, in this process."""

    writer: Writer | None = None
    sink: int | None = None


_standing = _Standing()


def set_up(level: str, form: str) -> None:
    """Send everything of at least `level` to standard error; `form` is text, json or journal.

    It may be called again, with another level or form, and no line is lost in between.
    """
    if form == "text" and os.environ.get("JOURNAL_STREAM") == _stream_id():
        form = "journal"
    made = FORMS[form]
    if _standing.writer is None:
        _standing.writer = Writer(_descriptor(), lambda number: _lost(number, made))
        atexit.register(flush)
        logger.remove()
        listen()
    writer, before = _standing.writer, _standing.sink
    writer.lost = lambda number: _lost(number, made)
    _standing.sink = logger.add(
        lambda message: writer.put(made(_said(message))),
        level=level,
        format="{message}",
        backtrace=False,
        diagnose=False,
        catch=True,
    )
    if before is not None:
        logger.remove(before)


def flush() -> None:
    """Wait until what was said is written; not for long where nobody reads it."""
    if _standing.writer is not None:
        _standing.writer.flush(_FLUSH_WITHIN_S)


def log_of(journey: Journey) -> "Logger":
    """Return the log for what concerns one document: its lines end in the upload id, and JSON has it all as keys."""
    return logger.bind(
        upload_id=journey.upload_id,
        file=printable(os.path.join(journey.folder, journey.name)),
        queue=journey.queue,
        connection=journey.connection,
    )


def concerning(**about: str) -> AbstractContextManager[None]:
    """Have whatever is said in a block, and in tasks and threads that are begun in it, carry some keys in JSON."""
    return logger.contextualize(**about)


def _descriptor() -> int | None:
    """Return the descriptor of standard error, None where the program was started without one.

    Its number is then that of the first file that is opened, such as a document.
    """
    return None if sys.stderr is None else 2


def _stream_id() -> str:
    try:
        status = os.fstat(2)
    except OSError:
        return ""
    return f"{status.st_dev}:{status.st_ino}"


def _said(message: "Message") -> Said:
    record = message.record
    about = {key: veil.veiled(str(value)) for key, value in record["extra"].items()}
    return Said(record["time"], record["level"].name, veil.veiled(str(message)), about)


def _lost(number: int, form: Form) -> str:
    text = f"{number} lines of this log are lost: nobody took them, or there was no room for them"
    return form(Said(datetime.now(UTC).astimezone(), "WARNING", text))
