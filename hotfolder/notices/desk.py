"""The loop that tells people: look, decide, write down, send; it waits for no server and no document waits for it."""

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from loguru import logger

from hotfolder.arrivals import Threads
from hotfolder.journal import Change, Journal
from hotfolder.model import Clock
from hotfolder.notices import alarm, dispatch, history, letters
from hotfolder.notices.courier import Courier, way_to
from hotfolder.notices.deciding import Decision, Facts, Memory, Rules, Wish, decide
from hotfolder.notices.letters import Sender
from hotfolder.notices.observing import Moment, Watched, look
from hotfolder.notices.quiet import Quiet
from hotfolder.notices.ways import NotSentError
from hotfolder.pipeline import Lane
from hotfolder.settings import Notify, Settings
from hotfolder.sidecar import moment as iso
from hotfolder.troubles import Pending

TICK_S = 2.0
"""Between two looks: quick enough for people."""
_BEHIND_S = 0.05
_LETTING_GO_S = 2.0
"""What is still on its way after this long at the end of the daemon is sent again by the next one."""
_ARROWS = 5_000
"""Steps of documents that are read at once: what a busy minute makes."""

T = TypeVar("T")


class Desk:
    """Everything that is told to people by one daemon."""

    def __init__(
        self,
        journal: Journal,
        clock: Clock,
        lanes: Callable[[], Sequence[Lane]],
        sender: Sender,
        hung: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """`lanes` returns the connections as they are now, `hung` the loops that do not move."""
        self.beats = 0
        """Grows with each round: a sign of life."""
        self._journal = journal
        self._clock = clock
        self._lanes = lanes
        self._sender = sender
        self._hung = hung
        self._threads = Threads(1, "notices")
        self._notify: Notify | None = None
        self._rules = Rules({}, 0.0, frozenset())
        self._couriers: dict[str, Courier] = {}
        self._memory = Memory()
        self._watched = Watched()
        self._quiet = Quiet(journal.reader)
        self._waiting: dict[int, Pending] = {}
        self._sent: dict[str, list[float]] = {}
        self._next = 1
        self._read_to = 0
        self._loaded = False
        self._begun = False
        """The journal knows that this run has begun."""
        self._left = ""
        self._book = asyncio.Lock()
        """Held while what waits is changed in the journal and then here."""
        self._run = uuid.uuid4().hex
        self._trouble: str | None = None
        self._alarm = alarm.Alarm()
        self._sending: dict[str, asyncio.Task[None]] = {}

    def apply(self, settings: Settings) -> None:
        """Tell whom a configuration names from now on."""
        notify = self._notify = settings.notify
        targets = notify.targets if notify else {}
        wishes = {name: Wish(frozenset(t.about), frozenset(t.queues)) for name, t in targets.items()}
        self._rules = Rules(wishes, notify.repeat_s if notify else 0.0, frozenset(settings.queues))
        before = self._couriers
        self._couriers = {name: Courier(t, way_to(t, self._sender)) for name, t in targets.items()}
        for name in self._couriers.keys() & before.keys():
            self._couriers[name].running = before[
                name
            ].running  # one that hangs is not joined by a second one
        self._quiet.apply(settings)

    async def run(self) -> None:
        """Go round, for ever; ends by cancellation."""
        while True:
            nap_s = TICK_S
            try:
                if self._notify is not None or self._loaded:
                    nap_s = await self._round()
                self._tell(None)
            except Exception as problem:  # noqa: BLE001 — whatever ails the notices, the documents go on
                self._tell(f"{problem}" if isinstance(problem, OSError) else repr(problem))
                self._alarmed(problem)
            self.beats += 1
            await asyncio.sleep(nap_s)

    async def close(self) -> None:
        """Let messages that are on their way arrive, for a moment, and note that the daemon ends in good order."""
        tasks = list(self._sending.values())
        if tasks:
            await asyncio.wait(tasks, timeout=_LETTING_GO_S)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.leave()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def leave(self) -> None:
        """Note that the daemon ends in good order; it is written when the journal is closed."""
        if self._begun:
            self._journal.tell(Change(running=""))

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

    # One round -----------------------------------------------------------------------------------------

    async def _round(self) -> float:
        """Look, decide, write down, send; return the seconds until the next round."""
        if self._notify is None:
            await self._commit(Change(running=""))
            self._loaded = self._begun = False
            return TICK_S
        if not self._loaded:
            self._left = await self._load()
        first = None if self._begun else self._left
        now = self._clock.wall()
        read_to, happened = await self._in_thread(
            lambda: self._journal.reader.happened(self._read_to, _ARROWS)
        )
        found = history.told(happened, now)
        facts = await self._look(now)
        once = (*found.failed, *(alarm.after(first, now) if first else ()))
        facts = replace(facts, failed=once, mended=found.mended)
        begins = self._run if first is not None else None
        async with self._book:
            decision = decide(self._alarm.remembered(self._memory), facts, self._rules, now)
            change = self._change(decision, now)
            read = read_to if read_to != self._read_to else None
            await self._commit(replace(change, arrived=found.arrived, read_to=read, running=begins))
            behind = read_to - self._read_to >= _ARROWS
            self._memory, self._read_to, self._begun = decision.memory, read_to, True
            self._applied(change)
        self._alarm.over()
        self._quiet.arrived(found.arrived)
        self._send(now)
        return _BEHIND_S if behind else TICK_S

    async def _look(self, now: float) -> Facts:
        assert self._notify is not None  # noqa: S101 — asked before
        lanes = self._lanes()
        newest = (
            {line.queue.name: _newest(line) for lane in lanes for line in lane.lines}
            if self._quiet.due(now)
            else {}
        )
        if newest:
            await self._in_thread(lambda: self._quiet.judge(newest, now))
        moment = Moment(now, self._notify, self._quiet.why, self._quiet.last, tuple(self._hung()))
        return look(lanes, self._watched, moment)

    def _change(self, decision: Decision, now: float) -> Change:
        """Return what a decision changes in the journal; what waited in vain for too long is given up."""
        waiting = tuple(self._waiting.values())
        old = dispatch.outdated(waiting, now)
        strangers = [row for row in waiting if row.target not in self._couriers]
        for target in {row.target for row in old} & self._couriers.keys():
            text = "target {}: {} notices could not be sent for a week and are given up"
            logger.error(text, target, sum(row.times for row in old if row.target == target))
        dropped = {row.number for row in (*old, *strangers)}
        left = [row for row in waiting if row.number not in dropped]
        rows = dispatch.enqueue(left, decision.notices, self._next)
        told = tuple(decision.changed.values())
        return Change(tuple(rows), tuple(dropped), told, tuple(decision.forgotten))

    def _applied(self, change: Change) -> None:
        for number in change.drop:
            self._waiting.pop(number, None)
        for row in change.put:
            self._waiting[row.number] = row
            self._next = max(self._next, row.number + 1)

    # Sending -------------------------------------------------------------------------------------------

    def _send(self, now: float) -> None:
        """Begin to send what is due."""
        assert self._notify is not None  # noqa: S101 — asked before
        pace = dispatch.Pace(self._notify.group_s, self._notify.at_most)
        for name, courier in self._couriers.items():
            rows = [row for row in self._waiting.values() if row.target == name]
            sent = self._sent.setdefault(name, [])
            sent[:] = [moment for moment in sent if now - moment < dispatch.DAY_S]
            due = dispatch.goes_at(rows, sent, pace)
            free = name not in self._sending and not courier.busy
            if due is not None and due <= now and free and self._clock.monotonic() >= courier.not_before:
                last = dispatch.is_last(sent, pace, now)
                self._start(name, self._deliver(courier, last=last))

    def _start(self, target: str, work: Coroutine[Any, Any, None]) -> None:
        task = self._sending[target] = asyncio.get_running_loop().create_task(work)
        task.add_done_callback(partial(self._ended, target))

    def _ended(self, target: str, task: asyncio.Task[None]) -> None:
        del self._sending[target]
        if not task.cancelled() and (problem := task.exception()) is not None:
            logger.opt(exception=problem).error("target {}: a message failed unexpectedly", target)

    async def _begin_letter(self, target: str) -> tuple[str, list[Pending]] | None:
        """Write down which notices go in the next message, under its name; None where that does not work."""
        async with self._book:
            rows = dispatch.batch([row for row in self._waiting.values() if row.target == target])
            if not rows or rows[0].letter is not None:
                return (rows[0].letter or "", rows) if rows else None
            name = uuid.uuid4().hex
            rows = [replace(row, letter=name) for row in rows]
            begun = Change(put=tuple(rows))
            if not await self._written(begun):
                return None
            self._applied(begun)
            return name, rows

    async def _deliver(self, courier: Courier, *, last: bool) -> None:
        """Send one message: it is written down before it goes, and taken out after it was taken."""
        begun = await self._begin_letter(courier.target.name)
        if begun is None:
            return
        now, (name, rows) = self._clock.wall(), begun
        remark = letters.last_remark(now + dispatch.HOUR_S, self._sender) if last else ""
        letter = letters.write(name, rows, self._sender, now, remark)
        target = courier.target.name
        try:
            warning = await courier.carry(letter)
        except NotSentError as problem:
            if courier.failed(str(problem), self._clock.monotonic()):
                text = "target {} cannot be told: {}; it is tried again, and {} notices wait"
                logger.error(text, target, problem, sum(row.times for row in rows))
            return
        if courier.succeeded():
            logger.info("target {} can be told again", target)
        if warning:
            logger.warning("target {}: {}", target, warning)
        logger.info("target {} was told: {}", target, letter.subject)
        taken = Change(drop=tuple(row.number for row in rows), sent=(target, now))
        self._applied(taken)  # also where it cannot be written: it is not sent again by this process
        self._sent.setdefault(target, []).append(now)
        while True:
            if await self._written(taken):
                return
            await asyncio.sleep(TICK_S)

    # With the journal ----------------------------------------------------------------------------------

    async def _load(self) -> str:
        """Take up what an earlier run has left; return the mark of a run that did not end in good order, else ""."""
        reader = self._journal.reader
        since = self._clock.wall() - dispatch.DAY_S

        def read() -> tuple[Any, ...]:
            told, waiting, sent = reader.told(), reader.pending_notices(), reader.letters(since)
            return (
                told,
                waiting,
                sent,
                reader.bookmark("arrow"),
                reader.bookmark("run"),
                reader.last_arrivals(),
            )

        told, waiting, sent, arrow, run, last = await self._in_thread(read)
        self._memory = Memory({one.trouble.key: one for one in told})
        self._waiting = {row.number: row for row in waiting}
        self._next = max(self._waiting, default=0) + 1
        self._sent = {}
        for target, moment in sent:
            self._sent.setdefault(target, []).append(moment)
        self._read_to = int(arrow or 0)
        self._quiet.last = last
        self._loaded = True
        return str(run or "")

    async def _commit(self, change: Change) -> None:
        """Write a change; raises `JournalError`."""
        if change:
            await asyncio.wrap_future(self._journal.tell(change))

    async def _written(self, change: Change) -> bool:
        """Write a change; tell whether that worked."""
        try:
            await self._commit(change)
        except OSError as problem:
            self._tell(str(problem))
            return False
        return True

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    # Trouble of its own --------------------------------------------------------------------------------

    def _tell(self, trouble: str | None) -> None:
        """Say once what keeps notices from being made."""
        if trouble is not None and trouble != self._trouble:
            logger.error("notices cannot be made: {}; tried again", trouble)
        elif trouble is None and self._trouble is not None:
            logger.info("notices can be made again")
        self._trouble = trouble

    def _alarmed(self, problem: Exception) -> None:
        """Tell that the journal cannot be written although that cannot be written down first."""
        if self._notify is None or not isinstance(problem, OSError):
            return
        now = self._clock.wall()
        trouble, notices = self._alarm.raised(str(problem), self._rules, now)
        for name in notices:
            if name in self._sending or self._couriers[name].busy:
                continue
            letter = letters.write(uuid.uuid4().hex, alarm.rows(trouble, name, now), self._sender, now)
            self._start(name, self._alarm.send(self._couriers[name], letter))


def _newest(line: Any) -> float:
    """Return when (seconds since 1970) the youngest document in a drop folder was first seen, 0 where none lies there."""
    entries: Iterable[Any] = line.drop.inbox.entries.values()
    return max((entry.seen_at for entry in entries if not entry.rule), default=0.0)


def _when(moment: float | None) -> str | None:
    return None if moment is None else iso(moment)
