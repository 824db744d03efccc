"""`mode: batch` with a real daemon: one request per file at every service, in order, reported once, through crashes."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hotfolder.journal import Reader
from hotfolder.model import State
from hotfolder.sandbox.server import SandboxServer
from tests.e2e.harness import QUICK, Site, site, wait_for
from tests.e2e.producers import reportlab_pdf

SERVICES = ["to-rossum", "to-digitoo", "to-docdigitizer"]
NAMES = [f"{letter}.pdf" for letter in "abcde"]
BATCH = f"{QUICK}, mode: batch"


def put_all(place: Site, queue: str, names: list[str] = NAMES) -> None:
    """Drop documents in another order than that of their names."""
    for name in [*names[::2], *names[1::2]]:
        (place.top / "outside").write_bytes(reportlab_pdf(ord(name[0])))
        (place.top / "outside").rename(place.drop(queue) / name)


def reports(place: Site, queue: str) -> list[dict[str, Any]]:
    """Return the reports of a queue, the oldest first."""
    return [json.loads(p.read_text()) for p in sorted((place.drop(queue) / "done").glob("*.batch.json"))]


@pytest.mark.parametrize("queue", SERVICES)
def test_one_request_per_file_in_order(tmp_path: Path, sandbox: SandboxServer, queue: str) -> None:
    """Each service gets the documents by name, one in each request; the audit finds nothing wrong."""
    with site(tmp_path, sandbox, keys=BATCH) as place:
        put_all(place, queue)
        assert place.command("once").returncode == 0
        assert [kept.file_name for kept in sandbox.ledger.entries] == NAMES
        assert not any(kept.dropped for kept in sandbox.ledger.entries)
        (report,) = reports(place, queue)
        assert [(f["name"], f["outcome"]) for f in report["files"]] == [(name, "done") for name in NAMES]
        assert place.command("audit").returncode == 0
        explained = place.command("why", str(next((place.drop(queue) / "done").glob("*.batch.json"))))
        assert "the report of a batch" in explained.stdout + explained.stderr


def test_a_batch_that_a_crash_ended(tmp_path: Path, sandbox: SandboxServer) -> None:
    """A daemon killed in the middle reports that batch at its next start, takes the rest as another, sends none twice."""
    sandbox.play([{"match": {"service": "digitoo", "file": "c.pdf"}, "do": {"delay_s": 60.0}}])
    with site(tmp_path, sandbox, keys=BATCH) as place:
        put_all(place, "to-digitoo")
        place.start()
        wait_for(lambda: _sending(place), 20)
        place.kill()
        sandbox.play([])
        place.start()
        first, second = wait_for(
            lambda: len(reports(place, "to-digitoo")) == 2 and reports(place, "to-digitoo"), 40
        )
        assert [f["name"] for f in first["files"]] == NAMES
        assert [f["outcome"] for f in first["files"]] == [*["done"] * 3, *["untouched"] * 2]
        assert [(f["name"], f["outcome"]) for f in second["files"]] == [(n, "done") for n in NAMES[3:]]
        assert sorted(str(kept.file_name) for kept in sandbox.ledger.entries) == NAMES
        place.stop()
        place.start()
        assert len(reports(place, "to-digitoo")) == 2


def _sending(place: Site) -> bool:
    with closing(Reader(place.top / "state")) as reader:
        return any(j.name == b"c.pdf" and j.state is State.SENDING for j in reader.unfinished())


def test_once_stops_at_a_line(tmp_path: Path, sandbox: SandboxServer) -> None:
    """`on_error: stop` in a batch: `once` exits 3, and the report names the place."""
    sandbox.play([{"match": {"service": "digitoo", "file": "c.pdf"}, "do": {"status": 422}}])
    with site(tmp_path, sandbox, keys=f"{BATCH}, on_error: stop") as place:
        put_all(place, "to-digitoo")
        assert place.command("once").returncode == 3
        (report,) = reports(place, "to-digitoo")
        assert report["stopped_at"] == 3
        assert [f["outcome"] for f in report["files"]] == ["done", "done", "failed", "untouched", "untouched"]
