"""Ask the file system of each path something, and leave out those that do not answer: a hung share raises no error."""

import os
import threading
from collections.abc import Callable, Hashable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")

WITHIN_S = 2.0
"""A look at a name takes microseconds on a disk and a round trip on a share that answers."""


class _Round(Generic[K, T]):
    """Ask one after the other in a thread, which is given up where one does not answer."""

    def __init__(self, ask: Callable[[K], T], items: list[K]) -> None:
        self.found: dict[K, T] = {}
        self.problem: BaseException | None = None
        self._asked: K | None = None
        self._given_up = False
        self._ask = ask
        self._items = items
        self._came_further = threading.Condition()
        self._done = False
        # No pool: nobody may wait for it when the program ends.
        threading.Thread(target=self._run, name="answering", daemon=True).start()

    def ends(self, within_s: float) -> bool:
        """Wait as long as each answer comes within so many seconds; tell whether all came."""
        with self._came_further:
            while not self._done:
                if not self._came_further.wait(within_s):
                    return self._done
            return True

    def give_up(self) -> K | None:
        """Leave the thread to what it waits for, and return that."""
        with self._came_further:
            self._given_up = True
            return self._asked

    def _run(self) -> None:
        try:
            for item in self._items:
                self._asked = item
                answer = self._ask(item)
                with self._came_further:
                    if self._given_up:
                        return
                    self.found[item] = answer
                    self._came_further.notify()
        except BaseException as problem:  # noqa: BLE001 — it belongs to whoever asked
            self.problem = problem
        with self._came_further:
            self._done = True
            self._came_further.notify()


def answers(ask: Callable[[K], T], items: Iterable[K], within_s: float = WITHIN_S) -> dict[K, T]:
    """Call `ask` with each item in a thread; items that take longer than `within_s` seconds are missing.

    So are items below one that did not answer, where they are paths. Raises what `ask` raises.
    """
    found: dict[K, T] = {}
    left = list(dict.fromkeys(items))
    while left:
        turn = _Round(ask, left)
        if turn.ends(within_s):
            if turn.problem is not None:
                raise turn.problem
            return found | turn.found
        silent = turn.give_up()
        found |= turn.found
        left = [item for item in left if item not in found and not _below(item, silent)]
    return found


def real_paths(paths: Iterable[Path]) -> dict[Path, Path]:
    """Return each path without links; one on a share that does not answer stands for itself."""
    wanted = list(dict.fromkeys(paths))
    found = answers(lambda path: Path(os.path.realpath(path)), wanted)
    return {path: found.get(path, Path(os.path.abspath(path))) for path in wanted}


def _below(item: object, silent: object) -> bool:
    if item == silent:
        return True
    return isinstance(item, Path) and isinstance(silent, Path) and item.is_relative_to(silent)
