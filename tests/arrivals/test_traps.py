"""Files that come in ways that are easily missed or taken for something else: each arrives exactly once."""

import asyncio
import os
import queue
import subprocess
from pathlib import Path

import pytest

from hotfolder.arrivals import Watch
from hotfolder.arrivals.watch import Hint
from tests.arrivals.taking import taking
from tests.arrivals.test_drop import PDF, until
from tests.builders import DEADLINE_S, without_privileges
from tests.e2e.arriving import WAYS, Way

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
    """A half document is written to in place, and dated back: its change time tells."""
    path, key = folder / "a.pdf", (b"", b"a.pdf")

    def write(content: bytes) -> None:
        with path.open("r+b") as file:
            file.write(content)
            file.flush()
            os.utime(file.fileno(), (1, 1))

    async def play() -> None:
        path.touch()
        write(PDF[:100] + bytes(len(PDF) - 100))
        async with taking(folder, None, poll="always") as arrived:
            known = arrived.drop.inbox.entries[key]
            write(PDF[:200])
            await until(lambda: arrived.drop.inbox.entries[key] is not known)
            write(PDF)
            await arrived.are("a.pdf")

    asyncio.run(play())
