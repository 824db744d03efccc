"""A queue that has hours, from outside."""

from datetime import datetime, timedelta
from pathlib import Path

from hotfolder.sandbox.server import SandboxServer
from hotfolder.schedule import DAYS
from tests.e2e.harness import CONFIG, QUICK, site
from tests.e2e.producers import reportlab_pdf


def test_once_outside_the_hours(tmp_path: Path, sandbox: SandboxServer) -> None:
    """Documents that wait for their hours end `once` with 3 and say until when; an empty queue is done."""
    begin, end = (datetime.now() + timedelta(hours=h) for h in (2, 4))  # noqa: DTZ005 — a wall clock
    hours = f'schedule: "{DAYS[begin.weekday()]} {begin:%H:%M}-{end:%H:%M}"'
    text = CONFIG.replace("queue_id: q7,", f"queue_id: q7, {hours},")
    with site(tmp_path, sandbox, keys=QUICK, text=text) as place:
        assert place.command("once").returncode == 0
        path = place.drop("to-digitoo") / "scan.pdf"
        path.write_bytes(reportlab_pdf(1))
        (place.drop("to-rossum") / "other.pdf").write_bytes(reportlab_pdf(2))
        ended = place.command("once")
        until = f"outside its schedule until {DAYS[begin.weekday()]} {begin:%H:%M}"
        assert (ended.returncode, ended.stdout) == (3, f"queue to-digitoo: {until}\n")
        assert path.exists()
        assert len(sandbox.ledger) == 1
        place.start()
        (status,) = (q for q in place.status() if q["name"] == "to-digitoo")
        assert (status["state"], status["reason"]) == ("active", until)
        assert until in place.why(path)["reason"]
