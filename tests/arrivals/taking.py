"""A drop folder from which every document is taken as soon as it is ready."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from hotfolder.arrivals import DropFolder, Watch
from tests.arrivals.test_drop import PDF, living, until


class Arrived(list[tuple[bytes, bytes]]):
    """The documents that were taken out of a drop folder: path and content, in their order."""

    def __init__(self, drop: DropFolder, folder: Path) -> None:
        super().__init__()
        self.drop, self.folder = drop, folder
        drop.on_ready = self.take
        self.take()

    def take(self) -> None:
        """Claim everything that is ready."""
        while arrival := self.drop.inbox.take():
            name = os.path.join(arrival.folder, arrival.name)
            path = os.path.join(os.fsencode(self.folder), name)
            with open(path, "rb") as file:
                self.append((name, file.read()))
            os.unlink(path)
            self.drop.inbox.done(arrival)

    def reason(self, name: bytes) -> str:
        """Return why a file at the top is not ready; nothing while it is not known."""
        entry = self.drop.inbox.entries.get((b"", name))
        return entry.reason if entry else ""

    async def are(self, *names: str) -> None:
        """Wait until these have arrived; a scan of all there is then finds nothing more."""
        await until(lambda: len(self) >= len(names))
        before = self.drop.scans
        self.drop.rescan()
        await until(lambda: self.drop.scans > before and not self.drop.behind)
        assert sorted(self) == sorted((name.encode(), PDF) for name in names)


@asynccontextmanager
async def taking(folder: Path, watch: Watch | None, **how: Any) -> AsyncIterator[Arrived]:
    """Have a drop folder from which everything is taken that is ready."""
    async with living(folder, watch, **how) as drop:
        yield Arrived(drop, folder)
