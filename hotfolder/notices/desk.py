"""The loop that tells people: look, decide, write down, send; it waits for no server and no document waits for it."""

import asyncio
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from loguru import logger

from hotfolder.arrivals import Threads
from hotfolder.journal import Change, Journal
from hotfolder.model import Clock
from hotfolder.notices import dispatch, history
from hotfolder.notices.alarm import Alarm, after
from hotfolder.notices.deciding import Facts, Memory, Rules, Wish, decide
from hotfolder.notices.letters import Sender
from hotfolder.notices.observing import Moment, Watched, look, newest
from hotfolder.notices.outbox import Outbox
from hotfolder.notices.quiet import Quiet
from hotfolder.pipeline import Lane
from hotfolder.pulse import Beat
from hotfolder.settings import Notify, Settings

TICK_S = 2.0
"""Between two looks: quick enough for people."""
_BEHIND_S = 0.05
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
    ) -> None:
        """`lanes` returns the connections as they are now."""
        self.beat = Beat()
        """Of this loop."""
        self.hung: Callable[[], Iterable[str]] = tuple
        """Names the loops of the program that hang."""
        self._journal = journal
        self._clock = clock
        self._lanes = lanes
        self._threads = Threads(1, "notices")
        self._outbox = Outbox(journal, clock, sender)
        self._quiet = Quiet(journal.reader)
        self._alarm = Alarm(self._outbox, sender)
        self._notify: Notify | None = None
        self._rules = Rules({}, 0.0, frozenset())
        self._memory = Memory()
        self._watched = Watched()
        self._read_to = 0
        self._loaded = False
        self._begun = False
        """The journal knows that this run has begun."""
        self._left = ""
        """The mark of an earlier run that did not end in good order."""
        self._trouble: str | None = None

    def apply(self, settings: Settings) -> None:
        """Tell whom a configuration names from now on."""
        notify = self._notify = settings.notify
        targets = notify.targets if notify else {}
        wishes = {name: Wish(frozenset(t.about), frozenset(t.queues)) for name, t in targets.items()}
        self._rules = Rules(wishes, notify.repeat_s if notify else 0.0, frozenset(settings.queues))
        self._outbox.apply(notify)
        self._quiet.apply(settings)

    async def run(self) -> None:
        """Go round, for ever; ends by cancellation."""
        while True:
            nap_s = TICK_S
            self.beat.works()
            try:
                if self._notify is not None or self._loaded:
                    nap_s = await self._round()
                self._tell(None)
            except Exception as problem:  # noqa: BLE001 — whatever ails the notices, the documents go on
                self._tell(str(problem) if isinstance(problem, OSError) else repr(problem))
                if isinstance(problem, OSError):
                    self._alarm.raised(str(problem), self._rules, self._clock.wall())
            self.beat.rests()
            await asyncio.sleep(nap_s)

    def waits(self) -> bool:
        """Tell whether the loop may be waiting for its thread, which asks the journal."""
        return self._threads.busy

    async def close(self) -> None:
        """Let messages that are on their way arrive, and note that the daemon ends in good order."""
        await self._outbox.close()
        self.leave()
        self._threads.shutdown(wait=False, cancel_futures=True)

    def leave(self) -> None:
        """Note that the daemon ends in good order; it is written when the journal is closed."""
        if self._begun:
            self._journal.tell(Change(running=""))

    def report(self) -> dict[str, Any]:
        """Return for each target what waits for it, since when, why, and when it was told something last."""
        found = self._outbox.report()
        return {name: {**told, "trouble": told["trouble"] or self._trouble} for name, told in found.items()}

    async def _round(self) -> float:
        """Look, decide, write down, send; return the seconds until the next round."""
        if self._notify is None:
            await self._commit(Change(running=""))
            self._loaded = self._begun = False
            return TICK_S
        if not self._loaded:
            await self._load()
        now = self._clock.wall()
        read_to, happened = await self._in_thread(
            lambda: self._journal.reader.happened(self._read_to, _ARROWS)
        )
        found = history.told(happened, now)
        once = (*found.failed, *(after(self._left, now) if self._left and not self._begun else ()))
        facts = replace(await self._look(now), failed=once, mended=found.mended)
        async with self._outbox.book:
            decision = decide(self._alarm.remembered(self._memory), facts, self._rules, now)
            change = replace(
                self._outbox.planned(decision.notices, now),
                told=tuple(decision.changed.values()),
                forget=tuple(decision.forgotten),
                arrived=found.arrived,
                read_to=None if read_to == self._read_to else read_to,
                running=None if self._begun else uuid.uuid4().hex,
            )
            await self._commit(change)
            behind = read_to - self._read_to >= _ARROWS
            self._memory, self._read_to, self._begun = decision.memory, read_to, True
            self._outbox.applied(change)
        self._alarm.over()
        self._quiet.arrived(found.arrived)
        self._outbox.send(now)
        return _BEHIND_S if behind else TICK_S

    async def _look(self, now: float) -> Facts:
        assert self._notify is not None  # noqa: S101 — asked before
        lanes = self._lanes()
        if self._quiet.due(now):
            youngest = {line.queue.name: newest(line) for lane in lanes for line in lane.lines}
            await self._in_thread(lambda: self._quiet.judge(youngest, now))
        hung = tuple(self.hung())
        return look(lanes, self._watched, Moment(now, self._notify, self._quiet.why, self._quiet.last, hung))

    async def _load(self) -> None:
        """Take up what an earlier run has left."""
        reader, since = self._journal.reader, self._clock.wall() - dispatch.DAY_S

        def read() -> tuple[Any, ...]:
            marks = reader.bookmark("arrow"), reader.bookmark("run")
            return (
                reader.told(),
                reader.pending_notices(),
                reader.letters(since),
                marks,
                reader.last_arrivals(),
            )

        told, waiting, sent, (arrow, run), last = await self._in_thread(read)
        self._memory = Memory({one.trouble.key: one for one in told})
        self._outbox.load(waiting, sent)
        self._read_to, self._left = int(arrow or 0), run or ""
        self._quiet.last = last
        self._loaded = True

    async def _commit(self, change: Change) -> None:
        """Write a change; raises `JournalError`."""
        if change:
            await asyncio.wrap_future(self._journal.tell(change))

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _tell(self, trouble: str | None) -> None:
        """Say once what keeps notices from being made."""
        if trouble is not None and trouble != self._trouble:
            logger.error("notices cannot be made: {}; tried again", trouble)
        elif trouble is None and self._trouble is not None:
            logger.info("notices can be made again")
        self._trouble = trouble
