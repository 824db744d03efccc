"""An event loop, clocks and threads in which hours pass at once and everything happens in one order."""

import asyncio
import math
import selectors
from asyncio import events
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

_NEWYEAR_2027_S = 1_798_761_600.0
_MOST_TURNS = 20_000
"""Of one stretch of time; a hundred times what the busiest hour takes, so that a loop that spins is seen."""
_MOST_FAREWELLS = 100
"""Rounds in which cancelled tasks may still make others."""


class VirtualClock:
    """Seconds that pass when the loop has nothing else to do; the wall clock can be set like a machine's."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.offset_s = 0.0
        """How far the machine's wall clock is from the true time."""

    def monotonic(self) -> float:
        """Return seconds since some start, never going back."""
        return self.now

    def true(self) -> float:
        """Return the true time in seconds since 1970: what a service's clock shows."""
        return _NEWYEAR_2027_S + self.now

    def wall(self) -> float:
        """Return what the machine takes for the seconds since 1970."""
        return self.true() + self.offset_s


class _NoWaiting(selectors.SelectSelector):
    """Waits for nothing: what the loop would sleep is added to the clock, up to a limit."""

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self.clock = clock
        self.limit = clock.now

    def select(self, timeout: float | None = None) -> list[Any]:
        """Let the time pass; no descriptor is ever ready."""
        wanted = self.limit if timeout is None else self.clock.now + max(timeout, 0.0)
        # A hair beyond, as with every real clock: asyncio rings what is due before now, not at it.
        self.clock.now = max(self.clock.now, math.nextafter(min(wanted, self.limit), math.inf))
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop of one incarnation; it is driven turn by turn from outside."""

    def __init__(self, clock: VirtualClock) -> None:
        self._waits = _NoWaiting(clock)
        super().__init__(self._waits)
        self._clock_resolution = 0.0  # a timer that rings too early by a trillionth finds no time passed
        self.clock = clock
        self.made: list[asyncio.Task[Any]] = []
        """Every task that was ever made here."""
        self.complaints: list[dict[str, Any]] = []
        """What asyncio would have logged."""
        self.set_task_factory(self._note)
        self.set_exception_handler(lambda _, context: self.complaints.append(context))

    def time(self) -> float:
        """Return the virtual seconds."""
        return self.clock.now

    def call_soon_threadsafe(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> Any:
        """Call soon: there is but one thread, which needs no waking."""
        return self.call_soon(callback, *args, context=context)

    def turns(self, number: int, stop: Callable[[], bool]) -> None:
        """Run so many rounds of callbacks; when nothing is ready, time jumps to the next timer."""
        self._waits.limit = float("inf")
        self._within(lambda: self._some(number, stop))

    def until(self, moment: float, stop: Callable[[], bool]) -> None:
        """Run until a moment (monotonic), and what is due then."""
        self._waits.limit = moment
        self._within(lambda: self._up_to(moment, stop))

    def call(self, work: Callable[[], Any]) -> Any:
        """Run a function as if from within a callback."""
        made: list[Any] = []
        self._within(lambda: made.append(work()))
        return made[0]

    def abandon(self) -> None:
        """End as a process does: nothing is waited for, and nobody is told."""
        self._waits.limit = self.clock.now
        for _ in range(_MOST_FAREWELLS):
            for task in (alive := [task for task in self.made if not task.done()]):
                task.cancel()
            if not alive:
                break
            self._within(lambda: self._some(1, lambda: False))
        for task in self.made:
            if task.done() and not task.cancelled():
                task.exception()  # else asyncio complains that nobody asked
        self.made.clear()
        self.close()

    def _some(self, number: int, stop: Callable[[], bool]) -> None:
        for _ in range(number):
            if stop() or not (self._ready or self._scheduled):  # type: ignore[attr-defined]
                return
            self._run_once()  # type: ignore[attr-defined]

    def _up_to(self, moment: float, stop: Callable[[], bool]) -> None:
        for _ in range(_MOST_TURNS):
            if stop() or (self.clock.now >= moment and not self._ready):  # type: ignore[attr-defined]
                return
            self._run_once()  # type: ignore[attr-defined]
        raise AssertionError(f"the loop spins: {self._ready}")  # type: ignore[attr-defined]

    def _within(self, work: Callable[[], Any]) -> None:
        events._set_running_loop(self)
        try:
            work()
        finally:
            events._set_running_loop(None)

    def _note(self, loop: Any, coroutine: Any, **rest: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **rest)
        self.made.append(task)
        return task


class VirtualThreads(Executor):
    """Threads of a loop: a job runs a while after it was asked for, and is heard of a while after that."""

    busy = False

    def __init__(self, loop: VirtualLoop, latency_s: float = 0.0) -> None:
        self._loop = loop
        self._half_s = latency_s / 2
        self._waiting: list[Future[Any]] = []
        self._closed = False

    def submit(self, work: Callable[..., Any], /, *args: Any, **named: Any) -> Future[Any]:
        """Plan a job."""
        if self._closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        future: Future[Any] = Future()
        self._waiting.append(future)
        self._soon(lambda: self._run(future, lambda: work(*args, **named)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002
        """Take no more jobs."""
        del wait
        self._closed = True
        for future in self._waiting if cancel_futures else ():
            future.cancel()

    def _run(self, future: Future[Any], work: Callable[[], Any]) -> None:
        self._waiting.remove(future)
        if not future.set_running_or_notify_cancel():
            return
        try:
            result = work()
        except BaseException as problem:  # noqa: BLE001 — as threads do
            self._soon(lambda problem=problem: future.set_exception(problem))
        else:
            self._soon(lambda: future.set_result(result))

    def _soon(self, work: Callable[[], Any]) -> None:
        if self._half_s:
            self._loop.call_later(self._half_s, work)
        else:
            self._loop.call_soon(work)
