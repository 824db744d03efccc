"""What people ask of the service by hand while no daemon runs: the command takes its place for a moment."""

import os
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

from hotfolder import spool, status
from hotfolder.claims import work_name
from hotfolder.delivery import step
from hotfolder.filing import Filed, Order, file_all
from hotfolder.grounds import Grounds
from hotfolder.identity import become_owner
from hotfolder.journal import Entry, Journal
from hotfolder.model import Journey, State
from hotfolder.service.daemon import lock_state
from hotfolder.service.orders import (
    BY_HAND,
    Answered,
    OrderError,
    decision,
    failed_meant,
    failed_of,
    moved_back,
    not_uncertain,
    resumed,
    resumed_told,
    sought,
    verdict_told,
)
from hotfolder.settings import Queue, Settings
from hotfolder.states import Event


def carry_out(settings: Settings, question: dict[str, Any]) -> Answered:
    """Carry out one order without a daemon.

    Raises `AlreadyRunningError` while somebody else has the state directory.
    """
    try:
        become_owner(settings.state_dir)
        lock = lock_state(settings.state_dir, f"hotfolder {question['ask']}")
    except FileNotFoundError:
        return {"error": f"{settings.state_dir} does not exist: the service has not run yet; start it first"}
    except OSError as problem:
        advice = "run the command as the service's user, or as root"
        return {"error": f"{settings.state_dir} cannot be used: {problem.strerror or problem}; {advice}"}
    try:
        return _ORDERS[question["ask"]](settings, question)
    except (OrderError, OSError) as problem:
        return {"error": str(problem)}
    finally:
        lock.release()


def _pause(settings: Settings, question: dict[str, Any]) -> Answered:
    name = question["queue"]
    with closing(Journal(settings.state_dir)) as journal:
        paused = journal.reader.pauses().get(name)
        if paused is not None:
            return {"text": f"queue {name} was paused already: {status.by_hand(name, paused[0])}"}
        journal.pause(name, time.time(), BY_HAND).result()
    return {
        "text": f"queue {name} is paused, also when the service starts; `hotfolder resume {name}` ends it"
    }


def _resume(settings: Settings, question: dict[str, Any]) -> Answered:
    name = question["queue"]
    with closing(Journal(settings.state_dir)) as journal:
        stop = journal.reader.stops().get(name)
        waited = stop is not None or name in journal.reader.pauses()
        for written in resumed(journal, settings.queues[name], stop):
            written.result()
    return {"text": f"{resumed_told(name, waited=waited)} (no daemon is running)"}


def _failed(settings: Settings, question: dict[str, Any]) -> Answered:
    return failed_of(settings, settings.queues[question["queue"]])


def _retry(settings: Settings, question: dict[str, Any]) -> Answered:
    return moved_back(*failed_meant(settings, question), time.time())


def _resolve(settings: Settings, question: dict[str, Any]) -> Answered:
    now = time.time()
    with closing(Journal(settings.state_dir)) as journal:
        journey = sought(settings, journal.reader, question)
        queue = settings.queues.get(journey.queue)
        if queue is None:
            raise OrderError(f"its queue {journey.queue} is not configured any more; put it back")
        if journey.state not in {State.UNCERTAIN, State.SENDING}:
            raise not_uncertain(journey)
        _must_lie(queue, journey)
        if journey.state is State.SENDING:  # the daemon was killed; its next start would say the same
            reason = "the program ended while it was being sent"
            doubted = step(journey, Event.DOUBT, reason=reason, asked=0)
            journal.record(Entry(doubted, Event.DOUBT, now), journey.state).result()
            journey = doubted
        found = decision(question, now)(journey)
        journal.record(Entry(found.journey, found.event, now), journey.state).result()
        later = _filed(journal, queue, found.journey, now)
    return {"text": f"{verdict_told(found.journey)}{later}"}


def _must_lie(queue: Queue, journey: Journey) -> None:
    """Raise `OrderError` where a document is not in the work folder: then a start of the service comes first."""
    path = os.path.join(os.fsencode(queue.folder), spool.WORK_FOLDER, work_name(journey))
    try:
        os.lstat(path)
    except OSError as problem:
        advice = "is its file system mounted? Start the service, which puts right what it finds"
        raise OrderError(f"it is not in the work folder ({problem.strerror}); {advice}") from None


def _filed(journal: Journal, queue: Queue, journey: Journey, now: float) -> str:
    """File a final document; say so where that is left to the next start of the service."""
    if journey.state is State.DEFERRED:
        return " when the service runs"
    archive = str(queue.failed if journey.error_source else queue.done)
    with ExitStack() as stack:
        try:
            grounds = Grounds(queue.name, journal.reader.grounds())
            folders = spool.Folders(str(queue.folder), grounds.stand)
            stack.callback(folders.close)
            lock = spool.Lock(b"lock", folders.work, f"process {os.getpid()}, hotfolder resolve")
            stack.callback(lock.release)
            (result,) = file_all(folders, [Order(journey, archive, now)])
        except (OSError, spool.LockedError) as problem:
            return f" when the service runs ({problem})"
    if not isinstance(result, Filed):
        return f" when the service runs ({result.problem})"
    filed = replace(step(journey, Event.FILE), filed_at=now, filed_name=result.name, beside=result.beside)
    journal.record(Entry(filed, Event.FILE, now), journey.state).result()
    return ""


_ORDERS: dict[str, Callable[[Settings, dict[str, Any]], Answered]] = {
    "pause": _pause,
    "resume": _resume,
    "failed": _failed,
    "retry": _retry,
    "resolve": _resolve,
}
