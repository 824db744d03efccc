"""Whom root stands in for, and that it leaves nothing behind that the service cannot use."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotfolder.identity import Traces, act_as_service, service_user
from tests.builders import PDF
from tests.tools import need, python_for_all

USER, GROUP = 7101, 7102
"""Numbers without an account."""
CONFIG = """
state_dir: {top}/state
connections: {{d: {{backend: digitoo, base_url: "http://127.0.0.1:9", token: x}}}}
queues: {{q: {{connection: d, queue_id: q7, folder: {top}/q, types: [png], settle: 0s, patience: 1s}}}}
"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else: NOT checked")


@pytest.mark.parametrize(
    ("traces", "user"),
    [
        (Traces(5, True, [6], 7), 5),
        (Traces(5, False, [6], 7), 5),
        (Traces(0, True, [6], 7), 0),  # a daemon of root's has run here
        (Traces(0, False, [6], 7), 6),  # root made it by mistake
        (Traces(None, False, [0, 6], 7), 6),
        (Traces(None, False, [0], 7), 7),
        (Traces(None, False, [], None), 0),
        (Traces(0, False, [0], None), 0),
    ],
)
def test_whom_root_stands_in_for(traces: Traces, user: int) -> None:
    """Whoever has a journal, else the owner of the drop folders, else the service's account."""
    assert service_user(traces) == user


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that everybody can reach, with a drop folder of somebody's and a configuration."""
    with tempfile.TemporaryDirectory(prefix="hotfolder-identity-") as made:
        top = Path(made)
        os.chmod(top, 0o755)
        (top / "q").mkdir(mode=0o750)
        os.chown(top / "q", USER, GROUP)
        (top / "config.yaml").write_text(CONFIG.format(top=top))
        os.chown(top / "config.yaml", 0, GROUP)
        os.chmod(top / "config.yaml", 0o640)
        yield top


def hotfolder(place: Path, *words: str, user: int = 0) -> "subprocess.CompletedProcess[str]":
    """Run `hotfolder` as root, or as somebody else."""
    program, environ = python_for_all()
    who = (
        [need("setpriv", "util-linux"), f"--reuid={user}", f"--regid={GROUP}", "--clear-groups"]
        if user
        else []
    )
    line = [*who, *program, "-c", str(place / "config.yaml"), *words]
    return subprocess.run(line, env=environ, capture_output=True, text=True, timeout=60, check=False)


def owners(place: Path) -> set[int]:
    """Return whoever something in state directory and drop folder belongs to."""
    found = [place / "state", *place.joinpath("state").rglob("*"), *place.joinpath("q").rglob("*")]
    return {path.lstat().st_uid for path in found}


@as_root
@pytest.mark.parametrize("state", ["missing", "made by root", "with root's lock"])
def test_root_before_the_first_start_leaves_nothing_of_its_own(state: str, place: Path) -> None:
    """`check` and `once` of root's, before the service ever ran, leave folders that it can use."""
    if state != "missing":
        (place / "state").mkdir(mode=0o750)
    if state == "with root's lock":
        (place / "state" / "lock").touch(mode=0o600)
    checked = hotfolder(place, "check")
    assert checked.returncode == 0, checked.stdout
    assert f"root goes on as the service's user, number {USER}" in checked.stderr
    dropped = place / "q" / "a.pdf"
    dropped.write_bytes(PDF)
    os.chown(dropped, USER, GROUP)
    assert (
        hotfolder(place, "once", "--timeout", "30s").returncode == 1
    )  # it goes to failed/: a PDF where PNG is taken
    assert (place / "q" / "failed" / "a.pdf.json").exists()
    assert owners(place) == {USER}
    assert not (place / "q" / "failed" / "a.pdf.json").stat().st_mode & 0o007
    after = hotfolder(place, "check", user=USER)
    assert after.returncode == 0, after.stdout
    assert hotfolder(place, "once", "--timeout", "30s", user=USER).returncode == 0


@as_root
def test_root_gives_nothing_away_that_it_did_not_leave_there(place: Path) -> None:
    """A state directory of root's with something else in it, or a link to one, stays root's, and this is said."""
    (place / "state").mkdir()
    (place / "state" / "passwords").touch(mode=0o600)
    told = hotfolder(place, "check")
    assert told.returncode == 78
    assert f"it belongs to root; run: chown {USER} {place}/state" in told.stderr
    (place / "elsewhere").mkdir()
    (place / "state" / "passwords").unlink()
    (place / "state").rmdir()
    (place / "state").symlink_to("elsewhere")
    assert hotfolder(place, "check").returncode == 78
    assert (place / "elsewhere").stat().st_uid == 0


@as_root
def test_a_daemon_of_roots_stays_roots(place: Path) -> None:
    """Where root's own journal lies, root goes on as root, whoever the drop folder belongs to."""
    os.chown(place / "q", 0, 0)
    assert hotfolder(place, "once", "--timeout", "30s").returncode == 0
    os.chown(place / "q", USER, GROUP)
    told = hotfolder(place, "once", "--timeout", "30s")
    assert told.returncode == 0
    assert "goes on as" not in told.stderr


def test_nobody_else_becomes_anybody(tmp_path: Path) -> None:
    """Who is not root stays who he is, and nothing is made."""
    if os.geteuid() == 0:
        os.seteuid(USER)
    try:
        assert act_as_service(tmp_path / "state", []) == os.geteuid()
    finally:
        os.seteuid(os.getuid())
    assert not (tmp_path / "state").exists()


@as_root
def test_a_state_directory_that_the_service_cannot_reach_is_told(place: Path) -> None:
    """Root's own default place is of no use to the service, and what to set is said."""
    (place / "closed").mkdir(mode=0o700)
    text = CONFIG.format(top=place).replace(f"{place}/state", f"{place}/closed/state")
    (place / "config.yaml").write_text(text)
    told = hotfolder(place, "check")
    assert told.returncode == 78
    assert "set `state_dir` in the configuration" in told.stderr
