"""The steps of one connection that are under way: how many, on which threads, and who is told when one ends."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from loguru import logger

from hotfolder.arrivals import Threads
from hotfolder.pipeline.line import Line
from hotfolder.pulse import Beat, Crowd

_SLOW_DISK_S = 5.0
"""A document that is still being claimed after this long takes no place of the connection any more."""


@dataclass(slots=True)
class _Step:
    """One step under way."""

    in_threads: int = 0
    """How many threads work for it: a slow service or share is no fault of the program."""
    beat: Beat = field(default_factory=Beat)


_STEP: ContextVar[_Step] = ContextVar("step")
"""The step that a coroutine belongs to, however many of them it is made of."""


class Crew:
    """The running steps of one connection, and its threads."""

    def __init__(self, name: str, threads: Threads) -> None:
        self.active = 0
        """How many steps take a place of the connection."""
        self.stopping = False
        """Nothing new is begun."""
        self.wake = asyncio.Event()
        """Set when something may have changed what goes next."""
        self.crowd = Crowd()
        """The steps under way, to be watched."""
        self._name = name
        self._threads = threads
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Take a step beside the others."""
        self.active += 1
        task = asyncio.get_running_loop().create_task(self._watched(work))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def stop(self, grace_s: float) -> bool:
        """Let running steps finish; tell whether they did within `grace_s` seconds."""
        self.stopping = True
        in_time = not self._tasks or not (await asyncio.wait(self._tasks, timeout=grace_s))[1]
        for task in self._tasks:
            task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)
        return in_time

    async def on_wire(self, work: Callable[[], Any]) -> Any:
        """Run what blocks on the service in a thread of the connection."""
        with _in_thread():
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def on_disk(self, line: Line, work: Callable[[], Any]) -> Any:
        """Run what blocks on the disk in a thread of its queue."""
        with _in_thread():
            job = asyncio.get_running_loop().run_in_executor(line.disk, work)
            if not (await asyncio.wait({job}, timeout=_SLOW_DISK_S))[0]:
                self.active -= 1  # other queues of this connection go on
                self.wake.set()
                try:
                    await asyncio.wait({job})
                finally:
                    self.active += 1
            return job.result()

    async def _watched(self, work: Coroutine[Any, Any, None]) -> None:
        step = _Step()
        step.beat = self.crowd.enter(lambda: step.in_threads > 0)
        _STEP.set(step)
        try:
            await work
        finally:
            self.crowd.leave(step.beat)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.active -= 1
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            logger.opt(exception=problem).error("connection {}: a step failed unexpectedly", self._name)
        self.wake.set()


@contextmanager
def _in_thread() -> Iterator[None]:
    """Say that a thread works for the step that is under way; what a person ordered may be none of ours."""
    step = _STEP.get(None) or _Step()
    step.in_threads += 1
    try:
        yield
    finally:
        step.in_threads -= 1
        step.beat.works()
