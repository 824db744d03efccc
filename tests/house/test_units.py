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
TEMPLATE = SYSTEMD / "hotfolder@.service"
BOTH = pytest.mark.parametrize("unit", [UNIT, TEMPLATE], ids=lambda unit: unit.name)
WORST_EXPOSURE = 12
"""In tenths, as systemd-analyze wants it: 1.2, "OK". The units reach 1.1."""


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


def installed(unit: Path, tmp_path: Path) -> Path:
    """Return a copy of a unit whose program exists, since verify wants to see it."""
    copy = tmp_path / unit.name.replace("@", "@north")
    text = unit.read_text(encoding="utf-8")
    copy.write_text(re.sub(r"(?m)^ExecStart=\S+", "ExecStart=/bin/true", text), encoding="utf-8")
    return copy


@BOTH
def test_the_unit_is_understood(unit: Path, tmp_path: Path) -> None:
    """Every key and value is known to systemd, which exits with 0 unless --recursive-errors is given."""
    copy = installed(unit, tmp_path)
    checked = run("systemd-analyze", "verify", "--recursive-errors=no", "--man=no", copy)
    assert (checked.returncode, checked.stderr) == (0, "")


@BOTH
def test_the_unit_keeps_its_hardening(unit: Path, tmp_path: Path) -> None:
    """A directive that is dropped or loosened without need shows in the exposure."""
    copy = installed(unit, tmp_path)
    checked = run("systemd-analyze", "security", "--offline=true", f"--threshold={WORST_EXPOSURE}", copy)
    assert checked.returncode == 0, checked.stdout


def test_the_template_differs_only_where_it_must() -> None:
    """An instance has a configuration and a journal of its own, and every protection of the unit."""
    one, many = settings_of(UNIT), settings_of(TEMPLATE)
    differing = {key for key in one.keys() | many.keys() if one.get(key) != many.get(key)}
    assert differing == {"Description", "ExecStart", "StateDirectory"}
    assert many["ExecStart"] == [one["ExecStart"][0].replace("config.yaml", "%i.yaml")]
    assert many["StateDirectory"] == ["hotfolder/%i"]


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


def test_it_is_never_given_up() -> None:
    """However often the service ends, it is started again, but for what only a person can change."""
    found = settings_of(UNIT)
    assert found["Restart"] == ["on-failure"]
    assert found["StartLimitIntervalSec"] == ["0"]


def test_claims_stay_below_one_writable_path() -> None:
    """Between two writable paths rename fails with EXDEV, so all drop folders lie below one."""
    assert settings_of(UNIT)["ReadWritePaths"] == ["/srv/hotfolder"]


def test_every_relaxation_has_its_reason() -> None:
    """What takes back a protection stands right below a comment."""
    lines = UNIT.read_text(encoding="utf-8").splitlines()
    relaxed = (
        r"(RestrictAddressFamilies|ReadWritePaths|UMask|IPAddressDeny|StartLimitIntervalSec|MemoryMax|LimitNOFILE)="
        r"|SystemCallFilter=@"
    )
    for before, line in pairwise(lines):
        if re.match(relaxed, line):
            assert before.startswith("#"), line


def test_the_user_is_understood() -> None:
    """Installing the snippet would make the user that the unit names."""
    snippet = SYSTEMD / "sysusers.d" / "hotfolder.conf"
    checked = run("systemd-sysusers", "--dry-run", snippet)
    assert checked.returncode == 0, checked.stderr
    text = snippet.read_text(encoding="utf-8")
    users = re.findall(r"(?m)^u (\S+) ", text)
    assert users == settings_of(UNIT)["User"] == settings_of(UNIT)["Group"]
    assert re.findall(r"(?m)^g (\S+) ", text) == ["hotfolder-drop"], "who drops reads no secrets"


def test_the_folders_are_understood(tmp_path: Path) -> None:
    """Root alone writes where drop folders and the configuration lie; an SFTP server can be confined to the first."""
    snippet = SYSTEMD / "tmpfiles.d" / "hotfolder.conf"
    lines = [line.split() for line in snippet.read_text(encoding="utf-8").splitlines() if line[0] != "#"]
    assert [line[:5] for line in lines] == [
        ["d", "/etc/hotfolder", "0750", "root", "hotfolder"],
        ["d", "/srv/hotfolder", "0751", "root", "hotfolder"],
        ["d", "/var/lib/hotfolder", "0750", "hotfolder", "hotfolder"],
    ]
    mine = tmp_path / "mine.conf"
    names = f"{os.getuid()} {os.getgid()}"
    mine.write_text(
        "".join(f"{kind} {tmp_path}{path} {mode} {names} -\n" for kind, path, mode, *_ in lines),
        encoding="utf-8",
    )
    made = run("systemd-tmpfiles", "--create", mine)
    assert made.returncode == 0, made.stderr
    assert oct((tmp_path / "srv" / "hotfolder").stat().st_mode)[-3:] == "751"
