"""How the queues fare: with a running daemon, or from journal and folders alone."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from hotfolder.arrivals import Inbox
from hotfolder.arrivals.scan import Seen, entries
from hotfolder.checks.names import printable
from hotfolder.journal import Reader
from hotfolder.model import State, Stop
from hotfolder.pipeline import Lane, Line
from hotfolder.settings import Queue, Settings
from hotfolder.sidecar import moment
from hotfolder.status.later import with_news, with_notices
from hotfolder.status.places import empty_inbox, opened, own_folders

TOLD = {
    State.CLAIMED: "claimed",
    State.SENDING: "claimed",
    State.DEFERRED: "claimed",
    State.UNCERTAIN: "uncertain",
    State.ACCEPTED: "claimed",
    State.DELIVERED: "delivered",
    State.REFUSED: "failed",
    State.RETURNED: "waiting",
}
"""State of a document → the word for it in `status` and `why`."""


def report(lanes: list[Lane], tallies: Mapping[tuple[str, str], int], now: float) -> dict[str, Any]:
    """Return the state of every queue of a running daemon, in the shape of `status --json`."""
    return {"queues": [_line(lane, line, tallies, now) for lane in lanes for line in lane.lines]}


def _line(lane: Lane, line: Line, tallies: Mapping[tuple[str, str], int], now: float) -> dict[str, Any]:
    state, reason = state_of(lane, line)
    counts = Counter(TOLD[j.state] for j in line.carried.values()) + line.drop.inbox.counts()
    oldest = min(
        (t for t in (line.drop.inbox.oldest(), *(j.seen_at for j in line.carried.values())) if t),
        default=None,
    )
    return {
        "name": line.queue.name,
        "state": state,
        "reason": reason,
        "watching": line.drop.ears.watching,
        "watching_reason": line.drop.ears.reason,
        "counts": _counts(counts, line.queue.name, tallies),
        "oldest_waiting_s": None if oldest is None else round(max(now - oldest, 0.0), 3),
        "last_scan": None if line.drop.last_scan is None else moment(line.drop.last_scan),
    }


def _counts(now: Counter[str], queue: str, tallies: Mapping[tuple[str, str], int]) -> dict[str, int]:
    return {
        "waiting": now["waiting"],
        "ignored": now["ignored"],
        "claimed": now["claimed"] + now["delivered"] + now["failed"],  # those of them that wait to be filed
        "uncertain": now["uncertain"],
        "done": tallies.get((queue, "done"), 0),
        "failed": tallies.get((queue, "failed"), 0),
    }


def by_hand(queue: str, since: float) -> str:
    """Say since when (seconds since 1970) a person has a queue paused, and what ends it."""
    return f"paused by hand since {moment(since)}; `hotfolder resume {queue}` ends it"


def at_stop(queue: str, stop: Stop) -> str:
    """Say at which document a queue stopped, and what ends it."""
    when = moment(stop.since)
    return f"stopped since {when}, when {stop.file} failed; `hotfolder resume {queue}` lets the rest go on"


def _halt(line: Line) -> tuple[str, str] | None:
    """Return the state of a queue that waits for a person, and why; None where it does not."""
    if line.stopped:
        return "stopped", "; ".join(filter(None, (at_stop(line.queue.name, line.stopped), line.by_hand)))
    return ("paused", line.by_hand) if line.by_hand else None


def doubt_of(line: Line) -> str | None:
    """Say which uncertain document keeps all others waiting, where an error would stop the queue; else None."""
    held = None if line.has_turn else next((j for j in line.carried.values() if j.held), None)
    if held is None:
        return None
    settles = f"`hotfolder resolve {held.upload_id}` settles it"
    return f"stopped while nobody can tell whether {printable(held.name)} arrived; {settles}"


def state_of(lane: Lane, line: Line) -> tuple[str, str | None]:
    """Return a queue's state and the reason where it is not simply at work."""
    halt = _halt(line)
    if line.drop.offline:
        return "offline", "; ".join(filter(None, (line.drop.offline, halt and halt[1])))
    if halt:
        return halt
    for gate in (lane.gate, line.gate):
        if gate.paused:
            return "paused", gate.reason
    trouble = lane.journal_trouble or line.blocked
    if trouble:
        return "paused", trouble
    if doubt := doubt_of(line):
        return "stopped", doubt
    held_up = lane.gate.trouble or line.gate.trouble
    held_up = held_up or line.batching.trouble
    trouble = (
        line.filing_trouble or line.slow_filing or held_up or _missing(line) or _stuck(line) or _stalled(line)
    )
    beside = (line.upkeep_trouble, line.placard_trouble, line.off_hours, lane.behind, lane.serial)
    return "active", "; ".join(filter(None, (trouble, *beside))) or None


def _stalled(line: Line) -> str | None:
    late = [j for j in line.carried.values() if j.stalled]
    return f"{printable(late[0].name)}: {late[0].reason} ({len(late)} in all)" if late else None


def _stuck(line: Line) -> str | None:
    if not line.stuck:
        return None
    return f"left in the work folder: {'; '.join(line.stuck[:3])} ({len(line.stuck)} in all)"


def _missing(line: Line) -> str | None:
    if not line.missing:
        return None
    return f"missing from the work folder, look for them: {', '.join(line.missing[:5])} ({len(line.missing)} in all)"


def report_without_daemon(settings: Settings, reader: Reader | None, now: float) -> dict[str, Any]:
    """Return what journal and folders alone tell, in the same shape; a file counts as seen when it last changed."""
    states = reader.states() if reader else {}
    tallies = reader.tallies() if reader else {}
    found = [_stopped(queue, states, tallies, now) for queue in settings.queues.values()]
    for name, (since, _) in (reader.pauses() if reader else {}).items():
        for queue in (q for q in found if q["name"] == name):
            queue["reason"] = f"{queue['reason']}; {by_hand(name, since)}"
    for name, stop in (reader.stops() if reader else {}).items():
        for queue in (q for q in found if q["name"] == name):
            queue["reason"] = f"{queue['reason']}; {at_stop(name, stop)}"
    return with_notices(with_news({"queues": found}, reader), reader)


def _stopped(
    queue: Queue, states: Mapping[tuple[str, str], int], tallies: Mapping[tuple[str, str], int], now: float
) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    for (name, state), number in states.items():
        if name == queue.name:
            counts[TOLD[State(state)]] += number
    state, reason, oldest = "stopped", "no daemon is running", None
    try:
        inbox = _lying(queue)
    except OSError as problem:
        state, reason = "offline", f"no daemon is running, and {queue.folder}: {problem.strerror or problem}"
    else:
        counts += inbox.counts()
        oldest = inbox.oldest()
    return {
        "name": queue.name,
        "state": state,
        "reason": reason,
        "watching": "polling",
        "watching_reason": "no daemon is running",
        "counts": _counts(counts, queue.name, tallies),
        "oldest_waiting_s": None if oldest is None else round(max(now - oldest, 0.0), 3),
        "last_scan": None,
    }


def _lying(queue: Queue) -> Inbox:
    """Return what lies in a drop folder, sorted as a daemon would sort it, no file opened; raises OSError."""
    inbox = empty_inbox(queue)
    with opened(queue) as top:
        for seen in entries(top, enters=inbox.enters, skip=own_folders(queue)):
            if isinstance(seen, Seen):
                inbox.observe(seen, 0.0, seen.stamp.ctime_ns / 1e9)
    return inbox
