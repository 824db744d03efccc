"""What people do to a running queue by hand."""

import asyncio
import threading
from collections.abc import Container
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from hotfolder.backends.base import Receipt, Unavailable, Uncertain
from hotfolder.model import State
from hotfolder.pipeline import InHandError, Line
from hotfolder.settlement import Verdict, settled
from hotfolder.status import state_of
from tests.builders import DEADLINE_S, NOW
from tests.pipeline.workshop import Guarded, Opening, picture


class Slow(Guarded):
    """A memory whose answer to "where is it?" waits until it may come."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = threading.Event()
        self.may_tell = threading.Event()

    def find(self, parcel: Any, since: float, known: Container[str] = ()) -> Receipt | None:
        """Answer when told to."""
        self.asked.set()
        assert self.may_tell.wait(DEADLINE_S)
        return super().find(parcel, since, known)


class PausingDisk(ThreadPoolExecutor):
    """Threads beside which somebody pauses the queue, in the moment their first work is done."""

    def __init__(self, line: Line) -> None:
        super().__init__(2)
        self._line = line
        self._done = False

    def submit(self, fn: Any, /, *args: Any, **words: Any) -> Future[Any]:
        """Run it, and pause."""

        def work() -> Any:
            try:
                return fn(*args, **words)
            finally:
                if not self._done:
                    self._done, self._line.by_hand = True, "by hand"

        return super().submit(work)


def test_a_paused_queue_takes_nothing(workshop: Opening) -> None:
    """While a queue is paused its documents stay where they are and `status` says why; then they are sent."""
    shop = workshop()

    async def scenario() -> None:
        await shop.lane.hands.pause(shop.line, "by hand")
        shop.put()
        await shop.until(lambda: shop.drop.inbox.ready, "ready")
        scans = shop.drop.scans
        await shop.until(lambda: shop.drop.scans > scans + 5, "a while later")
        assert (shop.waiting(), shop.carried()) == (["scan.png"], [])
        assert state_of(shop.lane, shop.line) == ("paused", "by hand")
        assert shop.lane.hands.resume(shop.line)
        await shop.until(lambda: shop.at_rest(1), "delivered")
        assert state_of(shop.lane, shop.line) == ("active", None)
        assert not shop.lane.hands.resume(shop.line)

    shop.run(scenario)


def test_what_was_never_sent_goes_back(workshop: Opening) -> None:
    """A document that waits for its next try lies in the drop folder again when its queue is paused."""
    shop = workshop()
    shop.backend.fail(Unavailable("down", status=429, retry_after_s=3600.0))

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: [j.state for j in shop.carried()] == [State.DEFERRED], "deferred")
        await shop.lane.hands.pause(shop.line, "by hand")
        await shop.until(lambda: shop.waiting() == ["scan.png"] and not shop.carried(), "back")

    shop.run(scenario)
    assert shop.backend.kept == []


def test_a_pause_in_the_middle_of_a_claim(workshop: Opening) -> None:
    """A document that was just being claimed when its queue was paused goes back unsent."""
    shop = workshop()
    shop.line.disk = PausingDisk(shop.line)

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.line.by_hand and not shop.carried(), "back")
        await shop.until(lambda: shop.waiting() == ["scan.png"], "in the drop folder")

    shop.run(scenario)
    shop.line.disk.shutdown()
    assert shop.backend.kept == []


def test_a_repeat_waits_for_the_end_of_a_pause(workshop: Opening) -> None:
    """A document that may have been sent before stays ours while its queue is paused, and is sent afterwards."""
    shop = workshop(uncertain="resend")
    shop.backend.tells = False
    shop.backend.fail(Uncertain("the connection was reset"))

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: [j.state for j in shop.carried()] == [State.UNCERTAIN], "uncertain")
        await shop.lane.hands.pause(shop.line, "by hand")
        await shop.until(lambda: [j.state for j in shop.carried()] == [State.DEFERRED], "to be repeated")
        scans = shop.drop.scans
        await shop.until(lambda: shop.drop.scans > scans + 5, "a while later")
        assert shop.backend.kept == []
        shop.lane.hands.resume(shop.line)
        await shop.until(lambda: shop.at_rest(1), "delivered")

    shop.run(scenario)
    assert len(shop.backend.kept) == 1


def test_resume_ends_a_back_off(workshop: Opening) -> None:
    """A queue that waits an hour for its service goes on at once when it is resumed."""
    shop = workshop()
    shop.backend.fail(Unavailable("down", retry_after_s=3600.0))

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: [j.state for j in shop.carried()] == [State.DEFERRED], "deferred")
        assert state_of(shop.lane, shop.line) == ("active", "down")
        assert shop.lane.hands.resume(shop.line)
        await shop.until(lambda: shop.at_rest(1), "delivered")

    shop.run(scenario)


def test_a_mended_pause_leaves_no_reason(workshop: Opening) -> None:
    """After a good probe a queue without documents is active, and the old reason is gone."""
    shop = workshop()
    shop.backend.locked = True

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.lane.gate.paused and shop.waiting(), "paused")
        (shop.top / "scan.png").unlink()
        await shop.until(lambda: not shop.drop.inbox.entries, "nothing waits")
        shop.backend.locked = False
        await shop.until(lambda: not shop.lane.gate.paused, "mended")
        assert state_of(shop.lane, shop.line) == ("active", None)

    shop.run(scenario)


@pytest.mark.parametrize(("verdict", "area"), [("sent", "done"), ("resend", "done"), ("fail", "failed")])
def test_an_uncertain_document_is_settled(verdict: str, area: str, workshop: Opening) -> None:
    """A held document goes where a person says: to done/, out again, or to failed/; never two ways."""
    shop = workshop()
    shop.backend.tells = False
    shop.backend.fail(Uncertain("the connection was reset"))
    decide = partial(settled, verdict=Verdict(verdict), document_id="4711", now=NOW)

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: [j.held for j in shop.carried()] == [True], "held")
        upload_id = shop.carried()[0].upload_id
        found = await asyncio.gather(
            *(shop.lane.hands.settle(shop.line, upload_id, decide, DEADLINE_S) for _ in range(3))
        )
        assert [journey is None for journey in found] == [False, True, True]
        await shop.until(lambda: shop.line.filed[area] == 1, "filed")

    shop.run(scenario)
    (record,) = shop.filed(area).values()
    assert any("settled by hand" in warning for warning in record["warnings"])
    assert record["possible_duplicate"] == (verdict == "resend")
    assert len(shop.backend.kept) == (verdict == "resend")
    if verdict == "sent":
        assert record["response"]["DocumentIDs"] == [{"DocumentID": "4711"}]


def test_a_question_on_the_wire_comes_first(workshop: Opening) -> None:
    """A document that the service is just asked about is settled by the answer, not by hand."""
    backend = Slow()
    shop = workshop(backend)
    backend.fail(Uncertain("the connection was reset"), taken=True)
    decide = partial(settled, verdict=Verdict.FAIL, document_id=None, now=NOW)

    async def scenario() -> None:
        try:
            shop.put()
            await shop.until(backend.asked.is_set, "asked")
            upload_id = shop.carried()[0].upload_id
            with pytest.raises(InHandError):
                await shop.lane.hands.settle(shop.line, upload_id, decide, 0.0)
            settling = asyncio.create_task(shop.lane.hands.settle(shop.line, upload_id, decide, DEADLINE_S))
        finally:
            backend.may_tell.set()
        assert await settling is None
        await shop.until(lambda: shop.at_rest(1), "delivered")

    shop.run(scenario)
    assert shop.states(shop.filed()["scan.png"]) == ["claimed", "sending", "uncertain", "delivered", "filed"]
    assert shop.filed("failed") == {}


def test_a_document_of_another_state_is_left_alone(workshop: Opening) -> None:
    """What is not uncertain is not settled."""
    shop = workshop()
    shop.backend.fail(Unavailable("down", retry_after_s=3600.0))
    decide = partial(settled, verdict=Verdict.FAIL, document_id=None, now=NOW)

    async def scenario() -> None:
        shop.put("a.png", picture(1))
        await shop.until(lambda: [j.state for j in shop.carried()] == [State.DEFERRED], "deferred")
        assert await shop.lane.hands.settle(shop.line, shop.carried()[0].upload_id, decide, 0.0) is None
        assert await shop.lane.hands.settle(shop.line, "unknown", decide, 0.0) is None

    shop.run(scenario)
