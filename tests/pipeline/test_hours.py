"""A queue that has hours."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from hotfolder.backends.base import Unavailable, Uncertain
from hotfolder.model import State
from hotfolder.pipeline.hours import Hours
from hotfolder.schedule import DAYS, Schedule, parse
from hotfolder.status import state_of
from tests.pipeline.workshop import Guarded, Opening, Workshop

HOUR_S = 3600.0


def hours(begin_h: float, end_h: float) -> Schedule:
    """Return hours of the week that lie so many hours from now, both of the same day or the next."""
    begin, end = (datetime.now() + timedelta(hours=h) for h in (begin_h, end_h))  # noqa: DTZ005 — a wall clock
    first = f"{DAYS[begin.weekday()]} {begin:%H:%M}"
    return parse(f"{first}-{end:%H:%M}")


def put_clock(shop: Workshop, ahead_h: float) -> None:
    """Put the wall clock so many hours ahead, and let a full minute be over."""
    shop.clock.ahead_s = ahead_h * HOUR_S
    shop.lane._crew.wake.set()


async def a_while(shop: Workshop) -> None:
    """Wait until the drop folder was looked at some more times."""
    scans = shop.drop.scans
    await shop.until(lambda: shop.drop.scans > scans + 5, "a while later")


def test_outside_its_hours_a_queue_takes_nothing(workshop: Opening) -> None:
    """Documents stay where they are, `status` says until when, and in its hours they are sent."""
    shop = workshop(schedule=hours(2, 4))

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.drop.inbox.ready, "ready")
        await a_while(shop)
        assert (shop.waiting(), shop.carried(), shop.backend.kept) == (["scan.png"], [], [])
        state, reason = state_of(shop.lane, shop.line)
        assert (state, str(reason)[:27]) == ("active", "outside its schedule until ")
        put_clock(shop, 3)
        await shop.until(lambda: shop.at_rest(1), "delivered")
        assert state_of(shop.lane, shop.line) == ("active", None)
        put_clock(shop, 5)
        shop.put("late.png")
        await shop.until(lambda: shop.drop.inbox.ready, "ready")
        await a_while(shop)
        assert shop.waiting() == ["late.png"]

    shop.run(scenario)
    assert len(shop.backend.kept) == 1


def test_what_waits_to_be_sent_again_goes_back(workshop: Opening) -> None:
    """When the hours end, what was claimed and never sent lies in the drop folder again."""
    shop = workshop(schedule=hours(-2, 2))
    shop.backend.fail(Unavailable("down", status=429, retry_after_s=HOUR_S))

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: [j.state for j in shop.carried()] == [State.DEFERRED], "deferred")
        put_clock(shop, 3)
        await shop.until(lambda: shop.waiting() == ["scan.png"] and not shop.carried(), "back")

    shop.run(scenario)
    assert shop.backend.kept == []


class Late(Guarded):
    """A memory that answers when the hours are over."""

    shop: Workshop

    def upload(self, parcel: Any) -> Any:
        """Let the hours end in the middle of a request."""
        put_clock(self.shop, 3)
        return super().upload(parcel)


@pytest.mark.parametrize("fails", [False, True])
def test_a_request_that_runs_is_finished(*, fails: bool, workshop: Opening) -> None:
    """A document on the wire when the hours end is delivered; what the service did not take goes back."""
    shop = workshop(Late(), schedule=hours(-2, 2))
    shop.backend.shop = shop
    if fails:
        shop.backend.fail(Unavailable("busy", status=429, retry_after_s=0.0))

    async def scenario() -> None:
        shop.put()
        if fails:
            await shop.until(lambda: shop.clock.ahead_s and shop.waiting() and not shop.carried(), "back")
            await a_while(shop)
        else:
            await shop.until(lambda: shop.at_rest(1), "delivered")

    shop.run(scenario)
    assert (len(shop.backend.kept), shop.waiting()) == ((0, ["scan.png"]) if fails else (1, []))


def test_questions_are_asked_at_any_hour(workshop: Opening) -> None:
    """A document in doubt is asked about outside the hours, and sent again only when they begin."""
    shop = workshop(Late(), schedule=hours(-2, 2), uncertain="resend")
    shop.backend.shop = shop
    shop.backend.tells = False
    shop.backend.fail(Uncertain("the connection was reset"))

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: [j.state for j in shop.carried()] == [State.DEFERRED], "to be repeated")
        await a_while(shop)
        assert (shop.waiting(), shop.backend.kept) == ([], [])
        put_clock(shop, 0)
        await shop.until(lambda: shop.at_rest(1), "delivered")

    shop.run(scenario)
    assert len(shop.backend.kept) == 1


def test_the_clock_is_looked_at_each_minute(workshop: Opening) -> None:
    """Queues with hours are looked at on the full minute, so that one opens in time and a jump is noticed."""
    begins = datetime.fromtimestamp(1_700_000_000 + 2 * 3600)  # noqa: DTZ006 — a wall clock
    shop = workshop(
        schedule=parse(f"{DAYS[begins.weekday()]} {begins:%H:%M}-{begins + timedelta(hours=2):%H:%M}")
    )
    found = Hours([shop.line], shop.clock)
    shop.clock.wall = lambda: 1_700_000_000.0 + shop.clock.ahead_s  # type: ignore[method-assign]
    assert found.next_in() == 40.0
    assert found.turned() == ([], [shop.line])
    assert found.turned() == ([], [])
    shop.clock.ahead_s = 3 * HOUR_S
    assert found.turned() == ([shop.line], [])
    assert Hours([], shop.clock).next_in() == float("inf")
