"""Why a file is where it is: with a running daemon, or from journal and folders alone."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import Any

from hotfolder import spool
from hotfolder.arrivals.scan import Unseen, entry, examine
from hotfolder.attendants import taken_apart
from hotfolder.checks.names import printable, split
from hotfolder.checks.readiness import NoDocument, NotYet, Unfit, judge
from hotfolder.filing import sidecar_name
from hotfolder.journal import Reader
from hotfolder.model import Journey, State
from hotfolder.pipeline import Lane, Line
from hotfolder.retention import Fate
from hotfolder.sidecar import moment
from hotfolder.status.places import (
    Place,
    empty_inbox,
    opened,
    own_folders,
    rules_of,
)
from hotfolder.status.queues import TOLD, state_of

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


_OWN = "done/ and failed/ of a drop folder (nothing in them is a new document, wherever this queue files now)"


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


def explain(
    place: Place, path: bytes, line: Line | None, lane: Lane | None, reader: Reader | None
) -> Explanation | None:
    """Explain one file with what a daemon knows (`line`, `lane`), or without one; None: nothing is known of it."""
    file, queue = printable(path), place.queue.name
    if place.area in {"done", "failed"}:
        found = _archived(place, file, reader)
        if found is None:
            return None if os.path.lexists(path) else _retired(place, file, reader)
        gone = not os.path.lexists(path)
        return _adding(found, "; it is not there any more: it was moved back, or taken away" if gone else "")
    if place.area == "work":
        attendant = taken_apart(place.name)
        upload_id = attendant.upload_id if attendant else place.name[:36].decode("ascii", "replace")
        journey = reader.find(upload_id) if reader else None
        return _carried(journey, file) if journey else None
    carried = _claimed(place, line, reader)
    if carried is not None and not os.path.lexists(path):
        unsent = carried.state is State.DEFERRED and line is not None and lane is not None
        return _adding(_carried(carried, file), _held_up(lane, line) if unsent else _removed(reader, carried))
    before = _before(place, carried)
    if line is not None and lane is not None:
        known = line.drop.inbox.entries.get((place.folder, place.name))
        if known is not None:
            told, added = ("ignored", "") if known.rule else ("waiting", before + _held_up(lane, line))
            return Explanation(file, queue, told, known.reason + added, moment(known.seen_at), known.rule)
    return _adding(_on_disk(place, file), before) or (_carried(carried, file) if carried else None)


def _adding(found: Explanation | None, text: str) -> Explanation | None:
    return None if found is None else replace(found, reason=found.reason + text)


def _before(place: Place, last: Journey | None) -> str:
    """Say what became earlier of a document of this name that lies in the drop folder again."""
    if last is None or (last.folder, last.name) != (place.folder, place.name):
        return ""
    if last.state is State.RETURNED:
        return f" (it was taken and put back unsent: {last.reason})" if last.reason else ""
    if last.state is not State.FILED or last.error_source is None:
        return ""
    there = os.path.join(os.fsencode(place.queue.failed), last.folder, last.filed_name or last.name)
    if os.path.lexists(there):
        return ""
    said = "; ".join((last.answer and last.answer.messages) or ())
    return f" (it came back from failed/, where it had gone with: {said})"


def _held_up(lane: Lane | None, line: Line | None) -> str:
    """Say what keeps every document of a queue waiting, and what ends it."""
    if lane is None or line is None:
        return ""
    state, why = state_of(lane, line)
    if state == "paused" and not line.by_hand:
        why = (
            f"{why}; it goes on by itself once that is mended, or now by `hotfolder resume {line.queue.name}`"
        )
    if state != "active":
        return (
            f" (the queue is {why})"
            if str(why).startswith(f"{state} ")
            else f" (the queue is {state}: {why})"
        )
    held_up = lane.journal_trouble or line.off_hours or lane.behind
    return f" ({held_up})" if held_up else ""


def _claimed(place: Place, line: Line | None, reader: Reader | None) -> Journey | None:
    if line is not None:
        for journey in line.carried.values():
            names = {journey.name, *(one.name for one in journey.attendants)}
            if journey.folder == place.folder and place.name in names:
                return journey
    return reader.last(place.queue.name, place.folder, place.name) if reader else None


def in_words(journey: Journey) -> str:
    """Say in which state a document is, and why."""
    found = _carried(journey, "")
    return f"it is {found.state}: {found.reason}"


def _carried(journey: Journey, file: str) -> Explanation:
    if journey.state is State.FILED:
        outcome = "failed" if journey.error_source else "delivered"
        where = printable(journey.filed_name or journey.name)
        folder = "failed/" if journey.error_source else "done/"
        said = "; ".join((journey.answer and journey.answer.messages) or ()) or "the service took it"
        reason = "; ".join((said, f"filed as {folder}{where}", *journey.warnings))
        return Explanation(file, journey.queue, outcome, reason, moment(journey.filed_at or 0))
    reason = journey.reason or _IN_WORDS[journey.state]
    if journey.held:
        reason += f"; `hotfolder resolve {journey.upload_id}` with --sent ID, --resend or --fail settles it"
    return Explanation(file, journey.queue, TOLD[journey.state], reason, moment(journey.claimed_at))


def _removed(reader: Reader | None, journey: Journey) -> str:
    """Say when a document at rest was removed because its time was over."""
    retired = reader.retired(journey.upload_id) if reader else None
    if retired is None or retired[1] != Fate.REMOVED:
        return ""
    return f"; it was removed from there at {moment(retired[0])}, as `retain` says"


def _retired(place: Place, file: str, reader: Reader | None) -> Explanation | None:
    """Explain the place of a document that lay in an archive under its first name until it was removed."""
    last = reader.last(place.queue.name, place.folder, place.name) if reader else None
    area = "failed" if last and last.error_source else "done"
    if last is None or (last.filed_name, area) != (place.name, place.area):
        return None
    removed = _removed(reader, last)
    return _adding(_carried(last, file), removed) if removed else None


def _archived(place: Place, file: str, reader: Reader | None) -> Explanation | None:
    top = place.queue.done if place.area == "done" else place.queue.failed
    state = "delivered" if place.area == "done" else "failed"
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        fd = spool.open_folder(os.path.realpath(top))
        try:
            with spool.below(fd, place.folder) as folder:
                record = json.loads(spool.read_small(sidecar_name(place.name), folder))
        finally:
            os.close(fd)
        messages = _messages(record, reader)
        reason = "; ".join([*(messages or ["the service took it"]), *record["warnings"]])
        owner = printable(record["queue"]["name"].encode())  # several queues may file into one folder
        return Explanation(file, owner, state, reason, record["times"]["filed"])
    return None


def _messages(record: dict[str, Any], reader: Reader | None) -> list[str]:
    """Return what was said of a document at rest, by its record, else by the journal (`stop_without_record`)."""
    if record["response"] is not None:
        return [m["Message"] for m in record["response"].get("Messages") or []]
    journey = reader.find(record["upload_id"]) if reader else None
    if journey is None or journey.answer is None:
        return ["its record tells no error (`on_error: stop_without_record`); the log does"]
    return list(journey.answer.messages or ())


def _on_disk(place: Place, file: str) -> Explanation | None:
    """Judge a file as it lies there, for want of a daemon that has watched it, and the folders on the way to it."""
    queue, parts = place.queue, os.path.join(place.folder, place.name).split(b"/")
    inbox = empty_inbox(queue)
    if len(parts) > 1 and parts[0] in own_folders(queue):
        return Explanation(file, queue.name, "ignored", _OWN, None, _OWN)
    steps = [(b"/".join(parts[:number]), part) for number, part in enumerate(parts)]
    try:
        with opened(queue) as top:
            for step in steps:
                seen = entry(top, *step)
                if isinstance(seen, Unseen):
                    return (
                        None
                        if seen.gone
                        else Explanation(file, queue.name, "waiting", _hidden(seen.problem), None)
                    )
                since = seen.stamp.ctime_ns / 1e9
                inbox.observe(seen, 0.0, since)
                known = inbox.entries.get(step)
                if known is not None and known.rule:
                    way = (
                        ""
                        if step is steps[-1]
                        else f"it lies in {printable(os.path.join(*step))}/, which is ignored: "
                    )
                    return Explanation(
                        file, queue.name, "ignored", way + known.rule, moment(since), known.rule
                    )
            if known is None:
                return None  # a folder whose documents are taken
            rule, reason = _verdict(place, top)
            state = "ignored" if rule else "waiting"
            return Explanation(file, queue.name, state, reason, moment(since), rule)
    except FileNotFoundError:
        return None
    except OSError as problem:
        return Explanation(file, queue.name, "waiting", _hidden(problem.strerror or str(problem)), None)


def _hidden(problem: str) -> str:
    return f"it cannot be read: {problem}; give the service's user the right to read it"


def _verdict(place: Place, top: int) -> tuple[str | None, str]:
    """Judge the content of a file: the rule that ignores it, if one does, and the reason; raises OSError."""
    facts = examine(top, place.folder, place.name, fs_type=spool.file_system(top))
    extension = split(place.name)[1].decode("ascii", "replace")
    rules = rules_of(place.queue, place.service_limit, place.service_types)
    verdict = judge(facts, place.queue.settle_s, rules, extension)
    if isinstance(verdict, NoDocument):
        return verdict.rule, verdict.rule
    if isinstance(verdict, NotYet):
        return None, f"{verdict.reason} (as it lies there; no daemon has looked at it yet)"
    if isinstance(verdict, Unfit):
        return None, "it will be refused: " + "; ".join(verdict.answer.messages or ())
    return None, "it is whole and acceptable, and no daemon has taken it yet"
