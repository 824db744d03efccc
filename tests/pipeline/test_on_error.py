"""`on_error: stop`: the first document that goes to failed/ keeps the rest in the drop folder, until a person says so."""

import threading
from dataclasses import replace
from typing import Any

import pytest
from loguru import logger

from hotfolder.backends.base import Refused, Unavailable, Uncertain
from hotfolder.model import FINAL, Answer, Stop
from hotfolder.settlement import Verdict, settled
from hotfolder.status import at_stop, state_of
from tests.builders import DEADLINE_S, NOW
from tests.pipeline.workshop import Guarded, Opening, Workshop, picture

REST = ["later0.png", "later1.png", "later2.png", "later3.png"]
REFUSAL = Refused(Answer(422, "unreadable", ("The service does not like it.",)))


class Slow(Guarded):
    """A memory that lets nothing in, and tells nothing, before it may."""

    def __init__(self, asks: int = 0) -> None:
        super().__init__(asks)
        self.may = threading.Event()
        self.import_fails = False

    def upload(self, parcel: Any) -> Any:
        """Wait, then take it or not."""
        assert self.may.wait(DEADLINE_S)
        return super().upload(parcel)

    def follow_up(self, receipt: Any, parcel: Any) -> Any:
        """Refuse after the fact where that was asked for."""
        if self.import_fails:
            raise REFUSAL
        return super().follow_up(receipt, parcel)


def fails(shop: Workshop, how: str) -> bytes:
    """Have the first document fail in one of the ways there are, and return its content."""
    backend = shop.backend
    assert isinstance(backend, Slow)
    match how:
        case "server":
            backend.fail(REFUSAL)
        case "import":
            backend.import_fails = True
        case "local":
            backend.fail(Refused(Answer(413, None, ("It is too large.",))))
    return picture(200)


async def one_is_under_way(shop: Workshop, content: bytes, name: str = "bad.png") -> None:
    """Drop the one that will fail; once it is claimed, drop the others and let their folder be scanned."""
    shop.put(name, content)
    await shop.until(shop.carried, "the first one is claimed")
    for number, other in enumerate(REST):
        shop.put(other, picture(number))
    await shop.until(lambda: len(shop.drop.inbox.ready) == len(REST), "the others are ready")


async def a_while(shop: Workshop) -> None:
    """Let the folder be scanned a few times."""
    scans = shop.drop.scans
    await shop.until(lambda: shop.drop.scans > scans + 5, "a while later")


@pytest.mark.parametrize("mode", ["stop", "stop_without_record"])
@pytest.mark.parametrize("how", ["server", "import", "local"])
def test_the_rest_stays_untouched(workshop: Opening, mode: str, how: str) -> None:
    """Whoever refused the document, nothing behind it was claimed; `resume` lets the rest go on, one by one."""
    backend = Slow(asks=2 if how == "import" else 0)
    shop = workshop(backend, on_error=mode)
    content = fails(shop, how)

    async def scenario() -> None:
        await one_is_under_way(shop, content)
        await a_while(shop)
        assert [j.name for j in shop.carried()] == [b"bad.png"]
        backend.may.set()
        await shop.until(lambda: shop.line.filed["failed"] == 1, "the first one is filed")
        await a_while(shop)
        assert (shop.waiting(), shop.carried()) == (REST, [])
        stop = shop.line.stopped
        assert stop is not None
        assert shop.journal.reader.stops() == {
            "invoices": replace(stop, since=pytest.approx(stop.since, abs=5))
        }
        assert state_of(shop.lane, shop.line) == ("stopped", at_stop("invoices", stop))
        assert "bad.png failed; `hotfolder resume invoices`" in at_stop("invoices", stop)
        backend.import_fails = False
        assert shop.lane.hands.resume(shop.line, stop)
        await shop.until(lambda: shop.at_rest(4), "the rest is delivered")
        assert state_of(shop.lane, shop.line) == ("active", None)

    shop.run(scenario)
    (record,) = shop.filed("failed").values()
    assert (record["response"] is None) == (mode == "stop_without_record")


def test_those_that_are_ready_together_go_one_by_one(workshop: Opening) -> None:
    """A folder that was full before the start: never is a second document claimed while the first has no end."""
    together: list[int] = []

    class Counting(Guarded):
        def upload(self, parcel: Any) -> Any:
            together.append(len([j for j in shop.carried() if j.state not in FINAL]))
            return super().upload(parcel)

    shop = workshop(Counting(asks=1), on_error="stop")
    for number, name in enumerate(REST):
        shop.put(name, picture(number))

    async def scenario() -> None:
        await shop.until(lambda: shop.at_rest(4), "delivered")

    shop.run(scenario)
    assert together == [1] * 4


def test_continue_goes_on(workshop: Opening) -> None:
    """Without the setting a failure concerns nobody else, and documents go beside each other."""
    backend = Slow()
    shop = workshop(backend)
    content = fails(shop, "server")

    async def scenario() -> None:
        shop.put("bad.png", content)
        await shop.until(shop.carried, "the first one is claimed")
        for number, other in enumerate(REST):
            shop.put(other, picture(number))
        await shop.until(lambda: len(shop.carried()) > 1, "several under way")
        backend.may.set()
        await shop.until(lambda: shop.at_rest(4), "delivered")

    shop.run(scenario)
    assert shop.journal.reader.stops() == {}


def test_what_is_given_up_stops_its_queue(workshop: Opening) -> None:
    """A document that certainly did not arrive and is tried no longer fails like any other."""
    backend = Slow()
    shop = workshop(backend, on_error="stop", give_up_after_s=0.2)
    backend.fail(Unavailable("down", retry_after_s=3600.0))
    backend.may.set()

    async def scenario() -> None:
        shop.put("bad.png")
        await shop.until(lambda: shop.line.stopped, "stopped")
        await shop.until(lambda: shop.line.filed["failed"] == 1, "filed")

    shop.run(scenario)
    assert shop.filed("failed")["bad.png"]["error_source"] == "transport"


def test_the_log_tells_what_the_record_does_not(workshop: Opening) -> None:
    """Under `stop_without_record` the error stands in the log, as an ERROR, with the command that goes on."""
    backend = Slow()
    shop = workshop(backend, on_error="stop_without_record")
    content = fails(shop, "server")
    said: list[str] = []
    backend.may.set()

    async def scenario() -> None:
        shop.put("bad.png", content)
        await shop.until(lambda: shop.line.filed["failed"] == 1, "filed")

    sink = logger.add(said.append, level="ERROR", format="{message}")
    try:
        shop.run(scenario)
    finally:
        logger.remove(sink)
    assert "does not like it" not in str(shop.filed("failed"))
    assert any("does not like it" in one and "hotfolder resume invoices" in one for one in said)


def test_an_uncertain_document_keeps_the_rest_waiting(workshop: Opening) -> None:
    """Nobody knows whether it failed: `status` says stopped, and which command settles that; then it goes on."""
    backend = Slow()
    backend.tells = False
    shop = workshop(backend, on_error="stop")
    backend.fail(Uncertain("the connection was reset"))

    async def scenario() -> None:
        await one_is_under_way(shop, picture(200))
        backend.may.set()
        await shop.until(lambda: any(j.held for j in shop.carried()), "held")
        await a_while(shop)
        assert shop.waiting() == REST
        state, reason = state_of(shop.lane, shop.line)
        (held,) = shop.carried()
        assert state == "stopped"
        assert reason is not None
        assert f"hotfolder resolve {held.upload_id}" in reason
        await shop.lane.hands.settle(
            shop.line, held.upload_id, lambda j: settled(j, Verdict.SENT, "77", NOW), DEADLINE_S
        )
        await shop.until(lambda: shop.at_rest(5), "all delivered")

    shop.run(scenario)


def test_what_a_person_gives_up_stops_its_queue_too(workshop: Opening) -> None:
    """`resolve --fail` sends a document to failed/: the rest waits for `resume`."""
    backend = Slow()
    backend.tells = False
    shop = workshop(backend, on_error="stop")
    backend.fail(Uncertain("the connection was reset"))

    async def scenario() -> None:
        await one_is_under_way(shop, picture(200))
        backend.may.set()
        await shop.until(lambda: any(j.held for j in shop.carried()), "held")
        (held,) = shop.carried()
        await shop.lane.hands.settle(
            shop.line, held.upload_id, lambda j: settled(j, Verdict.FAIL, None, NOW), DEADLINE_S
        )
        await shop.until(lambda: shop.line.filed["failed"] == 1, "filed")
        await a_while(shop)
        assert shop.waiting() == REST

    shop.run(scenario)


def test_only_the_stop_that_was_told_of_is_lifted(workshop: Opening) -> None:
    """A queue that stops at another document while somebody resumes it stays stopped."""
    shop = workshop(on_error="stop")
    shop.line.stopped = Stop(NOW, "one", "one.png")
    assert shop.lane.hands.resume(shop.line, None)
    assert shop.line.stopped is not None
    shop.lane.hands.resume(shop.line, shop.line.stopped)
    assert shop.line.stopped is None
