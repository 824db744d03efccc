"""Reach a folder through threads of its own, and notice when it does not answer: a hung share raises no error."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any, ParamSpec, TypeVar

from hotfolder.model import Clock

T = TypeVar("T")
P = ParamSpec("P")

SILENT_S = 10.0
"""A folder that shows no sign of life for this long does not answer: sshfs asks for one after 15 s (ssh_config(5),
ServerAliveInterval), a hard NFS mount says "not responding" after some 20 s, and people call for help sooner."""
_LOOKS_S = 1.0


class Threads(ThreadPoolExecutor):
    """A pool that knows what is under way."""

    def __init__(self, number: int, name: str) -> None:
        super().__init__(number, thread_name_prefix=name)
        self._jobs: set[Future[Any]] = set()

    def submit(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have a function called in a thread; what it logs is about the same as what its caller logs."""
        job = super().submit(partial(copy_context().run, work, *args, **kwargs))
        self._jobs.add(job)
        job.add_done_callback(self._jobs.discard)
        return job

    @property
    def busy(self) -> bool:
        """Tell whether any thread is at work."""
        return any(job.running() for job in tuple(self._jobs))


class Reach:
    """The way to one folder; used from the event loop, except for `sign` and `signing`."""

    def __init__(self, threads: Executor, clock: Clock, on_change: Callable[[bool], None]) -> None:
        """`on_change` is called once when the folder falls silent (True) and once when it answers again."""
        self._threads = threads
        self._clock = clock
        self._on_change = on_change
        self._under_way = 0
        self._sign = clock.monotonic()
        self._silent = False

    @property
    def silent_s(self) -> float:
        """Return for how many seconds a look has been under way without any sign of life; 0 where none is."""
        return self._clock.monotonic() - self._sign if self._under_way else 0.0

    def sign(self) -> None:
        """Take note that the folder has just answered something."""
        self._sign = self._clock.monotonic()

    def signing(self, found: Iterable[T]) -> Iterator[T]:
        """Take each thing that is found for a sign of life: a long list is no silence."""
        for item in found:
            self.sign()
            yield item

    async def ask(self, work: Callable[[], T]) -> T:
        """Have a function that touches the folder called in a thread, however long that takes."""
        self.sign()
        self._under_way += 1
        job = asyncio.get_running_loop().run_in_executor(self._threads, work)
        try:
            while not (await asyncio.wait({job}, timeout=_LOOKS_S))[0]:
                self._tell(silent=self.silent_s >= SILENT_S)
            self._tell(silent=False)
            return job.result()
        except asyncio.CancelledError:
            job.cancel()
            raise
        finally:
            self._under_way -= 1

    def _tell(self, *, silent: bool) -> None:
        if silent != self._silent:
            self._silent = silent
            self._on_change(silent)


def patiently(threads: Executor, found: Iterable[T], within_s: float) -> Iterator[T]:
    """Yield what an iterable yields, each step taken in a thread of a pool.

    Raises TimeoutError for a step that takes longer than `within_s` seconds: its thread is left to it.
    """
    steps = iter(found)
    end = object()
    while (item := threads.submit(next, steps, end).result(within_s)) is not end:
        yield item  # type: ignore[misc]
