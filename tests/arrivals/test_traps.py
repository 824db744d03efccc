"""What goes wrong around a listener to the kernel: each time the file still arrives, exactly once."""

import asyncio
import os
import queue
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hotfolder.arrivals import DropFolder, Watch, WatchError
from hotfolder.arrivals.watch import Hint
from tests.arrivals.test_drop import PDF, living, until
from tests.builders import DEADLINE_S, without_privileges
from tests.e2e.arriving import WAYS, Way

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")


class Arrived(list[tuple[bytes, bytes]]):
    """The documents that were taken out of a drop folder: path and content, in their order."""

    def __init__(self, drop: DropFolder, folder: Path) -> None:
        super().__init__()
        self.drop, self.folder = drop, folder
        drop.on_ready = self.take
        self.take()

    def take(self) -> None:
        """Claim everything that is ready."""
        while arrival := self.drop.inbox.take():
            name = os.path.join(arrival.folder, arrival.name)
            path = os.path.join(os.fsencode(self.folder), name)
            with open(path, "rb") as file:
                self.append((name, file.read()))
            os.unlink(path)
            self.drop.inbox.done(arrival)

    def reason(self, name: bytes) -> str:
        """Return why a file at the top is not ready; nothing while it is not known."""
        entry = self.drop.inbox.entries.get((b"", name))
        return entry.reason if entry else ""

    async def are(self, *names: str) -> None:
        """Wait until these have arrived; a scan of all there is then finds nothing more."""
        await until(lambda: len(self) >= len(names))
        before = self.drop.scans
        self.drop.rescan()
        await until(lambda: self.drop.scans > before and not self.drop.behind)
        assert sorted(self) == sorted((name.encode(), PDF) for name in names)


@asynccontextmanager
async def taking(folder: Path, watch: Watch | None, **how: Any) -> AsyncIterator[Arrived]:
    """Have a drop folder from which everything is taken that is ready."""
    async with living(folder, watch, **how) as drop:
        yield Arrived(drop, folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A drop folder."""
    path = tmp_path / "in"
    path.mkdir()
    return path


@pytest.fixture
def nobodys() -> Iterator[Path]:
    """A drop folder that belongs to a user without privileges, where that user can reach it."""
    with tempfile.TemporaryDirectory(prefix="hotfolder-nobodys-") as top:
        os.chmod(top, 0o711)
        path = Path(top) / "in"
        path.mkdir()
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534)
        yield path


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


# How files come ----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_every_way_is_heard(way: Way, folder: Path) -> None:
    """No scan is needed: closed, renamed, linked, without a name at first, in folders that came with it."""

    async def play() -> None:
        async with taking(folder, Watch(), recursive=True) as arrived:
            way(folder / "a.pdf", PDF)
            await until(lambda: arrived)
            assert arrived.drop.scans == 1
            await arrived.are(arrived[0][0].decode())

    asyncio.run(play())


def test_files_in_folders_that_were_made_a_moment_ago(folder: Path) -> None:
    """Most were written before anybody could listen there."""
    names = [f"{outer}/{inner}/{name}.pdf" for outer in "abcd" for inner in "abcd" for name in range(10)]

    async def play() -> None:
        async with taking(folder, Watch(), recursive=True) as arrived:
            for name in names:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(PDF)
            await until(lambda: len(arrived) == len(names))
            assert arrived.drop.scans == 1
            await arrived.are(*names)

    asyncio.run(play())


def test_what_was_there_before_anybody_listened(folder: Path) -> None:
    """The kernel tells nothing of it."""
    (folder / "a.pdf").write_bytes(PDF)

    async def play() -> None:
        async with taking(folder, Watch()) as arrived:
            await arrived.are("a.pdf")

    asyncio.run(play())


def test_what_lands_after_the_listening_has_ended(folder: Path) -> None:
    """Events that nobody read are no loss: the next start finds the file."""

    async def play() -> None:
        async with taking(folder, Watch()) as arrived:
            arrived.drop.ears.disarm()
            (folder / "a.pdf").write_bytes(PDF)
        async with taking(folder, Watch()) as arrived:
            await arrived.are("a.pdf")

    asyncio.run(play())


def test_a_file_that_becomes_readable_later(nobodys: Path) -> None:
    """A change of mode alone, which makes no other event."""

    async def play() -> None:
        async with taking(nobodys, Watch()) as arrived:
            path = nobodys / "a.pdf"
            path.touch(mode=0o200)
            path.write_bytes(PDF)
            await until(lambda: "cannot be read" in arrived.reason(b"a.pdf"))
            path.chmod(0o600)
            await arrived.are("a.pdf")

    with without_privileges():
        asyncio.run(play())


def test_an_event_of_something_that_is_gone_or_different_by_now(folder: Path) -> None:
    """Events describe the past: what lies there now is looked at."""

    async def play() -> None:
        async with taking(folder, Watch()) as arrived:
            for _ in range(50):
                (folder / "a.pdf").write_bytes(b"%PDF-1.4")
                (folder / "a.pdf").unlink()
            (folder / "a.pdf").symlink_to("b.pdf")
            (folder / "a.pdf").unlink()
            (folder / "a.pdf").write_bytes(PDF)
            await arrived.are("a.pdf")

    asyncio.run(play())


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

    def add(self, path: bytes, folder: bytes, tell: Any) -> Any:
        """Watch, or refuse as the kernel does at its limit."""
        if folder and self.full:
            raise WatchError("no events: inotify watch limit reached")
        return super().add(path, folder, tell)


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
    """A scan finds the file, and the test file that nobody hears of turns the queue to polling."""
    watch = Watch()

    def die(_: object) -> None:
        raise MemoryError

    async def play() -> None:
        async with taking(folder, watch, rescan_s=0.5) as arrived:
            monkeypatch.setattr(watch._reader, "handle_event", die)
            (folder / "a.pdf").write_bytes(PDF)
            await arrived.are("a.pdf")
            await until(lambda: arrived.drop.ears.watching == "polling")
            (folder / "b.pdf").write_bytes(PDF)
            await arrived.are("a.pdf", "b.pdf")
        assert not watch.alive

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


# What is not to be heard -------------------------------------------------------------------------


def test_a_folder_that_is_moved_out(folder: Path) -> None:
    """What is written to it elsewhere is nothing of ours."""
    outside = folder.with_name("outside")

    async def play() -> None:
        async with taking(folder, Watch(), recursive=True) as arrived:
            (folder / "batch").mkdir()
            (folder / "batch/a.pdf").write_bytes(PDF)
            await arrived.are("batch/a.pdf")
            (folder / "batch").rename(outside)
            (outside / "b.pdf").write_bytes(PDF)
            (folder / "c.pdf").write_bytes(PDF)
            await arrived.are("batch/a.pdf", "c.pdf")
            assert arrived.drop.inbox.entries == {}

    asyncio.run(play())


def test_what_is_filed_inside_the_drop_folder(folder: Path) -> None:
    """done/ and failed/ lie in the watched tree, and what lands there is no arrival."""

    async def play() -> None:
        async with taking(folder, Watch(), recursive=True) as arrived:
            for area in ("done", "failed", ".hotfolder"):
                (folder / area).mkdir(exist_ok=True)
                (folder / area / "old.pdf").write_bytes(PDF)
            (folder / "a.pdf").write_bytes(PDF)
            await arrived.are("a.pdf")
            assert arrived.drop.inbox.entries == {}

    asyncio.run(play())


def test_reading_a_file_is_no_event(tmp_path: Path) -> None:
    """Our own look at a file must not make us look again."""
    (tmp_path / "a.pdf").write_bytes(PDF)
    watch, hints = Watch(), queue.Queue[Hint]()
    try:
        watch.add(os.fsencode(tmp_path), b"", hints.put)
        (tmp_path / "a.pdf").read_bytes()
        os.listdir(tmp_path)
        (tmp_path / "b.pdf").touch()
        assert hints.get(timeout=DEADLINE_S).name == b"b.pdf"
    finally:
        watch.close()


def test_two_listeners_of_one_folder_and_one_that_listens_further(tmp_path: Path) -> None:
    """Neither makes the other deaf, and whoever hears of a folder may listen to it at once."""
    (tmp_path / "in").mkdir()
    watch, first, second = Watch(), queue.Queue[Hint](), queue.Queue[Hint]()

    def further(hint: Hint) -> None:
        if hint.name == b"below" and hint.rescan:
            watch.add(os.fsencode(tmp_path / "in/below"), b"below", second.put)
        second.put(hint)

    try:
        watch.add(os.fsencode(tmp_path / "in"), b"", first.put)
        watch.add(os.fsencode(tmp_path / "in"), b"", further)
        (tmp_path / "in/below").mkdir()
        assert [heard.get(timeout=DEADLINE_S).name for heard in (first, second)] == [b"below"] * 2
        (tmp_path / "in/below/a.pdf").touch()
        assert second.get(timeout=DEADLINE_S).folder == b"below"
    finally:
        watch.close()


def test_other_programs_do_not_inherit_the_descriptor() -> None:
    """A child would keep the kernel's queue, and every watch in it, alive."""
    watch = Watch()
    try:
        seen = subprocess.run(["ls", "-l", "/proc/self/fd"], close_fds=False, capture_output=True, check=True)
        assert b"inotify" not in seen.stdout
    finally:
        watch.close()


# Where nothing is heard --------------------------------------------------------------------------


def test_a_polled_folder_that_is_away_for_a_moment(folder: Path) -> None:
    """It is offline, and polled again as soon as it is back."""

    async def play() -> None:
        async with taking(folder, None, poll="always") as arrived:
            folder.rename(folder.with_name("away"))
            await until(lambda: arrived.drop.offline)
            folder.with_name("away").rename(folder)
            (folder / "a.pdf").write_bytes(PDF)
            await arrived.are("a.pdf")

    asyncio.run(play())


def test_a_new_file_with_the_inode_of_an_old_one(folder: Path) -> None:
    """File systems give a number out again at once: a new name is a new file."""

    async def play() -> None:
        async with taking(folder, None, poll="always") as arrived:
            (folder / "a.pdf").write_bytes(PDF[:100])
            await until(lambda: (b"", b"a.pdf") in arrived.drop.inbox.entries)
            (folder / "a.pdf").unlink()
            (folder / "b.pdf").write_bytes(PDF)
            await arrived.are("b.pdf")
            assert arrived.drop.inbox.entries == {}

    asyncio.run(play())


def test_new_content_of_the_same_size_and_date(folder: Path) -> None:
    """A half document is mended in place, and dated back: its change time tells."""

    async def play() -> None:
        async with taking(folder, None, poll="always") as arrived:
            path = folder / "a.pdf"
            path.write_bytes(PDF[:100] + bytes(len(PDF) - 100))
            os.utime(path, (1, 1))
            await until(lambda: "complete" in arrived.reason(b"a.pdf") or "end" in arrived.reason(b"a.pdf"))
            with path.open("r+b") as file:
                file.write(PDF)
                file.flush()
                os.utime(file.fileno(), (1, 1))
            await arrived.are("a.pdf")

    asyncio.run(play())
