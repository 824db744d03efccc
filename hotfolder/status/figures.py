"""Say in figures and in a few fixed words how queues and connections fare: for /metrics and /readyz."""

from collections import Counter
from collections.abc import Iterable, Iterator

from hotfolder.arrivals import NOT_LOOKED_AT
from hotfolder.metrics import ConnectionFacts, Facts, QueueFacts
from hotfolder.model import Clock, Journey, State
from hotfolder.pipeline import Lane, Line
from hotfolder.retry import Gate
from hotfolder.status.queues import TOLD, doubt_of, state_of

UNREACHABLE_S = 120.0
"""A service that is back sooner was restarted, or busy; what lasts longer somebody should know of."""
_UNSENT = frozenset({State.CLAIMED, State.SENDING, State.DEFERRED, State.UNCERTAIN})


def facts_of(lanes: list[Lane], clock: Clock) -> Facts:
    """Return what is so now; on the event loop that owns it. The work grows with what is not at rest alone."""
    return Facts(
        queues=tuple(_queue(lane, line, clock) for lane in lanes for line in lane.lines),
        connections=tuple(_connection(lane, clock.monotonic()) for lane in lanes),
        journal_writable=not any(lane.journal_trouble for lane in lanes),
    )


def _queue(lane: Lane, line: Line, clock: Clock) -> QueueFacts:
    inbox = line.drop.inbox
    counts = Counter(TOLD[j.state] for j in line.carried.values()) + inbox.counts()
    lying, carried = inbox.oldest(), line.carried.values()
    return QueueFacts(
        name=line.queue.name,
        connection=lane.connection.name,
        state=state_of(lane, line)[0],
        causes=tuple(_causes(lane, line, clock.monotonic())),
        counts={**counts, "claimed": counts["claimed"] + counts["delivered"] + counts["failed"]},
        needing=_needing(line),
        oldest_waiting_s=_oldest_s(clock, lying, (j.seen_at for j in carried)),
        oldest_unsent_s=_oldest_s(clock, lying, (j.seen_at for j in carried if _unsent(j))),
        last_scan=line.drop.last_scan,
        watching=line.drop.ears.watching,
        window_s=inbox.window_s,
    )


def _oldest_s(clock: Clock, lying: float | None, carried: Iterable[float]) -> float | None:
    """Return for how long the first of what was seen at these moments waits."""
    seen = [moment for moment in (lying, *carried) if moment]
    return max(clock.wall() - min(seen), 0.0) if seen else None


def _unsent(journey: Journey) -> bool:
    return journey.state in _UNSENT and not journey.held


def _needing(line: Line) -> dict[str, int]:
    return {
        "held": sum(j.held for j in line.carried.values()),
        "stalled": sum(j.stalled for j in line.carried.values()),
        "missing": len(line.missing),
        "stuck": len(line.stuck),
        "unfiled": len(line.parked),
    }


def _causes(lane: Lane, line: Line, now: float) -> Iterator[str]:
    """Yield everything that keeps the documents of a queue waiting, by the words of `metrics.CAUSES`."""
    offline = line.drop.offline
    found = {
        "not_scanned": not line.drop.scans and offline in {None, NOT_LOOKED_AT},
        "offline": offline not in {None, NOT_LOOKED_AT},
        "by_hand": line.by_hand is not None,
        "stopped": line.stopped is not None,
        "doubt": doubt_of(line) is not None,
        "unauthorized": lane.gate.paused or line.gate.paused,
        "unreachable": _waits(line) and any(_shut(gate, now) for gate in (lane.gate, line.gate)),
        "disk": line.blocked is not None,
        "journal": lane.journal_trouble is not None,
        "off_hours": not line.open_now,
    }
    yield from (cause for cause, applies in found.items() if applies)


def _waits(line: Line) -> bool:
    """Tell whether a document waits to be sent or asked about: else trouble may be over and nobody has noticed."""
    return any(map(_unsent, line.carried.values())) or bool(line.drop.inbox.ready)


def _shut(gate: Gate, now: float) -> bool:
    return gate.trouble is not None and not gate.paused and now - gate.since >= UNREACHABLE_S


def _connection(lane: Lane, now: float) -> ConnectionFacts:
    gate, closed_s = lane.gate, max(lane.gate.closed_until - now, 0.0)
    if gate.paused:
        word = "paused"
    elif closed_s:
        word = "closed"
    else:
        word = "half_open" if gate.failures else "open"
    return ConnectionFacts(lane.connection.name, lane.backend.traits.name, word, gate.failures, closed_s)
