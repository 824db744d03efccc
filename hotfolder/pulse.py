"""Tell which loops make progress: each says when it works and when it rests; who works on and on is hung (pure)."""

from collections.abc import Callable
from dataclasses import dataclass, field

HUNG_S = 30.0
"""A loop's own work between two waits is a matter of milliseconds; on a machine that swaps, of seconds."""
SLOW_S = 60.0
"""What waits for a disk for that long is told of: a drop folder that does not answer is known after 10 s."""


def _never() -> bool:
    return False


@dataclass(slots=True)
class Beat:
    """One loop. Times are monotonic seconds; one that nobody watches costs two assignments a round."""

    name: str = ""
    clock: Callable[[], float] = float
    waits: Callable[[], bool] = _never
    """Whether the loop may be waiting for a thread of its own, such as one that a dead share holds."""
    limit_s: float = HUNG_S
    _since: float | None = None
    _waiting_since: float | None = None

    def works(self) -> None:
        """Say that a round begins, or that it has come a step further."""
        self._since = self.clock()
        self._waiting_since = None

    def rests(self) -> None:
        """Say that there is nothing to do until somebody calls or a time has passed."""
        self._since = self._waiting_since = None

    def look(self) -> None:
        """Take note of what it waits for; to be called now and then, more often than every `limit_s`."""
        if self._since is not None and self.waits():
            if self._waiting_since is None:
                self._waiting_since = self._since
            self._since = self.clock()

    @property
    def busy(self) -> bool:
        """Tell whether it is at work."""
        return self._since is not None

    @property
    def hung_s(self) -> float | None:
        """Return for how long it has worked without coming any further, None where that is no sign of a fault."""
        if self._since is None:
            return None
        past = self.clock() - self._since
        return past if past >= self.limit_s else None

    @property
    def slow_s(self) -> float | None:
        """Return for how long its thread has kept it waiting, None where that is not worth a word."""
        if self._since is None or self._waiting_since is None:
            return None
        past = self.clock() - self._waiting_since
        return past if past >= SLOW_S else None


@dataclass(slots=True)
class Pulse:
    """All loops of a program, or of one configuration."""

    clock: Callable[[], float]
    beats: list[Beat] = field(default_factory=list)

    def watch(self, name: str, waits: Callable[[], bool] = _never, limit_s: float = HUNG_S) -> Beat:
        """Begin to watch a loop, which rests until it says otherwise."""
        beat = Beat(name, self.clock, waits, limit_s)
        self.beats.append(beat)
        return beat

    def look(self) -> None:
        """Look at each loop once."""
        for beat in self.beats:
            beat.look()

    def hung(self) -> dict[str, float]:
        """Return the loops that are hung, with the seconds since they last came further."""
        return {beat.name: past for beat in self.beats if (past := beat.hung_s) is not None}

    def end(self) -> None:
        """Watch nothing any more: the loops are about to be ended."""
        self.beats.clear()
