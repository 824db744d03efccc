"""Noticing a folder that does not answer."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from hotfolder.arrivals.reach import SILENT_S, Reach, Threads, patiently
from tests.builders import DEADLINE_S


class HandClock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        """Return what was set."""
        return self.now

    def wall(self) -> float:
        """Return what was set."""
        return self.now


@pytest.fixture
def threads() -> Iterator[Threads]:
    """Two threads."""
    with Threads(2, "test") as pool:
        yield pool


def test_a_folder_that_shows_no_sign_of_life_is_silent_until_it_answers(threads: Threads) -> None:
    """It is said once each way, and a sign of life from within a long look counts."""
    clock, said, go = HandClock(), list[bool](), threading.Event()
    reach = Reach(threads, clock, said.append)

    async def play() -> None:
        look = asyncio.create_task(reach.ask(lambda: go.wait(DEADLINE_S)))
        await asyncio.sleep(0)
        clock.now = SILENT_S - 1
        assert list(reach.signing([1, 2])) == [1, 2]
        clock.now = SILENT_S + 1
        assert reach.silent_s < SILENT_S
        clock.now = 3 * SILENT_S
        assert reach.silent_s > SILENT_S
        assert threads.busy
        async with asyncio.timeout(DEADLINE_S):
            while not said:  # noqa: ASYNC110 — the reach looks by itself
                await asyncio.sleep(0.05)
        go.set()
        assert await look

    asyncio.run(play())
    assert said == [True, False]
    assert reach.silent_s == 0.0


def test_steps_are_taken_in_other_threads_and_given_up_in_time(threads: Threads) -> None:
    """What comes is handed on; what does not come is a TimeoutError."""
    go = threading.Event()

    def slow() -> Iterator[int]:
        yield 1
        go.wait(DEADLINE_S)
        yield 2

    found = patiently(threads, slow(), 0.05)
    assert next(found) == 1
    with pytest.raises(TimeoutError):
        next(found)
    go.set()
    assert list(patiently(threads, iter([1, 2]), DEADLINE_S)) == [1, 2]
