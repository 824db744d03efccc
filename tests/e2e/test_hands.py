"""`pause`, `resume`, `retry`, `resolve` and `audit` as a person types them, with a daemon and without."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hotfolder.journal import Reader
from hotfolder.sandbox.server import SandboxServer
from hotfolder.service.daemon import lock_state
from tests.e2e.harness import CONFIG, QUICK, Site, filed, site, wait_for
from tests.e2e.producers import reportlab_pdf
from tests.tools import python_for_all

LOST = [{"match": {"service": "digitoo", "path": "*/upload", "first": 1}, "do": {"reset": "after_body"}}]
REFUSED = [{"match": {"service": "digitoo", "path": "*/upload", "first": 1}, "do": {"status": 422}}]
ODD = os.fsdecode(b"odd \xff\n name.pdf")


@pytest.fixture
def patient(tmp_path: Path, sandbox: SandboxServer) -> Iterator[Site]:
    """Queues whose uncertain documents are not asked about for an hour."""
    with site(tmp_path, sandbox, keys=QUICK, text=CONFIG.replace("ask_after: 1s", "ask_after: 1h")) as found:
        yield found


def state(place: Site, queue: str = "to-digitoo") -> str:
    """Return the state of a queue."""
    return next(q["state"] for q in place.status() if q["name"] == queue)


def put(place: Site, name: str, number: int = 1, queue: str = "to-digitoo") -> Path:
    """Drop a whole document and return its path."""
    path = place.drop(queue) / name
    (place.top / "outside").write_bytes(reportlab_pdf(number))
    (place.top / "outside").rename(path)
    return path


def uncertain(place: Site) -> Callable[[], Any]:
    """Return a question whether exactly one document is uncertain."""
    return lambda: sum(q["counts"]["uncertain"] for q in place.status()) == 1


def test_a_pause_outlives_the_daemon(place: Site, sandbox: SandboxServer) -> None:
    """A paused queue takes nothing, also after a restart, until it is resumed; each order may be repeated."""
    place.start()
    for said in ("is paused", "was paused already"):
        ended = place.command("pause", "to-digitoo")
        assert (ended.returncode, ended.stderr) == (0, "")
        assert said in ended.stdout
    path = put(place, "waits.pdf")
    wait_for(lambda: "paused by hand since" in place.why(path).get("reason", ""), 10)
    assert "hotfolder resume to-digitoo" in place.why(path)["reason"]
    assert place.stop() == 0
    assert "paused by hand since" in place.command("status").stdout
    assert place.command("once").returncode == 3
    place.start()
    assert state(place) == "paused"
    assert path.exists()
    assert "goes on" in place.command("resume", "to-digitoo").stdout
    filed(place, "done", "waits.pdf")
    ended = place.command("resume", "to-digitoo")
    assert (ended.returncode, "was not paused" in ended.stdout) == (0, True)
    assert len(sandbox.ledger) == 1


def test_a_pause_without_a_daemon(place: Site, sandbox: SandboxServer) -> None:
    """A queue can be paused and resumed while nothing runs."""
    place.start()
    place.stop()
    assert place.command("pause", "to-digitoo").returncode == 0
    put(place, "waits.pdf")
    place.start()
    assert state(place) == "paused"
    place.stop()
    assert place.command("resume", "to-digitoo").returncode == 0
    place.start()
    filed(place, "done", "waits.pdf")
    assert len(sandbox.ledger) == 1


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["pause", "to-digito"], 2, "did you mean to-digitoo?"),
        (["resume", ODD], 2, r"odd \xff\n name.pdf"),
        (["retry"], 2, "--all"),
        (["retry", "--queue", "nowhere"], 2, "there is no queue nowhere"),
        (["retry", "--all", "x.pdf"], 2, "--all"),
        (["retry", "x.pdf"], 1, "no folder of any queue"),
        (["resolve", "x.pdf"], 2, "--resend"),
        (["resolve", "x.pdf", "--fail", "--resend"], 2, "--resend"),
        (["resolve", "x.pdf", "--sent", " "], 2, "no id"),
        (["resolve", ODD, "--fail"], 1, "no folder of any queue"),
        (["resolve", "01900000-0000-7000-8000-000000000000", "--fail"], 1, "knows no document"),
    ],
)
def test_what_cannot_be_done(words: list[str], status: int, says: str, place: Site) -> None:
    """Wrong names and wrong words are told in a sentence."""
    (place.top / "state").mkdir()
    ended = place.command(*words)
    assert ended.returncode == status, ended
    assert says in ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("how", "running"),
    [("path", True), ("record", False), ("queue", True), ("all", False), ("link", True), ("relative", False)],
)
def test_a_failed_document_is_sent_again(
    how: str,
    running: bool,  # noqa: FBT001 — a parameter
    place: Site,
    sandbox: SandboxServer,
) -> None:
    """It goes back under its own name, however it is named to us, and is delivered."""
    sandbox.play(REFUSED)
    place.start()
    put(place, ODD)
    failed = filed(place, "failed", ODD)
    if not running:
        place.stop()
    (place.top / "link").symlink_to(place.drop("to-digitoo"))
    words = {
        "path": [str(failed)],
        "record": [f"{failed}.json"],
        "queue": ["--queue", "to-digitoo"],
        "all": ["--all"],
        "link": [f"{place.top}/link/failed/{ODD}"],
        "relative": [os.path.relpath(failed)],
    }[how]
    ended = place.command("retry", *words)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "moved back as" in ended.stdout
    if not running:
        assert (place.drop("to-digitoo") / ODD).exists()
        assert "came back from failed/" in place.command("why", str(place.drop("to-digitoo") / ODD)).stdout
        place.start()
    filed(place, "done", ODD)
    again = place.command("retry", str(failed))
    assert (again.returncode, "taken away, or moved back" in again.stdout) == (1, True)
    assert "nothing to send again" in place.command("retry", "--all").stdout
    assert len(sandbox.ledger) == 1


@pytest.mark.parametrize(
    ("verdict", "named", "running"),
    [
        ("--sent", "dropped", True),
        ("--sent", "work", False),
        ("--resend", "work", True),
        ("--resend", "id", False),
        ("--fail", "id", True),
        ("--fail", "dropped", False),
    ],
)
def test_an_uncertain_document_is_settled(
    verdict: str,
    named: str,
    running: bool,  # noqa: FBT001 — a parameter
    patient: Site,
    sandbox: SandboxServer,
) -> None:
    """It is named as it was dropped, as it lies there, or by its id, and goes where the person says."""
    sandbox.play(LOST)
    patient.start()
    path = put(patient, ODD)
    wait_for(uncertain(patient), 10)
    (work,) = (p for p in patient.drop("to-digitoo").glob(".hotfolder/*") if p.name not in {"lock", "run"})
    if not running:
        patient.stop()
    word = {"dropped": str(path), "work": str(work), "id": work.name[:36]}[named]
    ended = patient.command("resolve", word, verdict, *(["4711"] if verdict == "--sent" else []))
    assert (ended.returncode, ended.stderr) == (0, "")
    area = "failed" if verdict == "--fail" else "done"
    if not running and verdict != "--resend":
        filed(patient, area, ODD, 0.1)
    if not running:
        patient.start()
    record = patient.sidecar(filed(patient, area, ODD))
    assert any("settled by hand" in warning for warning in record["warnings"])
    assert record["possible_duplicate"] == (verdict == "--resend")
    assert len(sandbox.ledger) == (verdict == "--resend")
    if verdict == "--sent":
        assert record["response"] == {
            "StatusCode": 200,
            "ErrorKey": None,
            "Messages": None,
            "DocumentIDs": [{"DocumentID": "4711"}],
        }
    if verdict == "--fail":
        assert (record["response"]["StatusCode"], record["error_source"]) == (504, "transport")
    again = patient.command("resolve", word, "--fail")
    assert (again.returncode, "only an uncertain document" in again.stderr) == (1, True)
    assert "settled by hand" in patient.why(path)["reason"]
    assert patient.command("audit").returncode == 0


def test_a_killed_daemon_leaves_a_document_to_settle(patient: Site, sandbox: SandboxServer) -> None:
    """What was on the wire when the daemon died can be settled before it runs again, and is not sent again."""
    sandbox.play([{"match": {"service": "digitoo", "path": "*/upload"}, "do": {"delay_s": 20.0}}])
    patient.start()
    path = put(patient, "scan.pdf")
    wait_for(lambda: "sending" in patient.log.read_text(), 10)
    patient.kill()
    assert patient.command("resolve", str(path), "--sent", "1").returncode == 0
    record = patient.sidecar(filed(patient, "done", "scan.pdf", 0.1))
    with closing(Reader(patient.top / "state")) as reader:
        events = [event for _, event, _, _ in reader.arrows(record["upload_id"])]
    assert events == ["claim", "send", "doubt", "deliver", "file"]
    patient.start()
    assert patient.command("audit").returncode == 0
    assert patient.waiting() == []


def test_an_audit_of_a_busy_daemon(place: Site, sandbox: SandboxServer) -> None:
    """While documents are under way nothing seems lost; what is broken is found, beside the daemon too."""
    sandbox.play([{"match": {"service": "digitoo", "path": "*/upload", "every": 7}, "do": {"rate_limit": 1}}])
    place.start()
    for number in range(60):
        put(place, f"{number}.pdf", number)
    while len(place.archived("done")) < 60:
        ended = place.command("audit", "--json")
        assert (ended.returncode, json.loads(ended.stdout)) == (0, {"problems": []})
    (place.drop("to-digitoo") / "done/7.pdf.json").unlink()
    ended = place.command("audit", "--json", "--quick")
    (problem,) = json.loads(ended.stdout)["problems"]
    assert (ended.returncode, problem["problem"]) == (1, "there is no record beside it")
    assert problem["file"].endswith("to-digitoo/done/7.pdf")
    assert "1 problem" in place.command("audit").stdout


def test_somebody_else_has_the_state_directory(place: Site) -> None:
    """Where neither a daemon answers nor the lock is free, the command says who has it, and ends with 75."""
    (place.top / "state").mkdir()
    code = (
        "import hotfolder.main.hands as hands; hands._PATIENCE_S = 0.3\n"
        "from hotfolder.main import program; program(prog_name='hotfolder')"
    )
    lock = lock_state(place.top / "state", "a test")
    try:
        line = [sys.executable, "-c", code, "-c", str(place.config), "pause", "to-digitoo"]
        ended = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    finally:
        lock.release()
    assert ended.returncode == 75
    assert "a test" in ended.stderr


NOBODY = 65534


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act for somebody else: NOT tested")
def test_root_leaves_nothing_that_the_service_cannot_change(sandbox: SandboxServer) -> None:
    """Run by root without a daemon, a command works as the owner of the state directory."""
    program, environ = python_for_all()
    with tempfile.TemporaryDirectory() as name, site(Path(name), sandbox, keys=QUICK) as place:
        place.top.chmod(0o755)
        (place.top / "state").mkdir()
        os.chown(place.top / "state", NOBODY, NOBODY)
        line = [*program, "-c", str(place.config), "pause", "to-digitoo"]
        subprocess.run(line, env=environ, timeout=60, check=True)
        made = list((place.top / "state").iterdir())
        assert {"lock", "journal.sqlite3"} <= {p.name for p in made}
        assert {(p.stat().st_uid, p.stat().st_gid) for p in made} == {(NOBODY, NOBODY)}


def test_a_thread_that_hangs_does_not_hold_up_the_end(place: Site) -> None:
    """A thread that is stuck in a dead share when the daemon is told to stop does not keep it from ending."""
    code = (
        "import sys, threading, hotfolder.status as status\n"
        "def stuck(*_):\n"
        "    print('stuck', file=sys.stderr, flush=True)\n"
        "    threading.Event().wait()\n"
        "status.explain = stuck\n"
        "from hotfolder.main import program; program(prog_name='hotfolder')"
    )
    path = put(place, "scan.tmp")
    with place.log.open("ab") as log:
        place.process = subprocess.Popen(
            [sys.executable, "-c", code, "-c", str(place.config), "run"], stderr=log
        )
    wait_for(place.scanned, 30)
    line = [sys.executable, "-m", "hotfolder", "-c", str(place.config), "why", str(path)]
    with subprocess.Popen(line, stderr=subprocess.DEVNULL) as asking:
        wait_for(lambda: "stuck" in place.log.read_text(), 10)
        place.process.send_signal(signal.SIGTERM)
        assert place.process.wait(timeout=20) == 0
        asking.kill()


def test_queues_that_share_a_failed_folder_get_their_own_back(tmp_path: Path, sandbox: SandboxServer) -> None:
    """`retry` moves a document into the drop folder of the queue that its record names, never into another's."""
    text = "".join(
        line.replace("{keys}", "failed: {top}/failed, {keys}") if line.startswith("  to-") else line
        for line in CONFIG.splitlines(keepends=True)
    )
    with site(tmp_path, sandbox, keys=QUICK, text=text) as place:
        for queue in place.queues():
            (place.drop(queue) / f"{queue}.txt").write_text("no document")
        place.start()
        wait_for(lambda: sum(q["counts"]["failed"] for q in place.status()) == len(place.queues()), 15)
        assert place.stop() == 0
        for queue in place.queues():
            told = place.command("why", str(tmp_path / "failed" / f"{queue}.txt"))
            assert f"failed in queue {queue}" in told.stdout
        ended = place.command("retry", "--queue", "to-digitoo")
        assert (ended.returncode, ended.stdout.count("moved back")) == (0, 1)
        ended = place.command("retry", "--all")
        assert (ended.returncode, ended.stdout.count("moved back")) == (0, 2)
        for queue in place.queues():
            assert [p.name for p in place.drop(queue).glob("*.txt")] == [f"{queue}.txt"]
