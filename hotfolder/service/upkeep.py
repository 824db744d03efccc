"""Look through the archives of a queue again and again, and have removed what is past its time (`retain`)."""

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

from loguru import logger

from hotfolder.backends.base import Backend
from hotfolder.journal import Journal
from hotfolder.model import Clock
from hotfolder.pipeline import Line
from hotfolder.pulse import Beat
from hotfolder.retention import Fate, Swept, sweep, sweep_reports
from hotfolder.settings.quantities import duration_text

_MOST_A_ROUND, _AT_ONCE = 1024, 32
_SOON_S = 60.0
"""After a full round: so many documents are removed a day that nothing piles up."""
_LATEST_S = 3600.0
_OFFLINE_S = 5.0
_LEAP_S, _PROBATION_S = 7 * 86_400.0, 86_400.0
"""A clock that is a week ahead of what it said when the daemon last looked is wrong, or the machine was off: time
services put a wrong one right within a day."""

_Retire = Callable[[str, float, str], Future[None]]


class Upkeep:
    """The archives of one queue; what stands in the way is told by `Line.upkeep_trouble`."""

    def __init__(self, line: Line, backend: Backend, journal: Journal, clock: Clock) -> None:
        self._line = line
        self.beat = Beat()
        self._backend = backend
        self._journal = journal
        self._clock = clock
        retain = line.queue.retain
        areas = (("done", line.queue.done, retain.done_s), ("failed", line.queue.failed, retain.failed_s))
        self._kept = {area: (str(path), kept_s) for area, path, kept_s in areas if kept_s is not None}
        self._looked_at = journal.reader.looked_through(line.queue.name)
        self._doubted_since: float | None = None
        self._stopping = False
        self._after: dict[str, tuple[float, str]] = {}

    @property
    def queue(self) -> str:
        """Return the queue's name."""
        return self._line.queue.name

    @property
    def needed(self) -> bool:
        """Tell whether anything is ever removed."""
        return bool(self._kept)

    def stop(self) -> None:
        """Begin nothing more; the document under way is finished."""
        self._stopping = True

    async def run(self) -> None:
        """Go round, for ever; ends by cancellation."""
        nap_s = 0.0
        while True:
            self.beat.rests(nap_s)
            await asyncio.sleep(nap_s)
            self.beat.works()
            nap_s = await self._round()

    async def _round(self) -> float:
        """Look through both archives once; returns the seconds until the next time."""
        if self._line.drop.folders is None:
            return _OFFLINE_S
        try:
            now = await self._trusted()
        except OSError as problem:  # without the note a restart would believe a clock that has leapt
            self._change(str(problem))
            return _SOON_S
        if now is None:
            return _LATEST_S
        number, trouble = 0, None
        for area, (_, kept_s) in self._kept.items():
            found = await self._sweep(area, now - kept_s)
            self._tell(area, Counter(found.fates.values()))
            number += len(found.fates)
            if area == "done":
                found.trouble = await self._reports(now - kept_s) or found.trouble
            trouble = trouble or (found.trouble and f"{area}/: {found.trouble}")
        self._change(trouble)
        shortest = min(kept_s for _, kept_s in self._kept.values())
        return _SOON_S if number >= _MOST_A_ROUND else min(max(shortest / 10, 1.0), _LATEST_S)

    async def _trusted(self) -> float | None:
        """Return the time (seconds since 1970), None while the clock may have leapt ahead; raises OSError."""
        wall, monotonic = self._clock.wall(), self._clock.monotonic()
        known = wall if self._looked_at is None else self._looked_at
        if wall - known > _LEAP_S:
            if self._doubted_since is None:
                self._doubted_since = monotonic
                text = "queue {}: the clock is {:.0f} days ahead of when its archives were last looked through; {}"
                hope = "nothing is removed for a day, in which a wrong one may be put right"
                logger.warning(text, self._line.queue.name, (wall - known) / 86_400, hope)
            if monotonic - self._doubted_since < _PROBATION_S:
                return None
        self._doubted_since = None
        if self._looked_at is None or not 0 <= wall - known < _LATEST_S:
            await asyncio.wrap_future(self._journal.looked_through(self._line.queue.name, wall))
            self._looked_at = wall
        # Never by a clock that is ahead of the service's.
        return wall + min(self._backend.ahead_s or 0.0, 0.0)

    async def _sweep(self, area: str, until: float) -> Swept:
        """Remove what was filed up to `until`; what could not be removed is tried again when all others were."""
        whole = Swept()
        for _ in range(_MOST_A_ROUND // _AT_ONCE):
            if self._stopping or self._line.drop.folders is None:
                break
            self.beat.works()
            some = partial(self._some, area, until, frozenset(self._line.carried))
            async with self._line.at_rest:
                part, last = await asyncio.get_running_loop().run_in_executor(self._line.disk, some)
            await self._remember(part, self._journal.retire)
            whole.fates |= part.fates
            whole.trouble = whole.trouble or part.trouble
            if last is None:
                self._after.pop(area, None)
                break
            self._after[area] = last
        return whole

    async def _reports(self, until: float) -> str | None:
        """Remove the reports of batches that ended up to `until`; they lie in done/. Returns what stands in the way."""
        if self._stopping or self._line.drop.folders is None:
            return None
        part = await asyncio.get_running_loop().run_in_executor(
            self._line.disk, partial(self._some_reports, until)
        )
        await self._remember(part, self._journal.retire_report)
        return part.trouble

    def _some_reports(self, until: float) -> Swept:
        path, _ = self._kept["done"]
        try:
            batches = self._journal.reader.reported(self._line.queue.name, until, _MOST_A_ROUND)
            return sweep_reports(self._line.folders, path, batches, until) if batches else Swept()
        except OSError as problem:
            return Swept(trouble=problem.strerror or str(problem))

    def _some(self, area: str, until: float, busy: frozenset[str]) -> tuple[Swept, tuple[float, str] | None]:
        """Remove a few; returns what came of it, and the last one that was looked at, None after the last of all."""
        path, _ = self._kept[area]
        after = self._after.get(area, (0.0, ""))
        try:
            rows = self._journal.reader.resting(self._line.queue.name, area, until, after, _AT_ONCE)
            journeys = [journey for _, journey in rows if journey.upload_id not in busy]
            swept = sweep(self._line.folders, path, journeys, until, lambda: not self._stopping)
        except OSError as problem:
            return Swept(trouble=problem.strerror or str(problem)), None
        more = len(rows) == _AT_ONCE
        return swept, (rows[-1][0], rows[-1][1].upload_id) if more else None

    async def _remember(self, part: Swept, retire: _Retire) -> None:
        at = self._clock.wall()
        written = [retire(its_id, at, fate.value) for its_id, fate in part.fates.items()]
        try:
            await asyncio.gather(*map(asyncio.wrap_future, written))
        except OSError as problem:  # what is not remembered is found gone the next time
            part.trouble = part.trouble or str(problem)

    def _tell(self, area: str, numbers: Counter[Fate]) -> None:
        if not numbers:
            return
        kept_s = self._kept[area][1]
        text = "queue {}: {} documents that were filed more than {} ago are removed from {}/{}"
        said = {Fate.GONE: "were not there any more", Fate.CHANGED: "had been changed by somebody and stay"}
        more = "".join(f"; {numbers[fate]} {words}" for fate, words in said.items() if numbers[fate])
        level = "WARNING" if numbers[Fate.CHANGED] else "INFO"
        queue, removed = self._line.queue.name, numbers[Fate.REMOVED]
        logger.log(level, text, queue, removed, duration_text(kept_s), area, more)

    def _change(self, trouble: str | None) -> None:
        """Say once what stands in the way, and that it does no longer."""
        told = trouble and f"what is past its time cannot be removed: {trouble}"
        if told != self._line.upkeep_trouble:
            logger.log(
                "ERROR" if told else "INFO",
                "queue {}: {}",
                self._line.queue.name,
                told or "old documents can be removed again",
            )
        self._line.upkeep_trouble = told
