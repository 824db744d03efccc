"""Keeping a status file true, beside a pipeline that runs."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from hotfolder import placard
from hotfolder.journal import Journal
from hotfolder.model import ErrorSource, State
from hotfolder.pipeline.line import Parked
from hotfolder.service import placards as module
from hotfolder.service.placards import Placard
from hotfolder.status import state_of
from tests.builders import journey
from tests.pipeline.workshop import Guarded, Workshop, picture

NOTES = b"Remember the milk."


class Shop:
    """A pipeline with a status file."""

    def __init__(self, top: Path, journal: Journal) -> None:
        top.mkdir(exist_ok=True)
        self.service = Guarded()
        self.parts = Workshop(top, journal, self.service, status_file="STATUS.txt")
        self.file = top / "STATUS.txt"
        self.shown = Placard(self.parts.lane, self.parts.line, journal, self.parts.clock)

    async def text(self) -> str:
        """Go round once, and read.

        Where the clock has just been put forward, a look that was under way seems to have taken that long.
        """
        await self.parts.until(lambda: not self.parts.drop.offline, "the folder answers")
        await self.shown._round()
        return self.file.read_text(encoding="utf-8-sig")


@pytest.fixture
def shop(tmp_path: Path, journal: Journal) -> Shop:
    """A pipeline with a status file."""
    return Shop(tmp_path / "drop", journal)


def test_it_tells_what_waits_and_what_failed(shop: Shop) -> None:
    """Before, while and after documents fail; one that was taken out of failed/ is not told any more."""

    async def scenario() -> None:
        await shop.parts.until(lambda: shop.parts.drop.scans, "scanned")
        assert "Everything works." in await shop.text()
        shop.parts.line.by_hand = "paused by hand"
        shop.parts.put("good.png", picture(1))
        await shop.parts.until(lambda: shop.parts.drop.inbox.ready, "ready")
        text = await shop.text()
        assert "PAUSED by your administrator." in text
        assert "WAITING HERE: 1\n  good.png (" in text
        assert "): it is next in line\n" in text
        shop.parts.line.by_hand = None
        shop.parts.put("notes.pdf", NOTES)
        await shop.parts.until(lambda: shop.parts.line.filed == {"done": 1, "failed": 1}, "filed")
        text = await shop.text()
        assert 'NOT SENT (they lie in "failed"): 1\n  notes.pdf (' in text
        assert "Save it in one of these formats." in text
        (shop.parts.top / "failed" / "notes.pdf").unlink()
        shop.parts.clock.monotonic_ahead_s = 60
        assert "NOT SENT" not in await shop.text()

    shop.parts.run(scenario)


def test_it_is_never_a_document(shop: Shop) -> None:
    """Nor does it count as one that waits."""

    async def scenario() -> None:
        await shop.parts.until(lambda: shop.parts.drop.scans, "scanned")
        await shop.text()
        scans = shop.parts.drop.scans
        await shop.parts.until(lambda: shop.parts.drop.scans > scans + 2, "looked at again")
        entry = shop.parts.drop.inbox.entries[b"", b"STATUS.txt"]
        assert entry.rule == "STATUS.txt (this queue's `status_file`)"
        assert shop.parts.drop.inbox.counts()["waiting"] == 0

    shop.parts.run(scenario)


def test_it_is_written_when_something_changed_or_it_is_old(shop: Shop) -> None:
    """A queue at rest costs its disk a small file every five minutes."""

    async def scenario() -> None:
        await shop.parts.until(lambda: shop.parts.drop.scans, "scanned")
        await shop.text()
        first = shop.file.stat().st_ino
        await shop.text()
        assert shop.file.stat().st_ino == first
        shop.parts.line.by_hand = "x"
        await shop.text()
        second = shop.file.stat().st_ino
        assert second != first
        shop.parts.clock.monotonic_ahead_s = placard.RENEWED_S
        await shop.text()
        assert shop.file.stat().st_ino != second

    shop.parts.run(scenario)


def test_somebody_elses_file_stays_and_is_told_once(shop: Shop, logged: list[str]) -> None:
    """The log says it once, the status as long as it lasts, and when it can be written again."""
    shop.file.write_text("my own list")

    async def scenario() -> None:
        await shop.parts.until(lambda: shop.parts.drop.scans, "scanned")
        for _ in range(3):
            assert await shop.text() == "my own list"
        assert "STATUS.txt is somebody else's file" in str(state_of(shop.parts.lane, shop.parts.line)[1])
        shop.file.unlink()
        assert "Everything works." in await shop.text()
        assert state_of(shop.parts.lane, shop.parts.line) == ("active", None)

    shop.parts.run(scenario)
    told = [line for line in logged if "STATUS.txt" in line]
    assert [line.split()[0] for line in told] == ["WARNING", "INFO"]


def test_nothing_is_written_where_the_folder_is_not_ours_to_use(shop: Shop) -> None:
    """While a queue is offline, as where its file system is not mounted, its folder is left alone; so is an end."""

    async def scenario() -> None:
        await shop.parts.until(lambda: shop.parts.drop.scans, "scanned")
        shop.parts.drop._offline = "it is not mounted"
        await shop.shown._round()
        await shop.shown.farewell()
        assert not shop.file.exists()

    shop.parts.run(scenario)


def test_the_last_text_does_not_claim_that_all_is_well(shop: Shop) -> None:
    """Whoever reads it after the end reads since when nothing is sent."""

    async def scenario() -> None:
        await shop.parts.until(lambda: shop.parts.drop.scans, "scanned")
        await shop.text()
        await shop.shown.farewell()
        await shop.shown._round()
        text = shop.file.read_text(encoding="utf-8-sig")
        assert "invoices: NOT RUNNING since " in text
        assert "Everything works" not in text

    shop.parts.run(scenario)


Wrong = Callable[[Workshop], object]
ODD: dict[str, Wrong] = {
    "PAUSED: there is trouble with a disk": lambda parts: setattr(parts.line, "claim_trouble", "no room"),
    "Something needs your administrator's attention": lambda parts: parts.line.missing.append("a.pdf"),
    "STOPPED, because": lambda parts: parts.line.stop_at(
        journey(state=State.REFUSED, on_error="stop", reason="bad"), 1.0
    ),
    "The service that takes the documents cannot be reached": lambda parts: setattr(
        parts.line, "gate", parts.line.gate.closes(10**9, "no answer", now=0.0, counts=True, paused=False)
    ),
    "PAUSED: the service that takes the documents does not let us in": lambda parts: setattr(
        parts.line, "gate", parts.line.gate.closes(10**9, "401", now=0.0, counts=True, paused=True)
    ),
}


@pytest.mark.parametrize("words", ODD)
def test_each_trouble_has_its_words(shop: Shop, words: str) -> None:
    """What keeps documents waiting is told in words for people, without its technical reason."""

    async def scenario() -> None:
        await shop.parts.until(lambda: shop.parts.drop.scans, "scanned")
        ODD[words](shop.parts)
        assert words in await shop.text()

    shop.parts.run(scenario)


def test_a_loop_goes_round(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """It begins when the folder was scanned once, and says when it rests."""
    monkeypatch.setattr(module, "LOOKS_S", 0.01)

    async def scenario() -> None:
        loop = asyncio.create_task(shop.shown.run())
        await shop.parts.until(shop.file.exists, "written")
        shop.parts.line.by_hand = "x"
        await shop.parts.until(lambda: "PAUSED" in shop.file.read_text(encoding="utf-8-sig"), "written anew")
        await shop.parts.until(lambda: not shop.shown.beat.busy, "rests")
        loop.cancel()

    shop.parts.run(scenario)


def test_a_doubt_says_who_decides(shop: Shop) -> None:
    """An uncertain document is not to be dropped again; one that is held waits for an administrator."""
    for number, held in enumerate((False, True)):
        made = journey(
            state=State.UNCERTAIN, held=held, name=f"{number}.pdf".encode(), claimed_at=float(number)
        )
        shop.parts.line.carried[made.upload_id] = made
    shop.parts.line.parked["x"] = Parked(journey(error_source=ErrorSource.SERVER), "failed/: no room", 1.0)

    async def scenario() -> None:
        await shop.parts.until(lambda: shop.parts.drop.scans, "scanned")
        text = await shop.text()
        assert "): the service is being asked\n" in text
        assert "): your administrator decides what happens to it\n" in text
        assert "ARRIVED (do not put them here again): 2" in text

    shop.parts.run(scenario)
