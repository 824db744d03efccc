"""Make journal and folders agree again before anything else happens: decide on repairs, then do them."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from loguru import logger

from hotfolder import spool
from hotfolder.checks.names import printable
from hotfolder.claims import give_back, original_name, work_name
from hotfolder.delivery import step
from hotfolder.journal import Entry, Journal
from hotfolder.model import Journey, Stamp, State
from hotfolder.states import Event


@dataclass(frozen=True, slots=True)
class Found:
    """What lies on the disk for one document: whether it is in the work folder, and what is at its old place."""

    in_work: bool
    at_origin: Stamp | None


@dataclass(frozen=True, slots=True)
class GiveBack:
    """It was claimed and not sent: back into the drop folder, and the row says so."""

    journey: Journey


@dataclass(frozen=True, slots=True)
class Forget:
    """It was claimed and not sent, and is in the drop folder (or nowhere, removed by its owner)."""

    journey: Journey


@dataclass(frozen=True, slots=True)
class TakeAgain:
    """The power failed after its claim and the move was undone: move it again, then go on."""

    journey: Journey


@dataclass(frozen=True, slots=True)
class Doubt:
    """The program ended while it was on the wire."""

    journey: Journey


@dataclass(frozen=True, slots=True)
class GoOn:
    """Journal and disk agree."""

    journey: Journey


@dataclass(frozen=True, slots=True)
class Missing:
    """Its row is open and the document is nowhere: somebody took it out of the work folder."""

    journey: Journey


Repair = GiveBack | Forget | TakeAgain | Doubt | GoOn | Missing


def repair_for(journey: Journey, found: Found) -> Repair:
    """Decide how one open row and what lies on the disk are made to agree (pure)."""
    if journey.state is State.CLAIMED:
        return GiveBack(journey) if found.in_work else Forget(journey)
    if not found.in_work and found.at_origin is not None and found.at_origin.same_file(journey.stamp):
        return TakeAgain(journey)
    if journey.state in {State.DELIVERED, State.REFUSED}:
        return GoOn(journey)  # filing finds out by itself how far it got
    if not found.in_work:
        return Missing(journey)
    return Doubt(journey) if journey.state is State.SENDING else GoOn(journey)


def orphans(names: list[bytes], known: frozenset[str]) -> list[tuple[bytes, bytes]]:
    """Return the documents of a work folder that no row knows, as (name there, original name) (pure)."""
    found = [(name, original_name(name)) for name in sorted(names)]
    return [(name, parts[1]) for name, parts in found if parts is not None and parts[0] not in known]


@dataclass(frozen=True, slots=True)
class Recovered:
    """What recovery leaves to do: documents to go on with, and those that a person must look for."""

    going_on: list[Journey]
    missing: list[Journey]


def recover(
    journal: Journal,
    queue: str,
    folders: spool.Folders,
    now: float,
    ask_after_s: float,
    busy: Callable[[], frozenset[str]] = frozenset,
) -> Recovered:
    """Repair one queue; blocks. Nothing is sent and nothing is overwritten.

    `busy` tells which documents (upload ids) somebody works on at this moment: they are left alone.
    """
    going_on: list[Journey] = []
    missing: list[Journey] = []
    # Before and after: what is claimed meanwhile has a row that must not be repaired, and so has what was filed.
    at_work = busy()
    unfinished = journal.reader.unfinished()
    at_work |= busy()
    for journey in (j for j in unfinished if j.queue == queue and j.upload_id not in at_work):
        repair = repair_for(journey, _look(folders, journey))
        if isinstance(repair, Missing):
            missing.append(journey)
        repaired = _repair(journal, folders, repair, now, ask_after_s)
        if repaired is not None:
            going_on.append(repaired)
    known = frozenset(j.upload_id for j in unfinished) | at_work
    _return_orphans(journal, queue, folders, (known, busy), now)
    return Recovered(going_on, missing)


def _look(folders: spool.Folders, journey: Journey) -> Found:
    in_work = _stamp(work_name(journey), folders.work) is not None
    at_origin = None
    if not in_work:
        with suppress(OSError), spool.below(folders.drop, journey.folder) as origin:
            at_origin = _stamp(journey.name, origin)
    return Found(in_work, at_origin)


def _stamp(name: bytes, at: int) -> Stamp | None:
    try:
        return spool.look(name, at)[1]
    except FileNotFoundError:
        return None


def _repair(
    journal: Journal, folders: spool.Folders, repair: Repair, now: float, ask_after_s: float
) -> Journey | None:
    journey = repair.journey
    if isinstance(repair, GiveBack):
        name = give_back(folders, journey, now)
        logger.info("{}: put back, it had not been sent: {}", journey.queue, printable(name))
        return _record(journal, Event.RETURN, journey, now, reason="the program ended before it was sent")
    if isinstance(repair, Forget):
        return _record(journal, Event.RETURN, journey, now, reason="the program ended before it was moved")
    if isinstance(repair, TakeAgain):
        with spool.below(folders.drop, journey.folder) as origin:
            spool.move(journey.name, origin, work_name(journey), folders.work)
        return _repair(
            journal, folders, repair_for(journey, Found(in_work=True, at_origin=None)), now, ask_after_s
        )
    if isinstance(repair, Doubt):
        reason = "the program ended while it was being sent"
        moment = now + ask_after_s
        return _record(journal, Event.DOUBT, journey, now, reason=reason, asked=0, not_before=moment)
    if isinstance(repair, Missing):
        logger.error(
            "{}: {} ({}) is in the journal but no longer in the work folder; look for it, put it back as {}",
            journey.queue,
            printable(journey.name),
            journey.state.value,
            os.fsdecode(work_name(journey)),
        )
        return None
    return journey


def _record(
    journal: Journal, event: Event, journey: Journey, now: float, **changes: object
) -> Journey | None:
    after = step(journey, event, **changes)
    journal.record(Entry(after, event, now), journey.state).result()
    return None if event is Event.RETURN else after


def _return_orphans(
    journal: Journal,
    queue: str,
    folders: spool.Folders,
    known: tuple[frozenset[str], Callable[[], frozenset[str]]],
    now: float,
) -> None:
    names = spool.names_in(folders.work)
    for in_work, original in orphans(names, known[0] | known[1]()):
        upload_id = original_name(in_work)
        assert upload_id is not None  # noqa: S101 — `orphans` has taken it apart already
        row = journal.reader.find(upload_id[0])
        if row is not None and row.queue != queue:
            logger.error("{}: {} belongs to queue {}; it is left there", queue, printable(in_work), row.queue)
            continue
        name = spool.move_to_free(in_work, folders.work, original, folders.drop, now, upload_id[0])
        logger.warning("{}: put back a document that the journal does not know: {}", queue, printable(name))
