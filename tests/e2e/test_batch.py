"""`mode: batch` with a real daemon: in order, reported once, through crashes; one request per file, but for Rossum."""

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hotfolder.journal import Reader
from hotfolder.model import State
from hotfolder.sandbox.options import SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from tests.e2e.harness import CONFIG, QUICK, Site, site, wait_for
from tests.e2e.producers import reportlab_pdf

SERVICES = ["to-rossum", "to-digitoo", "to-docdigitizer"]
NAMES = [f"{letter}.pdf" for letter in "abcde"]
ONE_QUEUE = (
    CONFIG[: CONFIG.index("  to-rossum")] + CONFIG[CONFIG.index("  to-digitoo") : CONFIG.index("  to-docd")]
)
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
    """Each service gets the documents by name, all but Rossum one in each request; the audit finds nothing wrong."""
    with site(tmp_path, sandbox, keys=BATCH) as place:
        put_all(place, queue)
        assert place.command("once").returncode == 0
        assert [kept.file_name for kept in sandbox.ledger.entries] == NAMES
        assert not any(kept.dropped for kept in sandbox.ledger.entries)
        assert len({kept.number for kept in sandbox.ledger.entries}) == (1 if queue == "to-rossum" else 5)
        (report,) = reports(place, queue)
        assert [(f["name"], f["outcome"]) for f in report["files"]] == [(name, "done") for name in NAMES]
        assert place.command("audit").returncode == 0
        path = next((place.drop(queue) / "done").glob("*.batch.json"))
        explained = place.command("why", str(path))
        assert f"the report of a batch of queue {queue} " in explained.stdout + explained.stderr
        assert ": 5 done" in explained.stdout + explained.stderr


def test_a_batch_that_a_crash_ended(tmp_path: Path, sandbox: SandboxServer) -> None:
    """A daemon killed in the middle reports that batch at its next start, takes the rest as another, sends none twice."""
    sandbox.play([{"match": {"service": "digitoo", "file": "c.pdf"}, "do": {"delay_s": 60.0}}])
    with site(tmp_path, sandbox, keys=BATCH) as place:
        put_all(place, "to-digitoo")
        place.start()
        wait_for(lambda: _sending(place), 60)
        place.kill()
        sandbox.play([])
        place.start()
        first, second = wait_for(
            lambda: len(reports(place, "to-digitoo")) == 2 and reports(place, "to-digitoo"), 120
        )
        assert [f["name"] for f in first["files"]] == NAMES
        assert [f["outcome"] for f in first["files"]] == [*["done"] * 3, *["untouched"] * 2]
        assert [(f["name"], f["outcome"]) for f in second["files"]] == [(n, "done") for n in NAMES[3:]]
        assert sorted(str(kept.file_name) for kept in sandbox.ledger.entries) == NAMES
        place.stop()
        place.start()
        assert len(reports(place, "to-digitoo")) == 2


def test_a_batch_that_an_operator_ended(tmp_path: Path, sandbox: SandboxServer) -> None:
    """On SIGTERM what is on the wire ends, the report is written at once, and the next start goes on with the rest."""
    sandbox.play([{"match": {"service": "digitoo", "file": "c.pdf"}, "do": {"delay_s": 2.0}}])
    with site(tmp_path, sandbox, keys=BATCH) as place:
        put_all(place, "to-digitoo")
        place.start()
        wait_for(lambda: _sending(place), 60)
        assert place.stop() == 0
        (first,) = reports(place, "to-digitoo")
        assert [f["outcome"] for f in first["files"]] == [*["done"] * 3, *["untouched"] * 2]
        assert place.command("audit").returncode == 0
        assert place.command("once").returncode == 0
        assert [f["name"] for f in reports(place, "to-digitoo")[1]["files"]] == NAMES[3:]
        assert [kept.file_name for kept in sandbox.ledger.entries] == NAMES


def test_a_member_that_is_tried_again(tmp_path: Path, sandbox: SandboxServer) -> None:
    """`retry` makes a failed one part of a later batch; the first report stays as it is, and no report is moved back."""
    sandbox.play([{"match": {"service": "digitoo", "file": "c.pdf"}, "do": {"status": 422}}])
    with site(tmp_path, sandbox, keys=BATCH) as place:
        put_all(place, "to-digitoo")
        assert place.command("once").returncode == 1
        (first,) = reports(place, "to-digitoo")
        assert [f["outcome"] for f in first["files"]] == ["done", "done", "failed", "done", "done"]
        sandbox.play([])
        retried = place.command("retry", "--all")
        assert (retried.returncode, len(retried.stdout.splitlines())) == (0, 1)
        assert place.command("once").returncode == 0
        again, second = reports(place, "to-digitoo")
        assert again == first
        assert [(f["name"], f["outcome"]) for f in second["files"]] == [("c.pdf", "done")]
        record = json.loads((place.drop("to-digitoo") / "done" / "c.pdf.json").read_text())
        assert record["batch"] == {"id": second["batch_id"], "place": 1}
        assert record["retry_of"] == first["files"][2]["upload_id"]
        assert place.command("audit").returncode == 0


def test_a_batch_of_several_queues_of_the_service(tmp_path: Path) -> None:
    """Each member goes to the queue of its subfolder, in the order of the names, and the report says where it lies."""
    keys = f"{BATCH}, recursive: true, queue_ids: {{paid: q8}}"
    with (
        SandboxServer(SandboxOptions(digitoo_queues=("q7", "q8"))) as sandbox,
        site(tmp_path, sandbox, keys=keys, text=ONE_QUEUE) as place,
    ):
        drop = place.drop("to-digitoo")
        (drop / "paid").mkdir()
        for number, path in enumerate(("a.pdf", "paid/b.pdf", "c.pdf", "paid/a.pdf")):
            (place.top / "outside").write_bytes(reportlab_pdf(number))
            (place.top / "outside").rename(drop / path)
        assert place.command("once").returncode == 0
        assert [(kept.file_name, kept.queue) for kept in sandbox.ledger.entries] == [
            ("a.pdf", "q7"),
            ("a.pdf", "q8"),
            ("b.pdf", "q8"),
            ("c.pdf", "q7"),
        ]
        (report,) = reports(place, "to-digitoo")
        assert [(f["folder"], f["archive"]) for f in report["files"]] == [
            (None, "a.pdf"),
            ("paid", "paid/a.pdf"),
            ("paid", "paid/b.pdf"),
            (None, "c.pdf"),
        ]
        for file in report["files"]:
            record = json.loads((drop / "done" / file["sidecar"]).read_text())
            assert record["batch"] == {"id": report["batch_id"], "place": file["place"]}


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
