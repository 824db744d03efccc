"""Keeping documents for a time, in a pipeline that runs."""

import asyncio
import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from loguru import logger

from hotfolder.backends.base import Refused
from hotfolder.claims import new_upload_id
from hotfolder.journal import Journal, JournalError
from hotfolder.model import Answer, Batch
from hotfolder.service import upkeep as module
from hotfolder.service.upkeep import Upkeep
from hotfolder.settings import Retain
from hotfolder.status import state_of
from tests.pipeline.workshop import Guarded, Workshop, picture

DAY_S = 86_400.0
_numbers = itertools.count()


class Timed(Guarded):
    """A memory whose clock may be known."""

    ahead: float | None = None

    @property
    def ahead_s(self) -> float | None:
        """How far its clock is ahead."""
        return self.ahead


class Shop:
    """A pipeline with the upkeep of its archives."""

    def __init__(self, top: Path, journal: Journal, **retain: float) -> None:
        top.mkdir(exist_ok=True)
        self.service = Timed()
        self.parts = Workshop(top, journal, self.service, retain=Retain(**retain), duplicates="done")
        self.upkeep = Upkeep(self.parts.line, self.service, journal, self.parts.clock)

    async def deliver(self, number: int = 1) -> None:
        """Have some documents delivered and filed."""
        before = sum(self.parts.line.filed.values())
        for _ in range(number):
            self.parts.put(f"{next(_numbers)}.png", picture(next(_numbers)))
        await self.parts.until(lambda: sum(self.parts.line.filed.values()) == before + number, "filed")
        await self.parts.until(lambda: not self.parts.carried(), "at rest")

    def lying(self, area: str = "done") -> int:
        """Return how many entries an archive has."""
        folder = self.parts.top / area
        return len(os.listdir(folder)) if folder.exists() else 0

    async def after(self, days: float) -> float:
        """Let days go by, in which the daemon looked through the archives, and do it once more."""
        looked = self.upkeep._looked_at
        self.parts.clock.ahead_s += days * DAY_S
        if looked is not None:
            self.upkeep._looked_at = looked + days * DAY_S
        return await self.upkeep._round()


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What is logged."""
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), format="{level} {message}")
    yield lines
    logger.remove(sink)


def test_documents_are_kept_so_long_and_no_longer(tmp_path: Path, journal: Journal, said: list[str]) -> None:
    """What is past its time goes with its record, one line says how many, and only that."""
    shop = Shop(tmp_path / "drop", journal, done_s=90 * DAY_S)

    async def scenario() -> None:
        await shop.parts.until(lambda: shop.parts.drop.scans, "open")
        await shop.deliver(2)
        shop.service.fail(Refused(Answer(422, None, ("bad",))))
        await shop.deliver()
        assert await shop.after(89.9) == 3600.0
        assert (shop.lying(), shop.lying("failed")) == (4, 2)
        await shop.after(0.2)
        assert (shop.lying(), shop.lying("failed")) == (0, 2)
        await shop.after(90)
        assert shop.lying("failed") == 2

    shop.parts.run(scenario)
    lines = [line for line in said if "ago are removed" in line]
    assert lines == [
        "INFO queue invoices: 2 documents that were filed more than 90d ago are removed from done/\n"
    ]


def test_what_was_removed_is_still_a_duplicate(tmp_path: Path, journal: Journal) -> None:
    """`duplicates` counts from when the service took a document, whether it is still in done/ or not."""
    shop = Shop(tmp_path / "drop", journal, done_s=DAY_S)

    async def scenario() -> None:
        shop.parts.put("one.png", picture(7))
        await shop.parts.until(lambda: shop.parts.at_rest(1), "delivered")
        await shop.after(2)
        assert shop.lying() == 0
        shop.parts.put("two.png", picture(7))
        await shop.parts.until(lambda: shop.parts.at_rest(2), "filed")
        assert "not sent" in shop.parts.filed()["two.png"]["warnings"][0]

    shop.parts.run(scenario)
    assert len(shop.service.kept) == 1


def test_a_clock_that_leaps_removes_nothing(tmp_path: Path, journal: Journal, said: list[str]) -> None:
    """A week ahead of the last look, the clock must have gone on for a day before it is believed."""
    shop = Shop(tmp_path / "drop", journal, done_s=DAY_S)

    async def scenario() -> None:
        await shop.deliver()
        await shop.upkeep._round()
        await shop.parts.until(lambda: journal.reader.looked_through("invoices"), "written down")
        shop.parts.clock.ahead_s = 8 * DAY_S
        assert await shop.upkeep._round() == 3600.0
        await shop.upkeep._round()
        assert (shop.lying(), sum("the clock is 8 days ahead" in line for line in said)) == (2, 1)
        anew = Upkeep(shop.parts.line, shop.service, journal, shop.parts.clock)
        await anew._round()  # a restart does not make it right
        assert shop.lying() == 2
        monotonic = shop.parts.clock.monotonic
        shop.parts.clock.monotonic = lambda: monotonic() + 1.01 * DAY_S  # type: ignore[method-assign]
        await shop.upkeep._round()
        assert shop.lying() == 0
        assert journal.reader.looked_through("invoices") == pytest.approx(shop.parts.clock.wall(), abs=60)

    shop.parts.run(scenario)


def test_the_services_clock_is_the_later_word(tmp_path: Path, journal: Journal) -> None:
    """Where the machine's clock is ahead of the service's, the service's decides; where it is behind, its own."""
    shop = Shop(tmp_path / "drop", journal, done_s=DAY_S)

    async def scenario() -> None:
        await shop.deliver()
        shop.service.ahead = -2 * DAY_S
        await shop.after(2)
        assert shop.lying() == 2
        shop.service.ahead = 2 * DAY_S
        shop.parts.clock.ahead_s = 0.5 * DAY_S
        await shop.after(0)
        assert shop.lying() == 2
        await shop.after(1)
        assert shop.lying() == 0

    shop.parts.run(scenario)


def test_a_few_at_a_time(tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round has an end; where it was full the next one comes soon and goes on."""
    monkeypatch.setattr(module, "_MOST_A_ROUND", 4)
    monkeypatch.setattr(module, "_AT_ONCE", 2)
    shop = Shop(tmp_path / "drop", journal, done_s=DAY_S)

    async def scenario() -> None:
        await shop.deliver(7)
        assert await shop.after(2) == 60.0
        assert shop.lying() == 6
        assert await shop.upkeep._round() == 3600.0
        assert shop.lying() == 0

    shop.parts.run(scenario)


def test_what_cannot_be_removed_is_told_once(tmp_path: Path, journal: Journal, said: list[str]) -> None:
    """`status` and the log say what stands in the way; the others go, and it is tried again."""
    shop = Shop(tmp_path / "drop", journal, done_s=DAY_S)

    async def scenario() -> None:
        await shop.deliver(2)
        done = shop.parts.top / "done"
        done.rename(done.with_name("aside"))
        done.symlink_to("aside")
        for _ in range(2):
            await shop.after(2)
        state, reason = state_of(shop.parts.lane, shop.parts.line)
        assert (state, "past its time cannot be removed: done/: " in str(reason)) == ("active", True)
        assert sum("past its time cannot be removed" in line for line in said) == 1
        done.unlink()
        done.with_name("aside").rename(done)
        await shop.upkeep._round()
        assert (shop.lying(), state_of(shop.parts.lane, shop.parts.line)) == (0, ("active", None))

    shop.parts.run(scenario)


def test_what_is_in_hand_is_left_alone(tmp_path: Path, journal: Journal) -> None:
    """A document at rest that the pipeline has taken up once more is not removed under its hands."""
    shop = Shop(tmp_path / "drop", journal, done_s=DAY_S)

    async def scenario() -> None:
        await shop.deliver()
        ((_, made),) = journal.reader.resting("invoices", "done", 1e12, (0.0, ""), 9)
        shop.parts.line.carried[made.upload_id] = made
        await shop.after(2)
        assert shop.lying() == 2
        del shop.parts.line.carried[made.upload_id]
        await shop.upkeep._round()
        assert shop.lying() == 0

    shop.parts.run(scenario)


def test_a_journal_that_cannot_be_written(
    tmp_path: Path, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was removed and not remembered is found gone the next time."""
    shop = Shop(tmp_path / "drop", journal, done_s=DAY_S)

    async def scenario() -> None:
        await shop.deliver()
        with monkeypatch.context() as patch:

            def full(*_: object) -> asyncio.Future[None]:
                future = asyncio.get_running_loop().create_future()
                future.set_exception(JournalError("the disk is full"))
                return future

            patch.setattr(journal, "retire", full)
            patch.setattr(asyncio, "wrap_future", lambda future: future)
            await shop.after(2)
        assert (shop.lying(), "the disk is full" in str(shop.parts.line.upkeep_trouble)) == (0, True)
        ((_, made),) = journal.reader.resting("invoices", "done", 1e12, (0.0, ""), 9)
        await shop.upkeep._round()
        assert (journal.reader.retired(made.upload_id) or (0, ""))[1] == "gone"
        assert shop.parts.line.upkeep_trouble is None

    shop.parts.run(scenario)


def test_nothing_is_begun_while_the_queue_is_offline_or_ends(tmp_path: Path, journal: Journal) -> None:
    """Folders that are not open are waited for; whoever asked for the end waits for one document at most."""
    shop = Shop(tmp_path / "drop", journal, done_s=DAY_S)

    async def scenario() -> None:
        await shop.deliver()
        folders, shop.parts.drop.folders = shop.parts.drop.folders, None
        assert await shop.upkeep._round() == 5.0
        shop.parts.drop.folders = folders
        shop.upkeep.stop()
        await shop.after(2)
        assert shop.lying() == 2

    shop.parts.run(scenario)


def test_queues_that_keep_everything_need_none(tmp_path: Path, journal: Journal) -> None:
    """By default nothing is ever removed, and a short time is looked after more often."""
    assert not Shop(tmp_path / "a", journal).upkeep.needed
    assert Shop(tmp_path / "b", journal, failed_s=1.0).upkeep.needed


def test_reports_of_batches_do_not_stay(tmp_path: Path, journal: Journal) -> None:
    """A report lies in done/ as long as the documents there that were filed when its batch ended; then it goes."""
    shop = Shop(tmp_path / "drop", journal, done_s=90 * DAY_S)

    async def scenario() -> None:
        await shop.parts.until(lambda: shop.parts.drop.scans, "open")
        wall = shop.parts.clock.wall()
        batch = Batch(new_upload_id(wall), "invoices", wall, ((b"", b"a.png"),))
        await asyncio.wrap_future(journal.begin_batch(batch))
        shop.parts.line.batching.owe(batch)
        await shop.parts.until(lambda: not journal.reader.open_batches("invoices"), "reported")
        await shop.after(89.9)
        assert shop.lying() == 1
        await shop.after(0.2)
        assert shop.lying() == 0
        await shop.parts.until(lambda: journal.reader.batch(batch.batch_id) is None, "known as removed")
        assert journal.reader.reported("invoices", 1e12, 9) == []
        assert shop.parts.line.upkeep_trouble is None

    shop.parts.run(scenario)
