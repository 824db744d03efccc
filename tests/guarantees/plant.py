"""One state directory and one drop folder, and the incarnations of the daemon that live there one after the other."""

import itertools
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from loguru import logger

from hotfolder import claims, spool
from hotfolder.audit import audited
from hotfolder.journal import Journal, schema
from hotfolder.service import works
from hotfolder.service.parts import Parts
from hotfolder.service.works import Works
from hotfolder.settings import Settings, load_settings
from hotfolder.status.queues import state_of
from tests.guarantees.effects import CrashError, Disk, Effects, Plan, PromptJournal
from tests.guarantees.proofs import Survey, survey
from tests.guarantees.services import Service
from tests.guarantees.virtual_time import VirtualClock, VirtualLoop, VirtualThreads

QUEUE = "invoices"
_GRACE_S = 30.0
_WIRE_S = 0.2
"""How long a request takes; it is on the wire in the middle of that."""
_CONFIG = """
state_dir: {top}/state
root: {top}
limits: {{concurrency: 3, per_second: 1000}}
connections:
  acme: {{{connection}, ask_after: 2s, retry: {{first: 1s, max: 10s}}}}
queues:
  invoices:
    connection: acme
    queue_id: 8236
    settle: {settle}
    settle_max: 10s
    patience: 30s
    poll: always
    poll_interval: 60s
    rescan: 60s
"""


class Ground:
    """What all examples of a process share: the directory, and the program made to work in virtual time."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.effects = Effects(top / "limbo")
        self.clock = VirtualClock()
        self.errors: list[str] = []
        """What the program logged as an error since the example began."""
        self._template = top / "template"
        self._template.mkdir()
        Journal(self._template).close()
        self._settings: dict[str, Settings] = {}

    def hear(self, message: Any) -> None:
        """Note what the program logs, but not what it says of its own end."""
        problem = message.record["exception"]
        if problem is None or problem.type is not CrashError:
            self.errors.append(str(message))

    def clear(self) -> None:
        """Begin an example: empty folders, an empty journal, no plans."""
        for name in ("invoices", "state", "limbo"):
            shutil.rmtree(self.top / name, ignore_errors=True)
        (self.top / "invoices").mkdir()
        (self.top / "limbo").mkdir()
        shutil.copytree(self._template, self.top / "state")
        self.effects.plan, self.effects.dead, self.effects.power_cut = Plan(), False, False
        self.effects.settle()
        self.clock.now, self.clock.offset_s = VirtualClock().now, 0.0
        self.errors.clear()

    def settings(self, connection: dict[str, Any], settle: str) -> Settings:
        """Return the settings of a plant."""
        words = ", ".join(f"{key}: {value}" for key, value in connection.items())
        text = _CONFIG.format(top=self.top, connection=words, settle=settle)
        if text not in self._settings:
            path = self.top / "config.yaml"
            path.write_text(text)
            self._settings[text] = load_settings(path, {})
        return self._settings[text]


@contextmanager
def ground(top: Path) -> Iterator[Ground]:
    """Have the program's disk, journal and numbers under control for the length of a block."""
    made = Ground(top)
    disk = Disk(made.effects, spool.files._renameat2)
    numbers = itertools.count(1)
    logger.remove()
    logger.add(made.hear, level="ERROR", format="{message}\n{exception}", diagnose=False)
    with pytest.MonkeyPatch.context() as patch:
        for part in (spool.files, spool.folders, spool.locks):
            patch.setattr(part, "os", disk.face())
        patch.setattr(spool.files, "_renameat2", disk.renameat2)
        patch.setattr(spool, "Lock", _Lock)
        patch.setattr(claims, "secrets", SimpleNamespace(randbits=lambda _: next(numbers)))
        patch.setattr(schema, "_migrations", lru_cache(schema._migrations))  # the same at every start
        patch.setattr(works, "IgnoreRules", lru_cache(works.IgnoreRules))  # and so is this
        try:
            yield made
        finally:
            logger.remove()
            logger.add(os.sys.stderr)


class _Lock(spool.Lock):
    """A lock that a process's end gives back although the process of the tests lives on."""

    held: list["_Lock"] = []  # noqa: RUF012 — one process, one list

    def __init__(self, name: bytes, at: int, about: str) -> None:
        super().__init__(name, at, about)
        self.held.append(self)

    def release(self) -> None:
        self.held.remove(self)
        super().release()

    @classmethod
    def release_all(cls) -> None:
        """Give back what an ended process held."""
        for lock in list(cls.held):
            lock.release()


class Plant:
    """A daemon that ends and comes back."""

    def __init__(self, base: Ground, service: Service, settle: str) -> None:
        self.clock, self.effects, self.service = base.clock, base.effects, service
        self.errors = base.errors
        self.drop = base.top / QUEUE
        self._limbo = base.top / "limbo"
        self._settings = base.settings(service.connection(), settle)
        self._loop: VirtualLoop | None = None
        self._journal: PromptJournal
        self._run = ""
        self._works: Works

    # Life and death -----------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Tell whether an incarnation is at work."""
        return self._loop is not None

    def start(self) -> None:
        """Begin an incarnation."""
        self.effects.dead = False
        self._loop = VirtualLoop(self.clock)
        self._journal = PromptJournal(self._settings.state_dir, self.effects)
        self._run = uuid.uuid4().hex
        plan, self.effects.plan = self.effects.plan, Plan()
        self._journal.begin_run(self._run, self.clock.wall()).result()
        self.effects.plan = plan
        self._build(first=True)

    def turns(self, number: int) -> None:
        """Let a living incarnation do so many rounds of its loop."""
        self._running().turns(number, self._over)
        self._bury_the_dead()

    def passes(self, seconds: float) -> None:
        """Let time pass."""
        loop = self._running()
        loop.until(self.clock.now + seconds, self._over)
        self._bury_the_dead()

    def crash(self) -> None:
        """End without a word."""
        if self.alive:
            self.effects.crash()
            self._bury_the_dead()

    def stop(self, grace_s: float = _GRACE_S) -> None:
        """End as after SIGTERM."""
        if self._stopped(grace_s) is not None:
            self._bury()

    def rebuild(self, grace_s: float = _GRACE_S) -> None:
        """Go over to a new configuration, which is the old one, as after SIGHUP."""
        if not self.alive:
            return
        in_time = self._stopped(grace_s)
        if in_time:
            self._build(first=False)
        elif in_time is False:
            self._bury()  # a request outlived the grace period: the program starts itself anew
            self.start()

    def _build(self, *, first: bool) -> None:
        loop = self._running()
        threads = lambda _, name: VirtualThreads(loop, _WIRE_S if name == "acme" else 0.0)  # noqa: E731
        parts = Parts(threads, self.service.backend)
        self._works = loop.call(
            lambda: Works(self._settings, self._journal, self.clock, self._run, first=first, parts=parts)
        )
        loop.call(self._works.start)

    def _stopped(self, grace_s: float) -> bool | None:
        """Stop what runs; tell whether every request ended in time, None where it crashed on the way."""
        if not self.alive:
            return None
        loop = self._running()
        ending = loop.call(lambda: loop.create_task(self._works.stop(grace_s)))
        for _ in range(3):  # a slow request that ends meanwhile moves the clock past the first moment
            loop.until(self.clock.now + 10 * (grace_s + 1), lambda: self._over() or ending.done())
        if self._over():
            self._bury_the_dead()
            return None
        assert ending.done(), "the program does not stop"
        return bool(ending.result())

    def _over(self) -> bool:
        return self.effects.dead

    def _running(self) -> VirtualLoop:
        assert self._loop is not None, "nothing runs"
        return self._loop

    def _bury_the_dead(self) -> None:
        if self._over():
            self._bury()
        else:
            problem = self._works.failure()
            assert problem is None, f"a loop has ended: {problem!r}"

    def _bury(self) -> None:
        """Release what the kernel takes from a process at its end."""
        loop, plan = self._running(), self.effects.plan
        cut, self.effects.power_cut = self.effects.power_cut, False
        self.effects.dead = True
        loop.abandon()
        for lane, line in self._works.lines():
            lane.backend.close()
            if line.drop.folders is not None:
                line.drop.folders.close()
        _Lock.release_all()
        self._loop = None
        self.effects.plan = Plan()
        self.effects.dead = False
        if not cut:
            self._journal.close()
            return
        self._journal.lose_power()
        self.effects.undo(plan.unsynced)
        self._repaired()

    def _repaired(self) -> None:
        """Come back after a power cut before anybody touches the folders: what they do then is a known hole."""
        self.start()
        while self.alive and QUEUE not in self._works._admitted:
            self.turns(1)

    # Looking ------------------------------------------------------------------------------------

    def tell(self, name: bytes) -> None:
        """Have the kernel tell of a name."""
        if self.alive:
            for _, line in self._works.lines():
                self._running().call(lambda line=line: line.drop.notice((b"", name)))

    def survey(self) -> Survey:
        """Look at the folders."""
        return survey(self.drop)

    def quiet(self) -> bool:
        """Tell whether the folder is open, nothing is on its way and nothing lies in it."""
        carried = any(line.carried or line.drop.offline for _, line in self._works.lines())
        with os.scandir(self.drop) as entries:
            return not carried and not any(entry.is_file() for entry in entries)

    def open_rows(self) -> dict[str, Any]:
        """Return the journal's open rows by upload id."""
        return {journey.upload_id: journey for journey in self._journal.reader.unfinished()}

    def audit(self) -> list[str]:
        """Return what `hotfolder audit` finds."""
        found = audited(self._settings, lambda _: None).problems
        return [f"audit: {one.file!r}: {one.problem}" for one in found]

    def complaints(self) -> list[str]:
        """Return what is not as it should be with a daemon that has nothing to do."""
        wrong = []
        for lane, line in self._works.lines():
            state, why = state_of(lane, line)
            wrong += [f"the queue is {state}: {why}"] if state != "active" else []
            wrong += [f"the inbox holds {key!r}: {e.reason}" for key, e in line.drop.inbox.entries.items()]
            wrong += [f"missing: {name}" for name in line.missing]
            wrong += [f"filing: {line.filing_trouble}"] if line.filing_trouble else []
            wrong += [f"journal: {lane.journal_trouble}"] if lane.journal_trouble else []
        return wrong


MakesService = Callable[[VirtualClock, Effects], Service]
