"""What is counted as it happens."""

from dataclasses import replace
from typing import Any

import pytest

from hotfolder.metrics import Counts
from hotfolder.model import ErrorSource, Journey, State
from hotfolder.states import Event
from tests.builders import NOW, journey


@pytest.fixture
def counts() -> Counts:
    """Counters for one queue and one connection."""
    made = Counts()
    made.keep(["invoices", "other"], ["acme"], NOW)
    return made


def value(counts: Counts, name: str, **labels: str) -> float | None:
    """Return what a series shows, None where there is none."""
    for metric in counts.collect():
        for sample in metric.samples:
            if sample.name == name and sample.labels.items() >= labels.items() and "le" not in sample.labels:
                return sample.value
    return None


def sent(before: Journey, event: Event, state: State, **changes: Any) -> tuple[Event, Journey, State, float]:
    """Return the arrow that an answer means."""
    return event, replace(before, state=state, **changes), State.SENDING, NOW + 3


def test_the_stages_of_a_document(counts: Counts) -> None:
    """Each is counted once, when it is over, and none by its name."""
    one = journey(seen_at=NOW - 7, ready_at=NOW - 5, claimed_at=NOW)
    counts.arrow(Event.CLAIM, one, None, NOW)
    counts.arrow(Event.SEND, replace(one, state=State.SENDING), State.CLAIMED, NOW)
    counts.arrow(*sent(one, Event.ACCEPT, State.ACCEPTED, accepted_at=NOW + 3))
    later = replace(one, state=State.DELIVERED, accepted_at=NOW + 3)
    counts.arrow(Event.DELIVER, later, State.ACCEPTED, NOW + 60)
    counts.arrow(Event.FILE, replace(later, state=State.FILED), State.DELIVERED, NOW + 63)
    sums = {"settle": 2, "wait": 5, "upload": 3, "finish": 60, "total": 70}
    for stage, seconds in sums.items():
        labels = {"queue": "invoices", "stage": stage}
        assert value(counts, "hotfolder_stage_seconds_sum", **labels) == pytest.approx(seconds)
        assert value(counts, "hotfolder_stage_seconds_count", **labels) == 1
    assert value(counts, "hotfolder_uploads_total", queue="invoices", result="accepted") == 1
    assert value(counts, "hotfolder_sent_bytes_total", queue="invoices") == one.stamp.size
    assert value(counts, "hotfolder_upload_retries_total", queue="invoices") == 0
    assert value(counts, "hotfolder_sent_bytes_total", queue="other") == 0


@pytest.mark.parametrize(
    ("event", "state", "result"),
    [
        (Event.ACCEPT, State.ACCEPTED, "accepted"),
        (Event.DELIVER, State.DELIVERED, "accepted"),
        (Event.REFUSE, State.REFUSED, "refused"),
        (Event.DEFER, State.DEFERRED, "not_taken"),
        (Event.DOUBT, State.UNCERTAIN, "uncertain"),
    ],
)
def test_every_upload_ends_in_one_of_four_ways(
    counts: Counts, event: Event, state: State, result: str
) -> None:
    """What the service said, or did not say; bytes count only where it took them."""
    counts.arrow(*sent(journey(), event, state))
    results = ("accepted", "refused", "not_taken", "uncertain")
    found = {r: value(counts, "hotfolder_uploads_total", queue="invoices", result=r) for r in results}
    assert found == {r: float(r == result) for r in results}
    assert bool(value(counts, "hotfolder_sent_bytes_total", queue="invoices")) is (result == "accepted")


def test_what_was_not_an_upload_is_none(counts: Counts) -> None:
    """Questions, a refusal of our own, and what recovery found, count for nothing that they are not."""
    one = journey(recovered=True, accepted_at=NOW)
    counts.arrow(Event.ACCEPT, replace(one, state=State.ACCEPTED), State.UNCERTAIN, NOW)
    counts.arrow(*sent(one, Event.REFUSE, State.REFUSED, error_source=ErrorSource.LOCAL))
    counts.arrow(Event.FILE, replace(one, state=State.FILED), State.DELIVERED, NOW + 9)
    assert value(counts, "hotfolder_uploads_total", queue="invoices", result="accepted") == 0
    assert value(counts, "hotfolder_uploads_total", queue="invoices", result="refused") == 0
    assert value(counts, "hotfolder_stage_seconds_count", queue="invoices", stage="total") == 0


def test_sending_again_is_counted(counts: Counts) -> None:
    """The first time is none; each after one that was not taken is one."""
    for before in (State.CLAIMED, State.DEFERRED, State.DEFERRED):
        counts.arrow(Event.SEND, journey(state=State.SENDING), before, NOW)
    assert value(counts, "hotfolder_upload_retries_total", queue="invoices") == 2


def test_a_clock_that_was_put_back_takes_nothing_away(counts: Counts) -> None:
    """A time is never below nought."""
    counts.arrow(Event.CLAIM, journey(seen_at=NOW, ready_at=NOW - 50, claimed_at=NOW - 90), None, NOW)
    assert value(counts, "hotfolder_stage_seconds_sum", queue="invoices", stage="settle") == 0


def test_everything_shows_from_the_start_and_what_is_gone_does_not(counts: Counts) -> None:
    """A series begins at nought, goes on over a reload, and vanishes with its queue; strangers get none."""
    counts.arrow(*sent(journey(), Event.ACCEPT, State.ACCEPTED))
    counts.scanned("invoices", 0.5)
    counts.paused(["invoices", "stranger"])
    counts.told("acme", "taken")
    counts.told("stranger", "turned_away")
    counts.keep(["invoices", "new"], ["acme"], NOW + 1)
    assert value(counts, "hotfolder_uploads_total", queue="invoices", result="accepted") == 1
    assert value(counts, "hotfolder_pauses_total", queue="invoices") == 1
    assert value(counts, "hotfolder_scan_seconds_sum", queue="invoices") == 0.5
    assert value(counts, "hotfolder_uploads_total", queue="new", result="uncertain") == 0
    assert value(counts, "hotfolder_webhooks_total", connection="acme", result="taken") == 1
    names = {"other", "stranger"}
    counts.keep([], [], NOW + 2)
    counts.arrow(*sent(journey(), Event.ACCEPT, State.ACCEPTED))
    names |= {"invoices", "new", "acme"}
    assert not [s for m in counts.collect() for s in m.samples if names & set(s.labels.values())]


def test_a_reload_is_told(counts: Counts) -> None:
    """Whether the last one was taken, and since when the present one is in force."""
    assert value(counts, "hotfolder_config_last_reload_successful") == 1
    counts.refuse()
    assert value(counts, "hotfolder_config_last_reload_successful") == 0
    assert value(counts, "hotfolder_config_last_reload_success_timestamp_seconds") == NOW


def test_a_fault_in_counting_harms_no_document(counts: Counts, logged: list[str]) -> None:
    """It is said once; whoever tells us does not notice."""
    for _ in range(2):
        counts.arrow(Event.CLAIM, None, None, NOW)  # type: ignore[arg-type]
    assert len([line for line in logged if "not right any more" in line]) == 1


def test_commits(counts: Counts) -> None:
    """How many rows, and how long."""
    counts.committed(12, 0.25)
    assert value(counts, "hotfolder_journal_rows_total") == 12
    assert value(counts, "hotfolder_journal_commit_seconds_sum") == 0.25
