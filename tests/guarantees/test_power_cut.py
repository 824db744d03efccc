"""Power cuts: the disk as it was at a moment, without what had not reached it, and a new start on that."""

import os
import random
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.harness import wait_for
from tests.e2e.producers import reportlab_pdf
from tests.guarantees.daemons import Daemon, daemon
from tests.guarantees.disks import make_ext4, need_mounts, run
from tests.guarantees.scene import Dropped, Scene, stage

CUTS = int(os.environ.get("HOTFOLDER_POWER_CUTS", "8"))
"""For each service."""
IMAGE_BYTES = 32 << 20
COMMIT_S = 1
"""How often ext4 writes names by itself (default 5 s): often, so that cuts fall before and after it."""


class Disk:
    """An ext4 file system on a loop device, whose file at any moment is what a power cut would leave."""

    def __init__(self, top: Path) -> None:
        self.where = top / "disk"
        self.where.mkdir()
        self._top = top
        self._number = 0
        self.image = top / "image0"
        make_ext4(self.image, IMAGE_BYTES)

    def plug_in(self) -> None:
        """Mount it, which replays its journal."""
        run("mount", "-o", f"loop,commit={COMMIT_S}", self.image, self.where)

    def cut(self, running: Daemon) -> None:
        """Take the disk as it is, end the daemon without its noticing, and go on with that disk.

        What the page cache above the loop device holds is lost. The daemon stands still meanwhile, and the
        copy is taken again where the kernel wrote during it: power fails at one moment.
        """
        running.process.send_signal(signal.SIGSTOP)
        wait_for(lambda: stands_still(running.process.pid), 10)
        device = Path("/sys/block", os.path.basename(device_of(self.where)), "stat")
        self._number += 1
        copy = self._top / f"image{self._number}"
        while True:
            before = device.read_text()
            shutil.copyfile(self.image, copy)
            if device.read_text() == before:
                break
        running.kill()
        run("umount", self.where)
        self.image.unlink()
        self.image = copy
        self.plug_in()


def device_of(where: Path) -> str:
    """Return the device that is mounted at a folder."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return next(line.split()[0] for line in lines if line.split()[1] == str(where))


def stands_still(pid: int) -> bool:
    """Tell whether each thread of a process is stopped; one in a call that syncs goes on to its end."""
    states = [
        path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{pid}/task").glob("*/stat")
    ]
    return set(states) == {"T"}


@contextmanager
def plugged(top: Path) -> Iterator[Disk]:
    """Have a disk for the length of a block."""
    need_mounts()
    disk = Disk(top)
    disk.plug_in()
    try:
        yield disk
    finally:
        run("umount", disk.where)


def moments(made: Scene, chance: random.Random) -> list[Callable[[], None]]:
    """Return ways to wait for the moment of a cut: by chance, or right when a step was taken."""

    def at_random() -> None:
        with pytest.raises(AssertionError, match="not within"):
            wait_for(lambda: False, chance.uniform(0.0, 1.5))

    def claimed() -> None:
        quickly(lambda: any(n not in {"lock", "run"} for n in os.listdir(made.drop / ".hotfolder")))

    def taken() -> None:
        before = len(made.sandbox.ledger)
        quickly(lambda: len(made.sandbox.ledger) > before)

    def filed() -> None:
        before = len(list(made.done.glob("*")))
        quickly(lambda: len(list(made.done.glob("*"))) > before)

    return [at_random, claimed, taken, filed, at_random]


def quickly(condition: Callable[[], bool]) -> None:
    """Wait for a condition for a while and in vain if need be: after some cuts there is nothing left to do."""
    deadline = os.times().elapsed + 2.0
    while not condition() and os.times().elapsed < deadline:
        os.sched_yield()


@pytest.mark.timeout(120 + CUTS * 15)
@pytest.mark.parametrize("service", ["rossum", "digitoo", "docdigitizer"])
def test_power_cuts_lose_nothing_and_double_nothing(tmp_path: Path, service: str) -> None:
    """Folders and journal on the disk that loses what was not synced; each start goes on from what is left."""
    chance = random.Random()  # another run, other moments
    with plugged(tmp_path) as disk:
        places = {place: disk.where / place for place in ("drop", "state")}
        with stage(tmp_path, service, **places) as made:
            for number in range(CUTS):
                with daemon(made) as running:
                    for turn in range(chance.randrange(1, 5)):
                        made.put(Dropped(f"scan{number}-{turn}.pdf", reportlab_pdf(number * 10 + turn)))
                    moments(made, chance)[number % 5]()
                    disk.cut(running)
            with daemon(made) as running:
                running.settled()
