"""Ask about accepted documents in rounds: those that share a question together, the others one by one."""

from hotfolder.backends.base import Backend
from hotfolder.model import Clock, Journey, State
from hotfolder.pipeline.errands import Errand, Errands

_MOST_AT_ONCE = 100
"""As many as one request can ask about (Rossum API docs, pagination); without it the others wait too long."""
_TICK_S = 1.0
"""What becomes due within this time after a shared question waits for the next one, so that it is one for many."""


class Rounds:
    """The accepted documents of one connection, by when they are to be asked about."""

    def __init__(self, backend: Backend, clock: Clock) -> None:
        self._backend = backend
        self._clock = clock
        self._alone = Errands()
        self._shared = Errands()
        self._next_shared_at = clock.monotonic()

    def errands_of(self, journey: Journey) -> Errands:
        """Return where an accepted document waits for its question."""
        return self._shared if self._backend.shares_questions(journey.remote) else self._alone

    def joins(self, before: Journey, after: Journey) -> bool:
        """Tell whether a document shares questions from now on: its first one need not wait."""
        if after.state is not State.ACCEPTED or not self._backend.shares_questions(after.remote):
            return False
        return before.state is not State.ACCEPTED or not self._backend.shares_questions(before.remote)

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
