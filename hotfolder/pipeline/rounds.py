"""Ask about accepted documents in rounds: those that share a question together, the others one by one."""

from collections.abc import Iterable
from math import inf

from hotfolder.backends.base import Backend
from hotfolder.backends.paths import numbers_of
from hotfolder.model import Clock, Journey, State
from hotfolder.pipeline.errands import Errand, Errands
from hotfolder.pipeline.line import Line

_MOST_AT_ONCE = 100
"""As many as one request can ask about (Rossum API docs, pagination); without it the others wait too long."""
_TICK_S = 1.0
"""What becomes due within this time after a shared question waits for the next one, so that it is one for many."""


_MOST_BEHIND, _BEHIND_S = 5_000, 60.0
"""Above so many accepted documents, whose questions are a minute late, nothing new is taken: each is some 4 KiB."""


class Rounds:
    """The accepted documents of one connection, by when they are to be asked about."""

    def __init__(self, backend: Backend, clock: Clock) -> None:
        self._backend = backend
        self._clock = clock
        self._alone = Errands()
        self._shared = Errands()
        self._next_shared_at = clock.monotonic()
        self._told: set[str] = set()
        """Upload ids of those that something was told of while they were asked about."""
        self._numbers: set[str] = set()
        """What the service calls the documents that it told something of since the last `hurry`."""
        self._hurries_at = clock.monotonic()

    def add(self, line: Line, journey: Journey, when: float, polls: int) -> None:
        """Plan the question about an accepted document; at once where something was told of it meanwhile."""
        if journey.upload_id in self._told:
            self._told.discard(journey.upload_id)
            when = min(when, self._clock.monotonic())
        errands = self._shared if self._shares(journey) else self._alone
        errands.add(line, journey, when, polls)

    def joins(self, before: Journey, after: Journey) -> bool:
        """Tell whether a document shares questions from now on, or is done with but for its results: it need not wait."""
        if after.state is not State.ACCEPTED:
            return False
        if after.results_from is not None:
            return before.results_from is None
        return self._shares(after) and (before.state is not State.ACCEPTED or not self._shares(before))

    def told(self, number: str) -> None:
        """Take note that the service told something of a document by itself: asking decides what."""
        self._numbers.add(number)

    def hurry(self, lines: Iterable[Line]) -> float:
        """Make the questions due about what was told; returns the seconds until that is to be done again.

        Once a second at most, so that whoever tells much does not have as much asked.
        """
        now = self._clock.monotonic()
        if not self._numbers or now < self._hurries_at:
            return max(self._hurries_at - now, 0.0) if self._numbers else inf
        accepted = [j for line in lines for j in line.carried.values() if j.state is State.ACCEPTED]
        about = {j.upload_id for j in accepted if not self._numbers.isdisjoint(numbers_of(j.remote))}
        self._hurries_at, self._numbers = now + _TICK_S, set()
        self._told = about | (self._told & {j.upload_id for j in accepted})
        for errands in (self._alone, self._shared) if about else ():
            for one in errands.remove(lambda e: e.journey.upload_id in about):
                self.add(one.line, one.journey, now, one.polls)
        return inf

    def _shares(self, journey: Journey) -> bool:
        return journey.results_from is None and self._backend.shares_questions(journey.remote)

    def behind(self, now: float) -> int | None:
        """Return how many documents wait for questions that do not keep up, None while they do."""
        number = len(self._alone) + len(self._shared)
        moments = [one.next_at for one in (self._alone, self._shared) if one.next_at is not None]
        late = number > _MOST_BEHIND and min(moments) <= now - _BEHIND_S
        return number if late else None

    def due_in(self, now: float) -> float | None:
        """Return the seconds until somebody is to be asked about, None where nobody is."""
        moments = [] if self._alone.next_at is None else [self._alone.next_at]
        if self._shared.next_at is not None:
            moments.append(max(self._shared.next_at, self._next_shared_at))
        return max(min(moments) - now, 0.0) if moments else None

    def take(self, now: float) -> list[Errand]:
        """Take out what the next question is about; nothing where nobody is due."""
        alone, shared = self._alone.next_at, self._shared.next_at
        if shared is not None and max(shared, self._next_shared_at) <= min(
            now, now if alone is None else max(alone, shared)
        ):
            asked = self._shared.pop_due(now, _MOST_AT_ONCE)
            # A full one leaves others behind, who must not wait for the next tick.
            self._next_shared_at = now if len(asked) == _MOST_AT_ONCE else now + _TICK_S
            return asked
        return [self._alone.pop()] if alone is not None and alone <= now else []
