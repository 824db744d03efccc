"""Tell which loops make progress: each says when it works and when it rests; who works on and on is hung (pure)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

HUNG_S = 30.0
"""A loop's own work between two waits is a matter of milliseconds; on a machine that swaps, of seconds."""
SLOW_S = 60.0
"""What waits for a disk for that long is told of: a drop folder that does not answer is known after 10 s."""
LATE_S = 5.0
"""Looks are a second apart: where one comes so late, nothing ran in between, and no loop is to blame for it."""


def _never() -> bool:
    return False


@dataclass(slots=True, eq=False)
class Beat:
    """One loop. Times are monotonic seconds; one that nobody watches costs two assignments a round."""

    name: str = ""
    clock: Callable[[], float] = float
    waits: Callable[[], bool] = _never
    """Whether the loop may be waiting for what is no fault of it, such as a thread that a dead share holds."""
    limit_s: float = HUNG_S
    _since: float | None = None
    _due: float | None = None
    _waiting_since: float | None = None

    def works(self) -> None:
        """Say that a round begins, or that it has come a step further."""
        self._since = self.clock()
        self._due = self._waiting_since = None

    def rests(self, for_s: float | None = None) -> None:
        """Say that there is nothing to do until somebody calls, or until so many seconds have passed."""
        self._due = None if for_s is None else self.clock() + max(for_s, 0.0)
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
    def still_s(self) -> float:
        """Return for how long it has worked, or slept beyond its time, without coming any further."""
        since, due = self._since, self._due  # once: a loop in another thread changes them meanwhile
        begun = due if since is None else since
        return 0.0 if begun is None else max(self.clock() - begun, 0.0)

    @property
    def slow_s(self) -> float | None:
        """Return for how long its thread has kept it waiting, None where that is not worth a word."""
        since = self._waiting_since
        if since is None:
            return None
        past = self.clock() - since
        return past if past >= SLOW_S else None


@dataclass(slots=True, eq=False)
class Crowd:
    """Steps of one kind beside each other, such as requests; who steps in is watched until it steps out."""

    name: str = ""
    clock: Callable[[], float] = float
    waits: Callable[[], bool] = _never
    """Whether all of them may be waiting for what is no fault of theirs."""
    limit_s: float = HUNG_S
    _members: set[Beat] = field(default_factory=set)

    def enter(self, waits: Callable[[], bool]) -> Beat:
        """Begin to watch a step, which works from now on; `waits` as of a `Beat`."""
        beat = Beat(self.name, self.clock, lambda: waits() or self.waits(), self.limit_s)
        beat.works()
        self._members.add(beat)
        return beat

    def leave(self, beat: Beat) -> None:
        """End to watch a step."""
        self._members.discard(beat)

    def look(self) -> None:
        """Look at each step once."""
        for beat in self._members:
            beat.look()

    @property
    def still_s(self) -> float:
        """Return for how long the step that is worst off has come no further."""
        return max((beat.still_s for beat in self._members), default=0.0)


@dataclass(slots=True)
class Pulse:
    """All loops of a program, or of one configuration."""

    clock: Callable[[], float]
    beats: list[Beat | Crowd] = field(default_factory=list)
    _looked: float | None = None
    _awake: float | None = None
    """When the program was found to have stood still, all of it, and to run again."""

    def watch(self, name: str, waits: Callable[[], bool] = _never, limit_s: float = HUNG_S) -> Beat:
        """Begin to watch a loop, which rests until it says otherwise."""
        beat = Beat(name, self.clock, waits, limit_s)
        self.beats.append(beat)
        return beat

    def watch_steps(self, name: str, waits: Callable[[], bool] = _never) -> Crowd:
        """Begin to watch steps that come and go."""
        crowd = Crowd(name, self.clock, waits)
        self.beats.append(crowd)
        return crowd

    def look(self) -> float:
        """Look at each loop once, about every second; returns for how long the whole program stood still, else 0.

        A machine that was stopped, or swaps, takes the time of all: they are given as much anew.
        """
        now = self.clock()
        late_s = 0.0 if self._looked is None else now - self._looked
        self._looked = now
        if late_s >= LATE_S:
            self._awake = now
        for beat in self.beats:
            beat.look()
        return late_s if late_s >= LATE_S else 0.0

    def stalled(self) -> dict[str, float]:
        """Return all loops by name: the seconds since a hung one last came further, 0 for one that is well."""
        return {name: past if past >= limit_s else 0.0 for name, past, limit_s in self._still()}

    def hung(self) -> dict[str, float]:
        """Return the loops that are hung, with the seconds since they last came further."""
        return {name: past for name, past in self.stalled().items() if past}

    def end(self) -> None:
        """Watch nothing any more: the loops are about to be ended."""
        self.beats.clear()

    def _still(self) -> Iterator[tuple[str, float, float]]:
        awake_s = float("inf") if self._awake is None else self.clock() - self._awake
        for beat in self.beats:
            yield beat.name, min(beat.still_s, awake_s), beat.limit_s
