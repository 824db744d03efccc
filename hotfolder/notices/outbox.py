"""What waits to be told to each target, in the journal and here, and its sending."""

import asyncio
import uuid
from collections.abc import Coroutine, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from loguru import logger

from hotfolder.journal import Change, Journal
from hotfolder.model import Clock
from hotfolder.notices import dispatch, letters
from hotfolder.notices.courier import Courier, way_to
from hotfolder.notices.letters import Letter, Sender
from hotfolder.notices.ways import NotSentError
from hotfolder.settings import Notify
from hotfolder.sidecar import moment as iso
from hotfolder.troubles import Notice, Pending

_LETTING_GO_S = 2.0
"""What is still on its way after this long at the end of the daemon is sent again by the next one."""
_AGAIN_S = 2.0
"""Between two tries to note in the journal that a message was taken."""


class Outbox:
    """Notices on their way; used from the event loop alone."""

    def __init__(self, journal: Journal, clock: Clock, sender: Sender) -> None:
        self.book = asyncio.Lock()
        """Held while what waits is changed in the journal and then here."""
        self._journal = journal
        self._clock = clock
        self._sender = sender
        self._couriers: dict[str, Courier] = {}
        self._pace = dispatch.Pace(0.0, 1)
        self._waiting: dict[int, Pending] = {}
        self._sent: dict[str, list[float]] = {}
        self._next = 1
        self._sending: dict[str, asyncio.Task[None]] = {}

    def apply(self, notify: Notify | None) -> None:
        """Send to the targets of a configuration from now on."""
        before, targets = self._couriers, notify.targets if notify else {}
        self._couriers = {name: Courier(t, way_to(t, self._sender)) for name, t in targets.items()}
        for name in self._couriers.keys() & before.keys():
            self._couriers[name].running = before[
                name
            ].running  # one that hangs is not joined by a second one
        if notify is not None:
            self._pace = dispatch.Pace(notify.group_s, notify.at_most)

    def load(self, waiting: Iterable[Pending], sent: Iterable[tuple[str, float]]) -> None:
        """Take up what an earlier run has left."""
        self._waiting = {row.number: row for row in waiting}
        self._next = max(self._waiting, default=0) + 1
        self._sent = {}
        for target, moment in sent:
            self._sent.setdefault(target, []).append(moment)

    def report(self) -> dict[str, Any]:
        """Return for each target what waits for it, since when, why, and when it was told something last."""
        rows = tuple(self._waiting.values())
        return {
            name: {
                "waiting": sum(row.times for row in rows if row.target == name),
                "oldest": _when(min((row.notice.at for row in rows if row.target == name), default=None)),
                "trouble": courier.trouble,
                "last_sent": _when(max(self._sent.get(name, ()), default=None)),
            }
            for name, courier in self._couriers.items()
        }

    # What waits ----------------------------------------------------------------------------------------

    def planned(self, notices: Iterable[tuple[str, Notice]], now: float) -> Change:
        """Return what new notices change in the journal; what waited in vain for too long is given up."""
        waiting = tuple(self._waiting.values())
        strangers = [row for row in waiting if row.target not in self._couriers]
        old = [row for row in dispatch.outdated(waiting, now) if row.target in self._couriers]
        _tell_of("target {} could not be told for a week; {} notices are given up", old)
        _tell_of("target {} is not configured any more; {} notices are given up", strangers)
        dropped = {row.number for row in (*old, *strangers)}
        left = [row for row in waiting if row.number not in dropped]
        return Change(tuple(dispatch.enqueue(left, notices, self._next)), tuple(dropped))

    def applied(self, change: Change) -> None:
        """Take note of what the journal has written."""
        for number in change.drop:
            self._waiting.pop(number, None)
        for row in change.put:
            self._waiting[row.number] = row
            self._next = max(self._next, row.number + 1)

    # Sending -------------------------------------------------------------------------------------------

    def send(self, now: float) -> None:
        """Begin to send what is due."""
        by_target: dict[str, list[Pending]] = {}
        for row in self._waiting.values():
            by_target.setdefault(row.target, []).append(row)
        for name, rows in by_target.items():
            courier = self._free(name)
            sent = self._sent.setdefault(name, [])
            sent[:] = [moment for moment in sent if now - moment < dispatch.DAY_S]
            due = dispatch.is_due(rows, sent, self._pace, now)
            if due and courier and self._clock.monotonic() >= courier.not_before:
                last = dispatch.is_last(sent, self._pace, now)
                self._start(name, self._deliver(courier, last=last))

    def send_at_once(self, target: str, letter: Letter, taken: dict[str, float]) -> None:
        """Send a message that stands nowhere; where it is taken, its moment is noted in `taken`."""
        courier = self._free(target)
        if courier is not None:
            self._start(target, _carry(courier, letter, taken))

    async def close(self) -> None:
        """Let messages that are on their way arrive, for a moment."""
        tasks = list(self._sending.values())
        if tasks:
            await asyncio.wait(tasks, timeout=_LETTING_GO_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _free(self, target: str) -> Courier | None:
        courier = self._couriers.get(target)
        return None if courier is None or courier.busy or target in self._sending else courier

    def _start(self, target: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._sending[target] = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(partial(self._ended, target))

    def _ended(self, target: str, task: asyncio.Task[None]) -> None:
        del self._sending[target]
        if not task.cancelled() and (problem := task.exception()) is not None:
            logger.opt(exception=problem).error("target {}: a message failed unexpectedly", target)

    async def _deliver(self, courier: Courier, *, last: bool) -> None:
        """Send one message: it is written down before it goes, and taken out after it was taken."""
        begun = await self._begun(courier)
        if begun is None:
            return
        target, now, (name, rows) = courier.target.name, self._clock.wall(), begun
        letter = self._letter(courier, name, rows, now, last=last)
        try:
            warning = await courier.carry(letter)
        except NotSentError as problem:
            if courier.failed(problem, self._clock.monotonic()):
                text = "target {} cannot be told: {}; it is tried again, and {} notices wait"
                logger.error(text, target, problem, sum(row.times for row in rows))
            if not courier.doubted:
                await self._put_back(rows)
            return
        if courier.succeeded():
            logger.info("target {} can be told again", target)
        if warning:
            logger.warning("target {}: {}", target, warning)
        logger.info("target {} was told: {}", target, letter.subject)
        self._sent.setdefault(target, []).append(now)
        taken = Change(drop=tuple(row.number for row in rows), sent=(target, now))
        self.applied(taken)  # also where it cannot be written: it is not sent again by this process
        while True:
            if await self._written(taken):
                return
            await asyncio.sleep(_AGAIN_S)

    def _letter(self, courier: Courier, name: str, rows: list[Pending], now: float, *, last: bool) -> Letter:
        if courier.brief:
            return letters.write_briefly(name, rows, self._sender, now)
        remark = letters.last_remark(now + dispatch.HOUR_S, self._sender) if last else ""
        return letters.write(name, rows, self._sender, now, remark)

    async def _begun(self, courier: Courier) -> tuple[str, list[Pending]] | None:
        """Write down which notices go in the next message, under its name; None where that does not work."""
        target = courier.target.name
        async with self.book:
            rows = dispatch.batch([row for row in self._waiting.values() if row.target == target])
            if not rows or rows[0].letter is not None:
                return (rows[0].letter or "", rows) if rows else None
            name = uuid.uuid4().hex
            rows = [replace(row, letter=name) for row in rows]
            begun = Change(put=tuple(rows))
            if not await self._written(begun):
                return None
            self.applied(begun)
            courier.doubted = False
            return name, rows

    async def _put_back(self, rows: list[Pending]) -> None:
        """Let notices that were certainly not taken go with the next message, and what is new with them."""
        async with self.book:
            change = Change(
                put=tuple(replace(row, letter=None) for row in rows if row.number in self._waiting)
            )
            if await self._written(change):
                self.applied(change)

    async def _written(self, change: Change) -> bool:
        """Write a change; tell whether that worked."""
        try:
            await asyncio.wrap_future(self._journal.tell(change))
        except OSError:
            return False  # the journal's own trouble, which is told by itself
        return True


async def _carry(courier: Courier, letter: Letter, taken: dict[str, float]) -> None:
    try:
        await courier.carry(letter)
    except NotSentError:
        return  # the log has the trouble that it is about, and it is tried again
    taken[courier.target.name] = letter.at


def _tell_of(text: str, rows: Iterable[Pending]) -> None:
    numbers: dict[str, int] = {}
    for row in rows:
        numbers[row.target] = numbers.get(row.target, 0) + row.times
    for target, number in numbers.items():
        logger.error(text, target, number)


def _when(moment: float | None) -> str | None:
    return None if moment is None else iso(moment)
