"""The machine itself: it keeps its disk, and leaves nothing behind."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.booted.machine import Machine, until

WORKER = """
import sys, time
from pathlib import Path
from tests.booted.machine import Machine
with Machine(Path(sys.argv[1])) as machine:
    machine.run("systemd-run", "--unit=sleeper", "sleep", "1000")
    print(machine.run("systemctl", "is-active", "sleeper").stdout, flush=True)
    time.sleep(1000)
"""
"""A test run that has a machine, until somebody ends it."""


def test_what_was_written_outlives_the_machine(machine: Machine) -> None:
    """A file that was written is there after the machine was shut down in order, and after it was switched off."""
    machine.write("/srv/ordered", "one")
    machine.power_off()
    machine.boot()
    assert machine.read("/srv/ordered") == "one"
    machine.write("/srv/cut", "two")
    machine.switch_off()
    machine.boot()
    assert (machine.read("/srv/ordered"), machine.read("/srv/cut")) == ("one", "two")


def test_nothing_is_left(tmp_path: Path, packages: Path) -> None:
    """When it is switched off, no process, no mount and no control group of it is left."""
    del packages
    state = tmp_path / "another"
    with Machine(state) as machine:
        assert _group(state) in _groups(), "this test looks for its control group in the wrong place"
        machine.run("systemd-run", "--unit=sleeper", "sleep", "1000")
        assert not _mounts(state), "its mounts are seen from outside"
        assert _processes(str(state)), "this test looks for its processes in the wrong way"
    assert _processes(str(state)) == _mounts(state) == []
    assert _group(state) not in _groups()


@pytest.mark.parametrize("ended", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_nothing_is_left_of_a_test_run_that_is_ended(
    tmp_path: Path, packages: Path, ended: signal.Signals
) -> None:
    """Whoever has a machine and is killed or interrupted takes it along, with its processes and control group."""
    del packages
    state = tmp_path / "another"
    command = [sys.executable, "-c", WORKER, str(state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline().strip() == "active"
        assert len(_processes(str(state))) > 1
        worker.send_signal(ended)
        worker.wait(60)
    until(lambda: not _processes(str(state)), 60, lambda: str(_processes(str(state))))
    until(lambda: _group(state) not in _groups(), 60, "its control group is still there")


def _group(state: Path) -> str:
    return (state / "group").read_text().strip()


def _groups() -> set[str]:
    """Return the control groups at the root of the kernel's tree, which need not be mounted here."""
    script = 'mount -t cgroup2 none "$0" && cd "$0" && echo *'
    command = ["unshare", "--mount", "sh", "-eu", "-c", script, "/mnt"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


def _mounts(state: Path) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(state) in line]


def _processes(part: str) -> list[str]:
    """Return the commands that name a path."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = entry.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if part in command:
            found.append(command)
    return found
