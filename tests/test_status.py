"""How the queues fare, and why a file is where it is."""

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hotfolder.arrivals.inbox import Key
from hotfolder.arrivals.scan import Seen
from hotfolder.checks.readiness import Kind
from hotfolder.filing import Order, file_all
from hotfolder.journal import Change, Entry, Journal
from hotfolder.model import Answer, ErrorSource, Journey, State
from hotfolder.settings import Settings, load_settings
from hotfolder.sidecar import draw, render
from hotfolder.spool import Folders, stamp_of
from hotfolder.states import ARROWS
from hotfolder.status import (
    Explanation,
    Place,
    explain,
    place_of,
    report,
    report_without_daemon,
    state_of,
    unexplained,
)
from hotfolder.status.places import own_folders
from hotfolder.troubles import Kind as TroubleKind
from hotfolder.troubles import Notice, Pending, Phase, Trouble
from tests.builders import NOW, PDF, claimed, delivered, journey, put_in_work, without_privileges
from tests.pipeline.workshop import Guarded, Workshop, picture

CONFIG = """\
state_dir: {top}/state
connections: {{acme: {{backend: digitoo, token: t0ken}}}}
queues:
  invoices: {{connection: acme, queue_id: 8236, folder: {top}/invoices, failed: {top}/failed, ignore: ["draft*"]}}
  orders: {{connection: acme, queue_id: 1, folder: {top}/orders}}
"""


RECORD = render(draw(delivered(), NOW))


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
        ("scan.png.json", RECORD, "ignored", "the record of an earlier upload"),
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
    invoices, orders = report_without_daemon(settings, journal.reader, NOW)["queues"]
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
    assert report_without_daemon(settings, None, NOW)["queues"][0]["counts"]["claimed"] == 0


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


def test_a_silent_service_shows(tmp_path: Path, journal: Journal) -> None:
    """A queue with documents that the service does not finish names one, says since when, and counts them."""
    top = tmp_path / "drop"
    top.mkdir()
    shop = Workshop(top, journal, Guarded())
    shop.drop._offline = None
    late = journey(state=State.ACCEPTED, stalled=True, reason="the service has had it since then")
    shop.line.carried = {"1": late, "2": replace(late, stalled=False), "3": late}
    assert state_of(shop.lane, shop.line) == (
        "active",
        "scan.pdf: the service has had it since then (2 in all)",
    )


def test_a_journal_that_cannot_be_written(tmp_path: Path, journal: Journal) -> None:
    """A queue whose steps cannot be recorded is paused and says why, and so does each file that waits there."""
    top = tmp_path / "drop"
    top.mkdir()
    shop = Workshop(top, journal, Guarded())
    shop.put("a.tmp")
    shop.put("b.png", picture(1))
    for name in (b"a.tmp", b"b.png"):
        stamp = stamp_of(os.lstat(os.path.join(os.fsencode(top), name)))
        shop.drop.inbox.observe(Seen(b"", name, Kind.FILE, stamp), 0.0, NOW)
    shop.drop._offline = None
    assert state_of(shop.lane, shop.line) == ("active", None)
    shop.line._means.recorder.trouble = "the journal cannot be written: disk full"
    assert state_of(shop.lane, shop.line) == ("paused", "the journal cannot be written: disk full")

    def told(name: bytes) -> Explanation:
        path = os.path.join(os.fsencode(top), name)
        found = explain(Place(shop.queue, "drop", b"", name), path, shop.line, shop.lane, journal.reader)
        assert found is not None
        return found

    assert "the journal cannot be written: disk full" in told(b"b.png").reason
    assert "journal" not in told(b"a.tmp").reason


@pytest.mark.parametrize(
    ("recursive", "path", "rule", "folder"),
    [
        (False, "sub/a.png", "a folder (this queue is not `recursive`)", "sub/"),
        (False, "sub/deep/a.png", "a folder (this queue is not `recursive`)", "sub/"),
        (True, "sub/a.png", None, None),
        (True, "sub/.hidden/a.png", "hidden", "sub/.hidden/"),
        (True, "#recycle/a.png", "recycle bin", "#recycle/"),
        (True, "link/a.png", "symbolic link", "link/"),
        (False, "link/a.png", "symbolic link", "link/"),
        (True, "sub/link/a.png", "symbolic link", "sub/link/"),
    ],
)
def test_a_file_below_a_folder(
    recursive: Any, path: str, rule: str | None, folder: str | None, settings: Settings, tmp_path: Path
) -> None:
    """A file below a folder that is not entered is ignored by the rule of that folder, and names both."""
    drop = tmp_path / "invoices"
    outside = tmp_path / "outside"
    (drop / "sub").mkdir()
    outside.mkdir()
    for link in (drop / "link", drop / "sub" / "link"):
        link.symlink_to(outside)
    (drop / path).parent.mkdir(parents=True, exist_ok=True)
    (drop / path).write_bytes(picture())
    queue = settings.queues["invoices"].model_copy(update={"recursive": recursive})
    place = place_of(settings, os.fsencode(drop / path))
    assert place is not None
    found = explain(replace(place, queue=queue), os.fsencode(drop / path), None, None, None)
    assert found is not None
    assert (found.state, found.rule is None) == ("waiting" if rule is None else "ignored", rule is None)
    if rule and folder:
        assert rule in (found.rule or "")
        assert f"lies in {folder}" in found.reason


def test_an_archive_that_was_moved_elsewhere_is_not_sent_again(settings: Settings, tmp_path: Path) -> None:
    """What was filed into failed/ of the drop folder stays there, though the queue files elsewhere now, and is told of."""
    old = tmp_path / "invoices" / "failed"
    old.mkdir()
    (old / "a.png").write_bytes(picture())
    queue = settings.queues["invoices"].model_copy(update={"recursive": True})
    assert own_folders(queue) == {b".hotfolder", b"done", b"failed"}
    path = os.fsencode(old / "a.png")
    place = place_of(settings, path)
    assert place is not None
    assert place.area == "drop"
    found = explain(replace(place, queue=queue), path, None, None, None)
    assert found is not None
    assert found.state == "ignored"
    assert "done/ and failed/ of a drop folder" in (found.rule or "")


def test_a_link_above_the_drop_folder(settings: Settings, tmp_path: Path) -> None:
    """A path that reaches the drop folder, or a folder below it, through a link from outside belongs to it."""
    drop = tmp_path / "invoices"
    (drop / "sub").mkdir()
    (tmp_path / "top").symlink_to(drop)
    (tmp_path / "below").symlink_to(drop / "sub")
    queue = settings.queues["invoices"]
    asked = {
        path: place_of(settings, os.fsencode(tmp_path / path)) for path in ("top/a", "below/a", "top/done/a")
    }
    assert asked == {
        "top/a": Place(queue, "drop", b"", b"a"),
        "below/a": Place(queue, "drop", b"sub", b"a"),
        "top/done/a": Place(queue, "done", b"", b"a"),
    }


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("invoices", "it is the drop folder of queue invoices"),
        ("invoices/.hotfolder", "the service's own"),
        ("invoices/.hotfolder/lock", "it is the service's own"),
        (
            "invoices/.hotfolder/results.01890000-0000-7000-8000-000000000000",
            "it was found in a document that is under way, and is filed beside it",
        ),
        ("invoices/.hotfolder/" + "0190-a-b-c-".ljust(36, "0") + ".a.pdf", "the journal does not know"),
        ("invoices/done", "the folder of the delivered documents of queue invoices"),
        ("invoices/done/a.pdf.json", "it is the record beside a.pdf"),
        ("invoices/done/" + "n" * 250 + ".json", "it is the record beside nnn"),
        ("invoices/done/alone.pdf", "no record beside it"),
        ("invoices/done/alone.json", "no record beside it"),
        ("invoices/nothing.pdf", "there is no such file"),
        ("failed", "the folder of the failed documents of queue invoices"),
        ("elsewhere/a.pdf", "it lies in no folder of any queue"),
    ],
)
def test_what_is_no_document(path: str, says: str, settings: Settings, why: Any, tmp_path: Path) -> None:
    """What is no document of a queue is told apart in one sentence."""
    done = tmp_path / "invoices" / "done"
    done.mkdir()
    for name in ("a.pdf", "a.pdf.json", "n" * 252, "n" * 250 + ".json", "alone.pdf", "alone.json"):
        (done / name).touch()
    if ".hotfolder/" in path:
        (tmp_path / path).touch()
    asked = os.fsencode(tmp_path / path)
    place = place_of(settings, asked)
    assert place is None or why(asked) is None
    assert says in unexplained(settings, asked)


def test_what_lies_there_is_counted(settings: Settings, drop_path: Path) -> None:
    """Without a daemon the drop folders are counted by the same rules, and the oldest file's age is told."""
    for name in ("a.png", "b.pdf", "c.tmp", "draft.png"):
        (drop_path / name).touch()
    for folder in ("sub", "done"):
        (drop_path / folder).mkdir()
        (drop_path / folder / "d.png").touch()
    oldest = min((drop_path / name).stat().st_ctime for name in ("a.png", "b.pdf"))
    flat, _ = report_without_daemon(settings, None, oldest + 60)["queues"]
    assert (flat["counts"]["waiting"], flat["counts"]["ignored"]) == (2, 3)
    assert flat["oldest_waiting_s"] == pytest.approx(60, abs=0.01)
    deep_queue = settings.queues["invoices"].model_copy(update={"recursive": True})
    deep = settings.model_copy(update={"queues": {"invoices": deep_queue}})
    (told,) = report_without_daemon(deep, None, NOW)["queues"]
    assert (told["counts"]["waiting"], told["counts"]["ignored"]) == (3, 2)


def test_a_folder_that_cannot_be_listed(settings: Settings, drop_path: Path) -> None:
    """Without a daemon a drop folder that is missing or forbidden makes its queue offline, with the reason."""
    _, missing = report_without_daemon(settings, None, NOW)["queues"]
    drop_path.chmod(0)
    with without_privileges():
        forbidden, _ = report_without_daemon(settings, None, NOW)["queues"]
    drop_path.chmod(0o755)
    assert (forbidden["state"], missing["state"]) == ("offline", "offline")
    assert "Permission denied" in forbidden["reason"]
    assert "No such file" in missing["reason"]


def test_what_waits_to_be_told_is_shown_without_a_daemon(settings: Settings, journal: Journal) -> None:
    """For each target the number of notices, and since when the oldest waits."""
    trouble = Trouble("queue q", TroubleKind.QUEUE, ("q",), "it is paused", "", "", NOW)
    rows = [Pending(n, "office", Notice(Phase.BEGAN, trouble, NOW + n), times=n) for n in (1, 2)]
    journal.tell(Change(put=tuple(rows))).result()
    told = report_without_daemon(settings, journal.reader, NOW)["notices"]
    assert told == {
        "office": {"waiting": 3, "oldest": "2023-11-14T22:13:21.000Z", "trouble": None, "last_sent": None}
    }
