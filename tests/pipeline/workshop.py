"""A pipeline of one connection and one queue on real folders and a real journal, with a service in memory."""

import asyncio
import io
import json
import os
import threading
import time
from collections.abc import Awaitable, Callable, Container
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from hotfolder.arrivals import Custom, DropFolder, Habits, Inbox, Pairing
from hotfolder.backends.base import Finding, Unauthorized, Unavailable
from hotfolder.backends.memory import Memory
from hotfolder.checks.names import IgnoreRules
from hotfolder.checks.readiness import SHORT, Rules
from hotfolder.companions import form_of
from hotfolder.journal import Journal
from hotfolder.model import Journey
from hotfolder.pipeline import Lane, Line, Recorder
from hotfolder.pipeline.line import Means
from hotfolder.settings import ConnectionSection, Limits, Queue, Retry
from tests.builders import DEADLINE_S, ORIGIN


class RealClock:
    """The machine's clocks, which may be put forward."""

    ahead_s = 0.0
    monotonic_ahead_s = 0.0

    def monotonic(self) -> float:
        """Return seconds since some start."""
        return time.monotonic() + self.monotonic_ahead_s

    def wall(self) -> float:
        """Return seconds since 1970."""
        return time.time() + self.ahead_s


class Guarded(Memory):
    """A memory behind a log-in that can be told to refuse."""

    def __init__(self, asks: int = 0) -> None:
        super().__init__(asks)
        self.locked = False
        self.checks = 0
        self.asked: list[tuple[str, ...]] = []
        """The queues that each question was about."""
        self.finds = 0
        self.find_fails = False
        self.may_answer = threading.Event()
        """Cleared: `check` does not come back."""
        self.may_answer.set()

    def upload(self, parcel: Any) -> Any:
        """Refuse while locked."""
        if self.locked:
            raise Unauthorized("the password is wrong", status=401)
        return super().upload(parcel)

    def find(self, parcel: Any, since: float, known: Container[str] = ()) -> Any:
        """Count the questions."""
        self.finds += 1
        if self.find_fails:
            raise Unavailable("a web page instead of an answer")
        return super().find(parcel, since, known)

    def check(self, queue_ids: tuple[str, ...]) -> list[Finding]:
        """Refuse while locked."""
        self.checks += 1
        self.asked.append(queue_ids)
        assert self.may_answer.wait(DEADLINE_S)
        if self.locked:
            raise Unauthorized("the password is wrong", status=401)
        return super().check(queue_ids)


def picture(number: int = 0) -> bytes:
    """Return a small whole PNG; another number is another content."""
    made = io.BytesIO()
    Image.new("L", (8, 8), number % 256).save(made, "PNG")
    return made.getvalue()


class Workshop:
    """The parts, and ways to look at them."""

    def __init__(self, top: Path, journal: Journal, backend: Guarded, **queue: Any) -> None:
        self.top, self.journal, self.backend = top, journal, backend
        self.disk = ThreadPoolExecutor(4)
        self.clock = clock = RealClock()
        self.queue = Queue(name="invoices", connection="acme", folder=str(top), **queue)
        self.connection = ConnectionSection(
            name="acme",
            base_url="https://acme.example",
            retry=Retry(first_s=0.02, max_s=0.1),
            ask_after_s=0.02,
        )
        inbox = Inbox(
            Rules(frozenset(SHORT), 1, None, 900.0),
            IgnoreRules((), self.queue.status_file),
            settle_s=0.0,
            settle_max_s=1.0,
            recursive=False,
            pairing=Pairing(
                Custom(self.queue.companion, self.queue.companion_timeout_s, self.queue.ready_marker)
            ),
        )
        own = frozenset({b".hotfolder", b"done", b"failed"})
        habits = Habits("invoices", str(top), "always", 0.02, 0.02, recursive=False, own_folders=own)
        if self.queue.companion:
            habits = replace(habits, companion_form=form_of(self.queue.companion))
        templates = (self.queue.companion, self.queue.ready_marker)
        self.drop = DropFolder(habits, inbox, None, self.disk, clock)
        means = Means(Recorder(journal, clock), clock)
        origin = replace(ORIGIN, templates=templates, on_error=self.queue.on_error)
        self.line = Line(self.queue, origin, self.drop, means)
        limits = Limits(concurrency=4, per_second=1000.0)
        self.lane = Lane(self.connection, limits, backend, [self.line], means)

    def run(self, scenario: Callable[[], Awaitable[None]]) -> None:
        """Run a scenario beside the pipeline, which must not end by itself."""

        async def beside() -> None:
            work = (self.drop.run(), self.line.file(), self.line.batching.report(), self.lane.run())
            loops = [asyncio.create_task(w) for w in work]
            try:
                await scenario()
                assert not any(loop.done() for loop in loops)
                await self.lane.stop(5.0)
            finally:
                for loop in loops:
                    loop.cancel()
                await asyncio.gather(*loops, return_exceptions=True)
                self.disk.shutdown()

        asyncio.run(beside())

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Wait for a condition; fails with `what` after the deadline."""
        end = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end, f"waited in vain: {what}"
            await asyncio.sleep(0.005)

    def put(self, name: str = "scan.png", content: bytes | None = None) -> None:
        """Drop a document whole, as a rename does."""
        (self.top.parent / "outside").write_bytes(picture() if content is None else content)
        (self.top.parent / "outside").rename(self.top / name)

    def waiting(self) -> list[str]:
        """Return the documents in the drop folder."""
        return sorted(p.name for p in self.top.iterdir() if p.is_file())

    def filed(self, archive: str = "done") -> dict[str, dict[str, Any]]:
        """Return the documents of an archive with their sidecars."""
        folder = self.top / archive
        if not folder.exists():
            return {}
        names = [n for n in os.listdir(folder) if not n.endswith((".json", ".tmp"))]
        return {n: json.loads((folder / f"{n}.json").read_text()) for n in names}

    def at_rest(self, number: int) -> bool:
        """Tell whether so many documents are delivered and filed, their rows included."""
        return self.line.filed["done"] == number

    def states(self, made: Journey | dict[str, Any]) -> list[str]:
        """Return the states that a document went through."""
        upload_id = made["upload_id"] if isinstance(made, dict) else made.upload_id
        return [state for _, _, state, _ in self.journal.reader.arrows(upload_id)]

    def carried(self) -> list[Journey]:
        """Return the documents that are claimed and not at rest."""
        return list(self.line.carried.values())


Opening = Callable[..., Workshop]
"""Makes a workshop; words are the backend, or settings of the queue."""
