"""A status file beside a real daemon."""

import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotfolder.sandbox.server import SandboxServer
from tests.checks.samples import reportlab_pdf
from tests.e2e.harness import QUICK, Site, filed, site, wait_for

KEYS = f"{QUICK}, recursive: true, rescan: 300ms, status_file: STATUS.txt"
HOTFOLDER = [sys.executable, "-m", "hotfolder"]


@pytest.fixture
def shown(tmp_path: Path, sandbox: SandboxServer) -> Iterator[Site]:
    """Three queues with status files."""
    with site(tmp_path, sandbox, keys=KEYS) as place:
        yield place


def text(place: Site, queue: str = "to-digitoo") -> str:
    """Read a status file, empty where there is none yet."""
    path = place.drop(queue) / "STATUS.txt"
    return path.read_text(encoding="utf-8-sig") if path.exists() else ""


def test_from_start_to_stop(shown: Site) -> None:
    """It says what works, what failed and why; afterwards that nothing is sent; it is never sent itself."""
    shown.log.write_text("")
    command = ["sh", "-c", 'umask 077; exec "$@"', "sh", *HOTFOLDER, "-c", str(shown.config), "run"]
    with shown.log.open("ab") as log:
        shown.process = subprocess.Popen(command, stderr=log)
    wait_for(lambda: "Everything works." in text(shown), 30)
    path = shown.drop("to-digitoo") / "STATUS.txt"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert shown.why(path)["rule"] == "STATUS.txt (this queue's `status_file`)"
    (shown.drop("to-digitoo") / "bad.pdf").write_bytes(b"Dear all, ...")
    (shown.drop("to-digitoo") / "good.pdf").write_bytes(reportlab_pdf(1))
    filed(shown, "done", "good.pdf")
    wait_for(lambda: 'NOT SENT (they lie in "failed"): 1' in text(shown), 30)
    assert "Its content is plain text" in text(shown)
    assert str(shown.top) not in text(shown)
    assert shown.stop() == 0
    assert "NOT RUNNING since" in text(shown)
    assert "Everything works" not in text(shown)
    assert shown.archived("failed") == [shown.drop("to-digitoo") / "failed" / "bad.pdf"]
    assert shown.command("audit").returncode == 0
    assert shown.command("why", str(path)).returncode == 0


def test_copies_of_it_are_no_documents(shown: Site, sandbox: SandboxServer) -> None:
    """In a subfolder, under another name, in another queue, and once the setting is gone, it is left alone."""
    shown.start()
    wait_for(lambda: text(shown), 30)
    drop = shown.drop("to-digitoo")
    (drop / "below").mkdir()
    copies = [
        drop / "below" / "STATUS.txt",
        drop / "Kopie.txt",
        shown.drop("to-rossum") / "Copy of STATUS.txt",
    ]
    for copy in copies:
        shutil.copy(drop / "STATUS.txt", copy)
    for copy in copies:
        wait_for(lambda copy=copy: shown.why(copy)["state"] == "ignored", 15)
    assert shown.stop() == 0
    shown.keys = QUICK
    shown.write_config()
    shown.start()
    wait_for(lambda: shown.why(drop / "STATUS.txt")["state"] == "ignored", 15)
    assert "by its content" in shown.why(drop / "STATUS.txt")["reason"]
    assert shown.stop() == 0
    assert not shown.archived("failed")
    assert len(sandbox.ledger) == 0


def test_a_persons_own_file_stays(shown: Site) -> None:
    """It is neither sent nor replaced, and `status` says what to do."""
    own = shown.drop("to-digitoo") / "STATUS.txt"
    own.write_text("Please ring twice.")
    shown.start()
    wait_for(lambda: text(shown, "to-rossum"), 30)
    wait_for(
        lambda: "somebody else's file" in str({q["name"]: q for q in shown.status()}["to-digitoo"]["reason"]),
        30,
    )
    assert own.read_text() == "Please ring twice."
    assert shown.why(own)["state"] == "ignored"
    assert shown.log.read_text().count("somebody else's file") == 1


def test_nothing_of_the_server_is_told(shown: Site, sandbox: SandboxServer) -> None:
    """Neither paths nor credentials nor addresses reach people who see the folder alone."""
    sandbox.play([{"match": {"service": "digitoo"}, "do": {"status": 401}}])
    shown.start()
    (shown.drop("to-digitoo") / "a.pdf").write_bytes(reportlab_pdf(1))
    wait_for(lambda: "PAUSED: the service" in text(shown), 30)
    wait_for(lambda: "a.pdf" in text(shown), 30)
    for hidden in ("/", "sandbox-password", "127.0.0.1", "scanner@", "resume"):
        assert hidden not in text(shown), hidden
    assert os.listdir(shown.drop("to-digitoo") / ".hotfolder") != [".placard.tmp"]
