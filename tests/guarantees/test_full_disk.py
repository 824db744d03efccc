"""Disks that are full, read-only or broken under a running daemon: it says so, and goes on by itself."""

import os
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.e2e.harness import wait_for
from tests.guarantees.daemons import daemon
from tests.guarantees.disks import in_memory, make_ext4, mounted, repair, run
from tests.guarantees.scene import Scene, documents, stage

_FULL = ("No space left", "disk is full")
_BROKEN = (*_FULL, "Input/output error", "Read-only file system", "disk I/O error")


def fill(disk: Path) -> Path:
    """Write to a disk until nothing more goes."""
    path = disk / "filler"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    for size_bytes in (1 << 16, 1 << 12, 1):
        with suppress(OSError):
            while os.write(fd, bytes(size_bytes)):
                pass
    with suppress(OSError):
        os.close(fd)
    return path


def show(renames: list[tuple[Path, Path]]) -> None:
    """Give the hidden documents their names."""
    for hidden, path in renames:
        if hidden.exists():
            hidden.rename(path)


def hide_in(made: Scene) -> list[tuple[Path, Path]]:
    """Write the documents under names that are ignored; returns what is to be renamed to what."""
    renames: list[tuple[Path, Path]] = []
    for document in documents():
        made.put(document)
        path = made.drop / document.path
        hidden = path.with_name(f".{len(renames)}")
        path.rename(hidden)
        renames.append((hidden, path))
    return renames


@pytest.mark.parametrize("place", ["drop", "done", "failed", "state"])
def test_a_full_disk_is_said_and_freed_space_is_enough_to_go_on(tmp_path: Path, place: str) -> None:
    """Drop folder, each archive or the journal alone on a full disk: `status` has the reason, nobody restarts."""
    with (
        in_memory(tmp_path / "disk", "8m") as disk,
        stage(tmp_path, "rossum", **{place: disk / place}) as made,
    ):
        renames = hide_in(made)
        with daemon(made) as running:
            filler = fill(disk)
            show(renames)
            running.says(*_FULL)
            assert running.queue()["state"] in {"active", "paused"}
            filler.unlink()
            running.settled()
            wait_for(lambda: running.queue()["state"] == "active" and not running.queue()["reason"], 20)


@pytest.mark.parametrize("place", ["done", "failed"])
def test_a_read_only_archive_is_said_and_writable_again_it_goes_on(tmp_path: Path, place: str) -> None:
    """Remounted read-only under the daemon, and back."""
    with (
        in_memory(tmp_path / "disk") as disk,
        stage(tmp_path, "rossum", **{place: disk / place}) as made,
        daemon(made) as running,
    ):
        run("mount", "-o", "remount,ro", disk)
        for document in documents():
            made.put(document)
        running.says("Read-only file system")
        assert running.queue()["state"] in {"active", "paused"}
        run("mount", "-o", "remount,rw", disk)
        running.settled()
        wait_for(lambda: running.queue()["state"] == "active" and not running.queue()["reason"], 20)


@pytest.mark.parametrize("place", ["done", "drop", "state"])
def test_a_disk_that_loses_writes_is_said_and_after_its_repair_the_work_is_finished(
    tmp_path: Path, place: str
) -> None:
    """A file system larger than the memory below it: writes succeed and their sync fails, as on a thin volume."""
    with in_memory(tmp_path / "below", "12m") as below, ExitStack() as stack:
        image, disk = below / "image", tmp_path / "disk"
        make_ext4(image, 64 << 20)
        with mounted(disk, "-o", "loop", image):
            made = stack.enter_context(stage(tmp_path, "rossum", **{place: disk / place}))
            renames = hide_in(made)
            with daemon(made) as running:
                fill(disk)
                show(renames)
                running.says(*_BROKEN)
        run("mount", "-o", "remount,size=128m", below)
        repair(image)
        with mounted(disk, "-o", "loop", image):
            show(renames)  # they may have been lost with everything that was not synced
            with daemon(made) as running:
                running.settled()
