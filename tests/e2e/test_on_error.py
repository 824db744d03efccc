"""`on_error` with a real daemon: the stop outlives it, `once` says so, and only `resume` ends it."""

from pathlib import Path

import pytest

from hotfolder.sandbox.server import SandboxServer
from tests.e2e.harness import CONFIG, QUICK, Site, filed, site, wait_for
from tests.e2e.producers import reportlab_pdf

SERVICES = ["to-rossum", "to-digitoo", "to-docdigitizer"]


def put(place: Site, name: str, number: int, queue: str = "to-digitoo") -> Path:
    """Drop a whole document and return its path."""
    (place.top / "outside").write_bytes(reportlab_pdf(number))
    (place.top / "outside").rename(place.drop(queue) / name)
    return place.drop(queue) / name


def one_queue(place: Site, queue: str, mode: str) -> None:
    """Set `on_error` for one queue, the others go on."""
    place.write_config(CONFIG.replace(f"  {queue}: {{{{", f"  {queue}: {{{{on_error: {mode}, "))


def told(place: Site, queue: str) -> tuple[str, str]:
    """Return a queue's state and reason."""
    return next((q["state"], q["reason"] or "") for q in place.status() if q["name"] == queue)


@pytest.mark.parametrize("queue", SERVICES)
def test_a_stop_outlives_the_daemon(tmp_path: Path, sandbox: SandboxServer, queue: str) -> None:
    """The rest is untouched, the other queues go on, `once` exits 3, and `resume` without a daemon ends it."""
    service = queue.removeprefix("to-")
    sandbox.play([{"match": {"service": service, "file": "bad.pdf"}, "do": {"status": 422}}])
    with site(tmp_path, sandbox, keys=QUICK) as place:
        one_queue(place, queue, "stop")
        place.start()
        put(place, "bad.pdf", 1, queue)
        failed = filed(place, "failed", "bad.pdf")
        wait_for(lambda: told(place, queue)[0] == "stopped", 10)
        rest = [put(place, f"rest{number}.pdf", 2 + number, queue) for number in range(3)]
        wait_for(lambda: "hotfolder resume" in place.why(rest[2]).get("reason", ""), 10)
        assert "(the queue is stopped since" in place.why(rest[2])["reason"]
        assert place.sidecar(failed)["response"]["StatusCode"] == 422
        assert "bad.pdf failed" in told(place, queue)[1]
        place.kill()
        assert "bad.pdf failed" in place.command("status").stdout
        others = [put(place, "other.pdf", 9, other) for other in SERVICES if other != queue]
        ended = place.command("once")
        assert (ended.returncode, "is stopped" in ended.stdout + ended.stderr) == (3, True)
        assert not any(path.exists() for path in others)
        assert all(path.exists() for path in rest)
        assert "goes on" in place.command("resume", queue).stdout
        assert place.command("once").returncode == 0
        assert not any(path.exists() for path in rest)


def test_resume_while_the_daemon_runs(tmp_path: Path, sandbox: SandboxServer) -> None:
    """A file that is no document stops the queue as well; the record stays without the error, `why` and the log tell it."""
    with site(tmp_path, sandbox, keys=QUICK) as place:
        one_queue(place, "to-digitoo", "stop_without_record")
        place.start()
        (place.drop("to-digitoo") / "notes.txt").write_text("no document at all, only some words\n")
        failed = filed(place, "failed", "notes.txt")
        wait_for(lambda: told(place, "to-digitoo")[0] == "stopped", 10)
        record = place.sidecar(failed)
        assert (record["outcome"], record["error_source"], record["response"]) == ("failed", "local", None)
        why = place.why(failed)["reason"]
        assert "took it" not in why
        assert why in place.log.read_text()
        rest = put(place, "rest.pdf", 1)
        assert "goes on" in place.command("resume", "to-digitoo").stdout
        filed(place, "done", "rest.pdf")
        assert not rest.exists()
        assert place.stop() == 0
        place.start()
        assert told(place, "to-digitoo") == ("active", "")
        assert place.command("audit").returncode == 0


def test_a_crash_at_the_stop(tmp_path: Path, sandbox: SandboxServer) -> None:
    """A daemon that is killed after the refusal is known goes on with nothing but the filing of it."""
    sandbox.play([{"match": {"service": "digitoo", "path": "*/upload", "first": 1}, "do": {"status": 422}}])
    with site(tmp_path, sandbox, keys=QUICK) as place:
        one_queue(place, "to-digitoo", "stop")
        (place.drop("to-digitoo") / "failed").write_text("in the way of the archive")
        place.start()
        put(place, "bad.pdf", 1)
        wait_for(lambda: told(place, "to-digitoo")[0] == "stopped", 10)
        rest = put(place, "rest.pdf", 2)
        place.kill()
        (place.drop("to-digitoo") / "failed").unlink()
        place.start()
        filed(place, "failed", "bad.pdf")
        assert told(place, "to-digitoo")[0] == "stopped"
        assert rest.exists()
