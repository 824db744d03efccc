"""What the works are made with: clocks, threads, backends; and what keeps a second daemon away."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from hotfolder.arrivals import Threads
from hotfolder.backends import open_backend
from hotfolder.backends.base import Backend
from hotfolder.pipeline import MakeThreads
from hotfolder.settings import ConnectionSection


class SystemClock:
    """The machine's own clocks."""

    def monotonic(self) -> float:
        """Return seconds since some start."""
        return time.monotonic()

    def wall(self) -> float:
        """Return seconds since 1970."""
        return time.time()


class AlreadyRunningError(Exception):
    """Another daemon has the state directory or a drop folder; `str()` names it."""


@dataclass(frozen=True, slots=True)
class Parts:
    """How the parts are made that a run in virtual time makes otherwise."""

    threads: MakeThreads = Threads
    backend: Callable[[ConnectionSection, Callable[[], float]], Backend] = open_backend
