"""Close and open the gates of a connection and of its queues, and say each change once."""

import random
from typing import TYPE_CHECKING

from loguru import logger

from hotfolder.backends.base import Backend, DeliveryError, Scope, Unauthorized, Unavailable, fault_in_words
from hotfolder.delivery import Trouble
from hotfolder.model import Clock
from hotfolder.pipeline.line import Line
from hotfolder.retry import Gate, backoff
from hotfolder.settings import ConnectionSection

if TYPE_CHECKING:
    from loguru import Logger

_JITTER = 0.2
"""A fifth on top of the wait that the service asked for, so that many do not come back together."""


class Gates:
    """The gate of one connection; each queue's own gate is with its line."""

    def __init__(self, connection: ConnectionSection, clock: Clock) -> None:
        self.shared = Gate()
        self._connection = connection
        self._clock = clock

    def close(self, line: Line, trouble: Trouble) -> bool:
        """Close the gate that the trouble concerns, for as long as it says; tell whether a pause begins."""
        old = line.gate if trouble.scope is Scope.QUEUE else self.shared
        now = self._clock.monotonic()
        until = now + self._wait_s(old, trouble)
        new = old.closes(until, trouble.reason, now=now, counts=trouble.counts, paused=trouble.pause)
        self._set(line, trouble.scope, new)
        return new.paused and not old.paused

    def open(self, line: Line) -> None:
        """Open both gates: the service has just answered."""
        if self.shared != Gate():
            self._set(line, Scope.CONNECTION, Gate())
        if line.gate != Gate():
            self._set(line, Scope.QUEUE, Gate())

    def half_open(self, line: Line | None) -> None:
        """Let one document through after a probe that went well."""
        about = {} if line is None else {"queue": line.queue.name}
        logger.bind(**about).info("{} may work again; the next document shows it", self._named(line))
        if line is None:
            self.shared = self.shared.probed()
        else:
            line.gate = line.gate.probed()

    def reopen(self, line: Line) -> bool:
        """Let the next document of a queue through, whatever keeps it waiting; tell whether something did."""
        closed = [concerned for concerned in (None, line) if self._gate(concerned).trouble]
        for concerned in closed:
            self.half_open(concerned)
        return bool(closed)

    def closed_until(self, line: Line) -> float:
        """Return when documents of a queue may go out again (monotonic)."""
        return max(self.shared.closed_until, line.gate.closed_until)

    def paused(self, line: Line) -> bool:
        """Tell whether a queue must not claim anything."""
        return self.shared.paused or line.gate.paused

    def _gate(self, line: Line | None) -> Gate:
        return self.shared if line is None else line.gate

    def _named(self, line: Line | None) -> str:
        return f"connection {self._connection.name}" if line is None else f"queue {line.queue.name}"

    def _wait_s(self, gate: Gate, trouble: Trouble) -> float:
        chance = random.random()  # noqa: S311 — jitter
        if trouble.retry_after_s is not None:
            return trouble.retry_after_s * (1 + _JITTER * chance)
        retry = self._connection.retry
        return backoff(gate.failures + 1, retry.first_s, retry.max_s, chance)

    def _set(self, line: Line, scope: Scope, new: Gate) -> None:
        if scope is Scope.QUEUE:
            _tell(logger.bind(queue=line.queue.name), self._named(line), line.gate, new)
            line.gate = new
        else:
            _tell(logger, self._named(None), self.shared, new)
            self.shared = new


def _tell(log: "Logger", who: str, old: Gate, new: Gate) -> None:
    """Log a change of the gate: trouble that goes on in the same words says nothing new."""
    if new.paused and old.paused:
        return
    if new.paused:
        text = "{} is paused: {}; its documents stay in the drop folder until this is mended"
        log.error(text, who, new.reason)
    elif new == Gate():
        log.log("INFO" if old.failures or old.paused else "DEBUG", "{} works again", who)
    elif not new.paused and new.reason != old.reason:
        # A busy service is everyday life: `status` shows it, the log would only fill.
        level = "WARNING" if new.failures else "DEBUG"
        log.log(level, "{} is in trouble: {}; tried again", who, new.reason)


def probe(backend: Backend, queue_ids: tuple[str, ...]) -> DeliveryError | None:
    """Ask the service whether it would take documents; None where it would; blocks."""
    try:
        findings = backend.check(queue_ids)
    except DeliveryError as problem:
        return problem
    except Exception as surprise:  # noqa: BLE001 — a fault in reading an answer is trouble, not an end
        return Unavailable(fault_in_words(surprise))
    bad = [f.text for f in findings if not f.ok]
    return Unauthorized("; ".join(bad), scope=Scope.QUEUE) if bad else None
