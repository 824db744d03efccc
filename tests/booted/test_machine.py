"""The machine itself: it keeps its disk, and leaves nothing behind."""

from pathlib import Path

from tests.booted.machine import Machine


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
        machine.run("systemd-run", "--unit=sleeper", "sleep", "1000")
        assert not _mounts(state), "its mounts are seen from outside"
        assert _processes(str(state)), "this test looks for its processes in the wrong way"
    assert _processes(str(state)) == _mounts(state) == []
    assert not list((state / "groups").iterdir())


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
