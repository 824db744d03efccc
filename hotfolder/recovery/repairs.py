"""Carry out the repairs of one queue, under its lock and before anything in it is looked at."""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from loguru import logger

from hotfolder import spool
from hotfolder.attendants import beside, fetch_again
from hotfolder.batches import report_name
from hotfolder.checks.names import printable
from hotfolder.claims import TRIAL, Origin, give_back, note_name, stale_notes, work_name
from hotfolder.delivery import step
from hotfolder.filing import remove_leftovers
from hotfolder.journal import Entry, Journal, JournalError
from hotfolder.logs import log_of
from hotfolder.model import FINAL, Attendant, Journey, State
from hotfolder.recovery import evidence
from hotfolder.recovery.deserted import deserted
from hotfolder.recovery.evidence import Told
from hotfolder.recovery.rebuilt import doubted, from_sidecar, from_work
from hotfolder.recovery.table import Record, Repair, Situation, rule_for
from hotfolder.results import lie, with_results
from hotfolder.states import Event

_REMEMBERED_AT_ONCE = 500
"""Rows that wait for one commit while a journal is rebuilt from sidecars."""


@dataclass(frozen=True, slots=True)
class Site:
    """What is repaired: the journal and the open folders of one queue, and how it is set up."""

    journal: Journal
    folders: spool.Folders
    origin: Origin
    archives: tuple[str, ...]
    """Absolute paths of done/ and failed/."""
    ask_after_s: float
    run: str
    """Id of this run of the daemon."""
    known: bool
    """Whether the journal is the one that the work folder was last used with."""
    busy: Callable[[], frozenset[str]] = frozenset
    """Tells which documents (upload ids) the running program has in hand at this moment; they are left alone."""


@dataclass(slots=True)
class Recovered:
    """What recovery leaves to do: documents to go on with, and those that a person must look for."""

    going_on: list[Journey] = field(default_factory=list)
    missing: list[Journey] = field(default_factory=list)
    stuck: list[str] = field(default_factory=list)
    """Documents of the work folder that are left as they are, each with the reason, in words."""
    unread: list[str] = field(default_factory=list)
    """Archives whose sidecars should have been learned and could not be read."""
    remembered: int = 0
    """Documents at rest that the journal learned of from their sidecars."""


@dataclass(frozen=True, slots=True)
class _Case:
    """One document with everything that is known of it."""

    upload_id: str
    row: Journey | None
    work_name: bytes | None
    told: Told | None


def recover(site: Site, now: float) -> Recovered:
    """Repair one queue; blocks. Nothing is sent and nothing is overwritten. Raises OSError."""
    found = Recovered()
    for case in _cases(site, _told(site, found), found):
        try:
            _mend(site, case, now, found)
        except JournalError:
            raise
        except OSError as problem:  # one document that cannot be read or moved does not keep the others
            text = "queue {}: {} cannot be repaired: {}; tried again when the folder is opened next"
            name = case.work_name or (case.row.name if case.row else case.upload_id.encode())
            logger.bind(upload_id=case.upload_id).error(text, site.origin.queue, printable(name), problem)
            found.stuck.append(f"{printable(name)} cannot be repaired: {problem}")
    _sweep(site)
    found.going_on += deserted(site.folders, site.journal.reader.find, site.busy, now)
    if not site.known:
        _learn_reports(site, found)
        site.journal.begin_run(site.run, now).result()  # with it, all that was learned is durable
        for archive in set(site.archives) - set(found.unread):
            remove_leftovers(site.folders, archive)
        if found.remembered:
            text = "queue {}: the journal did not know its folders; {} documents at rest were learned from their sidecars"
            logger.warning(text, site.origin.queue, found.remembered)
    return found


def _sweep(site: Site) -> None:
    """Remove what a crash left of our own small files; the note of a claim that is just beginning stays."""
    for at in (site.folders.drop, site.folders.work):
        with suppress(OSError):  # something of that name that is not ours to remove
            spool.remove(TRIAL, at)
    busy = site.busy()
    for name in stale_notes(spool.names_in(site.folders.work)):
        if name.removeprefix(note_name("")).decode("ascii", "replace") not in busy | site.busy():
            spool.remove(name, site.folders.work)


def _told(site: Site, found: Recovered) -> dict[str, Told]:
    """Return what the sidecars tell where the journal is lost; an archive that cannot be read is tried again later."""
    told: dict[str, Told] = {}
    for archive in () if site.known else site.archives:
        try:
            told |= evidence.records_in(site.folders, archive)
        except OSError as problem:
            text = (
                "queue {}: what lies in {} cannot be learned: {}; tried again when the folder is opened next"
            )
            logger.warning(text, site.origin.queue, archive, problem.strerror or problem)
            found.unread.append(archive)
    return told


def _cases(site: Site, told: Mapping[str, Told], found: Recovered) -> list[_Case]:
    """Gather the documents to judge: open rows, what lies in the work folder, and, where the journal is lost, sidecars."""
    queue = site.origin.queue
    # Asked before and after: what is claimed meanwhile has a row that must not be repaired, and so has what was filed.
    busy = site.busy()
    in_work = evidence.claimed_in(site.folders)  # before the rows: a claim writes its row first
    rows = {j.upload_id: j for j in site.journal.reader.unfinished() if j.queue == queue}
    # Two queues may file into one folder: each learns of its own documents alone.
    told = {i: t for i, t in told.items() if t.record.queue.name == queue or i in in_work}
    cases = []
    for upload_id in sorted({*in_work, *rows, *told} - busy - site.busy()):
        row = rows.get(upload_id) or site.journal.reader.find(upload_id)
        if row is not None and row.queue != queue:
            text = "queue {}: {} belongs to queue {}; it is left there"
            name = in_work.get(upload_id, row.name)
            log_of(row).error(text, queue, printable(name), row.queue)
            found.stuck.append(f"{printable(name)} belongs to queue {row.queue}")
            continue
        cases.append(_Case(upload_id, row, in_work.get(upload_id), told.get(upload_id)))
    return cases


def _mend(site: Site, case: _Case, now: float, found: Recovered) -> None:
    """Apply rule after rule until one settles the document."""
    for _ in Repair:  # each of them at most once
        journey = _journey(site, case)
        situation = _situation(site, case, journey)
        rule = rule_for(situation)
        if rule.repair is Repair.UNLINK:
            with spool.below(site.folders.drop, journey.folder) as origin:
                spool.remove(journey.name, origin)
        elif rule.repair is Repair.TAKE_AGAIN:
            with spool.below(site.folders.drop, journey.folder) as origin:
                spool.move(journey.name, origin, work_name(journey), site.folders.work)
            case = replace(case, work_name=work_name(journey))
        else:
            if rule.repair not in {Repair.GIVE_BACK, Repair.FORGET, Repair.NOTHING}:
                fetch_again(site.folders, journey)
            if rule.repair in {Repair.DOUBT, Repair.ASK, Repair.FINISH} and lie(site.folders, case.upload_id):
                # Kept before a word of the answer was written that it came with.
                journey = replace(journey, beside=with_results(journey), results_from=now)
            _settle(site, case, journey, rule.repair, now, found)
            return


def _journey(site: Site, case: _Case) -> Journey:
    """Return the best that is known of a document: its sidecar where the journal is lost, its row, its name."""
    if case.row is not None and (case.told is None or case.row.state in FINAL | {State.FILED}):
        return case.row
    if case.told is not None:
        return _attended(site, from_sidecar(case.told.record, case.told.folder, case.told.name))
    assert case.work_name is not None  # noqa: S101 — a case has one of the three
    place = evidence.noted_origin(site.folders, case.upload_id, case.work_name)
    stamp = spool.look(case.work_name, site.folders.work)[1]
    return _attended(site, from_work(case.upload_id, place, site.origin, stamp))


def _attended(site: Site, journey: Journey) -> Journey:
    """Add what lies in the work folder for a document that no row tells of; what a companion says counts again."""
    found, own = [], journey.own
    for one, stamp in evidence.attendants_in(site.folders):
        template = site.origin.templates[not one.kept]
        if one.upload_id != journey.upload_id or template is None:
            continue
        found.append(Attendant(one.name, template, stamp, one.kept))
        own = evidence.said(site.folders, template, one.in_work) if one.kept else own
    found.sort(key=lambda a: not a.kept)
    kept = replace(journey, attendants=tuple(found), beside=beside(journey.upload_id, found), own=own)
    if journey.state is not State.UNCERTAIN:  # its sidecar tells where it went
        return kept
    queue_id, id_source, override_of = site.origin.route(journey.folder, own.queue_id)
    return replace(kept, queue_id=queue_id, id_source=id_source, override_of=override_of)


def _situation(site: Site, case: _Case, journey: Journey) -> Situation:
    in_work = None if case.work_name is None else evidence.stamp_at(case.work_name, site.folders.work)
    return Situation(
        row=None if case.row is None else case.row.state,
        known=site.known,
        in_work=in_work is not None,
        in_drop=evidence.lies_in_drop(site.folders, journey, in_work),
        record=Record.NONE if case.told is None else case.told.beside,
    )


def _settle(site: Site, case: _Case, journey: Journey, repair: Repair, now: float, found: Recovered) -> None:
    queue, name = site.origin.queue, printable(journey.name)
    if repair in {Repair.GO_ON, Repair.REFILE}:
        found.going_on.append(journey)
    elif repair is Repair.GIVE_BACK:
        _give_back(site, case, journey, now)
    elif repair is Repair.FORGET:
        forgotten = step(journey, Event.RETURN, reason="the program ended before it was moved")
        _record(site, Event.RETURN, forgotten, now, journey.state)
    elif repair is Repair.DOUBT:
        reason, moment = "the program ended while it was being sent", now + site.ask_after_s
        doubt = step(journey, Event.DOUBT, reason=reason, asked=0, not_before=moment)
        found.going_on.append(_record(site, Event.DOUBT, doubt, now, journey.state))
    elif repair is Repair.ASK:
        _ask(site, case, journey, now, found)
    elif repair is Repair.FINISH:
        log_of(journey).warning(
            "queue {}: {} is filed as its sidecar says; the journal did not know", queue, name
        )
        event = Event.DELIVER if journey.state is State.DELIVERED else Event.REFUSE
        found.going_on.append(_record(site, event, journey, now, None))
    elif repair is Repair.REMEMBER:
        _remember(site, journey, found)
    elif repair is Repair.MISSING:
        found.missing.append(journey)
        _report_missing(queue, journey)


def _ask(site: Site, case: _Case, journey: Journey, now: float, found: Recovered) -> None:
    """Have the service asked about a document that may have been sent; one of no type that is sent never was."""
    assert case.work_name is not None  # noqa: S101 — the table asks about documents in the work folder alone
    content = evidence.content_of(site.folders, case.work_name)
    if content.media_type is None or journey.answer is not None:
        _give_back(site, case, journey, now)
        return
    text = "queue {}: {} may have been sent before the journal was lost; the service is asked"
    log_of(journey).warning(text, site.origin.queue, printable(journey.name))
    doubt = doubted(journey, content, now + site.ask_after_s)
    found.going_on.append(_record(site, Event.DOUBT, doubt, now, None))


def _give_back(site: Site, case: _Case, journey: Journey, now: float) -> None:
    name = give_back(site.folders, journey, now)
    if case.row is None:
        text = "queue {}: put back a document that the journal does not know: {}"
        log_of(journey).warning(text, site.origin.queue, printable(name))
        return
    log_of(journey).info("queue {}: put back, it had not been sent: {}", site.origin.queue, printable(name))
    if journey.state is State.CLAIMED:
        returned = step(journey, Event.RETURN, reason="the program ended before it was sent")
        _record(site, Event.RETURN, returned, now, State.CLAIMED)


def _record(site: Site, event: Event, after: Journey, now: float, before: State | None) -> Journey:
    site.journal.record(Entry(after, event, now), before).result()
    return after


def _remember(site: Site, journey: Journey, found: Recovered) -> None:
    """Write the row of a document at rest; the commits of many are waited for together."""
    filed = replace(journey, state=State.FILED)
    written = site.journal.record(Entry(filed, Event.FILE, journey.filed_at or 0.0), None)
    found.remembered += 1
    if found.remembered % _REMEMBERED_AT_ONCE == 0:
        written.result()


def _learn_reports(site: Site, found: Recovered) -> None:
    """Have a lost journal know the reports of batches, so that they do not stay when their time is over."""
    for archive in set(site.archives) - set(found.unread):
        with suppress(OSError):  # they are nobody's documents
            for batch, ended in evidence.reports_in(site.folders, archive):
                site.journal.learn_report(batch, ended, report_name(batch).decode())


def _report_missing(queue: str, journey: Journey) -> None:
    log_of(journey).error(
        "queue {}: {} ({}) is in the journal but no longer in the work folder; look for it, put it back as {}",
        queue,
        printable(journey.name),
        journey.state.value,
        os.fsdecode(work_name(journey)),
    )
