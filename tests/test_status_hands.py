"""What `status` and `why` say of what people did by hand, and of what they can do."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hotfolder.backends.digitoo import Digitoo
from hotfolder.filing import Order, file_all
from hotfolder.journal import Entry, Journal
from hotfolder.model import Answer, ErrorSource, Journey, State
from hotfolder.settings import Settings, load_settings
from hotfolder.spool import Folders
from hotfolder.states import Event
from hotfolder.status import explain, in_words, place_of, report_without_daemon
from tests.builders import NOW, PDF, claimed, journey, put_in_work
from tests.pipeline.workshop import Guarded, Workshop, picture

CONFIG = """\
state_dir: {top}/state
connections: {{acme: {{backend: digitoo, token: t0ken}}}}
queues:
  invoices: {{connection: acme, queue_id: 8236, folder: {top}/invoices}}
"""


@pytest.fixture
def settings(folders: Folders, tmp_path: Path) -> Settings:
    """One queue with its folder."""
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.format(top=tmp_path))
    return load_settings(file, {"HOME": str(tmp_path)})


@pytest.fixture
def why(settings: Settings, journal: Journal) -> Any:
    """Ask why a path is where it is, without a daemon."""

    def ask(path: Path) -> str:
        place = place_of(settings, os.fsencode(path))
        assert place is not None
        found = explain(place, os.fsencode(path), None, None, journal.reader)
        assert found is not None
        return found.reason

    return ask


def recorded(journal: Journal, made: Journey, event: Event, before: State | None) -> Journey:
    """Write one arrow."""
    journal.record(Entry(made, event, NOW), before).result()
    return made


def test_a_pause_by_hand_without_a_daemon(settings: Settings, journal: Journal) -> None:
    """A paused queue says so, and what ends it, also while nothing runs."""
    journal.pause("invoices", NOW, "by hand").result()
    (queue,) = report_without_daemon(settings, journal.reader, NOW)["queues"]
    assert queue["state"] == "stopped"
    assert "paused by hand since 2023-11-14T22:13:20.000Z; `hotfolder resume invoices`" in queue["reason"]


def test_the_limit_of_the_service_without_a_daemon(
    settings: Settings, journal: Journal, drop_path: Path
) -> None:
    """A document that is larger than its service takes will be refused, and `why` knows it without a daemon."""
    path = os.fsencode(drop_path / "large.png")
    Path(os.fsdecode(path)).write_bytes(picture())
    place = place_of(settings, path)
    assert place is not None
    assert place.service_limit == Digitoo.traits.max_bytes
    for limit, says in ((len(picture()), "whole and acceptable"), (len(picture()) - 1, "it will be refused")):
        found = explain(replace(place, service_limit=limit), path, None, None, journal.reader)
        assert found is not None
        assert says in found.reason


def test_a_held_document_names_the_command(journal: Journal, folders: Folders, why: Any) -> None:
    """What is held says which command settles it."""
    made = journey(state=State.UNCERTAIN, held=True, reason="the service cannot tell")
    put_in_work(folders, recorded(journal, made, Event.DOUBT, None))
    told = why(Path(folders.path) / "scan.pdf")
    assert f"hotfolder resolve {made.upload_id}" in told
    assert in_words(made).startswith("it is uncertain: the service cannot tell")


def test_a_document_that_came_back(settings: Settings, journal: Journal, folders: Folders, why: Any) -> None:
    """A file that was in failed/ tells why; and its old place tells that it is gone."""
    refused = {"answer": Answer(413, None, ("too large",)), "error_source": ErrorSource.LOCAL}
    made = claimed(folders, journey(**refused))
    made = recorded(journal, replace(made, state=State.REFUSED), Event.REFUSE, None)
    archive = settings.queues["invoices"].failed
    file_all(folders, [Order(made, str(archive), NOW)])
    filed = replace(made, state=State.FILED, filed_name=b"scan.pdf", filed_at=NOW)
    recorded(journal, filed, Event.FILE, State.REFUSED)
    (archive / "scan.pdf").rename(Path(folders.path) / "scan.pdf")
    assert "it came back from failed/, where it had gone with: too large" in why(
        Path(folders.path) / "scan.pdf"
    )
    assert "not there any more" in why(archive / "scan.pdf")


def test_a_document_that_was_put_back(journal: Journal, drop_path: Path, why: Any) -> None:
    """A file that was taken and put back unsent says so."""
    made = journey(state=State.RETURNED, reason="its writer came back")
    recorded(journal, journey(upload_id=made.upload_id), Event.CLAIM, None)
    recorded(journal, made, Event.RETURN, State.CLAIMED)
    (drop_path / "scan.pdf").write_bytes(PDF)
    assert "it was taken and put back unsent: its writer came back" in why(drop_path / "scan.pdf")


@pytest.mark.parametrize("by_hand", [True, False])
def test_what_waits_behind_a_pause(by_hand: bool, tmp_path: Path, journal: Journal) -> None:  # noqa: FBT001
    """A waiting document says that its queue is paused and which command ends that."""
    (tmp_path / "drop").mkdir()
    shop = Workshop(tmp_path / "drop", journal, Guarded())
    shop.backend.locked = not by_hand
    shop.line.by_hand = "paused by hand; `hotfolder resume invoices` ends it" if by_hand else None
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.format(top=tmp_path).replace(f"{tmp_path}/invoices", f"{tmp_path}/drop"))
    path = os.fsencode(tmp_path / "drop/scan.png")

    async def scenario() -> None:
        shop.put("scan.png", picture())
        paused = lambda: by_hand or shop.lane.gate.paused  # noqa: E731 — shorter than a function
        await shop.until(lambda: paused() and (b"", b"scan.png") in shop.drop.inbox.entries, "waiting")
        place = place_of(load_settings(file, {"HOME": str(tmp_path)}), path)
        assert place is not None
        found = explain(place, path, shop.line, shop.lane, journal.reader)
        assert found is not None
        assert found.reason.count("hotfolder resume invoices") == 1
        assert "paused" in found.reason

    shop.run(scenario)
