"""What people and scanners do with documents that were there before, with the whole program."""

import os
from pathlib import Path

import pytest

from hotfolder.sandbox.server import SandboxServer
from tests.e2e.harness import QUICK, filed, site, wait_for
from tests.e2e.producers import reportlab_pdf


def test_identical_documents_dropped_at_once(tmp_path: Path, sandbox: SandboxServer) -> None:
    """With `duplicates: done` every service gets one of them, the others end with its ids."""
    with site(tmp_path, sandbox, keys=f"{QUICK}, duplicates: done") as place:
        content = reportlab_pdf(1)
        for queue in place.queues():
            for number in range(5):
                (place.drop(queue) / f"{number}.pdf").write_bytes(content)
        place.start()
        wait_for(lambda: sum(q["counts"]["done"] for q in place.status()) == 15, 30)
        assert len(sandbox.ledger) == 3
        for queue in place.queues():
            records = [place.sidecar(p) for p in place.archived("done") if place.drop(queue) in p.parents]
            (first,) = [r for r in records if r["duplicate_of"] is None]
            assert {r["duplicate_of"] for r in records} == {None, first["upload_id"]}
            assert all(r["response"]["DocumentIDs"] == first["response"]["DocumentIDs"] for r in records)


@pytest.mark.parametrize("with_record", [True, False])
def test_a_failed_document_is_moved_back(tmp_path: Path, sandbox: SandboxServer, with_record: bool) -> None:  # noqa: FBT001
    """It is sent again with its history; its record, moved along or left behind, is never taken for a document."""
    sandbox.play([{"match": {"path": "*/upload", "first": 1}, "do": {"status": 413}}])
    with site(tmp_path, sandbox, keys=QUICK) as place:
        place.start()
        drop = place.drop("to-digitoo")
        (drop / "scan.pdf").write_bytes(reportlab_pdf(1))
        old = place.sidecar(filed(place, "failed", "scan.pdf"))
        record = drop / "scan.pdf.json"
        if with_record:
            os.rename(drop / "failed/scan.pdf.json", record)
        os.rename(drop / "failed/scan.pdf", drop / "scan.pdf")
        new = place.sidecar(filed(place, "done", "scan.pdf"))
        assert new["retry_of"] == old["upload_id"]
        assert new["attempts"][0]["status"] == 413
        wait_for(lambda: not list((drop / "failed").iterdir()), 10, "no record left in failed/")
        if with_record:
            wait_for(lambda: place.why(record)["state"] == "ignored", 10)
            assert "record of an earlier upload" in place.why(record)["rule"]
            assert record.exists()
        assert len(sandbox.ledger) == 1


def test_a_scanner_that_makes_the_name_again(tmp_path: Path, sandbox: SandboxServer) -> None:
    """Both versions are sent, each as itself; the second names the first, and the log warns."""
    with site(tmp_path, sandbox, keys=QUICK) as place:
        place.start()
        drop, page = place.drop("to-digitoo"), reportlab_pdf(1)
        (drop / "scan.pdf").write_bytes(page)
        first = place.sidecar(filed(place, "done", "scan.pdf"))
        (drop / "scan.pdf").write_bytes(page + b"% another page\n%%EOF\n")
        wait_for(lambda: sum(q["counts"]["done"] for q in place.status()) == 2, 15)
        (second,) = [r for r in map(place.sidecar, place.archived("done")) if r != first]
        assert second["supersedes"] == first["upload_id"]
        assert {e.sha256 for e in sandbox.ledger.entries} == {r["file"]["sha256"] for r in (first, second)}
        assert "raise `settle`" in place.log.read_text()


def test_given_up_while_nobody_answers(tmp_path: Path, sandbox: SandboxServer) -> None:
    """With `give_up_after` a document does not wait for ever, also through a restart; the next one may go later."""
    sandbox.play([{"match": {"path": "*/upload", "first": 1}, "do": {"rate_limit": {"retry_after_s": 600}}}])
    with site(tmp_path, sandbox, keys=f"{QUICK}, give_up_after: 3s") as place:
        place.start()
        drop = place.drop("to-digitoo")
        (drop / "scan.pdf").write_bytes(reportlab_pdf(1))
        wait_for(lambda: list((drop / ".hotfolder").glob("*scan.pdf")), 10)
        place.kill()
        place.start()
        record = place.sidecar(filed(place, "failed", "scan.pdf"))
        assert (record["error_source"], record["response"]["DocumentIDs"]) == ("transport", None)
        assert "`give_up_after`" in record["response"]["Messages"][0]["Message"]
        assert len(sandbox.ledger) == 0


def test_a_portal_does_not_make_anything_sent_twice(tmp_path: Path, sandbox: SandboxServer) -> None:
    """With `uncertain: resend` a portal's page is no answer: the document is asked for until the service says."""
    sandbox.play(
        [
            {"match": {"path": "*/upload", "first": 1}, "do": {"reset": "after_commit"}},
            {"match": {"method": "GET", "first": 2}, "do": {"html": 200}},
        ]
    )
    with site(tmp_path, sandbox, keys=f"{QUICK}, uncertain: resend") as place:
        place.start()
        (place.drop("to-digitoo") / "scan.pdf").write_bytes(reportlab_pdf(1))
        record = place.sidecar(filed(place, "done", "scan.pdf", 40))
        assert (record["recovered"], record["possible_duplicate"]) == (True, False)
        assert len(sandbox.ledger) == 1
