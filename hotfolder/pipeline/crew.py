"""The steps of one connection that are under way: how many, on which threads, and who is told when one ends."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from loguru import logger

from hotfolder.arrivals import Threads
from hotfolder.pipeline.line import Line

_SLOW_DISK_S = 5.0
"""A document that is still being claimed after this long takes no place of the connection any more."""


class Crew:
    """The running steps of one connection, and its threads."""

    def __init__(self, name: str, threads: Threads) -> None:
        self.active = 0
        """How many steps take a place of the connection."""
        self.stopping = False
        """Nothing new is begun."""
        self.wake = asyncio.Event()
        """Set when something may have changed what goes next."""
        self._name = name
        self._threads = threads
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Take a step beside the others."""
        self.active += 1
        task = asyncio.get_running_loop().create_task(work)
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
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    async def on_disk(self, line: Line, work: Callable[[], Any]) -> Any:
        """Run what blocks on the disk in a thread of its queue."""
        job = asyncio.get_running_loop().run_in_executor(line.disk, work)
        if not (await asyncio.wait({job}, timeout=_SLOW_DISK_S))[0]:
            self.active -= 1  # other queues of this connection go on
            self.wake.set()
            try:
                await asyncio.wait({job})
            finally:
                self.active += 1
        return job.result()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.active -= 1
        self._tasks.discard(task)
        if not task.cancelled() and (problem := task.exception()) is not None:
            logger.opt(exception=problem).error("connection {}: a step failed unexpectedly", self._name)
        self.wake.set()
