"""Listening that ends, or never begins, without a word: each time the file still arrives, exactly once."""

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hotfolder.arrivals import Watch, WatchError
from hotfolder.arrivals.watch import Hint
from tests.arrivals.taking import taking
from tests.arrivals.test_drop import PDF, until
from tests.builders import DEADLINE_S, without_privileges

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")


@pytest.fixture
def mounts() -> Iterator[list[Path]]:
    """The places where a test mounts something; it is unmounted at the end."""
    places: list[Path] = []
    yield places
    for place in places:
        unmount(place)


def mount(place: Path, mounts: list[Path]) -> None:
    """Mount an empty file system in memory over a folder."""
    subprocess.run(["mount", "-t", "tmpfs", "hotfolder", str(place)], check=True)
    mounts.append(place)


def unmount(place: Path) -> None:
    """Unmount what was mounted last, even if it is in use."""
    subprocess.run(["umount", "--lazy", str(place)], check=True)


# How listening ends ------------------------------------------------------------------------------


def test_the_drop_folder_is_removed_and_made_anew(folder: Path) -> None:
    """The kernel drops the watch; the new folder gets one of its own."""

    async def play() -> None:
        async with taking(folder, Watch(), rescan_s=0.2) as arrived:
            (folder / ".hotfolder").rmdir()
            folder.rmdir()
            await until(lambda: arrived.drop.offline)
            folder.mkdir()
            await until(lambda: not arrived.drop.offline)
            (folder / "a.pdf").write_bytes(PDF)
            await arrived.are("a.pdf")
            assert arrived.drop.ears.hearing

    asyncio.run(play())


def test_a_file_where_the_drop_folder_should_be(folder: Path) -> None:
    """It is said, and put right without a restart."""
    folder.rmdir()
    folder.touch()

    async def play() -> None:
        async with taking(folder, Watch()) as arrived:
            assert "Not a directory" in str(arrived.drop.offline)
            folder.unlink()
            folder.mkdir()
            (folder / "a.pdf").write_bytes(PDF)
            await arrived.are("a.pdf")

    asyncio.run(play())


def test_the_drop_folder_is_a_link(folder: Path) -> None:
    """The folder behind it is watched; when the link is pointed elsewhere, the other one is."""
    link, other = folder.with_name("link"), folder.with_name("other")
    link.symlink_to(folder)
    other.mkdir()

    async def play() -> None:
        async with taking(link, Watch(), rescan_s=0.2) as arrived:
            (link / "a.pdf").write_bytes(PDF)
            await arrived.are("a.pdf")
            (link.with_name("new")).symlink_to(other)
            link.with_name("new").rename(link)
            (link / "b.pdf").write_bytes(PDF)
            await arrived.are("a.pdf", "b.pdf")

    asyncio.run(play())


@as_root
def test_a_file_system_is_mounted_over_the_drop_folder(folder: Path, mounts: list[Path]) -> None:
    """The watch stays on what is hidden now, and says nothing; a scan sees that another folder is there."""

    async def play() -> None:
        async with taking(folder, Watch(), rescan_s=0.2) as arrived:
            mount(folder, mounts)
            (folder / "a.pdf").write_bytes(PDF)
            await arrived.are("a.pdf")

    asyncio.run(play())


@as_root
def test_the_file_system_of_the_drop_folder_is_unmounted(folder: Path, mounts: list[Path]) -> None:
    """What lands in the folder underneath arrives, and what lands when it is mounted again."""
    mount(folder, mounts)

    async def play() -> None:
        async with taking(folder, Watch(), rescan_s=0.2) as arrived:
            unmount(mounts.pop())
            (folder / "a.pdf").write_bytes(PDF)
            await arrived.are("a.pdf")
            mount(folder, mounts)
            (folder / "b.pdf").write_bytes(PDF)
            await arrived.are("a.pdf", "b.pdf")

    asyncio.run(play())


def test_a_drop_folder_that_may_not_be_read(nobodys: Path) -> None:
    """It is offline and says why, instead of being watched in vain."""
    nobodys.chmod(0o300)

    async def play() -> None:
        async with taking(nobodys, Watch()) as arrived:
            assert "Permission denied" in str(arrived.drop.offline)
            nobodys.chmod(0o700)
            (nobodys / "a.pdf").write_bytes(PDF)
            await arrived.are("a.pdf")

    with without_privileges():
        asyncio.run(play())


def test_a_refusal_to_watch_is_an_error(nobodys: Path) -> None:
    """The library underneath keeps it to itself."""
    nobodys.chmod(0o300)
    watch = Watch()
    try:
        with without_privileges(), pytest.raises(WatchError, match="permission denied"):
            watch.add(os.fsencode(nobodys), b"", print)
    finally:
        watch.close()


class FullWatch(Watch):
    """Has room for the drop folder and, at first, for nothing below it."""

    full = True

    def add(self, path: bytes, folder: bytes, tell: Any, *, at: int | None = None) -> Any:
        """Watch, or refuse as the kernel does at its limit."""
        if folder and self.full:
            raise WatchError("no events: inotify watch limit reached")
        return super().add(path, folder, tell, at=at)


def test_a_folder_below_that_cannot_be_watched(folder: Path) -> None:
    """The queue is polled, says why, and misses nothing; with room again it listens again."""
    watch = FullWatch()

    async def play() -> None:
        async with taking(folder, watch, recursive=True) as arrived:
            (folder / "below").mkdir()
            await until(lambda: arrived.drop.ears.watching == "polling")
            assert "limit" in arrived.drop.ears.reason
            (folder / "below/a.pdf").write_bytes(PDF)
            await arrived.are("below/a.pdf")
            assert arrived.drop.ears.watching == "polling"
            watch.full = False
            await until(lambda: arrived.drop.ears.watching == "events")

    asyncio.run(play())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_the_reader_dies_without_a_word(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scan finds the file and notices that nobody reads; a new reader takes over."""
    watch = Watch()
    first = watch._reader
    assert first is not None

    def die(_: object) -> None:
        raise MemoryError

    async def play() -> None:
        async with taking(folder, watch, rescan_s=0.5) as arrived:
            monkeypatch.setattr(first, "handle_event", die)
            (folder / "a.pdf").write_bytes(PDF)
            await arrived.are("a.pdf")
            await until(lambda: watch._reader is not first and watch.alive and arrived.drop.ears.hearing)
            (folder / "b.pdf").write_bytes(PDF)
            await arrived.are("a.pdf", "b.pdf")
        assert not first.is_alive()

    asyncio.run(play())


def test_the_kernels_queue_runs_over(folder: Path) -> None:
    """Its reader is held up for longer than the kernel keeps events: one scan makes up for all that was lost."""
    busy = folder.with_name("busy")
    busy.mkdir()
    watch, go_on = Watch(), threading.Event()
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())

    async def play() -> None:
        async with taking(folder, watch) as arrived:
            await until(lambda: not arrived.drop.behind)
            watch.add(os.fsencode(busy), b"", lambda _: go_on.wait(DEADLINE_S) and None)
            for number in range(2 * most):
                (busy / str(number % 2)).touch()
            (folder / "a.pdf").write_bytes(PDF)
            assert not arrived
            go_on.set()
            await until(lambda: arrived)
            assert arrived.drop.scans == 2
            await arrived.are("a.pdf")

    asyncio.run(play())


def test_more_hints_than_a_scan_is_worth(folder: Path) -> None:
    """Hints do not pile up: beyond some thousands the whole folder is looked at once."""

    async def play() -> None:
        async with taking(folder, Watch()) as arrived:
            await until(lambda: not arrived.drop.behind)
            (folder / "a.pdf").write_bytes(PDF)
            for number in range(10_000):
                arrived.drop._hint(Hint(b"", b"%d.pdf" % number, rescan=False))
            await until(lambda: arrived)
            assert arrived.drop.scans == 2
            await arrived.are("a.pdf")

    asyncio.run(play())
