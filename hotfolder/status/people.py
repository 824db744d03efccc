"""Gather what a queue's status file tells: how the queue fares, what waits, what failed."""

import os
from collections.abc import Iterable
from datetime import datetime
from heapq import nsmallest
from operator import attrgetter

from hotfolder import placard
from hotfolder.journal import Reader
from hotfolder.model import Journey, State
from hotfolder.pipeline import Lane, Line
from hotfolder.placard import Listed
from hotfolder.schedule import Local
from hotfolder.sidecar import response_of
from hotfolder.spool import Folders
from hotfolder.status.queues import doubt_of
from hotfolder.veil import veiled

_LOOKED_AT = 50
"""Of the newest failed documents: whether they still lie in failed/."""
_GOING = {State.CLAIMED, State.SENDING, State.DEFERRED, State.ACCEPTED}


def wall_clock(moment: float) -> datetime:
    """Return what the machine's wall clock shows at a moment (seconds since 1970)."""
    return datetime.fromtimestamp(moment)  # noqa: DTZ006 — people read the time off the wall


def sheet_of(lane: Lane, line: Line, now: float, local: Local) -> placard.Sheet:
    """Return all but the failed documents; to be called on the event loop."""
    waiting = [(key, entry) for key, entry in line.drop.inbox.entries.items() if not entry.rule]
    first = nsmallest(placard.SHOWN, waiting, key=lambda one: one[1].seen_at)
    doubtful = [j for j in line.carried.values() if j.state is State.UNCERTAIN]
    return placard.Sheet(
        line.queue.name,
        placard.condition_of(facts_of(lane, line, now, local)),
        waiting=[
            Listed(os.path.join(*key), entry.seen_at, placard.why_waiting(entry.reason))
            for key, entry in first
        ],
        waiting_number=len(waiting),
        going_number=sum(j.state in _GOING for j in line.carried.values()),
        doubtful=[_doubtful(j) for j in nsmallest(placard.SHOWN, doubtful, key=attrgetter("claimed_at"))],
        doubtful_number=len(doubtful),
    )


def facts_of(lane: Lane, line: Line, now: float, local: Local) -> placard.Facts:
    """Return what is known of a queue."""
    hours = line.queue.schedule
    closed = hours is not None and not hours.open_at(local(now))
    odd = (line.filing_trouble, line.slow_filing, line.missing, line.stuck, line.batching.trouble)
    return placard.Facts(
        stopped_at=line.stopped.file if line.stopped else None,
        by_hand=line.by_hand is not None,
        locked_out=lane.gate.paused or line.gate.paused,
        disk=bool(lane.journal_trouble or line.blocked),
        doubt=doubt_of(line) is not None,
        unreachable=bool(lane.gate.trouble or line.gate.trouble),
        opens=local(hours.opens_next(now, local)) if hours is not None and closed else None,
        odd=any(odd) or any(j.stalled for j in line.carried.values()),
    )


def _doubtful(journey: Journey) -> Listed:
    words = "your administrator decides what happens to it" if journey.held else "the service is being asked"
    return Listed(os.path.join(journey.folder, journey.name), journey.claimed_at, words)


def failed_of(reader: Reader, folders: Folders, queue: str, archive: str) -> tuple[list[Listed], bool]:
    """Return the newest documents that failed and still lie in failed/, and whether there may be more; blocks."""
    found: list[Listed] = []
    newest = reader.newest_failed(queue, _LOOKED_AT)
    for journey in newest:
        if not _lies(folders, archive, journey):
            continue
        if len(found) == placard.SHOWN:
            return found, True
        name = os.path.join(journey.folder, journey.filed_name or journey.name)
        found.append(Listed(name, journey.filed_at or 0.0, veiled("; ".join(_words(journey)))))
    return found, len(newest) == _LOOKED_AT


def _lies(folders: Folders, archive: str, journey: Journey) -> bool:
    try:
        with folders.archive(archive, journey.folder, make=False) as folder:
            os.stat(journey.filed_name or journey.name, dir_fd=folder, follow_symlinks=False)
    except OSError:
        return False
    return True


def _words(journey: Journey) -> Iterable[str]:
    response = response_of(journey)
    if response is None:  # its queue's records tell no error
        return ["your administrator knows why"]
    return [one.Message for one in response.Messages or ()]
