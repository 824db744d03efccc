"""The journal is lost, damaged or old: the folders tell what was delivered."""

import os
import shutil
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from hotfolder.sandbox.server import SandboxServer
from tests.e2e.harness import Site, filed, site, wait_for
from tests.e2e.producers import reportlab_pdf


def journal_files(place: Site) -> list[Path]:
    """Return the files of the database."""
    return sorted((place.top / "state").glob("journal.sqlite3*"))


def lose(place: Site, how: str) -> None:
    """Make the journal useless."""
    database = place.top / "state/journal.sqlite3"
    if how == "removed":
        for path in journal_files(place):
            path.unlink()
    elif how == "garbage":
        for path in journal_files(place):  # the write-ahead log alone would mend it
            path.write_bytes(os.urandom(5000))
    else:
        with sqlite3.connect(database) as connection:  # everything in one file
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        content = bytearray(database.read_bytes())
        content[4096 : 6 * 4096] = bytes(5 * 4096)  # the pages behind the first hold the tables' roots
        database.write_bytes(content)


@pytest.mark.parametrize("how", ["removed", "garbage", "torn"])
def test_nothing_is_sent_again_that_was_delivered(how: str, tmp_path: Path, sandbox: SandboxServer) -> None:
    """After the loss every document is in one place, sent once, explained, and what was on the wire was asked for."""
    keys = "settle: 50ms, patience: 1h, recursive: true"
    with site(tmp_path, sandbox, keys=keys) as place:
        place.start()
        for queue in place.queues():
            (place.drop(queue) / "sub").mkdir()
            for number in range(3):
                (place.drop(queue) / f"sub/{number}.pdf").write_bytes(
                    reportlab_pdf(hash((queue, number)) % 9999)
                )
        wait_for(lambda: len(place.archived("done")) == 9, 30)
        # Three more, whose answers never come: they are taken by the service, and the daemon is killed.
        sandbox.play(
            [
                {"match": {"service": queue[3:], "file": "*.pdf"}, "do": {"delay_s": 5.0}}
                for queue in place.queues()
            ]
        )
        for number, queue in enumerate(place.queues()):
            (place.drop(queue) / "sub" / ("long " * 48 + f"{number}.pdf")).write_bytes(
                reportlab_pdf(7000 + number)
            )
        wait_for(lambda: len(sandbox.ledger) == 12, 20, "all taken")
        place.kill()
        sandbox.play([])
        lose(place, how)
        place.start()
        wait_for(lambda: len(place.archived("done")) == 12, 40)
        wait_for(lambda: sum(q["counts"]["done"] for q in place.status()) == 12, 10, "all counted")
        assert place.stop() == 0
        assert place.waiting() == []
        assert set(Counter(entry.sha256 for entry in sandbox.ledger.entries).values()) == {1}
        found = [p for p in place.archived("done") if p.name.startswith("long")]
        assert {p.parent.name for p in found} == {"sub"}
        assert all(place.sidecar(p)["recovered"] for p in found)
        assert len([p for p in journal_files(place) if ".damaged-" in p.name]) == (
            0 if how == "removed" else 1
        )


def test_an_old_copy_of_the_journal_is_noticed(tmp_path: Path, sandbox: SandboxServer) -> None:
    """A backup that does not know what was delivered since does not make it go out again."""
    with site(tmp_path, sandbox, keys="settle: 50ms") as place:
        place.start()
        assert place.stop() == 0
        shutil.copytree(tmp_path / "state", tmp_path / "backup", ignore=shutil.ignore_patterns("*.sock"))
        place.start()
        (place.drop("to-rossum") / "a.pdf").write_bytes(reportlab_pdf(1))
        done = filed(place, "done", "a.pdf")
        assert place.stop() == 0
        # as a crash between the sidecar and the move would have left it
        folder = place.drop("to-rossum") / ".hotfolder"
        done.rename(folder / f"{place.sidecar(done)['upload_id']}.a.pdf")
        shutil.rmtree(tmp_path / "state")
        shutil.copytree(tmp_path / "backup", tmp_path / "state")
        place.start()
        filed(place, "done", "a.pdf")
        wait_for(lambda: not place.waiting(), 10)
        assert place.stop() == 0
        assert len(sandbox.ledger) == 1
        assert sorted(os.listdir(done.parent)) == ["a.pdf", "a.pdf.json"]
