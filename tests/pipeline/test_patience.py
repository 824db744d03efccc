"""Giving up what nobody takes, also while nothing may go out."""

from collections.abc import Callable
from pathlib import Path

import pytest

from hotfolder.backends.base import Unavailable, Uncertain
from hotfolder.journal import Journal
from hotfolder.model import State
from tests.pipeline.workshop import Guarded, Workshop, picture

Opening = Callable[..., Workshop]
LONG_S = 600.0


@pytest.fixture
def workshop(tmp_path: Path, journal: Journal) -> Opening:
    """Make a pipeline; words are settings of the queue."""
    top = tmp_path / "drop"
    top.mkdir()
    return lambda **queue: Workshop(top, journal, Guarded(), **queue)


@pytest.mark.parametrize(
    ("counts", "status", "recorded"), [(True, 502, 502), (True, None, 504), (False, 429, 503)]
)
def test_given_up_behind_a_closed_gate(
    workshop: Opening,
    counts: bool,  # noqa: FBT001 — a parameter
    status: int | None,
    recorded: int,
) -> None:
    """It goes to failed/ when its time is over, though nothing is due for long, and the gate stays closed."""
    shop = workshop(give_up_after_s=0.4)
    shop.backend.fail(Unavailable("the service is down", status=status, retry_after_s=LONG_S, counts=counts))

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.line.filed["failed"], "given up")

    shop.run(scenario)
    record = shop.filed("failed")["scan.png"]
    assert (record["error_source"], record["response"]["StatusCode"]) == ("transport", recorded)
    assert "the service is down" in record["response"]["Messages"][0]["Message"]
    assert shop.states(record) == ["claimed", "sending", "deferred", "refused", "filed"]
    assert shop.lane.gate.reason == "the service is down"
    assert shop.backend.kept == []


def test_an_uncertain_document_is_not_given_up(workshop: Opening) -> None:
    """What may have arrived stays until that is settled, however long it takes."""
    shop = workshop(give_up_after_s=0.05)
    shop.backend.tells = False
    shop.backend.fail(Uncertain("the connection was reset"), taken=True)

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: [j.held for j in shop.carried()] == [True], "held")
        scans = shop.drop.scans
        await shop.until(lambda: shop.drop.scans > scans + 10, "a while later")

    shop.run(scenario)
    assert [j.state for j in shop.carried()] == [State.UNCERTAIN]
    assert shop.filed("failed") == {}


def test_what_certainly_did_not_arrive_is_given_up_after_a_doubt(workshop: Opening) -> None:
    """Once the service said that it does not have it, the limit counts again."""
    shop = workshop(give_up_after_s=0.4)
    shop.backend.fail(Uncertain("the connection was reset"))
    shop.backend.fail(Unavailable("down", retry_after_s=LONG_S))

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.line.filed["failed"], "given up")

    shop.run(scenario)
    assert shop.backend.kept == []


def test_without_a_limit_nothing_is_given_up(workshop: Opening) -> None:
    """By default a document waits for as long as it takes."""
    shop = workshop()
    shop.backend.fail(Unavailable("down", retry_after_s=0.3))

    async def scenario() -> None:
        shop.put()
        shop.put("b.png", picture(1))
        await shop.until(lambda: shop.at_rest(2), "delivered")

    shop.run(scenario)


def test_a_question_that_fails_lets_others_go_first(workshop: Opening) -> None:
    """A document that cannot be asked about does not keep the gate closed for the rest of the queue."""
    shop = workshop()
    shop.backend.fail(Uncertain("the connection was reset"), taken=True)
    shop.backend.find_fails = True

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.backend.finds, "asked")
        shop.put("b.png", picture(1))
        await shop.until(lambda: shop.at_rest(1), "another one delivered")

    shop.run(scenario)
    assert list(shop.filed()) == ["b.png"]
