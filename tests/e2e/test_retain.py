"""A daemon that keeps documents for a time, from outside."""

from pathlib import Path

from hotfolder.sandbox.server import SandboxServer
from tests.e2e.harness import QUICK, site, wait_for
from tests.e2e.producers import reportlab_pdf


def test_documents_go_when_their_time_is_over(tmp_path: Path, sandbox: SandboxServer) -> None:
    """Delivered documents are gone soon after their time, failed ones stay, and `why` and `audit` know."""
    with site(tmp_path, sandbox, keys=f"{QUICK}, retain: {{done: 1s, failed: null}}") as place:
        place.start()
        drop = place.drop("to-digitoo")
        (drop / "scan.pdf").write_bytes(reportlab_pdf(1))
        (drop / "notes.txt").write_text("Dear Sir or Madam, " * 9)
        (drop / "done" / "theirs.txt").parent.mkdir(exist_ok=True)
        (drop / "done" / "theirs.txt").write_text("theirs")
        wait_for(lambda: "filed more than 1s ago are removed" in place.log.read_text(), 30, "removed")
        wait_for(lambda: len(list((drop / "failed").glob("*"))) == 2, 15, "failed")
        assert [p.name for p in (drop / "done").iterdir()] == ["theirs.txt"]
        for path in (drop / "scan.pdf", drop / "done" / "scan.pdf"):
            found = place.why(path)
            assert found["state"] == "delivered"
            assert "it was removed from there at" in found["reason"]
        (drop / "done" / "theirs.txt").unlink()
        ended = place.command("audit")
        assert (ended.returncode, ended.stderr) == (0, "")
        assert place.stop() == 0
        assert "it was removed from there at" in place.command("why", str(drop / "scan.pdf")).stdout
