"""How queues and connections fare, in figures and fixed words."""

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

from hotfolder.backends.base import Unavailable
from hotfolder.journal import Journal
from hotfolder.metrics import CAUSES, Counts, Facts
from hotfolder.model import State, Stop
from hotfolder.pipeline.line import Parked
from hotfolder.retry import Gate
from hotfolder.schedule import Schedule
from hotfolder.status import facts_of, state_of
from hotfolder.status.figures import UNREACHABLE_S
from tests.builders import DEADLINE_S, NOW, journey
from tests.pipeline.workshop import Guarded, Workshop, picture

Cause = Callable[[Workshop], object]


@pytest.fixture
def shop(tmp_path: Path, journal: Journal) -> Iterator[Workshop]:
    """A pipeline that does not run: its folder was looked through, and nothing is wrong."""
    (tmp_path / "drop").mkdir()
    made = Workshop(tmp_path / "drop", journal, Guarded())
    made.drop._offline = None
    made.drop.scans = 1
    made.drop.last_scan = NOW
    yield made
    made.disk.shutdown()


def facts(shop: Workshop) -> Facts:
    """Return what is so."""
    return facts_of([shop.lane], shop.clock)


def close(shop: Workshop, **gate: object) -> None:
    """Close the connection's gate, five minutes ago."""
    since = shop.clock.monotonic() - 300
    shop.lane._carriage.gates.shared = Gate(**{"failures": 2, "reason": "down", "since": since, **gate})  # type: ignore[arg-type]


def carry(shop: Workshop, state: State, **more: object) -> None:
    """Have a document under way."""
    made = journey(state=state, **{"seen_at": shop.clock.wall() - 60, **more})
    shop.line.carried[made.upload_id] = made


def _unreachable(shop: Workshop) -> None:
    close(shop)
    carry(shop, State.DEFERRED)


def _doubt(shop: Workshop) -> None:
    shop.line.queue = shop.queue.model_copy(update={"on_error": "stop"})
    carry(shop, State.UNCERTAIN, held=True)


def _off_hours(shop: Workshop) -> None:
    today = datetime.fromtimestamp(shop.clock.wall()).weekday()  # noqa: DTZ006 — a schedule is read by the wall clock
    begins = (today + 3) % 7 * 24 * 60
    shop.line.queue = shop.queue.model_copy(update={"schedule": Schedule(((begins, begins + 60),))})


MADE: dict[str, Cause] = {
    "not_scanned": lambda shop: setattr(shop.drop, "scans", 0),
    "offline": lambda shop: setattr(shop.drop, "_offline", "/srv/secret: not mounted"),
    "by_hand": lambda shop: setattr(shop.line, "by_hand", "paused by hand"),
    "stopped": lambda shop: setattr(shop.line, "stopped", Stop(NOW, "id", "secret.pdf")),
    "doubt": _doubt,
    "unauthorized": lambda shop: close(shop, paused=True),
    "unreachable": _unreachable,
    "disk": lambda shop: setattr(shop.line, "claim_trouble", "/srv/secret: read-only"),
    "journal": lambda shop: setattr(shop.line._means.recorder, "trouble", "disk full"),
    "off_hours": _off_hours,
}


def test_where_nothing_is_wrong_nothing_waits(shop: Workshop) -> None:
    """A queue at work is ready."""
    [queue] = facts(shop).queues
    assert (queue.state, queue.causes, queue.ready) == ("active", (), True)
    assert facts(shop).connections[0].gate == "open"
    assert facts(shop).journal_writable


@pytest.mark.parametrize("cause", CAUSES)
def test_each_cause_is_named(shop: Workshop, cause: str) -> None:
    """By its word alone: no path, no name and no text of an error comes along."""
    MADE[cause](shop)
    found = facts(shop)
    assert found.queues[0].causes == (cause,)
    assert found.ready is (cause == "off_hours")
    assert found.journal_writable is (cause != "journal")
    assert "secret" not in repr(found)
    assert found.queues[0].state == state_of(shop.lane, shop.line)[0]


def test_trouble_is_one_cause_only_while_it_lasts_and_keeps_something_waiting(shop: Workshop) -> None:
    """A service that is back within two minutes, or that nobody wants anything of, makes no queue unready."""
    close(shop)
    assert facts(shop).ready, "nothing waits: it may be well again, and nobody knows"
    carry(shop, State.ACCEPTED)
    carry(shop, State.UNCERTAIN, held=True)
    assert facts(shop).ready
    carry(shop, State.CLAIMED)
    close(shop, since=shop.clock.monotonic() - UNREACHABLE_S + 60)
    assert facts(shop).ready
    close(shop, mended=True)
    assert facts(shop).ready
    close(shop)
    assert not facts(shop).ready


@pytest.mark.parametrize(
    ("gate", "told"),
    [
        ({"failures": 0, "reason": None}, "open"),
        ({"paused": True}, "paused"),
        ({"closed_until": float("inf")}, "closed"),
        ({}, "half_open"),
    ],
)
def test_gates(shop: Workshop, gate: dict[str, object], told: str) -> None:
    """A gate is in one of four states."""
    close(shop, **gate)
    [found] = facts(shop).connections
    assert (found.gate, found.name, found.backend) == (told, "acme", "memory")


def test_what_is_not_at_rest_is_counted_and_timed(shop: Workshop) -> None:
    """By the words of status; what the service has is not waited for to be sent."""
    for state, seen_ago in ((State.ACCEPTED, 500), (State.DEFERRED, 90), (State.DELIVERED, 700)):
        carry(shop, state, seen_at=shop.clock.wall() - seen_ago)
    carry(shop, State.UNCERTAIN, held=True, seen_at=shop.clock.wall() - 900)
    carry(shop, State.ACCEPTED, stalled=True)
    parked = journey(state=State.REFUSED)
    shop.line.parked["id"] = Parked(parked, "full", 1.0)
    shop.line.missing, shop.line.stuck = ["a"], ["b", "c"]
    [queue] = facts(shop).queues
    assert {word: queue.counts.get(word, 0) for word in ("waiting", "claimed", "uncertain")} == {
        "waiting": 0,
        "claimed": 4,
        "uncertain": 1,
    }
    assert queue.needing == {"held": 1, "stalled": 1, "missing": 1, "stuck": 2, "unfiled": 1}
    assert queue.oldest_waiting_s == pytest.approx(900, abs=5)
    assert queue.oldest_unsent_s == pytest.approx(90, abs=5)


def test_a_pipeline_at_work_counts_what_it_does(tmp_path: Path, journal: Journal) -> None:
    """Documents, scans and a pause, as they happen."""
    (tmp_path / "drop").mkdir()
    service = Guarded()
    shop = Workshop(tmp_path / "drop", journal, service)
    counts = Counts()
    counts.keep(["invoices"], [], NOW)
    shop.line._means.recorder.on_arrow = counts.arrow
    shop.drop.on_scanned = lambda took_s: counts.scanned("invoices", took_s)
    shop.lane.observe(lambda lines: counts.paused(line.queue.name for line in lines))
    journal.on_commit = counts.committed
    service.fail(Unavailable("busy", status=503))

    async def scenario() -> None:
        shop.put("a.png", picture(1))
        await shop.until(lambda: shop.at_rest(1), "filed")
        service.locked = True
        shop.put("b.png", picture(2))
        await shop.until(lambda: not facts(shop).ready, "paused")
        assert "unauthorized" in facts(shop).queues[0].causes
        assert 0 <= shop.clock.monotonic() - shop.lane.gate.since < DEADLINE_S
        service.locked = False
        await shop.until(lambda: shop.at_rest(2), "filed")
        await shop.until(lambda: facts(shop).ready, "ready again")

    shop.run(scenario)
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for metric in counts.collect()
        for sample in metric.samples
    }
    assert found["hotfolder_uploads_total", "accepted", "invoices"] == 2
    assert found["hotfolder_uploads_total", "invoices", "not_taken"] >= 2
    assert found["hotfolder_upload_retries_total", "invoices"] >= 1
    assert found["hotfolder_stage_seconds_count", "invoices", "total"] == 2
    assert found["hotfolder_sent_bytes_total", "invoices"] == len(picture(1)) + len(picture(2))
    assert found["hotfolder_pauses_total", "invoices"] == 1
    assert found["hotfolder_scan_seconds_count", "invoices"] >= 1
    assert found["hotfolder_journal_rows_total",] >= 8
