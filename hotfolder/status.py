"""Say how the queues fare and why a file is where it is: the answers of `status` and `why`."""

import json
import os
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from hotfolder import spool
from hotfolder.arrivals.scan import examine
from hotfolder.checks.names import IgnoreRules, printable, split
from hotfolder.checks.readiness import Kind, NotYet, Rules, Unfit, judge
from hotfolder.filing import sidecar_name
from hotfolder.journal import Reader
from hotfolder.model import Journey, State
from hotfolder.pipeline import Lane, Line
from hotfolder.settings import Queue, Settings
from hotfolder.sidecar import moment

_TOLD = {
    State.CLAIMED: "claimed",
    State.SENDING: "claimed",
    State.DEFERRED: "claimed",
    State.UNCERTAIN: "uncertain",
    State.ACCEPTED: "claimed",
    State.DELIVERED: "delivered",
    State.REFUSED: "failed",
    State.RETURNED: "waiting",
}
_IN_WORDS = {
    State.CLAIMED: "it is claimed and will be sent next",
    State.SENDING: "it is being sent",
    State.DEFERRED: "it will be sent again",
    State.UNCERTAIN: "it may have arrived; the service will be asked",
    State.ACCEPTED: "the service has it and is still at work on it",
    State.DELIVERED: "it is delivered and is being filed",
    State.REFUSED: "it is refused and is being filed",
    State.RETURNED: "it was put back into the drop folder",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer of `why`."""

    file: str
    queue: str
    state: str
    reason: str
    since: str | None
    rule: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it in the shape of `why --json`."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path lies: the queue, which of its folders (`drop`, `work`, `done`, `failed`), and below it."""

    queue: Queue
    area: str
    folder: bytes
    name: bytes


# The whole daemon --------------------------------------------------------------------------------


def report(lanes: list[Lane], tallies: Mapping[tuple[str, str], int], now: float) -> dict[str, Any]:
    """Return the state of every queue of a running daemon, in the shape of `status --json`."""
    return {"queues": [_line(lane, line, tallies, now) for lane in lanes for line in lane.lines]}


def _line(lane: Lane, line: Line, tallies: Mapping[tuple[str, str], int], now: float) -> dict[str, Any]:
    state, reason = state_of(lane, line)
    counts = Counter(_TOLD[j.state] for j in line.carried.values()) + line.drop.inbox.counts()
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


def state_of(lane: Lane, line: Line) -> tuple[str, str | None]:
    """Return a queue's state and the reason where it is not simply at work."""
    if line.drop.offline:
        return "offline", line.drop.offline
    for gate in (lane.gate, line.gate):
        if gate.paused:
            return "paused", gate.reason
    return "active", line.filing_trouble or lane.gate.reason or line.gate.reason or _missing(line)


def _missing(line: Line) -> str | None:
    if not line.missing:
        return None
    return f"missing from the work folder, look for them: {', '.join(line.missing[:5])} ({len(line.missing)} in all)"


def report_without_daemon(settings: Settings, reader: Reader | None) -> dict[str, Any]:
    """Return what journal and folders alone tell, in the same shape."""
    states = reader.states() if reader else {}
    tallies = reader.tallies() if reader else {}
    queues = []
    for queue in settings.queues.values():
        counts: Counter[str] = Counter()
        for (name, state), number in states.items():
            if name == queue.name:
                counts[_TOLD[State(state)]] += number
        queues.append(
            {
                "name": queue.name,
                "state": "stopped",
                "reason": "no daemon is running",
                "watching": "polling",
                "watching_reason": "no daemon is running",
                "counts": _counts(counts, queue.name, tallies),
                "oldest_waiting_s": None,
                "last_scan": None,
            }
        )
    return {"queues": queues}


# One file ----------------------------------------------------------------------------------------


def place_of(settings: Settings, path: bytes) -> Place | None:
    """Find the queue that an absolute path belongs to; None where it belongs to none."""
    for queue in settings.queues.values():
        for area, top in (
            ("done", queue.done),
            ("failed", queue.failed),
            ("work", queue.folder / os.fsdecode(spool.WORK_FOLDER)),
            ("drop", queue.folder),
        ):
            below = os.path.relpath(path, os.fsencode(os.path.realpath(top)))
            if below not in {b".", b".."} and not below.startswith(b"../"):
                folder, name = os.path.split(below)
                return Place(queue, area, folder, name)
    return None


def explain(
    place: Place, path: bytes, line: Line | None, lane: Lane | None, reader: Reader | None
) -> Explanation | None:
    """Explain one file with what a daemon knows (`line`, `lane`), or without one; None: nothing is known of it."""
    file, queue = printable(path), place.queue.name
    if place.area in {"done", "failed"}:
        return _archived(place, file)
    if place.area == "work":
        upload_id = place.name[:36].decode("ascii", "replace")
        journey = reader.find(upload_id) if reader else None
        return _carried(journey, file) if journey else None
    carried = _claimed(place, line, reader)
    if carried is not None and not os.path.lexists(path):
        return _carried(carried, file)
    if line is not None and lane is not None:
        entry = line.drop.inbox.entries.get((place.folder, place.name))
        if entry is not None:
            state, why = state_of(lane, line)
            paused = f" (the queue is {state}: {why})" if state != "active" else ""
            told = "ignored" if entry.rule else "waiting"
            return Explanation(file, queue, told, entry.reason + paused, moment(entry.seen_at), entry.rule)
    return _on_disk(place, path, file) or (_carried(carried, file) if carried else None)


def _claimed(place: Place, line: Line | None, reader: Reader | None) -> Journey | None:
    if line is not None:
        for journey in line.carried.values():
            if (journey.folder, journey.name) == (place.folder, place.name):
                return journey
    return reader.last(place.queue.name, place.folder, place.name) if reader else None


def _carried(journey: Journey, file: str) -> Explanation:
    if journey.state is State.FILED:
        outcome = "failed" if journey.error_source else "delivered"
        where = printable(journey.filed_name or journey.name)
        folder = "failed/" if journey.error_source else "done/"
        said = "; ".join((journey.answer and journey.answer.messages) or ()) or "the service took it"
        return Explanation(
            file, journey.queue, outcome, f"{said}; filed as {folder}{where}", moment(journey.filed_at or 0)
        )
    reason = journey.reason or _IN_WORDS[journey.state]
    return Explanation(file, journey.queue, _TOLD[journey.state], reason, moment(journey.claimed_at))


def _archived(place: Place, file: str) -> Explanation | None:
    top = place.queue.done if place.area == "done" else place.queue.failed
    state = "delivered" if place.area == "done" else "failed"
    with suppress(OSError, ValueError, KeyError, TypeError):
        fd = spool.open_folder(os.path.realpath(top))
        try:
            with spool.below(fd, place.folder) as folder:
                record = json.loads(spool.read_small(sidecar_name(place.name), folder))
        finally:
            os.close(fd)
        messages = [m["Message"] for m in (record["response"] or {}).get("Messages") or []]
        return Explanation(
            file,
            place.queue.name,
            state,
            "; ".join(messages) or "the service took it",
            record["times"]["filed"],
        )
    return None


def _on_disk(place: Place, path: bytes, file: str) -> Explanation | None:
    """Judge a file as it lies there, for want of a daemon that has watched it."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    queue, kind = place.queue, spool.kind_of(status.st_mode)
    since = moment(status.st_ctime)
    rule = IgnoreRules(queue.ignore).match(place.name) or (
        None if kind is Kind.FILE else f"{kind} (only regular files are documents)"
    )
    if rule:
        return Explanation(file, queue.name, "ignored", rule, since, rule)
    return Explanation(file, queue.name, "waiting", _verdict(queue, place, status), since)


def _verdict(queue: Queue, place: Place, status: os.stat_result) -> str:
    rules = Rules(queue.types, queue.min_size_bytes, queue.max_size.in_bytes(None), queue.patience_s)
    try:
        top = spool.open_folder(os.path.realpath(queue.folder))
        try:
            facts = examine(top, place.folder, place.name, fs_type=spool.file_system(top))
        finally:
            os.close(top)
    except OSError as problem:
        return f"it cannot be read: {problem.strerror}; give the service's user the right to read it"
    verdict = judge(facts, queue.settle_s, rules, split(place.name)[1].decode("ascii", "replace"))
    del status
    if isinstance(verdict, NotYet):
        return f"{verdict.reason} (as it lies there; no daemon has looked at it yet)"
    if isinstance(verdict, Unfit):
        return "it will be refused: " + "; ".join(verdict.answer.messages or ())
    return "it is whole and acceptable, and no daemon has taken it yet"
