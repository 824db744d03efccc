"""Living with one drop folder."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hotfolder.arrivals import DropFolder, Habits, Inbox, Watch, WatchError
from hotfolder.arrivals.watch import Hint
from hotfolder.checks.names import IgnoreRules
from hotfolder.checks.readiness import Rules
from hotfolder.service import SystemClock
from tests.builders import DEADLINE_S
from tests.e2e.producers import reportlab_pdf

PDF = reportlab_pdf(1)
TYPES = frozenset({"application/pdf"})


class DeafWatch(Watch):
    """Takes every folder, and never says a word."""

    def add(self, path: bytes, folder: bytes, tell: Callable[[Hint], None], *, at: int | None = None) -> Any:
        """Listen, and keep it to itself."""
        del tell
        return super().add(path, folder, lambda _: None, at=at)


@asynccontextmanager
async def living(folder: Path, watch: Watch | None, **how: Any) -> AsyncIterator[DropFolder]:
    """Have a drop folder looked after for the length of a block."""
    chosen = {"poll": "auto", "interval_s": 0.1, "rescan_s": 3600.0, "recursive": False, **how}
    own = frozenset({b".hotfolder", b"done", b"failed"})
    habits = Habits(name="q", path=str(folder), own_folders=own, **chosen)
    rules = Rules(TYPES, 1, None, 3600.0)
    inbox = Inbox(rules, IgnoreRules(), settle_s=0.0, settle_max_s=1.0, recursive=chosen["recursive"])
    with ThreadPoolExecutor(2) as disk:
        drop = DropFolder(habits, inbox, watch, disk, SystemClock())
        task = asyncio.get_running_loop().create_task(drop.run())
        try:
            await until(lambda: drop.scans or drop.offline not in {None, "not looked at yet"})
            yield drop
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            if watch is not None:
                watch.close()


async def until(condition: Callable[[], Any]) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, condition
        await asyncio.sleep(0.01)


def ready(drop: DropFolder) -> set[tuple[bytes, bytes]]:
    """Return what may be claimed."""
    return {arrival.key for arrival in drop.inbox.ready}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A drop folder."""
    path = tmp_path / "in"
    path.mkdir()
    return path


def test_a_document_is_found_by_its_event(folder: Path) -> None:
    """No scan is due for an hour, and it is ready all the same."""

    async def play() -> None:
        async with living(folder, Watch()) as drop:
            (folder / "a.pdf").write_bytes(PDF)
            await until(lambda: ready(drop) == {(b"", b"a.pdf")})
            assert drop.scans == 1

    asyncio.run(play())


def test_without_events_it_is_found_by_polling_and_the_status_says_why(folder: Path) -> None:
    """A canary that is not heard turns the queue to polling."""

    async def play() -> None:
        async with living(folder, DeafWatch()) as drop:
            (folder / "a.pdf").write_bytes(PDF)
            await until(lambda: ready(drop))
            assert drop.ears.watching == "polling"
            assert "did not arrive" in drop.ears.reason

    asyncio.run(play())


@pytest.mark.parametrize(("poll", "reason"), [("always", "poll: always"), ("auto", "no inotify instance")])
def test_a_folder_that_is_polled_says_why(folder: Path, poll: str, reason: str) -> None:
    """By its setting, or for want of an inotify instance."""

    async def play() -> None:
        async with living(folder, None, poll=poll) as drop:
            (folder / "a.pdf").write_bytes(PDF)
            await until(lambda: ready(drop))
            assert reason in drop.ears.reason

    asyncio.run(play())


def test_the_canary_is_no_document_and_leaves_nothing(folder: Path) -> None:
    """It was there and is gone; nobody hears of it."""

    async def play() -> None:
        async with living(folder, Watch()) as drop:
            await until(lambda: not drop.behind)
            assert drop.inbox.entries == {}
            assert os.listdir(folder) == [".hotfolder"]

    asyncio.run(play())


def test_a_folder_replaced_by_another_is_noticed_by_its_event(folder: Path) -> None:
    """Renamed away and made anew, the new one is watched."""

    async def play() -> None:
        async with living(folder, Watch()) as drop:
            folder.rename(folder.with_name("away"))
            folder.mkdir()
            (folder / "a.pdf").write_bytes(PDF)
            await until(lambda: ready(drop) == {(b"", b"a.pdf")})
            (folder / "b.pdf").write_bytes(PDF)
            await until(lambda: len(ready(drop)) == 2)
            assert drop.offline is None

    asyncio.run(play())


def test_a_folder_that_is_missing_is_offline_until_it_is_there(folder: Path) -> None:
    """It says where and why, and goes on by itself."""
    folder.rmdir()

    async def play() -> None:
        async with living(folder, Watch()) as drop:
            assert str(folder) in str(drop.offline)
            folder.mkdir()
            (folder / "a.pdf").write_bytes(PDF)
            await until(lambda: ready(drop))
            assert drop.offline is None

    asyncio.run(play())


def test_documents_in_folders_that_come_and_go_are_found(folder: Path) -> None:
    """Moved in, made, removed and made again under the same name."""

    async def play() -> None:
        async with living(folder, Watch(), recursive=True) as drop:
            outside = folder.with_name("outside")
            (outside / "deep").mkdir(parents=True)
            (outside / "deep/a.pdf").write_bytes(PDF)
            outside.rename(folder / "moved")
            await until(lambda: (b"moved/deep", b"a.pdf") in ready(drop))
            (folder / "moved/deep/a.pdf").unlink()
            (folder / "moved/deep").rmdir()
            await until(lambda: not drop.behind)
            (folder / "moved/deep").mkdir()
            (folder / "moved/deep/b.pdf").write_bytes(PDF)
            await until(lambda: (b"moved/deep", b"b.pdf") in ready(drop))
            (folder / "moved/deep/c.pdf").write_bytes(PDF)
            await until(lambda: (b"moved/deep", b"c.pdf") in ready(drop))

    asyncio.run(play())


def test_what_could_not_be_claimed_is_looked_at_again(folder: Path) -> None:
    """A claim that came to nothing leaves the document to be found anew."""

    async def play() -> None:
        async with living(folder, Watch()) as drop:
            (folder / "a.pdf").write_bytes(PDF)
            await until(lambda: ready(drop))
            arrival = drop.inbox.take()
            assert arrival is not None
            assert ready(drop) == set()
            drop.look_again(arrival)
            await until(lambda: ready(drop) == {(b"", b"a.pdf")})

    asyncio.run(play())


def test_folders_are_admitted_before_anything_is_looked_at(folder: Path) -> None:
    """What admits them may refuse, and then nothing is known of them."""
    (folder / "a.pdf").write_bytes(PDF)

    async def play() -> None:
        inbox = Inbox(
            Rules(TYPES, 1, None, 1.0), IgnoreRules(), settle_s=0.0, settle_max_s=1.0, recursive=False
        )
        habits = Habits("q", str(folder), "always", 0.1, 60.0, recursive=False, own_folders=frozenset())
        with ThreadPoolExecutor(1) as disk:
            drop = DropFolder(habits, inbox, None, disk, SystemClock())

            def refuse(_: object) -> None:
                raise LookupError("taken")

            drop.admit = refuse
            with pytest.raises(LookupError):
                await drop.run()
        assert inbox.entries == {}

    asyncio.run(play())


def test_a_full_folder_holds_nobody_up(folder: Path) -> None:
    """While the finds of a scan are taken note of, others have their turn after every thousand."""
    for number in range(4500):
        (folder / f"{number}.pdf").touch()

    async def play() -> None:
        known = [0]
        async with living(folder, None, poll="always", interval_s=3600.0) as drop:
            await until(lambda: len(drop.inbox.entries) == 4500)
            (folder / "one more.pdf").touch()
            drop.inbox.entries.clear()
            drop.rescan()
            while known[-1] < 4501:
                await asyncio.sleep(0)
                known.append(len(drop.inbox.entries))
        steps = [after - before for before, after in pairwise(known)]
        assert max(steps) <= 1000

    asyncio.run(play())


def test_what_was_left_goes_on_when_its_folder_can_be_used(folder: Path) -> None:
    """Whoever admits folders says what goes on afterwards; until then they are not to be had."""

    async def play() -> None:
        seen: list[bool] = []
        async with living(folder, None) as drop:
            await until(lambda: drop.scans)

            def admit(_: object) -> None:
                drop.on_open = lambda: seen.append(drop.folders is not None and not drop.offline)

            drop.admit = admit
            os.rename(folder, f"{folder}.away")
            folder.mkdir()
            drop.rescan()
            await until(lambda: seen)
        assert seen == [True]

    asyncio.run(play())


class FullWatch(Watch):
    """Has no watches to give until `full` is taken back."""

    full = True

    def add(self, path: bytes, folder: bytes, tell: Callable[[Hint], None], *, at: int | None = None) -> Any:
        """Refuse as the kernel does at its limit."""
        if self.full:
            raise WatchError("no events: inotify watch limit reached")
        return super().add(path, folder, tell, at=at)


def test_polling_for_want_of_watches_ends_when_there_are_some(folder: Path) -> None:
    """The limit was raised: the next scan listens again, and says so."""

    async def play() -> None:
        watch = FullWatch()
        async with living(folder, watch) as drop:
            assert drop.ears.watching == "polling"
            assert "limit" in drop.ears.reason
            watch.full = False
            await until(lambda: drop.ears.watching == "events")

    asyncio.run(play())


def test_a_reader_that_died_is_replaced(folder: Path) -> None:
    """Whoever listened listens to the new one, from the next scan on."""

    async def play() -> None:
        watch = Watch()
        async with living(folder, watch, rescan_s=0.2) as drop:
            assert watch._reader is not None
            watch._reader.stop()
            watch._reader.join()
            await until(lambda: watch.alive)
            scans = drop.scans
            await until(lambda: drop.scans > scans and drop.ears.watching == "events")
            (folder / "a.pdf").write_bytes(PDF)
            await until(lambda: ready(drop))

    asyncio.run(play())


def test_a_folder_that_is_offline_is_not_asked_all_the_time(folder: Path) -> None:
    """It is tried again after a second, then ever more rarely, however much there was to look at."""
    folder.rmdir()
    tries = []

    async def play() -> None:
        async with living(folder, Watch()) as drop:
            real = drop.open
            drop.open = lambda path: tries.append(path) or real(path)  # type: ignore[func-returns-value]
            await asyncio.sleep(0.3)

    asyncio.run(play())
    assert len(tries) <= 1
