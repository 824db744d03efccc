"""Keep the status file of one queue true (`status_file`), in a loop and a thread that no document waits for."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Lock

from loguru import logger

from hotfolder import placard, spool
from hotfolder.checks.sniff import is_placard
from hotfolder.journal import Journal, JournalError
from hotfolder.model import Clock
from hotfolder.pipeline import Lane, Line
from hotfolder.placard import Listed
from hotfolder.pulse import Beat
from hotfolder.status.people import failed_of, sheet_of, wall_clock

LOOKS_S = 5.0
"""Between two looks: quick enough for somebody who has just dropped something, and a write is a sync."""
_FAILED_AGAIN_S = 30.0
"""People take documents out of failed/ without a word."""


class Placard:
    """The status file of one queue; what stands in the way is told by `Line.placard_trouble`."""

    def __init__(self, lane: Lane, line: Line, journal: Journal, clock: Clock) -> None:
        self.beat = Beat()
        self._lane = lane
        self._line = line
        self._journal = journal
        self._clock = clock
        self._one_at_a_time = Lock()
        self._ended = False
        self._written: tuple[str, float] | None = None
        """What was written last, and when (monotonic)."""
        self._failed: tuple[list[Listed], bool] = ([], False)
        self._failed_known: tuple[int, float] | None = None
        """How many had failed when that was looked up, and when (monotonic)."""

    @property
    def queue(self) -> str:
        """Return the queue's name."""
        return self._line.queue.name

    @property
    def needed(self) -> bool:
        """Tell whether the queue has a status file."""
        return self._line.queue.status_file is not None

    async def run(self) -> None:
        """Go round, for ever; ends by cancellation."""
        while True:
            self.beat.works()
            await self._round()
            self.beat.rests()
            await asyncio.sleep(LOOKS_S if self._line.drop.scans else min(LOOKS_S, 0.2))

    async def _round(self) -> None:
        """Look once, and write where something changed, or the last text is old."""
        folders = self._line.drop.folders
        if folders is None or self._line.drop.offline or not self._line.drop.scans:
            return
        sheet = sheet_of(self._lane, self._line, self._clock.wall(), wall_clock)
        job = partial(self._locked, lambda: None if self._ended else self._show(folders, sheet))
        self._change(await asyncio.get_running_loop().run_in_executor(self._line.disk, job))

    async def farewell(self) -> None:
        """Say that nothing is sent from now on, as the last word; where that cannot be said, the age of the text tells."""
        self._ended = True
        folders = self._line.drop.folders
        if folders is None or self._line.drop.offline or self._written is None:
            return
        now = self._clock.wall()
        text = f"{self.queue}: {placard.ended(now, wall_clock)}"
        job = partial(self._locked, lambda: self._post(folders, text))
        self._change(await asyncio.get_running_loop().run_in_executor(self._line.disk, job))

    def _locked(self, write: Callable[[], str | None]) -> str | None:
        with self._one_at_a_time:
            return write()

    def _show(self, folders: spool.Folders, sheet: placard.Sheet) -> str | None:
        """Write what is to be told, unless it stands there already; returns what stands in the way."""
        now = self._clock.monotonic()
        failed, more = self._look_up(folders, now)
        place = folders.way_to(str(self._line.queue.failed))
        whole = replace(sheet, failed=failed, failed_place=place, more_failed=more)
        text = placard.drawn(whole, wall_clock)
        if (
            self._written is not None
            and self._written[0] == text
            and now < self._written[1] + placard.RENEWED_S
        ):
            return None
        return self._post(folders, text)

    def _look_up(self, folders: spool.Folders, now: float) -> tuple[list[Listed], bool]:
        number = self._line.filed["failed"]
        known = self._failed_known
        if known is None or known[0] != number or now >= known[1] + _FAILED_AGAIN_S:
            try:
                self._failed = failed_of(
                    self._journal.reader, folders, self.queue, str(self._line.queue.failed)
                )
            except JournalError:  # it is closed, or in trouble, which is told elsewhere
                return self._failed
            self._failed_known = (number, now)
        return self._failed

    def _post(self, folders: spool.Folders, text: str) -> str | None:
        name = self._line.queue.status_file or ""
        content = placard.written(text, self._clock.wall(), wall_clock)
        try:
            spool.post(name.encode(), content, folders.drop, folders.work, is_placard)
        except FileExistsError:
            return f"{name} is somebody else's file, and stays as it is; rename it, or choose another `status_file`"
        except OSError as problem:
            return f"{name} cannot be written: {problem.strerror or problem}"
        self._written = (text, self._clock.monotonic())
        return None

    def _change(self, trouble: str | None) -> None:
        """Say once what stands in the way, and that it does no longer."""
        if trouble != self._line.placard_trouble:
            level = "WARNING" if trouble else "INFO"
            name = self._line.queue.status_file
            logger.log(level, "queue {}: {}", self.queue, trouble or f"{name} can be written again")
        self._line.placard_trouble = trouble
