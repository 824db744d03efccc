"""What people do to a running queue by hand: pause it, let it go on, settle what is uncertain."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from hotfolder.delivery import Step
from hotfolder.model import Journey, State, Stop
from hotfolder.pipeline.errands import Errands
from hotfolder.pipeline.gates import Gates
from hotfolder.pipeline.line import Line, Means

_LOOKS_S = 0.05


class InHandError(Exception):
    """A question about the document is still on the wire; whatever comes of it must be known first."""


@dataclass(frozen=True, slots=True)
class Reach:
    """What of a lane is within reach of hands."""

    errands: Errands
    gates: Gates
    means: Means
    give_back: Callable[[list[Line]], Awaitable[None]]
    """Put what was claimed and never sent back into the drop folders of some queues."""
    route: Callable[[Line, Journey], None]
    later: Callable[[Line, Journey, float, int], None]


class Hands:
    """The orders of people to the queues of one connection."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach

    async def pause(self, line: Line, why: str) -> None:
        """Claim nothing more of a queue until `resume`; what was claimed and never sent goes back."""
        line.by_hand = why
        await self._reach.give_back([line])

    def resume(self, line: Line, stop: Stop | None = None) -> bool:
        """End every pause and back-off of a queue, and its `stop`; tell whether there was any.

        The next document is the probe. A stop that is not the one that the person was told of stays.
        """
        waited = line.halted
        line.by_hand = None
        if line.stopped is stop:
            line.stopped = None
        waited = self._reach.gates.reopen(line) or waited
        self.hurry(line)
        return waited

    def hurry(self, line: Line) -> None:
        """Let what waits to be sent again wait no longer than its gates want."""
        now = self._reach.means.clock.monotonic()
        for errand in self._reach.errands.remove(
            lambda e: e.line is line and e.journey.state is State.DEFERRED
        ):
            self._reach.later(line, errand.journey, now, errand.polls)
        line.drop.on_ready()

    async def settle(
        self, line: Line, upload_id: str, decide: Callable[[Journey], Step], within_s: float
    ) -> Journey | None:
        """Settle an uncertain document and return it as it is then; None where it is not uncertain any more.

        Whoever takes its errand has it alone, so that it cannot take two arrows from one state. Raises
        `InHandError` where a question about it does not come back within `within_s` seconds.
        """
        journey = await self._taken(line, upload_id, within_s)
        if journey is None:
            return None
        found = decide(journey)
        await self._reach.means.recorder.record(found.event, found.journey, journey.state)
        line.carried[upload_id] = found.journey
        if line.stop_at(found.journey, self._reach.means.clock.wall()):
            await self._reach.give_back([line])
        self._reach.route(line, found.journey)
        line.drop.on_ready()  # it may have been what the others waited for
        return found.journey

    async def _taken(self, line: Line, upload_id: str, within_s: float) -> Journey | None:
        """Take the errand of a document out, as soon as it has one and is uncertain."""
        clock = self._reach.means.clock
        deadline = clock.monotonic() + within_s
        while True:
            journey = line.carried.get(upload_id)
            if journey is None or journey.state is not State.UNCERTAIN:
                return None
            if self._reach.errands.remove(lambda e: e.journey.upload_id == upload_id):
                return journey
            if clock.monotonic() > deadline:
                raise InHandError("the service is being asked about it at this moment; try again")
            await asyncio.sleep(_LOOKS_S)
