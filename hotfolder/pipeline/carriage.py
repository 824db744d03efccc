"""Carry each document of one connection along its arrows: claim, send, and what follows from that and from questions."""

from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from hotfolder import claims, followup
from hotfolder.arrivals import Arrival
from hotfolder.backends.base import Backend, DeliveryError, Scope
from hotfolder.checks.names import printable
from hotfolder.checks.templates import fill
from hotfolder.delivery import (
    Step,
    Tried,
    Trouble,
    answered,
    hand_over,
    proves_an_answer,
    sending,
    stays_ours,
    step,
    unsent,
)
from hotfolder.logs import log_of
from hotfolder.model import FINAL, Journey, State
from hotfolder.pipeline.batching import LOOKS_S, Turn
from hotfolder.pipeline.crew import Crew
from hotfolder.pipeline.delays import timed, unanswered
from hotfolder.pipeline.errands import Errand, Errands
from hotfolder.pipeline.gates import Gates
from hotfolder.pipeline.harvest import Harvest
from hotfolder.pipeline.line import Line, Means
from hotfolder.pipeline.patience import Patience
from hotfolder.pipeline.relatives import Twins, place, recall
from hotfolder.pipeline.rounds import Rounds
from hotfolder.settings import ConnectionSection
from hotfolder.states import Event

LONGEST_NAP_S = 3600.0
_GOES_OUT = {State.CLAIMED, State.DEFERRED}
_RETURN_AGAIN_S, _STRANDED_S = 10.0, 60.0


class Carriage:
    """The steps of the documents of one connection; what each waits for is an errand."""

    def __init__(
        self, connection: ConnectionSection, backend: Backend, lines: list[Line], means: Means, crew: Crew
    ) -> None:
        self.gates = Gates(connection, means.clock)
        self.errands = Errands()
        self.rounds = Rounds(backend, means.clock)
        self.harvest = Harvest(backend, crew, means.clock)
        self.twins = Twins()
        self.patience = Patience(means.clock)
        self.on_paused: Callable[[list[Line]], None] = lambda _: None
        """Told which queues the program has just paused or stopped by itself."""
        self._connection = connection
        self._backend = backend
        self._lines = lines
        self._means = means
        self._clock = means.clock
        self._crew = crew
        for line in lines:
            line.batching.waits_for_twin = self.twins.holds

    def take_in(self, line: Line) -> Coroutine[Any, Any, None]:
        """Claim the document whose turn it is, and send it."""
        line.claiming += 1
        return self._take_in(line)

    async def _take_in(self, line: Line) -> None:
        try:
            await self._take_one(line)
        finally:
            line.claiming -= 1

    async def _take_one(self, line: Line) -> None:
        was_full = not line.drop.inbox.has_room
        turn = await line.turn()
        if turn is None:
            return
        if was_full:
            line.drop.wake()
        journey = await self.claim(line, turn)
        if journey is None:
            return
        if line.rests:
            line.batching.end()
            await self.give_back(line, journey)
            return
        await self.safely(line, journey, self.begin(line, journey))

    async def begin(self, line: Line, journey: Journey) -> None:
        """Send a claimed document, unless what it is to earlier ones settles it or lets it wait."""
        if line.drop.folders is None:
            self.later(line, journey, self._clock.monotonic() + 1.0, 0)
            return
        await self.learn_time()
        known = await self._crew.on_disk(line, partial(recall, self._means.recorder, line, journey))
        kin = place(line, journey, known, self._clock.wall())
        if (settled := unsent(kin.journey)) is not None:
            await self.go(line, settled, kin.journey)
        elif self.gates.paused(line):  # since its claim
            line.batching.end()
            await self.give_back(line, kin.journey)
        elif kin.waits_for is not None:
            self.twins.wait(line, kin)
        else:
            await self._send(line, kin.journey)

    async def safely(self, line: Line, journey: Journey, work: Coroutine[Any, Any, None]) -> None:
        """Take a step; one that fails in a way nobody thought of does not strand its document."""
        try:
            await work
        except Exception as surprise:  # noqa: BLE001 — see above
            text = "queue {}: {}: a step failed unexpectedly"
            log_of(journey).opt(exception=surprise).error(text, line.queue.name, printable(journey.name))
            await self.save(line, journey, surprise)

    async def save(self, line: Line, journey: Journey, surprise: Exception) -> None:
        """Plan what comes next for a document whose step failed."""
        now = line.carried.get(journey.upload_id)
        if now is None or now.state in FINAL:
            return
        if now.state is State.SENDING:
            doubted = step(now, Event.DOUBT, reason=f"the program failed: {surprise}", asked=0)
            await self.go(line, Step(Event.DOUBT, doubted), now)
        else:
            self.later(line, now, self._clock.monotonic() + _STRANDED_S, 0)

    async def claim(self, line: Line, turn: Turn) -> Journey | None:
        """Make a document ours; None where that did not work, and what follows from it is done."""
        arrival = turn.arrival
        journey = turn.marked(claims.begun(arrival, line.origin, self._clock.wall()))
        line.carried[journey.upload_id] = journey
        await self._means.recorder.record(Event.CLAIM, journey, None)
        try:
            folders = line.folders
            stamp, digest = await self._crew.on_disk(line, lambda: claims.secure(folders, journey))
        except (claims.ClaimFailedError, OSError) as problem:
            await self._unclaimed(line, arrival, journey, problem)
            return None
        line.drop.inbox.done(arrival)
        line.claim_trouble = None
        if arrival.told:
            log_of(journey).warning(
                "queue {}: {}: {}", line.queue.name, printable(arrival.name), arrival.told
            )
        journey = replace(journey, stamp=stamp, sha256=digest)
        line.carried[journey.upload_id] = journey
        return journey

    async def _unclaimed(self, line: Line, arrival: Arrival, journey: Journey, problem: Exception) -> None:
        failed = isinstance(problem, claims.ClaimFailedError)
        reason = str(problem) if failed else f"it could not be claimed: {problem}"
        if isinstance(problem, claims.StuckError):
            log_of(journey).error("queue {}: {}; tried again", line.queue.name, reason)
            line.drop.inbox.done(arrival)
            self.later(line, journey, self._clock.monotonic() + _RETURN_AGAIN_S, 0)
            return
        returned = step(journey, Event.RETURN, reason=reason)
        await self._means.recorder.record(Event.RETURN, returned, journey.state)
        line.carried.pop(journey.upload_id, None)
        if isinstance(problem, claims.UnreadableError):
            line.drop.inbox.put_off(arrival, reason, self._clock.monotonic())
        elif isinstance(problem, claims.ClaimFailedError):
            if problem.came_back and line.drop.inbox.learn(self._clock.monotonic() - arrival.quiet_since):
                line.drop.learned()
        else:
            line.claim_trouble = reason
            self.trouble(line, Trouble(reason, scope=Scope.QUEUE))
            line.drop.rescan()  # the work folder itself may be gone
        line.drop.look_again(arrival)

    async def learn_time(self) -> None:
        """Hear the service's clock before the first document goes out: noted with it, it finds it again whatever ours says.

        This comes before a document is held against its twins: from then on nothing may wait until it is under way.
        """
        if self._backend.traits.finds_by_time and self._backend.ahead_s is None:
            with suppress(DeliveryError):
                await self._crew.on_wire(self._backend.learn_time)

    async def _send_again(self, line: Line, journey: Journey) -> None:
        await self.learn_time()
        await self._send(line, journey)

    async def _send(self, line: Line, journey: Journey) -> None:
        if line.drop.offline:
            self.later(line, journey, self._clock.monotonic() + 1.0, 0)
            return
        sent = sending(journey, self._clock.wall(), self._backend.ahead_s)
        parcel = line.parcel(sent)
        line.carried[journey.upload_id] = sent
        await self._means.recorder.record(Event.SEND, sent, journey.state)
        tried = await self._crew.on_wire(lambda: hand_over(self._backend, parcel, self._clock))
        await self.take_answer(line, sent, tried)

    async def take_answer(self, line: Line, sent: Journey, tried: Tried, *, told: bool = False) -> None:
        """Take the arrow that an answer means for a document; `told`: its trouble closed the gates already."""
        await self.go(line, answered(sent, tried, line.queue.wait_for), sent, told=told)
        if isinstance(tried.result, FileNotFoundError) and sent.upload_id in line.carried:
            self.errands.remove(lambda e: e.journey.upload_id == sent.upload_id)
            line.lose(sent)

    async def take_up(self, errand: Errand) -> None:
        """Go on with a claimed document whose moment has come."""
        line, journey, polls = errand.line, errand.journey, errand.polls
        if line.drop.offline:
            self.later(line, journey, self._clock.monotonic() + 1.0, polls)
            return
        if line.rests and journey.state is State.DEFERRED:
            self.later(line, journey, self._clock.monotonic() + LONGEST_NAP_S, polls)
            await self.give_back_unsent([line])
            return
        if line.queue.mode == "batch" and journey.state in _GOES_OUT and line.batch_goes:
            self.later(line, journey, self._clock.monotonic() + LOOKS_S, polls)
            return
        begun = self.give_back if journey.sha256 is None else self.begin
        steps = {
            State.CLAIMED: begun,
            State.DEFERRED: self._send_again,
            State.RETURNED: self.give_back,
        }
        await self.safely(line, journey, steps[journey.state](line, journey))

    async def go(
        self, line: Line, found: Step | Trouble, before: Journey, polls: int = 0, *, told: bool = False
    ) -> None:
        """Take the arrow that was decided on: trouble first, then the record, then the next errand."""
        if (brought := await self.harvest.brought_in(line, found, before)) is None:
            self.route(line, before, polls)
            return
        found = brought
        trouble = found if isinstance(found, Trouble) else found.trouble
        if trouble is not None and not told:
            self.trouble(line, trouble)
        elif trouble is None and isinstance(found, Step) and proves_an_answer(found, before):
            self.gates.open(line)
        if isinstance(found, Trouble):
            wait_s = self._closed_s(line) + self._connection.ask_after_s
            self.route(line, unanswered(before, self._clock.wall() + wait_s), polls)
            return
        journey = timed(found, self._clock.wall(), self._connection.ask_after_s, self._closed_s(line))
        await self._means.recorder.record(found.event, journey, before.state)
        line.carried[journey.upload_id] = journey
        line.tell_warnings(before, journey)
        if line.stop_at(journey, self._clock.wall()):
            self.on_paused([line])
            self._crew.start(self.give_back_unsent([line]))
        # Unsent, and its queue is paused or its content changed: it goes back.
        unsent = journey.state is State.DEFERRED and not stays_ours(journey)
        stays = found.trouble is not None or found.apart
        if unsent and (line.rests or self.gates.paused(line) or not stays):
            await self.give_back(line, journey)
        elif self.rounds.joins(before, journey):
            self.later(line, journey, self._clock.monotonic(), 0)  # it has moved on, and may do so again soon
        else:
            self.route(line, journey, polls)

    def _closed_s(self, line: Line) -> float:
        return max(self.gates.closed_until(line) - self._clock.monotonic(), 0.0)

    async def give_back(self, line: Line, journey: Journey) -> None:
        """Put an unsent document back into the drop folder; where that fails it stays ours.

        Its row goes first, so that one that its owner takes or changes at once is not looked for in vain.
        """
        if journey.state is not State.RETURNED:
            returned = step(journey, Event.RETURN)
            await self._means.recorder.record(Event.RETURN, returned, journey.state)
            line.carried[journey.upload_id] = journey = returned
        try:
            folders = line.folders
            name = await self._crew.on_disk(
                line, lambda: claims.give_back(folders, journey, self._clock.wall())
            )
        except FileNotFoundError:
            line.lose(journey)
            return
        except OSError as problem:
            text = "queue {}: {} could not be put back: {}"
            log_of(journey).warning(text, line.queue.name, printable(journey.name), problem)
            self.later(line, journey, self._clock.monotonic() + _RETURN_AGAIN_S, 0)
            return
        line.drop.notice((journey.folder, name))
        for one in journey.attendants:
            line.drop.notice((journey.folder, fill(one.template, name)))
        line.carried.pop(journey.upload_id, None)

    def route(self, line: Line, journey: Journey, polls: int = 0) -> None:
        """Put a claimed document where its next errand begins."""
        if journey.state in FINAL | {State.FILED}:
            line.to_file(journey)
        elif journey.state is State.ACCEPTED:
            wait_s = followup.next_look(journey, polls, self._clock.wall())
            self.later(line, journey, self._clock.monotonic() + wait_s, polls)
        else:
            self.patience.watch(line, journey)
            wait_s = min(max(journey.not_before - self._clock.wall(), 0.0), LONGEST_NAP_S)
            self.later(line, journey, self._clock.monotonic() + wait_s, 0)

    def later(self, line: Line, journey: Journey, when: float, polls: int) -> None:
        """Plan a claimed document's next step (`when` is monotonic)."""
        errands = self.errands if journey.state is not State.ACCEPTED else self.rounds
        errands.add(line, journey, when, polls)
        self._crew.wake.set()

    # Trouble ------------------------------------------------------------------------------------

    def trouble(self, line: Line, trouble: Trouble) -> None:
        """Close a gate; where a pause begins, what was claimed and not sent goes back."""
        if self.gates.close(line, trouble):
            concerned = [line] if trouble.scope is Scope.QUEUE else self._lines
            self.on_paused(concerned)
            self._crew.start(self.give_back_unsent(concerned))

    async def give_back_unsent(self, lines: list[Line]) -> None:
        """When a queue pauses, what it had claimed and not sent goes back to the drop folder."""
        for line in lines:
            line.batching.end()
        idle = {State.CLAIMED, State.DEFERRED}
        waiting = self.errands.remove(
            lambda e: e.journey.state in idle and e.line in lines and not stays_ours(e.journey)
        )
        for line, journey in [*((e.line, e.journey) for e in waiting), *self.twins.leave(lines)]:
            await self.give_back(line, journey)
