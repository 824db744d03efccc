"""What libraries and the interpreter itself have to say goes to the same log as everything else."""

import logging
import sys
import threading
from contextlib import suppress
from types import TracebackType

from loguru import logger

_QUIET = ("httpx", "httpcore", "uvicorn", "apprise", "urllib3", "asyncio")
"""Below WARNING they tell of each request, with its address."""

_Fault = tuple[type[BaseException], BaseException, TracebackType | None]


class Intercept(logging.Handler):
    """Pass what libraries log on to loguru; watchdog says an overflow in hundreds of equal lines."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say one message."""
        level = "DEBUG" if record.name.startswith("watchdog") else record.levelname
        try:
            text = record.getMessage()
        except (TypeError, ValueError):  # a template that does not fit its arguments
            text = str(record.msg)
        fault = record.exc_info if record.exc_info and record.exc_info[0] else None
        try:
            logger.opt(exception=fault).log(level, "{}: {}", record.name, text)
        except ValueError:  # a level of the library's own
            logger.opt(exception=fault).log("INFO", "{}: {}", record.name, text)


def listen() -> None:
    """Take over logging, warnings, and what ends a program or a thread, or can be raised to nobody."""
    logging.basicConfig(handlers=[Intercept()], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    sys.excepthook = _ended
    threading.excepthook = _thread_ended
    sys.unraisablehook = _unraisable


def _say(level: str, fault: _Fault | None, text: str, *arguments: str) -> None:
    # Raised where a finalizer interrupts loguru itself: there is nobody left to tell.
    with suppress(RuntimeError):
        logger.opt(exception=fault).log(level, text, *arguments)


def _ended(kind: type[BaseException], problem: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, problem, trace)
        return
    _say("CRITICAL", (kind, problem, trace), "the program ends by a fault")


def _thread_ended(fault: threading.ExceptHookArgs) -> None:
    if fault.exc_value is None or issubclass(fault.exc_type, SystemExit):
        return
    name = fault.thread.name if fault.thread else "?"
    _say("ERROR", (fault.exc_type, fault.exc_value, fault.exc_traceback), "thread {} ended by a fault", name)


def _unraisable(fault: "sys.UnraisableHookArgs") -> None:
    # What it happened in is named by its type alone: its own text may hold anything.
    where = type(fault.object).__name__
    trouble = None if fault.exc_value is None else (fault.exc_type, fault.exc_value, fault.exc_traceback)
    _say("ERROR", trouble, "{} ({})", fault.err_msg or "a fault that could be raised to nobody", where)
