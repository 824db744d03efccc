"""Tell systemd how the service fares: ready, reloading, stopping, alive, and in a sentence for people."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from loguru import logger

from hotfolder.systemd import Notifier

_LOOKS_S = 1.0
_STATUS_EVERY_S = 10.0
_EXTEND_EVERY_S, _EXTEND_BY_S = 5.0, 30.0
"""While it starts or ends: systemd waits for so long from each time that it is asked (EXTEND_TIMEOUT_USEC)."""
_AFTERWARDS_S = 10.0
"""After the grace period: to write the journal and to give folders back."""
_LONGEST_REASON = 200


class Herald:
    """What is told to systemd, and when; called every `pause_s` from the event loop."""

    def __init__(self, notifier: Notifier, clock: Callable[[], float]) -> None:
        self._notifier = notifier
        self._clock = clock
        self._until: float | None = math.inf
        """Until when more time is asked for, None while nothing takes long; it begins with the start."""
        self._was_ready = False
        self._told: dict[str, float] = {}
        self._hung: frozenset[str] = frozenset()

    @property
    def pause_s(self) -> float:
        """Return for how long nothing need be told: a second, less where a watchdog is impatient."""
        return min(_LOOKS_S, self._notifier.watchdog_s or _LOOKS_S)

    def ready(self, text: str) -> None:
        """Say that every queue was looked at, or that the configuration in use stays."""
        self._until, self._was_ready = None, True
        self._notifier.tell("READY=1", f"STATUS={text}")

    def reloading(self) -> None:
        """Say that another configuration is being taken; `ready` ends it. A start is no reload for systemd."""
        self._until = math.inf
        if self._was_ready:
            self._notifier.tell("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self, grace_s: float) -> None:
        """Say that the end has begun, and ask for the time that it may take."""
        self._until = self._clock() + grace_s + _AFTERWARDS_S
        more = _more(self._until, self._clock())
        self._notifier.tell("STOPPING=1", "STATUS=finishing what is under way", more)

    def tick(self, hung: Mapping[str, float], text: Callable[[], str]) -> None:
        """Feed the watchdog while nothing hangs; ask for more time where something takes long."""
        self._say_once(hung)
        if hung:
            return
        now = self._clock()
        feed_s = self._notifier.watchdog_s
        if feed_s is not None and self._due("watchdog", feed_s, now):
            self._notifier.tell("WATCHDOG=1")
        if self._until is not None and self._due("extend", _EXTEND_EVERY_S, now):
            said = () if math.isfinite(self._until) else (f"STATUS={text()}",)
            self._notifier.tell(_more(self._until, now), *said)
        elif self._until is None and self._due("status", _STATUS_EVERY_S, now):
            self._notifier.tell(f"STATUS={text()}")

    def _due(self, what: str, every_s: float, now: float) -> bool:
        if now - self._told.get(what, float("-inf")) < every_s:
            return False
        self._told[what] = now
        return True

    def _say_once(self, hung: Mapping[str, float]) -> None:
        for name in sorted(hung.keys() - self._hung):
            text = "{} has not come any further for {:.0f} s; under systemd the watchdog will start the program anew"
            logger.error(text, name, hung[name])
        for name in sorted(self._hung - hung.keys()):
            logger.warning("{} goes on again", name)
        if hung and not self._hung:
            self._notifier.tell(f"STATUS={', '.join(sorted(hung))}: no progress")
        self._hung = frozenset(hung)


def _more(until: float, now: float) -> str:
    """Ask for more time, but not beyond a moment (monotonic)."""
    return f"EXTEND_TIMEOUT_USEC={int(max(min(_EXTEND_BY_S, until - now), 1.0) * 1e6)}"


def summary(queues: Sequence[Mapping[str, Any]], refused: str | None) -> str:
    """Return one line about all queues, what is wrong first (pure)."""
    kinds = ("waiting", "claimed", "uncertain", "done", "failed")
    counts = {kind: sum(queue["counts"][kind] for queue in queues) for kind in kinds}
    text = f"{len(queues)} {'queue' if len(queues) == 1 else 'queues'}, " + ", ".join(
        f"{number} {kind}" for kind, number in counts.items()
    )
    troubled = [queue for queue in queues if queue["state"] != "active"]
    if troubled:
        first = troubled[0]
        said = f"{first['name']} is {first['state']}: {first['reason']}"
        need = "needs" if len(troubled) == 1 else "need"
        text = f"{len(troubled)} of {len(queues)} queues {need} attention: {_short(said)}; {text}"
    return text if refused is None else f"the last reload was refused: {_short(refused)}; {text}"


def _short(text: str) -> str:
    """Return a text as one line of bounded length, as systemd shows it."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 1] + "…"
