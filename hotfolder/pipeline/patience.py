"""Remember until when each unsent document is tried (`give_up_after`), also while no gate lets anything through."""

import heapq
import math

from hotfolder.delivery import Step, given_up, may_be_given_up
from hotfolder.model import Clock, Journey
from hotfolder.pipeline.errands import Errands
from hotfolder.pipeline.line import Line


class Patience:
    """The ends of the documents of one connection, the earliest first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ends: list[tuple[float, str]] = []
        self._known: set[str] = set()

    def watch(self, line: Line, journey: Journey) -> None:
        """Plan the end of a document that waits to be sent again, where its queue has one."""
        limit_s = line.queue.give_up_after_s
        if limit_s is not None and may_be_given_up(journey) and journey.upload_id not in self._known:
            self._known.add(journey.upload_id)
            heapq.heappush(self._ends, (journey.claimed_at + limit_s, journey.upload_id))

    def over(self, waiting: Errands) -> list[tuple[Line, Journey, Step]]:
        """Take the documents whose time is over out of those that wait; one on the wire has its turn after that."""
        late: set[str] = set()
        while self._ends and self._ends[0][0] <= self._clock.wall():
            late.add(heapq.heappop(self._ends)[1])
        if not late:
            return []
        self._known -= late
        found = waiting.remove(lambda e: e.journey.upload_id in late and may_be_given_up(e.journey))
        return [(e.line, e.journey, given_up(e.journey, e.line.queue.give_up_after_s or 0.0)) for e in found]

    def next_in(self) -> float:
        """Return the seconds until the next end; infinite where there is none."""
        return max(self._ends[0][0] - self._clock.wall(), 0.0) if self._ends else math.inf
