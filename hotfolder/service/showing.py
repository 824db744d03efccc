"""What the web server shows of a daemon."""

import os
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from hotfolder.journal import JOURNAL_FILES, Reader
from hotfolder.metrics import Counts, Facts, Store
from hotfolder.pulse import Pulse
from hotfolder.service.works import Works
from hotfolder.status import facts_of
from hotfolder.web import Views


def views_of(
    works: Callable[[], Works],
    well: Callable[[], Awaitable[bool]],
    report: Callable[[], dict[str, Any]],
    pulse: Pulse,
    counts: Counts,
) -> Views:
    """Return what there is to be seen of what runs at the moment; `works` and `report` are called on its loop.

    `pulse` has the loops that belong to no configuration.
    """

    async def facts() -> Facts:
        stalled_s = pulse.stalled() | works().pulse.stalled()
        return replace(facts_of(works().lanes, works().clock), stalled_s=stalled_s)

    async def reported() -> dict[str, Any]:
        return report()

    def store() -> Store:
        return stored(works().settings.state_dir)

    return Views(well, facts, reported, store, counts)


def stored(state_dir: Path) -> Store:
    """Return what the journal and its disk hold; blocks. Raises OSError where they cannot be read.

    A reader of its own: nobody waits for the lock of the daemon's while it counts.
    """
    disk = os.statvfs(state_dir)
    size = 0
    for name in JOURNAL_FILES:
        with suppress(FileNotFoundError):
            size += os.stat(os.path.join(os.fsencode(state_dir), name)).st_size
    with closing(Reader(state_dir)) as reader:
        return Store(reader.tallies(), reader.rejected_later(), size, disk.f_bavail * disk.f_frsize)
