"""The daemon while folders, services and configurations change under it."""

import shutil
import signal
from pathlib import Path

from hotfolder.sandbox.server import SandboxServer
from tests.e2e.harness import QUICK, Site, filed, site, wait_for
from tests.e2e.producers import reportlab_pdf


def test_hidden_and_litter_folders_hold_no_documents(tmp_path: Path, sandbox: SandboxServer) -> None:
    """Recycle bins, thumbnails and temporary folders are left alone, however they come, also when moved in."""
    with site(tmp_path, sandbox, keys=f"{QUICK}, recursive: true") as place:
        drop = place.drop("to-digitoo")
        (drop / "#recycle").mkdir()
        (drop / "#recycle/deleted.pdf").write_bytes(reportlab_pdf(1))
        place.start()
        for number, name in enumerate((".~tmp~", ".Trash-1000", "sub/@eaDir")):
            folder = tmp_path / f"outside{number}" / name
            folder.mkdir(parents=True)
            (folder / "litter.pdf").write_bytes(reportlab_pdf(2 + number))
            top = tmp_path / f"outside{number}" / name.split("/")[0]
            top.rename(drop / top.name)
        (drop / "sub/good.pdf").write_bytes(reportlab_pdf(9))
        wait_for((drop / "done/sub/good.pdf").exists, 15)
        assert len(sandbox.ledger) == 1
        assert (drop / "#recycle/deleted.pdf").exists()
        assert (drop / ".Trash-1000/litter.pdf").exists()
        assert (drop / "sub/@eaDir/litter.pdf").exists()


def test_a_work_folder_that_is_removed_is_made_again(place: Site, sandbox: SandboxServer) -> None:
    """The next document is claimed and delivered, without a round of failures for each."""
    place.start()
    drop = place.drop("to-digitoo")
    shutil.rmtree(drop / ".hotfolder")
    (drop / "next.pdf").write_bytes(reportlab_pdf(1))
    filed(place, "done", "next.pdf", 20)
    assert place.log.read_text().count("returned") < 5
    assert len(sandbox.ledger) == 1


def test_a_reload_during_an_upload_sends_nothing_twice(tmp_path: Path, sandbox: SandboxServer) -> None:
    """The request outlives the grace period: it is cut off or asked about, and the process keeps its number."""
    sandbox.play([{"match": {"service": "digitoo", "path": "*/upload", "first": 1}, "do": {"delay_s": 6.0}}])
    with site(tmp_path, sandbox, keys=QUICK) as place:
        place.write_config(place.text.replace("grace: 10s", "grace: 500ms"))
        place.start()
        assert place.process is not None
        (place.drop("to-digitoo") / "slow.pdf").write_bytes(reportlab_pdf(1))
        wait_for(lambda: sum(q["counts"]["claimed"] for q in place.status()), 10)
        place.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "starts itself anew" in place.log.read_text(), 10)
        filed(place, "done", "slow.pdf", 30)
        assert len(sandbox.ledger) == 1
        assert place.stop() == 0


def test_a_document_taken_out_of_the_work_folder_is_reported_and_holds_nobody_up(
    place: Site, sandbox: SandboxServer
) -> None:
    """`status` names it; the next document goes its way."""
    sandbox.play([{"match": {"service": "digitoo", "path": "*/upload", "first": 1}, "do": {"rate_limit": 2}}])
    place.start()
    drop = place.drop("to-digitoo")
    (drop / "taken.pdf").write_bytes(reportlab_pdf(1))
    work = wait_for(lambda: list((drop / ".hotfolder").glob("*taken.pdf")), 10)
    work[0].unlink()
    (drop / "next.pdf").write_bytes(reportlab_pdf(2))
    filed(place, "done", "next.pdf", 20)
    wait_for(lambda: any("taken.pdf" in (q["reason"] or "") for q in place.status()), 10)
    assert len(sandbox.ledger) == 1


def test_one_wrong_queue_does_not_keep_the_others_paused(place: Site, sandbox: SandboxServer) -> None:
    """Queues of one connection: only the one that the service does not know stays paused."""
    accepted = sandbox.world.credentials
    sandbox.world.credentials = type(accepted)(digitoo_password="another")
    place.write_config(place.text + "  wrong: {{connection: g, queue_id: nope, settle: 0s}}\n")
    (place.top / "in/wrong").mkdir()
    place.start()
    for name in ("wrong", "to-digitoo"):
        (place.top / "in" / name / f"{name}.pdf").write_bytes(reportlab_pdf(len(name)))

    def states() -> dict[str, str]:
        return {q["name"]: q["state"] for q in place.status()}

    wait_for(lambda: states()["to-digitoo"] == "paused", 10)
    sandbox.world.credentials = accepted
    filed(place, "done", "to-digitoo.pdf", 20)
    wait_for(lambda: states()["wrong"] == "paused" and states()["to-digitoo"] == "active", 10)
    assert len(sandbox.ledger) == 1


def test_once_takes_the_healthy_queues_before_it_gives_up_on_the_others(
    place: Site, sandbox: SandboxServer
) -> None:
    """An offline queue costs the exit status, not the other queues' documents."""
    (place.drop("to-digitoo") / "good.pdf").write_bytes(reportlab_pdf(1))
    place.drop("to-rossum").rmdir()
    found = place.command("once")
    assert found.returncode == 3
    assert "to-rossum is offline" in found.stdout
    assert [p.name for p in place.archived("done")] == ["good.pdf"]


def test_a_queue_that_was_renamed_says_what_it_left_behind(place: Site, sandbox: SandboxServer) -> None:
    """Documents of the old name stay in the work folder, and `status` and `once` of the new one say so."""
    sandbox.play(
        [{"match": {"service": "digitoo", "method": "POST", "path": "*/upload"}, "do": {"status": 500}}]
    )
    place.write_config(place.text.replace("ask_after: 1s", "ask_after: 1h"))
    place.start()
    (place.drop("to-digitoo") / "left.pdf").write_bytes(reportlab_pdf(1))
    wait_for(lambda: sum(q["counts"]["uncertain"] for q in place.status()), 15)
    place.kill()
    renamed = "other-name: {{connection: g, queue_id: q7, folder: {top}/in/to-digitoo, {keys}}}"
    place.write_config(place.text.replace("to-digitoo: {{connection: g, queue_id: q7, {keys}}}", renamed))
    place.start()
    (told,) = (q for q in place.status() if q["name"] == "other-name")
    assert "left.pdf belongs to queue to-digitoo" in told["reason"]
    assert place.stop() == 0
    assert place.command("once").returncode == 1
