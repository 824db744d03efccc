from datetime import UTC, datetime, timedelta

import pytest

from hotfolder.journal import Change
from hotfolder.notices.quiet import Quiet
from hotfolder.settings import load_settings
from hotfolder.troubles import Arrived

CONFIG = """
connections: {acme: {backend: digitoo, token: t0ken}}
queues:
  q: {connection: acme, queue_id: 1, folder: /srv/q}
  s: {connection: acme, queue_id: 1, folder: /srv/s, schedule: "Mon 00:00-00:01"}
notify:
  quiet_after: AFTER
  targets: {ops: {via: webhook, url: "https://hooks.acme.example/"}}
"""
NOW = datetime(2026, 11, 4, 12, tzinfo=UTC).timestamp()  # a Wednesday, wherever the clock hangs


@pytest.fixture
def quiet(tmp_path, journal):
    """Make a judge for a `quiet_after`."""

    def make(after):
        (tmp_path / "config.yaml").write_text(CONFIG.replace("AFTER", after))
        made = Quiet(journal.reader)
        made.apply(load_settings(tmp_path / "config.yaml", {}))
        return made

    return make


def test_a_queue_that_never_had_a_document(quiet):
    """The time counts from the first look, and a queue that is closed is not quiet."""
    judge = quiet("4h")
    judge.judge({}, NOW)
    assert judge.why == {}
    judge.judge({}, NOW + 4 * 3600 + 1)
    assert list(judge.why) == ["q"]


def test_a_document_ends_it(quiet):
    """One that is taken, or lies in the drop folder, is a sign that documents come."""
    judge = quiet("4h")
    judge.last = {"q": NOW - 5 * 3600}
    judge.judge({"q": NOW - 3600}, NOW)
    assert judge.why == {}
    judge.judge({}, NOW)
    assert list(judge.why) == ["q"]
    assert not judge.due(NOW + 1)
    judge.arrived([Arrived("q", 1, 1, NOW)])
    assert judge.due(NOW + 1)
    judge.judge({}, NOW + 1)
    assert judge.why == {}


def test_judged_now_and_then(quiet):
    """Once a minute is enough, also where the clock was put back; off is off."""
    judge = quiet("4h")
    assert judge.due(NOW)
    judge.judge({}, NOW)
    assert not judge.due(NOW + 59)
    assert judge.due(NOW + 60)
    assert judge.due(NOW - 3600)
    assert not quiet("off").due(NOW)


def test_auto_learns_from_the_journal(quiet, journal):
    """Four weeks of a document each hour make three silent hours too long; nothing known is never too long."""
    hour = int(NOW // 3600)
    first = hour - 28 * 24
    arrived = tuple(Arrived("q", at, 1, at * 3600.0) for at in range(first, hour))
    journal.tell(Change(arrived=arrived)).result()
    judge = quiet("auto")
    judge.last = journal.reader.last_arrivals()
    judge.judge({}, NOW)
    assert judge.why == {}
    judge.judge({}, NOW + timedelta(hours=4).total_seconds())
    assert "in the last 4 weeks" in judge.why["q"]
    assert "s" not in judge.why
