"""The points at which a run is struck: every call of every kind that changes a file or sends."""

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from hotfolder.main import program
from tests.guarantees.runner import Run, Runner
from tests.guarantees.scene import Scene
from tests.guarantees.tracer import Strike

WRITES = frozenset({"write", "pwrite64", "sendto"})
"""Calls of which half may have happened."""
AT_ONCE = 4
"""Runs at one time in one test: they wait for answers most of the time."""

P = TypeVar("P")


@dataclass(frozen=True)
class Point:
    """The nth call of a kind, and what happens there."""

    how: str
    kind: str
    number: int

    @property
    def strike(self) -> Strike:
        """Return it as the tracer takes it."""
        return Strike(self.how, self.number, self.number, pattern=f"^{self.kind} ")


def once(
    scene: Scene, runner: Runner, strike: Strike | None = None, *, follow: bool = True, within: str = "30s"
) -> Run:
    """Take what is in the folders, until all is at rest or the time is over."""
    words = ["once", "-c", str(scene.config), "--timeout", within]
    return runner.run(words, scene.log, below=scene.folders if follow else None, strike=strike)


def last_words(scene: Scene, runner: Runner) -> list[str]:
    """Run once more, undisturbed, and return what is wrong then: with the run, the folders, or `audit`."""
    again = once(scene, runner, follow=False)
    wrongs = [] if again.code in {0, 1} else [f"the second run ended with {again.code}"]
    if "audit" in program.commands:
        audit = runner.run(["audit", "-c", str(scene.config)], scene.log)
        wrongs += (
            [] if audit.code == 0 else [f"audit ended with {audit.code}: {scene.log.read_text()[-1000:]}"]
        )
    return wrongs + scene.wrongs()


def kill_points(calls: list[tuple[str, str]], begin: int, strides: Mapping[str, int]) -> list[Point]:
    """Return the ways to die at the calls of a clean run from the one at index `begin` on.

    Of each kind every nth is taken, as `strides` says (1 where it does not).
    """
    earlier = Counter(name for name, _ in calls[:begin])
    points = []
    for kind, number in Counter(name for name, _ in calls).items():
        numbers = range(earlier[kind] + 1, number + 1, strides.get(kind, 1))
        hows = ("before", "after", "torn") if kind in WRITES else ("before", "after")
        points += [Point(how, kind, n) for n in numbers for how in hows]
    return points


def tried(points: list[P], top: Path, one: Callable[[P, Path, Runner], list[str]]) -> Iterator[str]:
    """Try each point in a folder of its own, a few at once; yields what went wrong, with its point."""
    runners: SimpleQueue[Runner] = SimpleQueue()

    def attempt(number: int, point: P) -> list[str]:
        runner, place = runners.get(), top / f"p{number}"
        place.mkdir()
        try:
            wrongs = one(point, place, runner)
        finally:
            runners.put(runner)
        if not wrongs:
            shutil.rmtree(place)
        return [f"{point}: {wrong} ({place})" for wrong in wrongs]

    with ExitStack() as stack:
        for _ in range(AT_ONCE):
            runners.put(stack.enter_context(Runner()))
        threads = stack.enter_context(ThreadPoolExecutor(AT_ONCE))
        for wrongs in threads.map(attempt, range(len(points)), points):
            yield from wrongs
