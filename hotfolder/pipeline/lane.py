"""One connection: decide what goes next on it, within rate, concurrency and gates."""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from hotfolder.backends.base import Backend
from hotfolder.model import Batch, Journey, State
from hotfolder.pipeline.batching import LOOKS_S
from hotfolder.pipeline.carriage import LONGEST_NAP_S, Carriage
from hotfolder.pipeline.convoys import Convoys
from hotfolder.pipeline.crew import Crew
from hotfolder.pipeline.errands import Errand
from hotfolder.pipeline.hands import Hands, Reach
from hotfolder.pipeline.hours import Hours
from hotfolder.pipeline.inquiries import Inquiries
from hotfolder.pipeline.line import Line, Means
from hotfolder.pipeline.probes import Probes, Ways
from hotfolder.pulse import Beat, Crowd
from hotfolder.retry import Gate
from hotfolder.settings import ConnectionSection, Limits


class Lane:
    """One connection with the queues that use it."""

    def __init__(
        self, connection: ConnectionSection, limits: Limits, backend: Backend, lines: list[Line], means: Means
    ) -> None:
        self.connection = connection
        self.backend = backend
        self.lines = lines
        self.serial: str | None = None
        """Why documents go one after the other, where the limits do not say so."""
        self.beat = Beat()
        self._limits = limits
        self._means = means
        self._clock = means.clock
        self._turn = deque(lines)
        self._stopping = False
        self._asking = 0
        """How many questions about accepted documents are on the wire."""
        self._asked_last = False
        """Whether a question was what started last: then documents that want to go out have the next place."""
        self._crew = crew = Crew(connection.name, means.threads(limits.concurrency, connection.name))
        self._carriage = way = Carriage(connection, backend, lines, means, crew)
        self._convoys = Convoys(way, backend, means, crew)
        self._inquiries = Inquiries(way, backend, lines, means, crew)
        self._probes = Probes(Ways(backend, way.gates, way.trouble, crew.on_wire, crew.on_disk), lines)
        self.hands = Hands(Reach(way.errands, way.gates, means, way.give_back_unsent, way.route, way.later))
        self._hours = Hours(lines, means.clock)
        for line in lines:
            line.drop.on_ready = line.on_unblocked = crew.wake.set
            line.on_blocked = partial(self._on_blocked, line)

    # Running ------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Start whatever may start, for ever; ends by cancellation, `stop` comes before it."""
        while True:
            self.beat.works()
            sooner_s = self._carriage.rounds.hurry(self.lines)
            nap_s = min(self._open_and_close(), self._end_waiting(), self._start_what_may(), sooner_s)
            self.beat.rests(nap_s)
            with suppress(TimeoutError):
                async with asyncio.timeout(nap_s):
                    await self._crew.wake.wait()
            self._crew.wake.clear()

    async def stop(self, grace_s: float) -> bool:
        """Take nothing more and let running requests finish; tell whether they did within `grace_s` seconds."""
        self._stopping = True
        self.backend.pace.end()
        in_time = await self._crew.stop(grace_s)
        if in_time:
            self.backend.close()
        return in_time

    def goes_on(self, before: "Lane") -> None:
        """Take the place of one that was stopped: what it has sent counts in the rate of the same host."""
        if before.connection.base_url == self.connection.base_url:
            self.backend.pace.goes_on(before.backend.pace)

    def told(self, document_id: str) -> None:
        """Have a document asked about soon, of which the service told something by itself."""
        self._carriage.rounds.told(document_id)
        self._crew.wake.set()

    def resume(self, line: Line, journey: Journey) -> None:
        """Go on with a document that an earlier run had claimed."""
        line.carried[journey.upload_id] = journey
        self._carriage.route(line, journey)

    def watched(self, beat: Beat, steps: Crowd) -> None:
        """Have somebody watch `run`, and the steps that it starts."""
        self.beat, self._crew.crowd = beat, steps

    def observe(self, on_paused: Callable[[list[Line]], None]) -> None:
        """Have somebody told which queues the program pauses or stops by itself; it must not raise."""
        self._carriage.on_paused = on_paused

    def take_over(self, line: Line, journeys: list[Journey], batches: list[Batch], *, again: bool) -> None:
        """Go on with what lay in the work folder, once it can be used; batches after their documents.

        `again`: the folder was away and is back, and a file of it may be what a document waited for. A service in
        trouble still has its gate closed.
        """
        for found in journeys:
            at_once = again and found.state is State.DEFERRED
            self.resume(line, replace(found, not_before=0.0) if at_once else found)
        for batch in batches:
            line.batching.owe(batch)

    @property
    def gate(self) -> Gate:
        """Return the connection's gate."""
        return self._carriage.gates.shared

    @property
    def journal_trouble(self) -> str | None:
        """Return why nothing can be recorded, None where it can."""
        return self._means.recorder.trouble

    @property
    def behind(self) -> str | None:
        """Return why nothing new is taken: the questions about what was taken do not keep up; None while they do."""
        number = self._carriage.rounds.behind(self._clock.monotonic())
        text = "{} accepted documents wait to be asked about, and new ones until fewer do; a higher `limits` helps"
        return None if number is None else text.format(number)

    def _open_and_close(self) -> float:
        """Begin and end the hours of the queues; return the seconds until the next may."""
        if self._stopping:
            return LONGEST_NAP_S
        opened, closed = self._hours.turned()
        for line in opened:
            self.hands.hurry(line)
        if closed:
            self._crew.start(self._carriage.give_back_unsent(closed))
        return self._hours.next_in()

    def _end_waiting(self) -> float:
        """Judge anew what waited for a twin, give up what waited too long; return the seconds until the next may be."""
        if self._stopping:
            return LONGEST_NAP_S
        for line, journey in self._carriage.twins.settled():
            if self._carriage.gates.paused(line) or line.rests:
                self._crew.start(self._carriage.give_back(line, journey))
            else:
                self._carriage.errands.add(line, journey, self._clock.monotonic(), 0)
        for line, late, found in self._carriage.patience.over(self._carriage.errands):
            self._crew.start(self._carriage.safely(line, late, self._carriage.go(line, found, late)))
        return min(self._carriage.patience.next_in(), LONGEST_NAP_S)

    def _start_what_may(self) -> float:
        """Start requests while rate, concurrency and gate allow; return the seconds until more may."""
        while not self._stopping and self._crew.active < self._limits.concurrency and not self._probes.of_all:
            now = self._clock.monotonic()
            if now < self.gate.closed_until:
                return self.gate.closed_until - now
            if self.gate.paused:
                self._crew.start(self._probes.of_connection())
                continue
            if not self.gate.allows(now, self._crew.active):
                return LONGEST_NAP_S
            for work in self._probes.of_lines(now):
                self._crew.start(work)
            if (wait_s := self._start_one(now)) is not None:
                return wait_s
        return LONGEST_NAP_S

    def _start_one(self, now: float) -> float | None:
        """Start the next question or document, and return None; or return the seconds until one may.

        The rate is looked at beforehand, so that nothing is claimed that could not go out; each request takes its
        own turn.
        """
        if asked := self._next_round(now):
            self._asked_last = True
            self._asking += 1  # at once, not when the step begins
            self._crew.start(self._ask(asked))
            return None
        begin = self._next_work(now)
        if begin is None:
            return min(self._until_next(now), self._until_round(now))
        wait_s = self.backend.pace.ready_in(asks=False)
        if wait_s > 0:
            return min(wait_s, self._until_round(now))
        self._asked_last = False
        self._crew.start(begin())
        return None

    def _next_round(self, now: float) -> list[Errand]:
        """Take the accepted documents that are asked about next: never on more than half of the places."""
        if not self._may_ask or self.backend.pace.ready_in(asks=True) > 0:
            return []
        if self._asked_last and self._wants_out(now):
            return []
        return self._carriage.rounds.take(now)

    @property
    def _may_ask(self) -> bool:
        return self._asking < max(self._limits.concurrency // 2, 1)

    def _until_round(self, now: float) -> float:
        due_in = self._carriage.rounds.due_in(now)
        if due_in is None or not self._may_ask:
            return LONGEST_NAP_S
        return max(due_in, self.backend.pace.ready_in(asks=True))

    async def _ask(self, asked: list[Errand]) -> None:
        try:
            await self._inquiries.poll(asked)
        finally:
            self._asking -= 1

    def _next_work(self, now: float) -> Callable[[], Coroutine[Any, Any, None]] | None:
        """Choose what goes next: a claimed document whose moment has come, else the queue whose turn it is."""
        due = self._carriage.errands.next_at
        if due is not None and due <= now:
            return lambda: self._take_up(self._carriage.errands.pop())
        for _ in range(len(self._turn)):
            line = self._turn[0]
            self._turn.rotate(-1)
            if self._has_work(line, now):
                way = self._convoys if self._convoys.may_form(line) else self._carriage
                return lambda way=way, line=line: way.take_in(line)  # type: ignore[misc]
        return None

    def _take_up(self, errand: Errand) -> Coroutine[Any, Any, None]:
        if errand.journey.state is State.UNCERTAIN:
            return self._inquiries.take_up(errand)
        way = self._convoys if self._convoys.carries(errand) else self._carriage
        return way.take_up(errand)

    def _wants_out(self, now: float) -> bool:
        """Tell whether `_next_work` would find something."""
        due = self._carriage.errands.next_at
        return (due is not None and due <= now) or any(self._has_work(line, now) for line in self.lines)

    def _has_work(self, line: Line, now: float) -> bool:
        may = line.gate.allows(now, 0) and line.has_turn and not line.rests and not self.behind
        return may and self._may_claim(line) and line.offers(now)

    def _may_claim(self, line: Line) -> bool:
        """Tell whether the disk allows a claim; after trouble with it, one claim at a time finds out."""
        if line.drop.offline:
            return False
        return line.blocked is None or (line.blocked == line.claim_trouble and not line.parked)

    def _on_blocked(self, line: Line) -> None:
        self._crew.start(self._carriage.give_back_unsent([line]))

    def _until_next(self, now: float) -> float:
        due = self._carriage.errands.next_at
        moments = [] if due is None else [due]
        moments += [line.gate.closed_until for line in self.lines if line.gate.closed_until > now]
        moments += [now + LOOKS_S for line in self.lines if line.batching.gathers]
        return max(min(moments, default=now + LONGEST_NAP_S) - now, 0.0)
