"""Batches of one queue (`mode: batch`): gather what is ready, hand it out in order, report what became of it."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from loguru import logger

from hotfolder import spool
from hotfolder.arrivals import Arrival, Inbox
from hotfolder.batches import REPORT_BYTES, draw, is_report_of, render, report_name
from hotfolder.claims import new_upload_id
from hotfolder.model import FINAL, Batch, Clock, Journey, State
from hotfolder.pipeline.recorder import Recorder
from hotfolder.pulse import Beat

LOOKS_S = 0.2
"""Time between two looks at whether all that landed together is ready: files that vanish tell nobody."""
_ON_ITS_WAY = FINAL | {State.ACCEPTED, State.FILED, State.RETURNED}
_FIRST_WAIT_S, _LAST_WAIT_S = 1.0, 60.0


@dataclass(frozen=True, slots=True)
class Turn:
    """A document whose turn it is to be claimed, with its place in a batch."""

    arrival: Arrival
    batch_id: str | None = None
    place: int | None = None

    def marked(self, journey: Journey) -> Journey:
        """Return the journey of its claim with its place."""
        return replace(journey, batch_id=self.batch_id, place=self.place)


@dataclass(frozen=True, slots=True)
class Shop:
    """What batches need of their queue."""

    name: str
    inbox: Inbox
    settle_max_s: float
    carried: Mapping[str, Journey]
    behind: Callable[[], bool]
    """Tells whether the folder holds what was not looked at yet."""
    offline: Callable[[], bool]
    folders: Callable[[], spool.Folders]
    """Returns the open folders; raises OSError while the queue is offline."""
    done: str
    """Absolute path of done/."""
    disk: Executor
    """Threads of the queue."""


class Batching:
    """The batches of one queue, one at a time; reports may be outstanding for several."""

    def __init__(self, shop: Shop, recorder: Recorder, clock: Clock) -> None:
        self.trouble: str | None = None
        """Why a report cannot be written, None where all can."""
        self._shop = shop
        self._recorder = recorder
        self._clock = clock
        self._batch: Batch | None = None
        self._rest: deque[tuple[int, Arrival]] = deque()
        self._since: float | None = None
        self._owed: dict[str, Batch] = {}
        self._late: set[str] = set()
        self.waits_for_twin: Callable[[str], bool] = lambda _: False
        """Tells of an upload id whether what becomes of another document decides about it: nobody behind it waits."""
        self._changed = asyncio.Event()
        self.beat = Beat()

    def owe(self, batch: Batch) -> None:
        """Report a batch of an earlier run once none of its documents is under way."""
        self._owed[batch.batch_id] = batch
        self._changed.set()

    @property
    def due(self) -> bool:
        """Tell whether a report is to be written now, and can be."""
        return self.trouble is None and bool(self._through())

    @property
    def gathers(self) -> bool:
        """Tell whether documents are ready and wait for those that landed with them."""
        return self._since is not None

    # In order -----------------------------------------------------------------------------------

    def offers(self, now: float) -> bool:
        """Tell whether a document may be claimed: its batch is complete, and the one before it has been answered."""
        if any(j.batch_id and not self._on_its_way(j) for j in self._shop.carried.values()):
            return False
        return bool(self._rest) or self._is_gathered(now)

    def _on_its_way(self, journey: Journey) -> bool:
        """Tell whether the service has answered, or nobody but a person or a twin can: the next one may go."""
        return journey.held or journey.state in _ON_ITS_WAY or self.waits_for_twin(journey.upload_id)

    def on_the_wire(self) -> bool:
        """Tell whether a document of a batch is on the wire, so that no other may go."""
        return any(j.batch_id and j.state is State.SENDING for j in self._shop.carried.values())

    def _is_gathered(self, now: float) -> bool:
        if not self._shop.inbox.ready:
            self._since = None
            return False
        self._since = now if self._since is None else self._since
        inbox = self._shop.inbox
        waits = inbox.has_room and (self._shop.behind() or inbox.still_gathers(now))
        return not waits or now >= self._since + self._shop.settle_max_s

    async def turn(self) -> Turn | None:
        """Take the next document; what changed or went away since its batch began stays where it is."""
        if not self._rest:
            await self._begin()
        batch = self._batch
        while self._rest and batch is not None:
            place, planned = self._rest.popleft()
            arrival = self._shop.inbox.take(planned)
            if not self._rest:
                self.end()
            if arrival is not None:
                return Turn(arrival, batch.batch_id, place)
        return None

    @property
    def following_bytes(self) -> int | None:
        """Return the size of the document whose turn comes next in the batch, None at its end."""
        return self._rest[0][1].stamp.size if self._rest else None

    async def _begin(self) -> None:
        members = self._shop.inbox.in_order()
        if not members:
            return
        wall = self._clock.wall()
        batch = Batch(new_upload_id(wall), self._shop.name, wall, tuple(a.key for a in members))
        await self._recorder.begin_batch(batch)
        self._since = None
        self._batch, self._rest = batch, deque(enumerate(members, 1))
        logger.info("queue {}: batch {} of {} documents", batch.queue, batch.batch_id, len(members))

    def end(self) -> None:
        """Claim nothing more for the batch: the rest stays untouched, and goes with a later one."""
        self._rest.clear()
        self._since = None
        if self._batch is not None:
            self.owe(self._batch)
            self._batch = None

    # Reports ------------------------------------------------------------------------------------

    async def report(self) -> None:
        """Write the reports of batches that are through, for ever; ends by cancellation."""
        wait_s = _FIRST_WAIT_S
        while True:
            self.beat.rests(wait_s if self._owed else None)
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s if self._owed else None):
                    await self._changed.wait()
            self._changed.clear()
            self.beat.works()
            try:
                await self._open_again()
                for batch in self._through():
                    await self._write(batch)
                    self.beat.works()
            except OSError as problem:
                self._tell(f"the report of a batch cannot be written: {problem.strerror or problem}")
                self.beat.rests(wait_s)
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, _LAST_WAIT_S)
            else:
                self._tell(None)
                wait_s = _FIRST_WAIT_S

    def rested(self, journey: Journey) -> None:
        """Look whether a batch is through; one that was reported before the document came back is reported anew."""
        if journey.batch_id and journey.batch_id not in {*self._owed, self._batch and self._batch.batch_id}:
            self._late.add(journey.batch_id)
        if self._owed or self._late:
            self._changed.set()

    async def _open_again(self) -> None:
        loop = asyncio.get_running_loop()
        for batch_id in tuple(self._late):
            batch = await loop.run_in_executor(self._shop.disk, self._recorder.batch, batch_id)
            self._late.discard(batch_id)
            if batch is not None:
                self._owed[batch_id] = batch

    def _through(self) -> list[Batch]:
        if self._shop.offline():
            return []
        under_way = {j.batch_id for j in self._shop.carried.values()}
        return [batch for batch in self._owed.values() if batch.batch_id not in under_way]

    async def _write(self, batch: Batch) -> None:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._shop.disk, partial(self._written, batch))
        await self._recorder.end_batch(batch.batch_id, report_name(batch).decode())
        self._owed.pop(batch.batch_id, None)

    def _written(self, batch: Batch) -> None:
        """Write a report into done/, in the place of one that an earlier try left there; blocks."""
        members = self._recorder.of_batch(batch.batch_id)
        content = render(draw(batch, members, self._clock.wall()))
        name, temporary = report_name(batch), b"." + batch.batch_id.encode() + b".tmp"
        with self._shop.folders().archive(self._shop.done, b"") as target:
            try:
                spool.write_new(name, content, target, temporary)
            except FileExistsError:
                if not is_report_of(batch, spool.read_small(name, target, REPORT_BYTES)):
                    raise
                spool.replace(name, content, target, temporary)
            spool.sync_folder(target)

    def _tell(self, trouble: str | None) -> None:
        if trouble is not None and trouble != self.trouble:
            logger.error("queue {}: {}; tried again", self._shop.name, trouble)
        elif trouble is None and self.trouble is not None:
            logger.info("queue {}: reports of batches can be written again", self._shop.name)
        self.trouble = trouble
