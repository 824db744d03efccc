"""Judge whether the guarantees hold for what was looked at (pure).

Never lost: each open row has its document in exactly one fitting place, and nothing lies about that no row
knows. Never sent twice unasked: each history is a path through the table. Never silent: each archived
document has its record, and every folder can be read.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from hotfolder import results
from hotfolder.attendants import InWork, in_work, taken_apart
from hotfolder.audit.evidence import Document, Evidence, LonelyRecord, Problem, Row, Site
from hotfolder.checks.names import printable
from hotfolder.claims import original_name, work_name
from hotfolder.model import FINAL, OPEN, Journey, State
from hotfolder.states import ARROWS, Event

OWN_FILES = ("lock", "run", "origin.*", ".*")
"""Globs of the service's own small files in a work folder."""


def problems(found: Evidence) -> list[Problem]:
    """Return every place where a guarantee does not hold."""
    return [
        *found.unreadable,
        *(problem for row in found.rows for problem in history_problems(row, found.journal_path)),
        *_place_problems(found),
        *_work_problems(found),
        *_archive_problems(found),
    ]


# The journal -------------------------------------------------------------------------------------


def history_problems(row: Row, file: bytes) -> Iterator[Problem]:
    """Yield what is wrong with the arrows that a document went along."""
    about = f"document {row.journey.upload_id} (queue {row.journey.queue}): "
    for text in (_no_path(row), _sent_twice(row), _unflagged(row)):
        if text:
            yield Problem(file, about + text)


def _no_path(row: Row) -> str | None:
    """Follow the arrows through the table; a beginning that was cleared away is no problem."""
    if not row.arrows:
        return "its history is missing from the journal" if row.journey.state in OPEN else None
    state: str | None = None
    for number, (event, following) in enumerate(row.arrows):
        sources = [s for (s, arrow), target in ARROWS.items() if (arrow, target) == (event, following)]
        if not (sources if number == 0 else state in sources):
            return (
                f"its history has an arrow that the table does not know: {event} from {state} to {following}"
            )
        state = following
    if state != row.journey.state:
        return f"its history ends in {state}, and its row says {row.journey.state}"
    return None


def _sent_twice(row: Row) -> str | None:
    """Find two requests between which nobody said that the first was not taken."""
    open_request = False
    for event, _ in row.arrows:
        if event == Event.SEND:
            if open_request:
                return "it was sent twice, and nothing in between said that the first was not taken"
            open_request = True
        elif event == Event.DEFER:
            open_request = False
    return None


def _unflagged(row: Row) -> str | None:
    """Find a repeat after a doubt that was neither asked about nor marked; `asked` counts since the last doubt."""
    events = [event for event, _ in row.arrows]
    if Event.DELIVER not in events or Event.DOUBT not in events:
        return None
    last_doubt = len(events) - 1 - events[::-1].index(Event.DOUBT)
    repeated = Event.SEND in events[last_doubt:]
    if repeated and not row.journey.asked and not row.journey.possible_duplicate:
        return "it was sent again after a doubt that nobody asked about, and is not marked as a possible duplicate"
    return None


_SENT = OPEN - FINAL - {State.CLAIMED}
"""States in which all that came with a document lies in the work folder."""

# Where the documents are -------------------------------------------------------------------------


def _place_problems(found: Evidence) -> Iterator[Problem]:
    """Yield what is wrong with the places of open rows: none, the wrong one, or two."""
    sites = {site.queue: _Places.of(site) for site in found.sites}
    for row in (r for r in found.rows if r.journey.state in OPEN):
        journey = row.journey
        places = sites.get(journey.queue)
        if places is None:
            text = f"document {journey.upload_id} is not finished, and its queue {journey.queue} is not configured"
            yield Problem(found.journal_path, text)
        elif not places.site.unreadable:
            yield from _open_row_problems(journey, places)


@dataclass(frozen=True, slots=True)
class _Places:
    """What lies where in the folders of one queue."""

    site: Site
    work: frozenset[bytes]
    archived: frozenset[str]
    recorded: frozenset[str]

    @classmethod
    def of(cls, site: Site) -> "_Places":
        archived = frozenset(d.record.upload_id for d in site.documents if d.record)
        recorded = archived | {lonely.record.upload_id for lonely in site.lonely}
        return cls(site, frozenset(entry.name for entry in site.work), archived, recorded)


def _open_row_problems(journey: Journey, places: _Places) -> Iterator[Problem]:
    upload_id, state, path = journey.upload_id, journey.state, _path(places.site, work_name(journey))
    here, dropped = work_name(journey) in places.work, upload_id in places.site.dropped
    archived = upload_id in places.archived
    if state in FINAL:
        if not (here or dropped or upload_id in places.recorded):
            yield Problem(path, f"it is {state}, and neither here nor in an archive")
    elif not (here or dropped):
        yield Problem(path, f"it is {state}, and not here; look for it and put it back")
    if archived and (here or state not in FINAL):
        yield Problem(path, f"it is {state}, and lies in an archive too; a start of the service settles it")
    for one in journey.attendants:
        name = in_work(upload_id, one)
        if here and state in _SENT and name not in places.work:
            yield Problem(
                _path(places.site, name), f"it came with a document that is {state}, and is not here"
            )


def _work_problems(found: Evidence) -> Iterator[Problem]:
    """Yield what lies in work folders and should not."""
    rows = {row.journey.upload_id: row for row in found.rows}
    for site in found.sites:
        for entry in site.work:
            text = _stray(entry.name, entry.regular, site, rows)
            if text:
                yield Problem(_path(site, entry.name), text)


def _stray(name: bytes, regular: bool, site: Site, rows: dict[str, Row]) -> str | None:  # noqa: FBT001 — a fact
    parts = original_name(name)
    row = rows.get(parts[0]) if parts else None
    journey = row.journey if row else None
    if journey is not None and work_name(journey) == name and regular:
        if journey.queue != site.queue:
            return f"it belongs to queue {journey.queue}"
        if journey.state not in OPEN:
            return f"it is {journey.state}, and still lies in the work folder"
        return None
    if regular and (one := taken_apart(name)) is not None:
        return _strayed(one, site, rows)
    if regular and (fetched := results.taken_apart(name)) is not None:
        return _unfiled(fetched, site, rows)
    if regular and any(fnmatchcase(name.decode("utf-8", "replace"), glob) for glob in OWN_FILES):
        return None
    if parts is None or not regular:
        return "it is no document of the service, and the work folder is the service's alone"
    return "no row of the journal knows it; a start of the service puts it back into the drop folder"


def _strayed(one: InWork, site: Site, rows: dict[str, Row]) -> str | None:
    """Say what is wrong with a companion or marker in a work folder."""
    row = rows.get(one.upload_id)
    if row is None:
        return "no row of the journal knows its document; a start of the service puts it back into the drop folder"
    if row.journey.queue != site.queue:
        return f"its document belongs to queue {row.journey.queue}"
    if row.journey.state not in OPEN:
        advice = "a start of the service settles it"
        return f"its document is {row.journey.state}, and it still lies in the work folder; {advice}"
    return None


def _unfiled(one: results.InWork, site: Site, rows: dict[str, Row]) -> str | None:
    """Say what is wrong with what was found in a document and lies in a work folder."""
    row = rows.get(one.upload_id)
    if row is not None and row.journey.queue == site.queue and row.journey.state in OPEN:
        return None
    return "it was fetched for a document that is not under way here; a start of the service settles it"


def _path(site: Site, name: bytes) -> bytes:
    return site.work_path + b"/" + name


# The archives ------------------------------------------------------------------------------------


def _archive_problems(found: Evidence) -> Iterator[Problem]:
    rows = {row.journey.upload_id: row.journey.state for row in found.rows}
    for site in found.sites:
        yield from site.unreadable
        for document in site.documents:
            yield from (Problem(document.path, text) for text in _document_flaws(document, rows))
        for lonely in site.lonely:
            yield from _lonely_problems(lonely, rows.get(lonely.record.upload_id))
        for path, upload_id in site.leftovers:
            if rows.get(upload_id) not in FINAL and upload_id not in found.batches:
                yield Problem(path, "a temporary file that a filing left behind; it can be removed")
    yield from _twofold(found)


def _lonely_problems(lonely: LonelyRecord, state: State | None) -> Iterator[Problem]:
    """Yield what is wrong with a record without its document: people may take filed documents away."""
    if state is None:
        yield Problem(lonely.path, "a record without its document, and no row of the journal knows it")
    elif state not in FINAL | {State.FILED}:
        yield Problem(lonely.path, f"a record without its document, which is {state}")


def _twofold(found: Evidence) -> Iterator[Problem]:
    """Yield the records that carry the same upload id."""
    places: dict[str, set[bytes]] = defaultdict(set)
    for site in found.sites:
        for document in site.documents:
            if document.record:
                places[document.record.upload_id].add(document.path)
        for lonely in site.lonely:
            places[lonely.record.upload_id].add(lonely.path)
    for upload_id, paths in places.items():
        first, *others = sorted(paths)
        for path in others:
            yield Problem(path, f"its upload id {upload_id} is also that of {printable(first)}")


def _document_flaws(document: Document, rows: dict[str, State]) -> Iterator[str]:
    record = document.record
    if document.flaw:
        yield document.flaw
    elif record is None:
        yield "there is no record beside it"
    if record is None:
        return
    if record.outcome != document.area:
        yield f"its record says {record.outcome}, and it lies in {document.area}/"
    if record.size != document.size:
        yield f"it has {document.size} bytes, and its record says {record.size}"
    elif document.sha256 and record.sha256 and document.sha256 != record.sha256:
        yield "its content is not the one that its record names (SHA-256)"
    if rows.get(record.upload_id) is State.RETURNED:
        yield "it lies in an archive, and the journal says that it was put back into the drop folder"


LEFTOVER = re.compile(rb"\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.tmp")
"""Name of a temporary file of a filing; its group is the upload id."""
