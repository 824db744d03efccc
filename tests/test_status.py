"""How the queues fare, and why a file is where it is."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from hotfolder.arrivals.inbox import Key
from hotfolder.filing import Order, file_all
from hotfolder.journal import Entry, Journal
from hotfolder.model import Answer, ErrorSource, Journey, State
from hotfolder.settings import Settings, load_settings
from hotfolder.spool import Folders
from hotfolder.states import ARROWS
from hotfolder.status import Explanation, Place, explain, place_of, report, report_without_daemon, state_of
from tests.builders import NOW, PDF, claimed, delivered, journey, put_in_work
from tests.pipeline.workshop import Guarded, Workshop, picture

CONFIG = """\
state_dir: {top}/state
connections: {{acme: {{backend: digitoo, token: t0ken}}}}
queues:
  invoices: {{connection: acme, queue_id: 8236, folder: {top}/invoices, failed: {top}/failed, ignore: ["draft*"]}}
  orders: {{connection: acme, queue_id: 1, folder: {top}/orders}}
"""


@pytest.fixture
def settings(folders: Folders, tmp_path: Path) -> Settings:
    """Two queues, of which `invoices` has its folders."""
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.format(top=tmp_path))
    return load_settings(file, {"HOME": str(tmp_path)})


@pytest.fixture
def why(settings: Settings, journal: Journal) -> Any:
    """Ask why a path is where it is, without a daemon."""

    def ask(path: Path | bytes) -> Explanation | None:
        place = place_of(settings, os.fsencode(path))
        assert place is not None
        return explain(place, os.fsencode(path), None, None, journal.reader)

    return ask


def write(journal: Journal, made: Journey) -> Journey:
    """Write the row of a journey in any state."""
    event, before = next((e, b) for (b, e), after in ARROWS.items() if after is made.state)
    journal.record(Entry(made, event, NOW), before).result(20)
    return made


@pytest.mark.parametrize(
    ("path", "area", "below"),
    [
        (b"invoices/a.pdf", "drop", (b"", b"a.pdf")),
        (b"invoices/sub/\xff", "drop", (b"sub", b"\xff")),
        (b"invoices/..a.pdf", "drop", (b"", b"..a.pdf")),
        (b"invoices/done/a.pdf", "done", (b"", b"a.pdf")),
        (b"failed/sub/a.pdf", "failed", (b"sub", b"a.pdf")),
        (b"invoices/.hotfolder/x", "work", (b"", b"x")),
        (b"invoices", None, None),
        (b"elsewhere/a.pdf", None, None),
        (b"invoices-2/a.pdf", None, None),
    ],
)
def test_places(path: bytes, area: str | None, below: Key | None, settings: Settings, tmp_path: Path) -> None:
    """A path belongs to the queue and to the one of its folders that it lies in, or to none."""
    found = place_of(settings, os.path.join(os.fsencode(tmp_path), path))
    assert found == (
        None if area is None or below is None else Place(settings.queues["invoices"], area, *below)
    )


@pytest.mark.parametrize(
    ("name", "content", "state", "says"),
    [
        ("scan.png", picture(), "waiting", "whole and acceptable"),
        ("scan.pdf", b"", "waiting", "empty"),
        ("notes.txt", b"Dear Sir or Madam, " * 9, "waiting", "it will be refused"),
        ("scan.tmp", picture(), "ignored", "temporary file"),
        ("draft.png", picture(), "ignored", "this queue's `ignore`"),
    ],
)
def test_a_file_without_a_daemon(
    name: str, content: bytes, state: str, says: str, why: Any, drop_path: Path
) -> None:
    """Without a daemon a file is judged as it lies there, and an ignored one names its rule."""
    (drop_path / name).write_bytes(content)
    found = why(drop_path / name)
    assert (found.state, found.queue) == (state, "invoices")
    assert says in found.reason
    assert (found.rule is None) is (state != "ignored")
    assert list(found.as_json()) == ["file", "queue", "state", "reason", "since", "rule"]
    json.dumps(found.as_json())


def test_what_is_no_file(why: Any, drop_path: Path) -> None:
    """Links and pipes are ignored with the reason, and what never was is unknown."""
    (drop_path / "link.pdf").symlink_to("nowhere")
    os.mkfifo(drop_path / "pipe.pdf")
    assert "symbolic link" in why(drop_path / "link.pdf").rule
    assert "FIFO" in why(drop_path / "pipe.pdf").rule
    assert why(drop_path / "nothing.pdf") is None


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (State.CLAIMED, "claimed"),
        (State.SENDING, "claimed"),
        (State.DEFERRED, "claimed"),
        (State.ACCEPTED, "claimed"),
        (State.UNCERTAIN, "uncertain"),
        (State.DELIVERED, "delivered"),
        (State.REFUSED, "failed"),
    ],
)
def test_a_claimed_file(
    state: State, told: str, why: Any, journal: Journal, folders: Folders, drop_path: Path
) -> None:
    """A claimed document is explained under its old path, and under its path in the work folder."""
    made = write(journal, claimed(folders, journey(state=state)))
    assert why(drop_path / "scan.pdf").state == told
    (in_work,) = os.listdir(folders.work)
    assert why(drop_path / ".hotfolder" / in_work).state == told
    assert made.queue == "invoices"


def test_filed_files(
    why: Any, journal: Journal, folders: Folders, settings: Settings, drop_path: Path
) -> None:
    """A file in an archive is explained by its sidecar, and its old path by the journal."""
    refused = {"answer": Answer(413, None, ("too large",)), "error_source": ErrorSource.SERVER}
    for name, archive, changes in ((b"a.pdf", "done", {}), (b"b.pdf", "failed", refused)):
        made = delivered(name=name, **changes)
        put_in_work(folders, made)
        file_all(folders, [Order(made, str(getattr(settings.queues["invoices"], archive)), NOW)])
        write(journal, delivered(name=name, state=State.FILED, filed_at=NOW, filed_name=name, **changes))
    done, failed = why(drop_path / "done" / "a.pdf"), why(drop_path.parent / "failed" / "b.pdf")
    assert (done.state, failed.state, failed.reason) == ("delivered", "failed", "too large")
    assert why(drop_path / "a.pdf").state == "delivered"
    assert why(drop_path / "b.pdf").reason == "too large; filed as failed/b.pdf"
    (drop_path / "done" / "c.pdf").write_bytes(PDF)
    assert why(drop_path / "done" / "c.pdf") is None


def test_without_a_daemon(settings: Settings, journal: Journal, folders: Folders) -> None:
    """Without a daemon every queue is stopped, with the counts that the journal knows."""
    for state in (State.CLAIMED, State.UNCERTAIN, State.ACCEPTED, State.REFUSED):
        write(journal, journey(state=state))
    invoices, orders = report_without_daemon(settings, journal.reader)["queues"]
    assert (invoices["name"], invoices["state"]) == ("invoices", "stopped")
    assert invoices["counts"] == {
        "waiting": 0,
        "ignored": 0,
        "claimed": 3,
        "uncertain": 1,
        "done": 0,
        "failed": 0,
    }
    assert sum(orders["counts"].values()) == 0
    assert report_without_daemon(settings, None)["queues"][0]["counts"]["claimed"] == 0


def test_with_a_daemon(tmp_path: Path, journal: Journal) -> None:
    """A running daemon's queue says its state and why, its counts, and how it is watched."""
    top = tmp_path / "drop"
    top.mkdir()
    shop = Workshop(top, journal, Guarded())
    shop.backend.locked = True
    assert state_of(shop.lane, shop.line)[0] == "offline"

    async def scenario() -> None:
        shop.put("a.tmp")
        shop.put("b.png", picture(1))
        await shop.until(lambda: shop.lane.gate.paused and "b.png" in shop.waiting(), "paused")
        await shop.until(lambda: shop.drop.inbox.counts() == {"waiting": 1, "ignored": 1}, "seen")

    shop.run(scenario)
    (told,) = report([shop.lane], journal.reader.tallies(), NOW)["queues"]
    assert (told["name"], told["state"], told["watching"]) == ("invoices", "paused", "polling")
    assert "password" in told["reason"]
    assert (told["counts"]["waiting"], told["counts"]["ignored"]) == (1, 1)
    assert told["last_scan"].endswith("Z")
    json.dumps(told)


def test_no_document_is_uncounted(tmp_path: Path, journal: Journal) -> None:
    """Whatever state the documents are in, each is counted once."""
    top = tmp_path / "drop"
    top.mkdir()
    shop = Workshop(top, journal, Guarded())
    states = [s for s in State if s not in {State.FILED, State.RETURNED}]
    shop.line.carried = {str(n): journey(state=s) for n, s in enumerate(states)}
    (told,) = report([shop.lane], {}, NOW)["queues"]
    assert sum(told["counts"].values()) == len(states)
    assert told["oldest_waiting_s"] == 3.0
