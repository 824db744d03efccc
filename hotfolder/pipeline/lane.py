"""One connection: decide what goes next on it, and carry each document along its arrows."""

import asyncio
import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

from loguru import logger

from hotfolder import claims, followup
from hotfolder.arrivals import Arrival
from hotfolder.backends.base import Backend, DeliveryError, Scope, Unauthorized, Unavailable
from hotfolder.delivery import Step, Trouble, answered, hand_over, sent_name, stays_ours, step, trouble_of
from hotfolder.model import Journey, State
from hotfolder.pipeline.line import Line, Means
from hotfolder.retry import Bucket, Gate, backoff
from hotfolder.settings import ConnectionSection, Limits
from hotfolder.states import Event

_LONGEST_NAP_S = 3600.0
_RETURN_AGAIN_S = 10.0
_CLEAR = frozenset({Event.ACCEPT, Event.DELIVER, Event.REFUSE})
"""Arrows that prove that the service answers."""
_JITTER = 0.2
"""A fifth on top of the wait that the service asked for, so that many do not come back together."""


_Errand = tuple[float, int, Line, Journey, int]
"""When (monotonic), a number that makes the order total, queue, document, polls so far."""


class Lane:
    """One connection with the queues that use it."""

    def __init__(
        self, connection: ConnectionSection, limits: Limits, backend: Backend, lines: list[Line], means: Means
    ) -> None:
        self.connection = connection
        self.backend = backend
        self.lines = lines
        self.gate = Gate()
        self.active = 0
        self._limits = limits
        self._means = means
        self._clock = means.clock
        self._bucket = Bucket.full(limits.per_second, self._clock.monotonic())
        self._threads = ThreadPoolExecutor(limits.concurrency, thread_name_prefix=f"{connection.name}")
        self._wake = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._order = itertools.count()
        self._turn = deque(lines)
        self._due: list[_Errand] = []
        """Claimed documents that wait for a moment (monotonic): to be sent, asked about or polled."""
        self._stopping = False
        self._probing = False
        self._probed: set[Line] = set()
        for line in lines:
            line.drop.on_ready = self._wake.set

    # Running ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Start whatever may start, for ever; ends by cancellation, `stop` comes before it."""
        while True:
            nap_s = self._start_what_may()
            with suppress(TimeoutError):
                async with asyncio.timeout(nap_s):
                    await self._wake.wait()
            self._wake.clear()

    async def stop(self, grace_s: float) -> None:
        """Take nothing more and let running requests finish for at most `grace_s` seconds."""
        self._stopping = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace_s)
        for task in self._tasks:
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
        if not self.active:
            self.backend.close()

    def resume(self, line: Line, journey: Journey) -> None:
        """Go on with a document that an earlier run had claimed."""
        line.carried[journey.upload_id] = journey
        self._route(line, journey)

    @property
    def paused(self) -> bool:
        """Tell whether wrong credentials, licence or settings keep this connection from being used."""
        return self.gate.paused

    def _start_what_may(self) -> float:
        """Start requests while rate, concurrency and gate allow; return the seconds until more may."""
        while not self._stopping and self.active < self._limits.concurrency and not self._probing:
            now = self._clock.monotonic()
            if now < self.gate.closed_until:
                return self.gate.closed_until - now
            if self.gate.paused:
                self._probing = True
                self._start(self._probe_connection())
                continue
            if not self.gate.allows(now, self.active):
                return _LONGEST_NAP_S
            work = self._next_work(now)
            if work is None:
                return self._until_next(now)
            wait_s = self._bucket.ready_in(now)
            if wait_s > 0:
                return wait_s
            self._bucket = self._bucket.take(now)
            self._start(work())
        return _LONGEST_NAP_S

    def _next_work(self, now: float) -> Callable[[], Coroutine[Any, Any, None]] | None:
        """Choose what goes next: a claimed document whose moment has come, else the queue whose turn it is."""
        if self._due and self._due[0][0] <= now:
            return lambda: self._take_up(*heapq.heappop(self._due)[2:])
        for _ in range(len(self._turn)):
            line = self._turn[0]
            self._turn.rotate(-1)
            if line.drop.inbox.ready and line.gate.allows(now, 0) and line.drop.folders is not None:
                return lambda line=line: self._take_in(line)  # type: ignore[misc]
        return None

    def _until_next(self, now: float) -> float:
        moments = [self._due[0][0]] if self._due else []
        moments += [line.gate.closed_until for line in self.lines if line.gate.closed_until > now]
        for line in self.lines:
            if line.gate.paused and line.gate.closed_until <= now and line not in self._probed:
                self._probed.add(line)
                self._start(self._probe_line(line))
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
        if journey.answer is None:
            await self._send(line, journey)
            return
        reason = "; ".join(journey.answer.messages or ())
        await self._go(line, Step(Event.REFUSE, step(journey, Event.REFUSE, reason=reason)), journey)

    async def _claim(self, line: Line, arrival: Arrival) -> Journey | None:
        journey = replace(
            claims.begun(arrival, line.origin, self._clock.wall()), override_of=line.override_of
        )
        line.carried[journey.upload_id] = journey
        await self._means.recorder.record(Event.CLAIM, journey, None)
        try:
            folders = line.folders
            stamp, digest = await self._on_disk(lambda: claims.secure(folders, journey))
        except (claims.ClaimFailedError, OSError) as problem:
            await self._unclaimed(line, arrival, journey, problem)
            return None
        line.drop.inbox.done(arrival)
        journey = replace(journey, stamp=stamp, sha256=digest)
        line.carried[journey.upload_id] = journey
        return journey

    async def _unclaimed(self, line: Line, arrival: Arrival, journey: Journey, problem: Exception) -> None:
        reason = (
            str(problem)
            if isinstance(problem, claims.ClaimFailedError)
            else f"it could not be claimed: {problem}"
        )
        if isinstance(problem, claims.StuckError):
            logger.error("queue {}: {}; tried again", line.queue.name, reason)
            line.drop.inbox.done(arrival)
            self._later(line, journey, self._clock.monotonic() + _RETURN_AGAIN_S, 0)
            return
        await self._means.recorder.record(
            Event.RETURN, step(journey, Event.RETURN, reason=reason), journey.state
        )
        line.carried.pop(journey.upload_id, None)
        if isinstance(problem, claims.ClaimFailedError):
            gap_s = self._clock.monotonic() - arrival.quiet_since
            if problem.came_back and line.drop.inbox.learn(gap_s):
                line.drop.learned()
        else:
            self._trouble(line, Trouble(reason, scope=Scope.QUEUE))
        line.drop.look_again(arrival)

    async def _send(self, line: Line, journey: Journey) -> None:
        sending = step(journey, Event.SEND, sent_name=journey.sent_name or sent_name(journey), reason=None)
        parcel = line.parcel(sending)
        line.carried[journey.upload_id] = sending
        await self._means.recorder.record(Event.SEND, sending, journey.state)
        tried = await self._on_wire(lambda: hand_over(self.backend, parcel, self._clock))
        await self._go(line, answered(sending, tried, line.queue.wait_for), sending)

    async def _take_up(self, line: Line, journey: Journey, polls: int) -> None:
        """Go on with a claimed document whose moment has come."""
        if line.drop.folders is None:
            self._later(line, journey, self._clock.monotonic() + 1.0, polls)
        elif journey.state is State.CLAIMED:
            await self._return(line, journey)
        elif journey.state is State.DEFERRED:
            await self._send(line, journey)
        elif journey.state is State.UNCERTAIN:
            await self._ask(line, journey)
        else:
            await self._poll(line, journey, polls)

    async def _ask(self, line: Line, journey: Journey) -> None:
        parcel = line.parcel(journey)
        told = await self._on_wire(lambda: followup.ask_whereabouts(self.backend, journey, parcel))
        next_step = followup.located(
            journey, told, line.queue.wait_for, line.queue.uncertain, self._clock.wall()
        )
        await self._go(line, next_step, journey)

    async def _poll(self, line: Line, journey: Journey, polls: int) -> None:
        parcel = line.parcel(journey)
        told = await self._on_wire(lambda: followup.ask_progress(self.backend, journey, parcel))
        next_step = followup.progressed(journey, told, line.queue.wait_for, self._clock.wall())
        if next_step is None:
            self._succeeded(line)
            self._later(line, journey, self._clock.monotonic() + followup.poll_delay(polls + 1), polls + 1)
        else:
            await self._go(line, next_step, journey, polls + 1)

    async def _go(self, line: Line, found: Step | Trouble, before: Journey, polls: int = 0) -> None:
        """Take the arrow that was decided on: trouble first, then the record, then the next errand."""
        trouble = found if isinstance(found, Trouble) else found.trouble
        if trouble is not None:
            self._trouble(line, trouble)
        elif isinstance(found, Step) and found.event in _CLEAR and before.state is not State.CLAIMED:
            self._succeeded(line)
        if isinstance(found, Trouble):
            self._route(line, before, polls)
            return
        journey = self._timed(line, found)
        await self._means.recorder.record(found.event, journey, before.state)
        line.carried[journey.upload_id] = journey
        if journey.state is State.DEFERRED and not stays_ours(journey) and self._must_return(line, found):
            await self._return(line, journey)
        else:
            self._route(line, journey, polls)

    def _timed(self, line: Line, found: Step) -> Journey:
        """Say until when (seconds since 1970) a document waits that is sent again or asked about."""
        journey, wall = found.journey, self._clock.wall()
        if journey.state is State.UNCERTAIN and journey.not_before <= wall and not journey.held:
            return replace(journey, not_before=wall + self.connection.ask_after_s)
        if journey.state is State.DEFERRED and found.trouble is not None:
            gate = max(self.gate.closed_until, line.gate.closed_until)
            return replace(journey, not_before=wall + max(gate - self._clock.monotonic(), 0.0))
        return journey

    def _must_return(self, line: Line, found: Step) -> bool:
        """Tell whether an unsent document goes back: its queue is paused, or its content changed."""
        return self.gate.paused or line.gate.paused or found.trouble is None

    async def _return(self, line: Line, journey: Journey) -> None:
        """Put an unsent document back into the drop folder; where that fails it stays ours."""
        try:
            folders = line.folders
            name = await self._on_disk(lambda: claims.give_back(folders, journey, self._clock.wall()))
        except OSError as problem:
            logger.warning("queue {}: a document could not be put back: {}", line.queue.name, problem)
            self._later(line, journey, self._clock.monotonic() + _RETURN_AGAIN_S, 0)
            return
        await self._means.recorder.record(Event.RETURN, step(journey, Event.RETURN), journey.state)
        line.drop.notice((journey.folder, name))
        line.carried.pop(journey.upload_id, None)

    def _route(self, line: Line, journey: Journey, polls: int = 0) -> None:
        """Put a claimed document where its next errand begins."""
        if journey.state in {State.DELIVERED, State.REFUSED}:
            line.to_file(journey)
        elif journey.state is State.ACCEPTED:
            self._later(line, journey, self._clock.monotonic() + followup.poll_delay(polls), polls)
        else:
            wait_s = min(max(journey.not_before - self._clock.wall(), 0.0), _LONGEST_NAP_S)
            self._later(line, journey, self._clock.monotonic() + wait_s, 0)

    def _later(self, line: Line, journey: Journey, when: float, polls: int) -> None:
        heapq.heappush(self._due, (when, next(self._order), line, journey, polls))
        self._wake.set()

    # Trouble ------------------------------------------------------------------------------------

    def _trouble(self, line: Line, trouble: Trouble) -> None:
        """Close the gate of the connection, or of the queue, and say so once."""
        own = trouble.scope is Scope.QUEUE
        gate = line.gate if own else self.gate
        wait_s = trouble.retry_after_s
        if wait_s is None:
            retry = self.connection.retry
            wait_s = backoff(gate.failures + 1, retry.first_s, retry.max_s, random.random())  # noqa: S311
        else:
            wait_s *= 1 + _JITTER * random.random()  # noqa: S311
        closed = gate.closes(
            self._clock.monotonic() + wait_s, trouble.reason, counts=trouble.counts, paused=trouble.pause
        )
        self._tell(line if own else None, gate, closed)
        if own:
            line.gate = closed
        else:
            self.gate = closed
        if trouble.pause and not gate.paused:
            self._start(self._give_back_unsent([line] if own else self.lines))

    async def _give_back_unsent(self, lines: list[Line]) -> None:
        """When a queue pauses, what it had claimed and not sent goes back to the drop folder."""
        kept: list[_Errand] = []
        returning: list[_Errand] = []
        for item in self._due:
            unsent = item[3].state is State.DEFERRED and item[2] in lines and not stays_ours(item[3])
            (returning if unsent else kept).append(item)
        heapq.heapify(kept)
        self._due = kept
        for _, _, line, journey, _ in returning:
            await self._return(line, journey)

    def _succeeded(self, line: Line) -> None:
        for owner in (self, line):
            if owner.gate != Gate():
                self._tell(line if owner is line else None, owner.gate, owner.gate.opens())
                owner.gate = owner.gate.opens()

    def _tell(self, line: Line | None, old: Gate, new: Gate) -> None:
        """Log a change of the gate, once: repeated trouble of the same kind says nothing new."""
        who = f"queue {line.queue.name}" if line else f"connection {self.connection.name}"
        if new.paused and not old.paused:
            logger.error(
                "{} is paused: {}; its documents stay in the drop folder until this is mended",
                who,
                new.reason,
            )
        elif new == Gate():
            logger.info("{} works again", who)
        elif not new.paused and new.reason != old.reason:
            logger.warning("{} is in trouble: {}; tried again", who, new.reason)

    async def _probe_connection(self) -> None:
        try:
            await self._probe(
                None, tuple(line.origin.queue_id for line in self.lines if line.origin.queue_id)
            )
        finally:
            self._probing = False

    async def _probe_line(self, line: Line) -> None:
        try:
            await self._probe(line, (line.origin.queue_id,) if line.origin.queue_id else ())
        finally:
            self._probed.discard(line)

    async def _probe(self, line: Line | None, queue_ids: tuple[str, ...]) -> None:
        """Look whether what caused a pause is mended; if so one document may go."""
        told = await self._on_wire(lambda: _checked(self.backend, queue_ids))
        owner = line or self
        if told is None:
            owner.gate = owner.gate.probed()
            return
        pause = isinstance(told, Unauthorized)
        trouble = replace(trouble_of(told), pause=pause, scope=Scope.QUEUE if line else Scope.CONNECTION)
        self._trouble(line or self.lines[0], trouble)

    async def _on_wire(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def _on_disk(self, work: Callable[[], Any]) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._means.disk, work)


def _checked(backend: Backend, queue_ids: tuple[str, ...]) -> DeliveryError | None:
    """Ask the service whether it would take documents; None where it would; blocks."""
    try:
        findings = backend.check(queue_ids)
    except DeliveryError as problem:
        return problem
    except Exception as surprise:  # noqa: BLE001 — a fault in reading an answer is trouble, not an end
        return Unavailable(f"the program failed: {type(surprise).__name__}: {surprise}")
    bad = [f.text for f in findings if not f.ok]
    return Unauthorized("; ".join(bad), scope=Scope.QUEUE) if bad else None
