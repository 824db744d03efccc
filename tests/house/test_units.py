"""The unit and its two snippets mean something to systemd, and the unit keeps its hardening."""

import os
import re
import shutil
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest

SYSTEMD = Path(__file__).resolve().parents[2] / "systemd"
UNIT = SYSTEMD / "hotfolder.service"
WORST_EXPOSURE = 20
"""In tenths, as systemd-analyze wants it: 2.0, "OK". The unit reaches 1.3."""


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program of systemd, or skip the test where this machine has none."""
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is missing (Debian package systemd): the units were NOT checked")
    environment = {**os.environ, "SYSTEMD_COLORS": "0", "LC_ALL": "C"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)


def settings_of(unit: Path) -> dict[str, list[str]]:
    """Return the assignments of a unit, in their order."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text(encoding="utf-8").splitlines():
        if assignment := re.fullmatch(r"(\w+)=(.*)", line):
            found.setdefault(assignment[1], []).append(assignment[2])
    return found


def seconds(span: str) -> int:
    """Read one of the time spans that the unit uses."""
    parts = re.fullmatch(r"(\d+)(s|min)", span)
    assert parts, span
    return int(parts[1]) * {"s": 1, "min": 60}[parts[2]]


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Return a copy of the unit whose program exists, since verify wants to see it."""
    copy = tmp_path / UNIT.name
    text = UNIT.read_text(encoding="utf-8")
    copy.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", text), encoding="utf-8")
    return copy


def test_the_unit_is_understood(installed: Path) -> None:
    """Every key and value is known to systemd, which exits with 0 unless --recursive-errors is given."""
    checked = run("systemd-analyze", "verify", "--recursive-errors=no", "--man=no", installed)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_the_unit_keeps_its_hardening(installed: Path) -> None:
    """A directive that is dropped or loosened without need shows in the exposure."""
    checked = run("systemd-analyze", "security", "--offline=true", f"--threshold={WORST_EXPOSURE}", installed)
    assert checked.returncode == 0, checked.stdout


def test_the_unit_fits_the_program() -> None:
    """It waits for readiness, does not restart on a bad configuration, and outlasts the default grace."""
    found = settings_of(UNIT)
    grace_s = 30
    assert found["Type"] == ["notify"]
    assert found["NotifyAccess"] == ["main"]
    assert found["RestartPreventExitStatus"] == ["78"]
    assert found["ExecReload"] == ["/bin/kill -HUP $MAINPID"]
    assert seconds(found["TimeoutStopSec"][0]) > grace_s
    assert seconds(found["WatchdogSec"][0]) * 2 / 3 > grace_s, "a reload may take `grace`, unheard"


def test_claims_stay_below_one_writable_path() -> None:
    """Between two writable paths rename fails with EXDEV, so all drop folders lie below one."""
    assert settings_of(UNIT)["ReadWritePaths"] == ["/srv/hotfolder"]


def test_every_relaxation_has_its_reason() -> None:
    """What takes back a protection stands right below a comment."""
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    relaxed = r"(AmbientCapabilities|PrivateUsers|RestrictAddressFamilies|ReadWritePaths|UMask)="
    for before, line in pairwise(lines):
        if re.match(relaxed, line):
            assert before.startswith("#"), line


def test_the_user_is_understood() -> None:
    """Installing the snippet would make the user that the unit names."""
    snippet = SYSTEMD / "sysusers.d" / "hotfolder.conf"
    checked = run("systemd-sysusers", "--dry-run", snippet)
    assert checked.returncode == 0, checked.stderr
    users = re.findall(r"(?m)^u (\S+) ", snippet.read_text(encoding="utf-8"))
    assert users == settings_of(UNIT)["User"] == settings_of(UNIT)["Group"]


def test_the_folders_are_understood(tmp_path: Path) -> None:
    """The drop folder is made so that a group shares it, the configuration so that only root writes."""
    snippet = SYSTEMD / "tmpfiles.d" / "hotfolder.conf"
    lines = [line.split() for line in snippet.read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    assert [line[:5] for line in lines] == [
        ["d", "/etc/hotfolder", "0750", "root", "hotfolder"],
        ["d", "/srv/hotfolder", "2770", "hotfolder", "hotfolder"],
    ]
    mine = tmp_path / "mine.conf"
    names = f"{os.getuid()} {os.getgid()}"
    mine.write_text(
        "".join(f"{kind} {tmp_path}{path} {mode} {names} -\n" for kind, path, mode, *_ in lines),
        encoding="utf-8",
    )
    made = run("systemd-tmpfiles", "--create", mine)
    assert made.returncode == 0, made.stderr
    assert oct((tmp_path / "srv" / "hotfolder").stat().st_mode)[-4:] == "2770"
