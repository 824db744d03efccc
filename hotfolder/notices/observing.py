"""Look at the queues of the running daemon and name what is wrong with each, in words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from hotfolder import status
from hotfolder.arrivals import NOT_LOOKED_AT
from hotfolder.checks.names import printable
from hotfolder.journal import place_in_words
from hotfolder.model import Journey, State
from hotfolder.notices.deciding import Facts
from hotfolder.pipeline import Lane, Line
from hotfolder.settings import Notify
from hotfolder.troubles import Kind, Trouble

LASTS_S = 30.0
"""A queue that is in trouble for less than this is not worth a message; at most `group`."""
DOCUMENTS_S = 10.0
"""Between two looks at all documents of a queue: there may be a hundred thousand."""
_MOST_EACH = 500
"""Documents of one queue that are named one by one; more of them say nothing new."""


@dataclass(slots=True)
class Watched:
    """What is remembered between two looks (all in seconds since 1970)."""

    open_since: dict[str, float] = field(default_factory=dict)
    """Since when each queue has been taking documents without a break that is meant."""
    troubles: dict[str, float] = field(default_factory=dict)
    """Since when each trouble shows."""
    documents: dict[str, tuple[float, tuple[Trouble, ...]]] = field(default_factory=dict)
    """What is wrong with the documents of each queue, and when that was looked at."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The time, the settings, and what other parts know of each queue or of the program."""

    now: float
    notify: Notify
    too_quiet: Mapping[str, str] = field(default_factory=dict)
    """Why a queue is quiet for longer than usual."""
    last_arrivals: Mapping[str, float] = field(default_factory=dict)
    hung: tuple[str, ...] = ()
    """Loops of the program that do not move."""

    @property
    def lasts_s(self) -> float:
        """Return how long a queue must be in trouble before it is told."""
        return min(LASTS_S, self.notify.group_s)


def look(lanes: Sequence[Lane], watched: Watched, moment: Moment) -> Facts:
    """Return what is wrong now."""
    found: list[Trouble] = []
    blind: set[tuple[Kind, str]] = set()
    for lane in lanes:
        found += _of_connection(lane, moment)
        for line in lane.lines:
            name = line.queue.name
            if line.drop.offline == NOT_LOOKED_AT and not line.drop.scans:
                blind |= {(kind, name) for kind in Kind}
                continue
            _note_open(line, watched, moment.now)
            found += _of_queue(lane, line, moment)
            found += _documents(line, watched, moment)
            found += _quiet(line, moment)
            if line.drop.offline or line.rests:
                blind |= {(Kind.QUIET, name), (Kind.STUCK, name)}
    found += _of_program(lanes, moment)
    watched.troubles = {t.key: watched.troubles.get(t.key, moment.now) for t in found}
    return Facts(tuple(_dated(t, watched.troubles[t.key]) for t in found), frozenset(blind))


def _dated(trouble: Trouble, shows_since: float) -> Trouble:
    return trouble if trouble.since else replace(trouble, since=shows_since)


def _note_open(line: Line, watched: Watched, now: float) -> None:
    if line.rests or line.drop.offline:
        watched.open_since.pop(line.queue.name, None)
    else:
        watched.open_since.setdefault(line.queue.name, now)


def _of_connection(lane: Lane, moment: Moment) -> Iterator[Trouble]:
    name, queues = lane.connection.name, tuple(line.queue.name for line in lane.lines)
    many = f"queue {queues[0]}" if len(queues) == 1 else f"queues {', '.join(queues)}"
    gate = lane.gate
    if gate.paused:
        yield Trouble(
            f"connection {name}",
            Kind.QUEUE,
            queues,
            f"connection {name} is paused, and with it {many}: {gate.reason}",
            "mend what the service objects to; `hotfolder check --online` says whether it is. Documents stay in the "
            "drop folders meanwhile, and work goes on by itself",
            f"connection {name} works again",
            0.0,
            after_s=moment.lasts_s,
        )
    elif gate.trouble:
        yield _undelivered(f"connection {name}", queues, f"connection {name} ({many})", gate.trouble, moment)


def _undelivered(key: str, queues: tuple[str, ...], who: str, reason: str, moment: Moment) -> Trouble:
    return Trouble(
        f"delivery {key}",
        Kind.DELIVERY,
        queues,
        f"nothing can be delivered over {who}: {reason}",
        "look whether the service and the way to it work; documents wait and are tried again by themselves",
        f"{who} delivers again",
        0.0,
        after_s=moment.notify.undelivered_after_s,
    )


def _of_queue(lane: Lane, line: Line, moment: Moment) -> Iterator[Trouble]:
    name = line.queue.name
    if lane.journal_trouble:
        return  # told of the program
    state, reason = status.state_of(lane, line)
    shared = lane.gate.paused and not (line.drop.offline or line.halted)
    if state != "active" and not shared:
        deliberate = bool(line.by_hand) and not line.stopped and not line.drop.offline
        yield Trouble(
            f"queue {name}",
            Kind.QUEUE,
            (name,),
            f"queue {name} is {state}: {reason}",
            _ADVICE[state].format(queue=name, folder=printable(str(line.queue.folder).encode())),
            f"queue {name} works again",
            0.0,
            word=state,
            after_s=moment.notify.stuck_after_s if deliberate else moment.lasts_s,
        )
    elif not shared and (trouble := line.gate.trouble or line.batching.trouble) and not lane.gate.trouble:
        yield _undelivered(f"queue {name}", (name,), f"queue {name}", trouble, moment)
    if state == "active" and line.filing_trouble:
        yield Trouble(
            f"filing {name}",
            Kind.STUCK,
            (name,),
            f"queue {name}: {line.filing_trouble}",
            "give the service's user the right to write there, or make room; it is tried again by itself",
            f"queue {name}: documents can be filed again",
            0.0,
            after_s=moment.lasts_s,
        )
    if line.upkeep_trouble:
        yield Trouble(
            f"upkeep {name}",
            Kind.PROGRAM,
            (name,),
            f"queue {name}: {line.upkeep_trouble}",
            "`retain` removes nothing until this is mended",
            f"queue {name}: what is past its time is removed again",
            0.0,
            after_s=moment.notify.undelivered_after_s,
        )


_ADVICE = {
    "offline": "look whether {folder} is there, mounted, and open to the service's user; work goes on by itself",
    "paused": "mend the reason; `hotfolder status` shows it, `hotfolder resume {queue}` tries again at once",
    "stopped": "look at the document, then run `hotfolder resume {queue}`",
}


def _documents(line: Line, watched: Watched, moment: Moment) -> tuple[Trouble, ...]:
    """Return what is wrong with the documents of a queue; all of them are looked at, so not at every look."""
    name = line.queue.name
    at, found = watched.documents.get(name, (float("-inf"), ()))
    if not 0 <= moment.now - at < DOCUMENTS_S:
        found = tuple(_of_documents(line, moment, watched.open_since.get(name)))
        watched.documents[name] = moment.now, found
    return found


def _of_documents(line: Line, moment: Moment, open_since: float | None) -> Iterator[Trouble]:
    name = line.queue.name
    held = (j for j in line.carried.values() if j.held)
    for journey in islice(held, _MOST_EACH):
        advice = (
            f"look at the service whether it has it, then run `hotfolder resolve {journey.upload_id}` with --sent ID, "
            "--resend or --fail"
        )
        what = "nobody can tell whether the service has it, and it is held"
        yield _stuck(
            f"held {journey.upload_id}", line, place_in_words(journey), what, advice, journey.claimed_at
        )
    for journey in islice((j for j in line.carried.values() if j.stalled), _MOST_EACH):
        advice = "ask at the service what keeps it"
        what = (
            f"the service has had it for long and has not finished: {journey.reason or 'it does not say why'}"
        )
        yield _stuck(
            f"stalled {journey.upload_id}", line, place_in_words(journey), what, advice, journey.claimed_at
        )
    for lost in islice(line.missing, _MOST_EACH):
        advice = "look for it; the log says under which name it belongs into the work folder; then restart the service"
        yield _stuck(f"missing {name}/{lost}", line, lost, "it is missing from the work folder", advice, 0.0)
    for left in islice(line.stuck, _MOST_EACH):
        advice = "look at it in the work folder .hotfolder; `hotfolder audit` says more"
        yield _stuck(f"left {name}/{left}", line, left, "it was left in the work folder", advice, 0.0)
    if open_since is not None and not line.drop.offline:
        yield from _waiting(line, moment, open_since)


def _stuck(key: str, line: Line, file: str, what: str, advice: str, since: float) -> Trouble:
    queue = line.queue.name
    well = f"queue {queue}: {file} is not stuck any more"
    return Trouble(key, Kind.STUCK, (queue,), what, advice, well, since, file=file)


_ON_ITS_WAY = {State.CLAIMED, State.SENDING, State.DEFERRED, State.UNCERTAIN}


def _waiting(line: Line, moment: Moment, open_since: float) -> Iterator[Trouble]:
    """Name the documents that wait for too long although their queue is open: as one trouble of the queue."""
    name, limit = line.queue.name, moment.now - moment.notify.stuck_after_s
    if open_since > limit:
        return
    carried = [j for j in line.carried.values() if _waits(j, limit)]
    oldest = line.drop.inbox.oldest()
    lying = oldest is not None and oldest < limit
    if not carried and not lying:
        return
    named, since = (
        place_in_words(carried[0]) if carried else "",
        min((j.seen_at for j in carried), default=limit),
    )
    if lying and oldest is not None and (not carried or oldest < since):
        key, entry = min(
            ((k, e) for k, e in line.drop.inbox.entries.items() if not e.rule),
            key=lambda pair: pair[1].seen_at,
        )
        named, since = printable(b"/".join(filter(None, key))), entry.seen_at
    yield Trouble(
        f"waiting {name}",
        Kind.STUCK,
        (name,),
        f"queue {name}: documents wait for longer than `stuck_after`; the oldest is {named}",
        "`hotfolder why FILE` says what each waits for, `hotfolder status` how many there are",
        f"queue {name}: no document waits for too long any more",
        since,
    )


def _waits(journey: Journey, limit: float) -> bool:
    return journey.state in _ON_ITS_WAY and not journey.held and journey.seen_at < limit


def _quiet(line: Line, moment: Moment) -> Iterator[Trouble]:
    name = line.queue.name
    if (reason := moment.too_quiet.get(name)) and not line.rests and not line.drop.offline:
        yield Trouble(
            f"quiet {name}",
            Kind.QUIET,
            (name,),
            f"nothing has arrived in queue {name} for {reason}",
            "look whether the scanner, the share and the people who drop documents there work",
            f"documents arrive in queue {name} again",
            moment.last_arrivals.get(name, 0.0),
        )


def _of_program(lanes: Iterable[Lane], moment: Moment) -> Iterator[Trouble]:
    journal = next(filter(None, (lane.journal_trouble for lane in lanes)), None)
    if journal:
        yield journal_trouble(journal, 0.0)
    for loop in moment.hung:
        yield Trouble(
            f"loop {loop}",
            Kind.PROGRAM,
            (),
            f"a part of the program hangs: {loop}",
            "systemd restarts the service if its watchdog is on; else restart it, and send us its log",
            f"the part of the program that hung works again: {loop}",
            0.0,
        )


def journal_trouble(reason: str, since: float) -> Trouble:
    """Return what is told while the journal cannot be written."""
    return Trouble(
        "journal",
        Kind.PROGRAM,
        (),
        f"{reason}; everything waits until it can",
        "make room on the disk of `state_dir`, or mend it; work goes on by itself",
        "the journal can be written again",
        since,
    )


def newest(line: Line) -> float:
    """Return when (seconds since 1970) the youngest document in a drop folder was first seen; 0 where none lies there."""
    entries = line.drop.inbox.entries.values()
    return max((entry.seen_at for entry in entries if not entry.rule), default=0.0)
