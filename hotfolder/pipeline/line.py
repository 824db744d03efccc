"""One queue: its drop folder, its settings, and the filing of its documents in batches."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from loguru import logger

from hotfolder.arrivals import DropFolder
from hotfolder.backends.base import Parcel
from hotfolder.checks.names import printable
from hotfolder.claims import Origin, pieces, work_name
from hotfolder.delivery import parcel_for, step
from hotfolder.filing import Filed, NotFiled, Order, file_all
from hotfolder.model import Clock, Journey, State
from hotfolder.pipeline.recorder import Recorder
from hotfolder.retry import Gate
from hotfolder.settings import Queue
from hotfolder.spool import Folders
from hotfolder.states import Event

_MOST_AT_ONCE = 64
_GATHER_S = 0.05
"""How long a final document waits for others: nobody waits for its filing, and every sync that is shared is one
fewer between a document and the wire."""
_FIRST_WAIT_S, _LAST_WAIT_S = 1.0, 60.0


Threads = Callable[[int, str], Executor]
"""Makes so many threads of a name."""


def pool(number: int, name: str) -> Executor:
    """Make real threads, each when it is needed."""
    return ThreadPoolExecutor(number, thread_name_prefix=name)


@dataclass(frozen=True, slots=True)
class Means:
    """What every line shares."""

    recorder: Recorder
    clock: Clock
    threads: Threads = pool


class Line:
    """One queue on its way from drop folder to archive."""

    def __init__(
        self, queue: Queue, origin: Origin, drop: DropFolder, means: Means, *, override_of: str | None
    ) -> None:
        self.queue = queue
        self.origin = origin
        self.override_of = override_of
        self.drop = drop
        self.disk = drop.disk
        self.gate = Gate()
        self.carried: dict[str, Journey] = {}
        """Every claimed document that is not at rest, by upload id."""
        self.filed = {"done": 0, "failed": 0}
        self.filing_trouble: str | None = None
        self.missing: list[str] = []
        """Names of unfinished documents that recovery found nowhere."""
        self._means = means
        self._to_file: asyncio.Queue[Journey] = asyncio.Queue()

    @property
    def folders(self) -> Folders:
        """Return the open folders; raises OSError while the queue is offline."""
        if self.drop.folders is None:
            raise OSError(0, f"queue {self.queue.name} is offline: {self.drop.offline}")
        return self.drop.folders

    def lose(self, journey: Journey) -> None:
        """Take note that a document is not in the work folder any more; its row stays open, and `status` says so."""
        self.carried.pop(journey.upload_id, None)
        self.missing.append(printable(journey.name))
        text = "queue {}: {} ({}) has left the work folder without us; look for it, put it back as {}"
        place = printable(work_name(journey))
        logger.error(text, self.queue.name, printable(journey.name), journey.state.value, place)

    def parcel(self, journey: Journey) -> Parcel:
        """Return a document as it goes out."""
        folders = self.folders
        return parcel_for(journey, self.queue, lambda: pieces(folders, journey))

    def to_file(self, journey: Journey) -> None:
        """Have a final document filed; it is tried until it works."""
        self._to_file.put_nowait(journey)

    async def file(self) -> None:
        """File what is final, batch by batch, for ever; ends by cancellation."""
        wait_s = _FIRST_WAIT_S
        while True:
            batch = [await self._to_file.get()]
            await asyncio.sleep(_GATHER_S)
            while len(batch) < _MOST_AT_ONCE and not self._to_file.empty():
                batch.append(self._to_file.get_nowait())
            problem = await self._file(batch)
            self._tell(problem)
            if problem is None:
                wait_s = _FIRST_WAIT_S
            else:
                await asyncio.sleep(wait_s)
                wait_s = min(wait_s * 2, _LAST_WAIT_S)

    async def _file(self, batch: list[Journey]) -> str | None:
        """File a batch; put back what did not work and return why, None where all did."""
        moment = self._means.clock.wall()
        orders = [Order(j, self._archive(j), moment) for j in batch]
        try:
            folders = self.folders
            results = await asyncio.get_running_loop().run_in_executor(
                self.disk, partial(file_all, folders, orders)
            )
        except OSError as problem:
            results = [NotFiled(problem)] * len(orders)
        trouble = None
        filed: list[Journey] = []
        for order, result in zip(orders, results, strict=True):
            if isinstance(result, Filed):
                filed.append(replace(order.journey, filed_at=moment, filed_name=result.name))
            elif result.gone:
                self.lose(order.journey)
            else:
                trouble = f"{printable(order.journey.name)}: {result.problem.strerror or result.problem}"
                self._to_file.put_nowait(order.journey)
        await asyncio.gather(*(self._rest(j) for j in filed))
        return trouble

    async def _rest(self, journey: Journey) -> None:
        before: State = journey.state
        await self._means.recorder.record(Event.FILE, step(journey, Event.FILE), before)
        self.carried.pop(journey.upload_id, None)
        self.filed["failed" if journey.error_source else "done"] += 1

    def _archive(self, journey: Journey) -> str:
        return str(self.queue.failed if journey.error_source else self.queue.done)

    def _tell(self, problem: str | None) -> None:
        if problem == self.filing_trouble:
            return
        if problem is None:
            logger.info("queue {}: documents can be filed again", self.queue.name)
        else:
            logger.error(
                "queue {}: a document cannot be filed: {}; it stays in the work folder and is tried again",
                self.queue.name,
                problem,
            )
        self.filing_trouble = problem
