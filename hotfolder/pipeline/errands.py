"""Remember which claimed document wants what at which moment."""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field

from hotfolder.model import Journey
from hotfolder.pipeline.line import Line


@dataclass(frozen=True, order=True, slots=True)
class Errand:
    """A document to be sent, asked about or polled at a moment (monotonic); the number makes the order total."""

    when: float
    number: int
    line: Line = field(compare=False)
    journey: Journey = field(compare=False)
    polls: int = field(compare=False)


class Errands:
    """The errands of one connection, the earliest first."""

    def __init__(self) -> None:
        self._heap: list[Errand] = []
        self._numbers = itertools.count()

    def add(self, line: Line, journey: Journey, when: float, polls: int) -> None:
        """Plan one."""
        heapq.heappush(self._heap, Errand(when, next(self._numbers), line, journey, polls))

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self._heap)

    @property
    def next_at(self) -> float | None:
        """Return when the earliest is due."""
        return self._heap[0].when if self._heap else None

    def pop(self) -> Errand:
        """Take the earliest; raises IndexError where there is none."""
        return heapq.heappop(self._heap)

    def pop_due(self, now: float, most: int) -> list[Errand]:
        """Take up to `most` whose moment has come, the earliest first."""
        found: list[Errand] = []
        while self._heap and self._heap[0].when <= now and len(found) < most:
            found.append(self.pop())
        return found

    def remove(self, unwanted: Callable[[Errand], bool]) -> list[Errand]:
        """Take out those that `unwanted` picks, and return them."""
        picked = [e for e in self._heap if unwanted(e)]
        self._heap = [e for e in self._heap if not unwanted(e)]
        heapq.heapify(self._heap)
        return sorted(picked)
