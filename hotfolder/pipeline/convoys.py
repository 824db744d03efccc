"""Send several documents of a batch in one request, where the service takes that; each keeps its own rows and record."""

import asyncio
import math
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any

from loguru import logger

from hotfolder.backends.base import Backend, Parcel
from hotfolder.delivery import Step, Tried, hand_over_together, sending, unsent
from hotfolder.kinship import Known
from hotfolder.model import Journey, State
from hotfolder.pipeline.batching import LOOKS_S
from hotfolder.pipeline.carriage import Carriage
from hotfolder.pipeline.crew import Crew
from hotfolder.pipeline.errands import Errand
from hotfolder.pipeline.line import Line, Means
from hotfolder.pipeline.recorder import Recorder
from hotfolder.pipeline.relatives import place, recall
from hotfolder.retry import Gate
from hotfolder.states import Event

Claimed = dict[str, Journey]
"""Documents that a step still has to do with, by upload id, in the order of their places."""


class Convoys:
    """The requests of several documents of one connection.

    Of what was claimed together the first request goes at once; what does not fit into it becomes an errand again. What
    was sent before goes by itself: the `Carriage` takes every step but the first request.
    """

    def __init__(self, way: Carriage, backend: Backend, means: Means, crew: Crew) -> None:
        self._way = way
        self._backend = backend
        self._means = means
        self._crew = crew

    def may_form(self, line: Line) -> bool:
        """Tell whether documents of a queue may share a request: not where it must stop at the first that fails."""
        several = self._backend.traits.files_per_request > 1
        return several and line.queue.mode == "batch" and line.queue.on_error == "continue"

    def carries(self, errand: Errand) -> bool:
        """Tell whether a document that is due may go with others: it was claimed, and never sent."""
        journey = errand.journey
        claimed = journey.state is State.CLAIMED and journey.sha256 is not None
        return claimed and journey.batch_id is not None and self.may_form(errand.line)

    def take_in(self, line: Line) -> Coroutine[Any, Any, None]:
        """Claim the documents whose turn it is, as many as may fit into a request, and send them."""
        line.claiming += 1
        return self._work(line, {}, claims=True)

    def take_up(self, errand: Errand) -> Coroutine[Any, Any, None]:
        """Go on with a claimed document, and with those of its batch that are due as well."""
        line, now = errand.line, self._means.clock.monotonic()
        if line.drop.offline or line.batch_goes:
            return self._wait(errand, now + (1.0 if line.drop.offline else LOOKS_S))
        due, batch_id = [errand], errand.journey.batch_id
        if self._goes_well(line):
            due += self._way.errands.remove(
                lambda e: e.when <= now + LOOKS_S and e.journey.batch_id == batch_id and self.carries(e)
            )
        claimed = {e.journey.upload_id: e.journey for e in sorted(due, key=lambda e: e.journey.place or 0)}
        line.claiming += 1
        return self._work(line, claimed)

    async def _wait(self, errand: Errand, until: float) -> None:
        self._way.later(errand.line, errand.journey, until, 0)

    async def _work(self, line: Line, claimed: Claimed, *, claims: bool = False) -> None:
        try:
            if claims:
                await self._safely(line, claimed, self._claim(line, claimed))
            await self._safely(line, claimed, self._go(line, claimed))
        finally:
            line.claiming -= 1

    async def _safely(self, line: Line, claimed: Claimed, work: Coroutine[Any, Any, None]) -> None:
        """Take a step; one that fails in a way nobody thought of strands none of the documents that are still its own."""
        try:
            await work
        except Exception as surprise:  # noqa: BLE001 — see above
            told = logger.bind(queue=line.queue.name).opt(exception=surprise)
            told.error("queue {}: a step failed unexpectedly", line.queue.name)
            for upload_id in list(claimed):
                await self._way.save(line, claimed.pop(upload_id), surprise)

    # Claimed one after the other ------------------------------------------------------------------

    async def _claim(self, line: Line, claimed: Claimed) -> None:
        was_full = not line.drop.inbox.has_room
        left = self._backend.traits.request_bytes or math.inf
        while (turn := await line.turn()) is not None:
            if was_full:
                line.drop.wake()
            left -= turn.arrival.stamp.size
            if (journey := await self._way.claim(line, turn)) is not None:
                claimed[journey.upload_id] = journey
            following = line.batching.following_bytes
            full = len(claimed) >= self._backend.traits.files_per_request
            if following is None or following > left or full or not self._goes_well(line):
                return

    def _goes_well(self, line: Line) -> bool:
        """Tell whether more than one document may be risked: after trouble a single one finds out."""
        clear = self._way.gates.shared == line.gate == Gate()
        return clear and not self._rests(line) and line.blocked is None

    def _rests(self, line: Line) -> bool:
        return self._crew.stopping or line.rests or self._way.gates.paused(line)

    # Sent together --------------------------------------------------------------------------------

    async def _go(self, line: Line, claimed: Claimed) -> None:
        """Send what shares a request with the first that needs one; the others are errands."""
        if await self._left(line, claimed):
            return
        fresh = [j for j in claimed.values() if unsent(j) is None]
        parcels = [line.parcel(j) for j in fresh]
        requests = await self._crew.on_wire(lambda: self._backend.together(parcels)) if parcels else [[]]
        first = {one.upload_id for one in requests[0]}
        others = [claimed.pop(j.upload_id) for j in fresh if j.upload_id not in first]
        for journey in [j for j in claimed.values() if unsent(j) is not None]:
            del claimed[journey.upload_id]
            await self._way.safely(line, journey, self._way.begin(line, journey))
        try:
            if claimed:
                await self._send(line, claimed)
        finally:
            for journey in others:
                self._way.later(line, journey, self._means.clock.monotonic(), 0)

    async def _left(self, line: Line, claimed: Claimed) -> bool:
        """Put documents back that must not go out now, or let them wait for their folder; tell whether that is so."""
        away = line.drop.folders is None
        if not away and not self._rests(line):
            return False
        if not away:
            line.batching.end()
        for upload_id in list(claimed):
            journey = claimed.pop(upload_id)
            if away:
                self._way.later(line, journey, self._means.clock.monotonic() + 1.0, 0)
            else:
                await self._way.safely(line, journey, self._way.give_back(line, journey))
        return True

    async def _send(self, line: Line, claimed: Claimed) -> None:
        """Send one request; the row of each document says so before it begins."""
        await self._way.learn_time()
        request = list(claimed.values())
        known = await self._crew.on_disk(line, partial(_recalled, self._means.recorder, line, request))
        if await self._left(line, claimed):
            return
        parcels, settled = self._placed(line, claimed, known)
        sent = list(claimed.values())
        record = self._means.recorder.record
        await asyncio.gather(*(record(Event.SEND, journey, State.CLAIMED) for journey in sent))
        if sent:
            clock = self._means.clock
            tried = await self._crew.on_wire(lambda: hand_over_together(self._backend, parcels, clock))
            claimed.clear()
            (first, its), *others = zip(sent, tried, strict=True)
            # Its trouble is that of all: the gates close once, before the others come to them.
            await self._answered(line, first, its, told=False)
            await asyncio.gather(*(self._answered(line, other, one, told=True) for other, one in others))
        for found, journey in settled:
            await self._way.safely(line, journey, self._way.go(line, found, journey))

    async def _answered(self, line: Line, sent: Journey, tried: Tried, *, told: bool) -> None:
        await self._way.safely(line, sent, self._way.take_answer(line, sent, tried, told=told))

    def _placed(
        self, line: Line, claimed: Claimed, known: list[Known]
    ) -> tuple[list[Parcel], list[tuple[Step, Journey]]]:
        """Hold each document against those before it, its neighbours in the request too; `claimed` keeps what is sent.

        Nothing waits in between. Returns the parcels of what is sent, and what is settled without.
        """
        parcels: list[Parcel] = []
        settled: list[tuple[Step, Journey]] = []
        for journey, facts in zip(list(claimed.values()), known, strict=True):
            wall = self._means.clock.wall()
            kin = place(line, journey, facts, wall)
            if (found := unsent(kin.journey)) is not None:
                del claimed[journey.upload_id]
                settled.append((found, kin.journey))
            elif kin.waits_for is not None:
                del claimed[journey.upload_id]
                self._way.twins.wait(line, kin)
            else:
                going = sending(kin.journey, wall, self._backend.ahead_s)
                parcels.append(line.parcel(going))
                line.carried[going.upload_id] = claimed[going.upload_id] = going
        return parcels, settled


def _recalled(recorder: Recorder, line: Line, request: Sequence[Journey]) -> list[Known]:
    return [recall(recorder, line, journey) for journey in request]
