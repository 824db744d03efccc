"""One queue: its drop folder, its settings, and the filing of its documents in batches."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial

from loguru import logger

from hotfolder.arrivals import DropFolder, Threads, patiently
from hotfolder.backends.base import Parcel
from hotfolder.checks.names import printable
from hotfolder.claims import Origin, pieces, work_name
from hotfolder.delivery import parcel_for, step
from hotfolder.filing import Filed, NotFiled, Order, clear_up, file_all
from hotfolder.journal import place_in_words
from hotfolder.logs import log_of
from hotfolder.model import FINAL, Clock, Journey, State, Stop
from hotfolder.pipeline.batching import Batching, Shop, Turn
from hotfolder.pipeline.recorder import Recorder
from hotfolder.pulse import Beat
from hotfolder.retry import Gate
from hotfolder.schedule import told_closed
from hotfolder.settings import Queue
from hotfolder.spool import Folders, is_remote
from hotfolder.states import Event

_MOST_AT_ONCE = 64
_GATHER_S = 0.05
"""How long a final document waits for others: nobody waits for its filing, and every sync that is shared is one
fewer between a document and the wire."""
_FIRST_WAIT_S, _LAST_WAIT_S = 1.0, 60.0
_MOST_UNFILED = 5_000
"""Documents that wait for done/ or failed/ until nothing new is taken: each is some 4 KiB of memory, and lies in the
work folder, where nobody looks for it."""
_PIECE_WITHIN_S = 30.0
"""A piece of a document (256 KiB) that its share does not hand over in this time keeps no request waiting longer."""


def _filed(folders: Folders, orders: list[Order], failed: str) -> list[Filed | NotFiled]:
    """File documents; those that came back from failed/ leave no record there."""
    results = file_all(folders, orders)
    came_back = [o.journey for o, result in zip(orders, results, strict=True) if isinstance(result, Filed)]
    clear_up(failed, came_back)
    return results


def _wall_clock(moment: float) -> datetime:
    """Return what the machine's wall clock shows at a moment (seconds since 1970)."""
    return datetime.fromtimestamp(moment)  # noqa: DTZ006 — a schedule is read by the wall clock


MakeThreads = Callable[[int, str], Threads]
"""Makes so many threads of a name."""


@dataclass(frozen=True, slots=True)
class Means:
    """What every line shares."""

    recorder: Recorder
    clock: Clock
    threads: MakeThreads = Threads


@dataclass(frozen=True, slots=True)
class Parked:
    """A final document that could not be filed: why, for how long it waits before the next try (seconds)."""

    journey: Journey
    reason: str
    wait_s: float

    @property
    def blocks(self) -> bool:
        """Tell whether its queue must claim nothing more: what is delivered next could not be filed either.

        A refused document that cannot be laid into failed/ keeps nobody waiting.
        """
        return self.journey.error_source is None


class Line:
    """One queue on its way from drop folder to archive."""

    def __init__(self, queue: Queue, origin: Origin, drop: DropFolder, means: Means) -> None:
        self.queue = queue
        self.origin = origin
        self.drop = drop
        self.disk = drop.disk
        self.gate = Gate()
        self.beat = Beat()
        """Of `file`."""
        self.by_hand: str | None = None
        """Why nothing is claimed although nothing is wrong: a person paused the queue."""
        self.stopped: Stop | None = None
        """At which document the queue stopped (`on_error`): nothing is claimed until a person resumes it."""
        self.claiming = 0
        """Claims that were begun and of which nothing stands in `carried` yet, or has just come to stand there."""
        self.carried: dict[str, Journey] = {}
        """Every claimed document that is not at rest, by upload id."""
        self.at_rest = asyncio.Lock()
        """Held while records of filed documents are rewritten or removed: one that is removed must not come back."""
        self.filed = {"done": 0, "failed": 0}
        self.parked: dict[str, Parked] = {}
        """Final documents that could not be filed and are tried again, by upload id."""
        self.flooded = False
        """More final documents than `_MOST_UNFILED` wait to be filed, or did and more than half of them still do."""
        self.claim_trouble: str | None = None
        """Why nothing can be moved into the work folder."""
        self.on_blocked: Callable[[], None] = lambda: None
        self.on_unblocked: Callable[[], None] = lambda: None
        self.on_filed: Callable[[], None] = lambda: None
        self.stuck: list[str] = []
        """Documents of the work folder that recovery left as they are, each with the reason, in words."""
        self.upkeep_trouble: str | None = None
        """Why documents that are past their time (`retain`) cannot be removed."""
        self.placard_trouble: str | None = None
        """Why the status file cannot be written."""
        self.missing: list[str] = []
        """Names of unfinished documents that recovery found nowhere."""
        self.batching = Batching(_shop(self), means.recorder, means.clock)
        self._means = means
        self._to_file: asyncio.Queue[Journey] = asyncio.Queue()

    @property
    def folders(self) -> Folders:
        """Return the open folders; raises OSError while the queue is offline."""
        if self.drop.folders is None:
            raise OSError(0, f"queue {self.queue.name} is offline: {self.drop.offline}")
        return self.drop.folders

    @property
    def halted(self) -> bool:
        """Tell whether only a person lets the queue go on."""
        return self.by_hand is not None or self.stopped is not None

    @property
    def has_turn(self) -> bool:
        """Tell whether the documents under way let another one be claimed: none may, where an error stops the queue."""
        if self.queue.on_error == "continue":
            return True
        return not self.claiming and all(j.state in FINAL for j in self.carried.values())

    def stop_at(self, journey: Journey, wall: float) -> bool:
        """Stop at a document that has just been refused, where its queue is set so; tell whether that is new."""
        if journey.state is not State.REFUSED or journey.on_error == "continue" or self.stopped:
            return False
        self.stopped = Stop(wall, journey.upload_id, place_in_words(journey))
        text = "queue {} is stopped: {} goes to failed/: {}; `hotfolder resume {}` lets the rest go on"
        name = self.queue.name
        log_of(journey).error(
            text, name, self.stopped.file, (journey.reason or "refused").removesuffix("."), name
        )
        return True

    def tell_warnings(self, before: Journey, journey: Journey) -> None:
        """Say what the service made of an accepted document, where that is new and nothing else says it."""
        if before.state in {State.ACCEPTED, State.UNCERTAIN} and not journey.stalled:
            for said in (one for one in journey.warnings if one not in before.warnings):
                log_of(journey).warning("queue {}: {}: {}", self.queue.name, printable(journey.name), said)

    def offers(self, now: float) -> bool:
        """Tell whether a document is ready whose turn it is (`now` is monotonic)."""
        if self.queue.mode == "single":
            return bool(self.drop.inbox.ready)
        return not self.claiming and self.batching.offers(now)

    @property
    def batch_goes(self) -> bool:
        """Tell whether a document of a batch is being claimed or sent."""
        return bool(self.claiming) or self.batching.on_the_wire()

    async def turn(self) -> Turn | None:
        """Take the document whose turn it is out of the inbox; its claim must follow."""
        if self.queue.mode == "batch":
            return await self.batching.turn()
        arrival = self.drop.inbox.take()
        return None if arrival is None else Turn(arrival)

    def lose(self, journey: Journey) -> None:
        """Take note that a document is not in the work folder any more; its row stays open, and `status` says so."""
        self.carried.pop(journey.upload_id, None)
        self.parked.pop(journey.upload_id, None)
        self.missing.append(printable(journey.name))
        text = "queue {}: {} ({}) has left the work folder without us; look for it, put it back as {}"
        place = printable(work_name(journey))
        log_of(journey).error(text, self.queue.name, printable(journey.name), journey.state.value, place)

    @property
    def open_now(self) -> bool:
        """Tell whether the queue's schedule lets documents be taken at this hour."""
        hours = self.queue.schedule
        return hours is None or hours.open_at(_wall_clock(self._means.clock.wall()))

    @property
    def off_hours(self) -> str | None:
        """Return until when the schedule keeps the queue closed, None where it is open."""
        hours = self.queue.schedule
        return None if hours is None else told_closed(hours, self._means.clock.wall(), _wall_clock)

    @property
    def rests(self) -> bool:
        """Tell whether nothing is claimed although nothing is wrong: by hand, or by the schedule."""
        return self.halted or not self.open_now

    @property
    def filing_trouble(self) -> str | None:
        """Return what cannot be filed and why, None where all can."""
        if not self.parked:
            return None
        first = next(iter(self.parked.values()))
        more = f", and {len(self.parked) - 1} more" if len(self.parked) > 1 else ""
        return f"{printable(first.journey.name)}{more} cannot be filed: {first.reason}"

    @property
    def slow_filing(self) -> str | None:
        """Return how long done/ or failed/ has kept a document waiting, None where that is not worth a word."""
        past = self.beat.slow_s
        text = "done/ or failed/ has kept documents waiting for {:.0f} s; look after their disk or share"
        return None if past is None else text.format(past)

    @property
    def blocked(self) -> str | None:
        """Return why the disk allows nothing more to be claimed, None where it does."""
        if any(parked.blocks for parked in self.parked.values()):
            return self.filing_trouble
        text = f"more than {_MOST_UNFILED} documents wait to be filed; look after the disk or share of done/ and failed/"
        return text if self.flooded else self.claim_trouble

    def parcel(self, journey: Journey) -> Parcel:
        """Return a document as it goes out."""
        folders = self.folders
        if not is_remote(folders.fs_type):
            return parcel_for(journey, self.queue, lambda: pieces(folders, journey))
        # A share that hangs must not hold a thread of the connection, which serves other queues, too.
        read = partial(patiently, self.disk, within_s=_PIECE_WITHIN_S)
        return parcel_for(journey, self.queue, lambda: read(pieces(folders, journey)))

    def to_file(self, journey: Journey) -> None:
        """Have a final document filed; it is tried until it works."""
        self._to_file.put_nowait(journey)
        self.flooded = self.flooded or self._unfiled > _MOST_UNFILED

    @property
    def _unfiled(self) -> int:
        return self._to_file.qsize() + len(self.parked)

    async def file(self) -> None:
        """File what is final, batch by batch, for ever; ends by cancellation."""
        while True:
            self.beat.rests()
            batch = [await self._to_file.get()]
            self.beat.works()
            await asyncio.sleep(_GATHER_S)
            while len(batch) < _MOST_AT_ONCE and not self._to_file.empty():
                batch.append(self._to_file.get_nowait())
            was_blocked = self.blocked
            await self._file(batch)
            self.flooded = self.flooded and self._unfiled > _MOST_UNFILED // 2
            self.on_filed()
            if self.blocked and not was_blocked:
                self.on_blocked()
            elif was_blocked and not self.blocked:
                self.on_unblocked()

    async def _file(self, batch: list[Journey]) -> None:
        """File a batch; what does not work is parked, and the rest goes on."""
        moment = self._means.clock.wall()
        orders = [Order(j, self._archive(j), moment) for j in batch]
        try:
            folders = self.folders
            results = await asyncio.get_running_loop().run_in_executor(
                self.disk, partial(_filed, folders, orders, str(self.queue.failed))
            )
        except OSError as problem:
            results = [NotFiled(problem)] * len(orders)
        filed: list[Journey] = []
        for order, result in zip(orders, results, strict=True):
            if isinstance(result, Filed):
                rests = replace(order.journey, filed_at=moment, filed_name=result.name, beside=result.beside)
                filed.append(rests)
            elif result.gone:
                self.lose(order.journey)
            else:
                self._park(order.journey, result.problem)
        await asyncio.gather(*(self._rest(j) for j in filed))

    def _park(self, journey: Journey, problem: OSError) -> None:
        """Set a document aside until its next try; the same reason is said once."""
        area = "failed/" if journey.error_source else "done/"
        reason = f"{area}: {problem.strerror or problem}"
        before = self.parked.get(journey.upload_id)
        known = any(p.reason == reason for p in self.parked.values())
        wait_s = _FIRST_WAIT_S if before is None else min(before.wait_s * 2, _LAST_WAIT_S)
        parked = self.parked[journey.upload_id] = Parked(journey, reason, wait_s)
        asyncio.get_running_loop().call_later(wait_s, self.to_file, journey)
        if not known:
            text = "queue {}: {} cannot be filed: {}; it stays in the work folder and is tried again{}"
            more = "; nothing more is claimed until it can" if parked.blocks else "; the rest goes on"
            log_of(journey).error(text, self.queue.name, printable(journey.name), reason, more)

    def _unpark(self, journey: Journey) -> None:
        if self.parked.pop(journey.upload_id, None) and not self.parked:
            logger.info("queue {}: documents can be filed again", self.queue.name)

    async def _rest(self, journey: Journey) -> None:
        if journey.state is not State.FILED:  # else it was filed again, after its move had been undone
            await self._means.recorder.record(Event.FILE, step(journey, Event.FILE), journey.state)
        self._unpark(journey)
        self.carried.pop(journey.upload_id, None)
        self.batching.rested(journey)
        self.filed["failed" if journey.error_source else "done"] += 1

    def _archive(self, journey: Journey) -> str:
        return str(self.queue.failed if journey.error_source else self.queue.done)


def _shop(line: Line) -> Shop:
    return Shop(
        line.queue.name,
        line.drop.inbox,
        line.queue.settle_max_s,
        line.carried,
        lambda: line.drop.behind or not line.drop.scans,
        lambda: line.drop.folders is None,
        lambda: line.folders,
        str(line.queue.done),
        line.disk,
    )
