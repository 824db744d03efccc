"""How a document's status moves on: by looks at it, by time, by order."""

import asyncio
from collections.abc import Callable, Sequence

from hotfolder.sandbox.world import World


class Life:
    """The status of one document; `changed` is told each new one."""

    def __init__(self, statuses: Sequence[str], changed: Callable[[str], None]) -> None:
        self.status, *self._later = statuses
        self._changed = changed

    def seen(self) -> str:
        """Return the status, and let the next look see the next one."""
        shown = self.status
        self.step()
        return shown

    def step(self) -> None:
        """Go on to the next status, if there is one."""
        if self._later:
            self._become(self._later.pop(0))

    def order(self, status: str) -> None:
        """Take this status, of any name, and keep it."""
        self._later.clear()
        self._become(status)

    def _become(self, status: str) -> None:
        self.status = status
        self._changed(status)

    async def run(self, every_s: float, world: World) -> None:
        """Go on by itself until there is no next status, or the server stops."""
        while self._later and not world.closing.is_set():
            await world.pause(every_s)
            self.step()


class Lives:
    """The lives that go on by themselves."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, life: Life, every_s: float | None) -> None:
        """Let a life go on by itself, where an option says how fast."""
        if every_s is not None:
            task = asyncio.get_running_loop().create_task(life.run(every_s, self._world))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
