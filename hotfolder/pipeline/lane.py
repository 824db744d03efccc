"""One connection: decide what goes next on it, and carry each document along its arrows."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from loguru import logger

from hotfolder import claims, followup
from hotfolder.arrivals import Arrival
from hotfolder.backends.base import Backend, CannotTell, Parcel, Scope
from hotfolder.delivery import (
    Step,
    Trouble,
    answered,
    hand_over,
    proves_an_answer,
    sending,
    stays_ours,
    step,
    unsent,
)
from hotfolder.model import FINAL, Journey, State
from hotfolder.pipeline.errands import Errand, Errands
from hotfolder.pipeline.gates import Gates
from hotfolder.pipeline.hands import Hands, Reach
from hotfolder.pipeline.line import Line, Means
from hotfolder.pipeline.patience import Patience
from hotfolder.pipeline.probes import Probes, Ways
from hotfolder.pipeline.relatives import Twins, place, recall
from hotfolder.retry import Bucket, Gate
from hotfolder.settings import ConnectionSection, Limits
from hotfolder.states import Event

_LONGEST_NAP_S = 3600.0
_RETURN_AGAIN_S, _STRANDED_S = 10.0, 60.0
_SLOW_DISK_S = 5.0
"""A document that is still being claimed after this long takes no place of the connection any more."""


class Lane:
    """One connection with the queues that use it."""

    def __init__(
        self, connection: ConnectionSection, limits: Limits, backend: Backend, lines: list[Line], means: Means
    ) -> None:
        self.connection = connection
        self.backend = backend
        self.lines = lines
        self._gates = Gates(connection, means.clock)
        self.active = 0
        self._limits = limits
        self._means = means
        self._clock = means.clock
        self._bucket = Bucket.full(limits.per_second, self._clock.monotonic())
        self._threads = means.threads(limits.concurrency, connection.name)
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = deque(lines)
        self._errands = Errands()
        self._twins = Twins()
        self._patience = Patience(means.clock)
        self._stopping = False
        self._probes = Probes(Ways(backend, self._gates, self._trouble, self._on_wire, self._on_disk), lines)
        self.hands = Hands(
            Reach(self._errands, self._gates, means, self._give_back_unsent, self._route, self._later)
        )
        for line in lines:
            line.drop.on_ready = line.on_unblocked = self._wake.set
            line.on_blocked = partial(self._on_blocked, line)

    # Running ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Start whatever may start, for ever; ends by cancellation, `stop` comes before it."""
        while True:
            nap_s = min(self._end_waiting(), self._start_what_may())
            with suppress(TimeoutError):
                async with asyncio.timeout(nap_s):
                    await self._wake.wait()
            self._wake.clear()

    async def stop(self, grace_s: float) -> bool:
        """Take nothing more and let running requests finish; tell whether they did within `grace_s` seconds."""
        self._stopping = True
        in_time = not self._tasks or not (await asyncio.wait(self._tasks, timeout=grace_s))[1]
        for task in self._tasks:
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
        if in_time:
            self.backend.close()
        return in_time

    def resume(self, line: Line, journey: Journey) -> None:
        """Go on with a document that an earlier run had claimed."""
        line.carried[journey.upload_id] = journey
        self._route(line, journey)

    @property
    def gate(self) -> Gate:
        """Return the connection's gate."""
        return self._gates.shared

    @property
    def journal_trouble(self) -> str | None:
        """Return why nothing can be recorded, None where it can."""
        return self._means.recorder.trouble

    def _end_waiting(self) -> float:
        """Judge anew what waited for a twin, give up what waited too long; return the seconds until the next may be."""
        if self._stopping:
            return _LONGEST_NAP_S
        for line, journey in self._twins.settled():
            if self._gates.paused(line):
                self._start(self._return(line, journey))
            else:
                self._errands.add(line, journey, self._clock.monotonic(), 0)
        for line, late, found in self._patience.over(self._errands):
            self._start(self._safely(line, late, self._go(line, found, late)))
        return min(self._patience.next_in(), _LONGEST_NAP_S)

    def _start_what_may(self) -> float:
        """Start requests while rate, concurrency and gate allow; return the seconds until more may."""
        while not self._stopping and self.active < self._limits.concurrency and not self._probes.of_all:
            now = self._clock.monotonic()
            if now < self.gate.closed_until:
                return self.gate.closed_until - now
            if self.gate.paused:
                self._start(self._probes.of_connection())
                continue
            if not self.gate.allows(now, self.active):
                return _LONGEST_NAP_S
            for work in self._probes.of_lines(now):
                self._start(work)
            begin = self._next_work(now)
            if begin is None:
                return self._until_next(now)
            wait_s = self._bucket.ready_in(now)
            if wait_s > 0:
                return wait_s
            self._bucket = self._bucket.take(now)
            self._start(begin())
        return _LONGEST_NAP_S

    def _next_work(self, now: float) -> Callable[[], Coroutine[Any, Any, None]] | None:
        """Choose what goes next: a claimed document whose moment has come, else the queue whose turn it is."""
        due = self._errands.next_at
        if due is not None and due <= now:
            return lambda: self._take_up(self._errands.pop())
        for _ in range(len(self._turn)):
            line = self._turn[0]
            self._turn.rotate(-1)
            may = line.gate.allows(now, 0) and line.by_hand is None
            if line.drop.inbox.ready and may and self._may_claim(line):
                return lambda line=line: self._take_in(line)  # type: ignore[misc]
        return None

    def _may_claim(self, line: Line) -> bool:
        """Tell whether the disk allows a claim; after trouble with it, one claim at a time finds out."""
        if line.drop.offline:
            return False
        return line.blocked is None or (line.blocked == line.claim_trouble and not line.parked)

    def _on_blocked(self, line: Line) -> None:
        self._start(self._give_back_unsent([line]))

    def _until_next(self, now: float) -> float:
        due = self._errands.next_at
        moments = [] if due is None else [due]
        moments += [line.gate.closed_until for line in self.lines if line.gate.closed_until > now]
        return max(min(moments, default=now + _LONGEST_NAP_S) - now, 0.0)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self.active += 1
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.active -= 1
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            logger.opt(exception=problem).error(
                "connection {}: a step failed unexpectedly", self.connection.name
            )
        self._wake.set()

    # The journey --------------------------------------------------------------------------------

    async def _take_in(self, line: Line) -> None:
        """Claim the document that has been ready longest, and send it."""
        was_full = not line.drop.inbox.has_room
        arrival = line.drop.inbox.take()
        if arrival is None:
            return
        if was_full:
            line.drop.wake()
        journey = await self._claim(line, arrival)
        if journey is None:
            return
        if line.by_hand:
            await self._return(line, journey)
            return
        await self._safely(line, journey, self._begin(line, journey))

    async def _begin(self, line: Line, journey: Journey) -> None:
        """Send a claimed document, unless what it is to earlier ones settles it or lets it wait."""
        if line.drop.folders is None:
            self._later(line, journey, self._clock.monotonic() + 1.0, 0)
            return
        known = await self._on_disk(line, partial(recall, self._means.recorder, line, journey))
        kin = place(line, journey, known, self._clock.wall())
        if (settled := unsent(kin.journey)) is not None:
            await self._go(line, settled, kin.journey)
        elif self._gates.paused(line):  # since its claim
            await self._return(line, kin.journey)
        elif kin.waits_for is not None:
            self._twins.wait(line, kin)
        else:
            await self._send(line, kin.journey)

    async def _safely(self, line: Line, journey: Journey, work: Coroutine[Any, Any, None]) -> None:
        """Take a step; one that fails in a way nobody thought of does not strand its document."""
        try:
            await work
        except Exception as surprise:  # noqa: BLE001 — see above
            logger.opt(exception=surprise).error("queue {}: a step failed unexpectedly", line.queue.name)
            now = line.carried.get(journey.upload_id)
            if now is None or now.state in FINAL:
                return
            if now.state is State.SENDING:
                doubted = step(now, Event.DOUBT, reason=f"the program failed: {surprise}", asked=0)
                await self._go(line, Step(Event.DOUBT, doubted), now)
            else:
                self._later(line, now, self._clock.monotonic() + _STRANDED_S, 0)

    async def _claim(self, line: Line, arrival: Arrival) -> Journey | None:
        journey = claims.begun(arrival, line.origin, self._clock.wall())
        line.carried[journey.upload_id] = journey
        await self._means.recorder.record(Event.CLAIM, journey, None)
        try:
            folders = line.folders
            stamp, digest = await self._on_disk(line, lambda: claims.secure(folders, journey))
        except (claims.ClaimFailedError, OSError) as problem:
            await self._unclaimed(line, arrival, journey, problem)
            return None
        line.drop.inbox.done(arrival)
        line.claim_trouble = None
        journey = replace(journey, stamp=stamp, sha256=digest)
        line.carried[journey.upload_id] = journey
        return journey

    async def _unclaimed(self, line: Line, arrival: Arrival, journey: Journey, problem: Exception) -> None:
        failed = isinstance(problem, claims.ClaimFailedError)
        reason = str(problem) if failed else f"it could not be claimed: {problem}"
        if isinstance(problem, claims.StuckError):
            logger.error("queue {}: {}; tried again", line.queue.name, reason)
            line.drop.inbox.done(arrival)
            self._later(line, journey, self._clock.monotonic() + _RETURN_AGAIN_S, 0)
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
            self._trouble(line, Trouble(reason, scope=Scope.QUEUE))
            line.drop.rescan()  # the work folder itself may be gone
        line.drop.look_again(arrival)

    async def _send(self, line: Line, journey: Journey) -> None:
        if line.drop.offline:
            self._later(line, journey, self._clock.monotonic() + 1.0, 0)
            return
        sent = sending(journey, self._clock.wall(), self.backend.ahead_s)
        parcel = line.parcel(sent)
        line.carried[journey.upload_id] = sent
        await self._means.recorder.record(Event.SEND, sent, journey.state)
        tried = await self._on_wire(lambda: hand_over(self.backend, parcel, self._clock))
        await self._go(line, answered(sent, tried, line.queue.wait_for), sent)
        if isinstance(tried.result, FileNotFoundError) and sent.upload_id in line.carried:
            self._errands.remove(lambda e: e.journey.upload_id == sent.upload_id)
            line.lose(sent)

    async def _take_up(self, errand: Errand) -> None:
        """Go on with a claimed document whose moment has come."""
        line, journey, polls = errand.line, errand.journey, errand.polls
        if line.drop.offline:
            self._later(line, journey, self._clock.monotonic() + 1.0, polls)
            return
        if line.by_hand and journey.state is State.DEFERRED:
            self._later(line, journey, self._clock.monotonic() + _LONGEST_NAP_S, polls)
            await self._give_back_unsent([line])
            return
        begun = self._return if journey.sha256 is None else self._begin
        steps = {
            State.CLAIMED: begun,
            State.DEFERRED: self._send,
            State.UNCERTAIN: self._ask,
            State.RETURNED: self._return,
        }
        if journey.state in steps:
            await self._safely(line, journey, steps[journey.state](line, journey))
        else:
            await self._safely(line, journey, self._poll(line, journey, polls))

    async def _ask(self, line: Line, journey: Journey) -> None:
        parcel = line.parcel(journey)
        others = (j for other in self.lines for j in other.carried.values())
        if not self.backend.traits.keeps_mark and followup.rivals(journey, others):
            told: followup.Told = CannotTell("another document of that name may have arrived as well")
        else:
            told = await self._on_wire(lambda: self._whereabouts(journey, parcel))
        found = followup.located(journey, told, line.queue.wait_for, line.queue.uncertain, self._clock.wall())
        await self._go(line, found, journey)

    def _whereabouts(self, journey: Journey, parcel: Parcel) -> followup.Told:
        known = self._means.recorder.known_ids(journey, followup.first_sent(journey))
        return followup.ask_whereabouts(self.backend, journey, parcel, known)

    async def _poll(self, line: Line, journey: Journey, polls: int) -> None:
        parcel = line.parcel(journey)
        told = await self._on_wire(lambda: followup.ask_progress(self.backend, journey, parcel))
        next_step = followup.progressed(journey, told, line.queue.wait_for, self._clock.wall())
        if next_step is None:
            self._gates.open(line)
            self._later(line, journey, self._clock.monotonic() + followup.poll_delay(polls + 1), polls + 1)
        else:
            await self._go(line, next_step, journey, polls + 1)

    async def _go(self, line: Line, found: Step | Trouble, before: Journey, polls: int = 0) -> None:
        """Take the arrow that was decided on: trouble first, then the record, then the next errand."""
        trouble = found if isinstance(found, Trouble) else found.trouble
        if trouble is not None:
            self._trouble(line, trouble)
        elif isinstance(found, Step) and proves_an_answer(found, before):
            self._gates.open(line)
        if isinstance(found, Trouble):
            self._route(line, self._unanswered(line, before), polls)
            return
        journey = self._timed(line, found)
        await self._means.recorder.record(found.event, journey, before.state)
        line.carried[journey.upload_id] = journey
        # Unsent, and its queue is paused or its content changed: it goes back.
        unsent = journey.state is State.DEFERRED and not stays_ours(journey)
        if unsent and (line.by_hand or self._gates.paused(line) or found.trouble is None):
            await self._return(line, journey)
        else:
            self._route(line, journey, polls)

    def _unanswered(self, line: Line, journey: Journey) -> Journey:
        """Let others go first once the gate opens: what one question fails on may concern that question alone."""
        if journey.state is not State.UNCERTAIN:
            return journey
        wait_s = max(self._gates.closed_until(line) - self._clock.monotonic(), 0.0)
        return replace(journey, not_before=self._clock.wall() + wait_s + self.connection.ask_after_s)

    def _timed(self, line: Line, found: Step) -> Journey:
        """Say until when (seconds since 1970) a document waits that is sent again or asked about."""
        journey, wall = found.journey, self._clock.wall()
        if journey.state is State.UNCERTAIN and journey.not_before <= wall and not journey.held:
            return replace(journey, not_before=wall + self.connection.ask_after_s)
        if journey.state is State.DEFERRED and found.trouble is not None:
            wait_s = self._gates.closed_until(line) - self._clock.monotonic()
            return replace(journey, not_before=wall + max(wait_s, 0.0))
        return journey

    async def _return(self, line: Line, journey: Journey) -> None:
        """Put an unsent document back into the drop folder; where that fails it stays ours.

        Its row goes first, so that one that its owner takes or changes at once is not looked for in vain.
        """
        if journey.state is not State.RETURNED:
            returned = step(journey, Event.RETURN)
            await self._means.recorder.record(Event.RETURN, returned, journey.state)
            line.carried[journey.upload_id] = journey = returned
        try:
            folders = line.folders
            name = await self._on_disk(line, lambda: claims.give_back(folders, journey, self._clock.wall()))
        except FileNotFoundError:
            line.lose(journey)
            return
        except OSError as problem:
            logger.warning("queue {}: a document could not be put back: {}", line.queue.name, problem)
            self._later(line, journey, self._clock.monotonic() + _RETURN_AGAIN_S, 0)
            return
        line.drop.notice((journey.folder, name))
        line.carried.pop(journey.upload_id, None)

    def _route(self, line: Line, journey: Journey, polls: int = 0) -> None:
        """Put a claimed document where its next errand begins."""
        if journey.state in FINAL | {State.FILED}:
            line.to_file(journey)
        elif journey.state is State.ACCEPTED:
            self._later(line, journey, self._clock.monotonic() + followup.poll_delay(polls), polls)
        else:
            self._patience.watch(line, journey)
            wait_s = min(max(journey.not_before - self._clock.wall(), 0.0), _LONGEST_NAP_S)
            self._later(line, journey, self._clock.monotonic() + wait_s, 0)

    def _later(self, line: Line, journey: Journey, when: float, polls: int) -> None:
        self._errands.add(line, journey, when, polls)
        self._wake.set()

    # Trouble ------------------------------------------------------------------------------------

    def _trouble(self, line: Line, trouble: Trouble) -> None:
        """Close a gate; where a pause begins, what was claimed and not sent goes back."""
        if self._gates.close(line, trouble):
            self._start(self._give_back_unsent([line] if trouble.scope is Scope.QUEUE else self.lines))

    async def _give_back_unsent(self, lines: list[Line]) -> None:
        """When a queue pauses, what it had claimed and not sent goes back to the drop folder."""
        idle = {State.CLAIMED, State.DEFERRED}
        waiting = self._errands.remove(
            lambda e: e.journey.state in idle and e.line in lines and not stays_ours(e.journey)
        )
        for line, journey in [*((e.line, e.journey) for e in waiting), *self._twins.leave(lines)]:
            await self._return(line, journey)

    async def _on_wire(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _on_disk(self, line: Line, work: Callable[[], Any]) -> Any:
        job = asyncio.get_running_loop().run_in_executor(line.disk, work)
        if not (await asyncio.wait({job}, timeout=_SLOW_DISK_S))[0]:
            self.active -= 1  # other queues of this connection go on
            self._wake.set()
            try:
                await asyncio.wait({job})
            finally:
                self.active += 1
        return job.result()
