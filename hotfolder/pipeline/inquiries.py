"""Ask the service about documents: whether one arrived, and how those fare that it accepted."""

import asyncio

from hotfolder import followup
from hotfolder.backends.base import Backend, CannotTell, Parcel
from hotfolder.delivery import Trouble
from hotfolder.model import Journey
from hotfolder.pipeline.carriage import Carriage
from hotfolder.pipeline.crew import Crew
from hotfolder.pipeline.errands import Errand
from hotfolder.pipeline.line import Line, Means


class Inquiries:
    """The questions of one connection; what follows from an answer is the `Carriage`'s."""

    def __init__(self, way: Carriage, backend: Backend, lines: list[Line], means: Means, crew: Crew) -> None:
        self._way = way
        self._backend = backend
        self._lines = lines
        self._means = means
        self._clock = means.clock
        self._crew = crew

    async def take_up(self, errand: Errand) -> None:
        """Ask whether an uncertain document arrived."""
        line, journey = errand.line, errand.journey
        if line.drop.offline:
            self._way.later(line, journey, self._clock.monotonic() + 1.0, errand.polls)
        else:
            await self._way.safely(line, journey, self._ask(line, journey))

    async def _ask(self, line: Line, journey: Journey) -> None:
        parcel = line.parcel(journey)
        others = (j for other in self._lines for j in other.carried.values())
        if not self._backend.traits.keeps_mark and followup.rivals(journey, others):
            told: followup.Told = CannotTell("another document of that name may have arrived as well")
        else:
            told = await self._crew.on_wire(lambda: self._whereabouts(journey, parcel))
        found = followup.located(journey, told, line.queue.wait_for, line.queue.uncertain, self._clock.wall())
        await self._way.go(line, found, journey)

    def _whereabouts(self, journey: Journey, parcel: Parcel) -> followup.Told:
        known = self._means.recorder.known_ids(journey)
        return followup.ask_whereabouts(self._backend, journey, parcel, known)

    async def poll(self, asked: list[Errand]) -> None:
        """Ask how accepted documents fare, in one question, and take what comes of it for each."""
        ready: list[Errand] = []
        pairs: list[tuple[Journey, Parcel]] = []
        for errand in asked:
            try:
                pairs.append((errand.journey, errand.line.parcel(errand.journey)))
                ready.append(errand)
            except OSError:  # its folder is away
                self._way.later(errand.line, errand.journey, self._clock.monotonic() + 1.0, errand.polls)
        if not ready:
            return
        told = await self._crew.on_wire(lambda: followup.ask_progress_of(self._backend, pairs))
        troubles = {id(one): number for number, one in reversed(list(enumerate(told)))}
        await asyncio.gather(
            *(
                self._take(errand, one, first=troubles[id(one)] == number)
                for number, (errand, one) in enumerate(zip(ready, told, strict=True))
            )
        )

    async def _take(self, errand: Errand, told: followup.Told, *, first: bool) -> None:
        await self._way.safely(errand.line, errand.journey, self._progressed(errand, told, first=first))

    async def _progressed(self, errand: Errand, told: followup.Told, *, first: bool) -> None:
        """Take what a question came to; trouble that concerns many documents closes the gate once."""
        line, journey, polls = errand.line, errand.journey, errand.polls + 1
        next_step = followup.progressed(journey, told, line.queue.wait_for, self._clock.wall())
        if isinstance(next_step, Trouble) and not first:
            self._way.route(line, journey, polls)
        elif next_step is None:
            self._way.gates.open(line)
            self._way.route(line, journey, polls)
        else:
            await self._way.go(line, next_step, journey, polls)
