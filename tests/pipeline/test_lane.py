"""Carrying documents along their journey."""

import asyncio

import pytest

from hotfolder.backends.base import ContentChanged, Refused, Scope, Unauthorized, Unavailable, Uncertain
from hotfolder.model import Answer, State
from tests.pipeline.workshop import Guarded, Opening, picture


def test_a_document_is_delivered_once(workshop: Opening) -> None:
    """A dropped document is sent once, and rests beside its sidecar with its whole history in the journal."""
    shop = workshop()

    async def scenario() -> None:
        shop.put("žluť\n.png")
        await shop.until(lambda: shop.at_rest(1), "filed")

    shop.run(scenario)
    (record,) = shop.filed().values()
    assert (len(shop.backend.kept), shop.waiting()) == (1, [])
    assert record["response"]["DocumentIDs"] == [{"DocumentID": "1"}]
    assert shop.states(record) == ["claimed", "sending", "delivered", "filed"]
    assert shop.journal.reader.tallies() == {("invoices", "done"): 1}


def test_many_documents(workshop: Opening) -> None:
    """Forty documents are all delivered, each once, some of the same content."""
    shop = workshop(Guarded(asks=1))

    async def scenario() -> None:
        for number in range(40):
            shop.put(f"{number}.png", picture(number % 20))
        await shop.until(lambda: shop.at_rest(40), "all filed")

    shop.run(scenario)
    assert sorted(k.name for k in shop.backend.kept) == sorted(f"{n}.png" for n in range(40))


def test_the_final_word_is_waited_for(workshop: Opening) -> None:
    """A document that the service is at work on is asked about until its final word."""
    shop = workshop(Guarded(asks=2))

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.at_rest(1), "filed")

    shop.run(scenario)
    assert shop.states(shop.filed()["scan.png"])[:4] == ["claimed", "sending", "accepted", "delivered"]
    assert len(shop.backend.kept) == 1


def test_an_unfit_document_is_filed_unsent(workshop: Opening) -> None:
    """What is no document goes to failed/ with its reason and was never sent."""
    shop = workshop()

    async def scenario() -> None:
        shop.put("notes.txt", b"Dear Sir or Madam, " * 10)
        await shop.until(lambda: shop.filed("failed"), "filed")

    shop.run(scenario)
    record = shop.filed("failed")["notes.txt"]
    assert (record["response"]["StatusCode"], record["error_source"], record["attempts"]) == (
        415,
        "local",
        [],
    )
    assert shop.backend.kept == []


def test_a_refused_document_is_filed(workshop: Opening) -> None:
    """A service's no goes to failed/ with what it said; the next document goes its way."""
    shop = workshop()
    shop.backend.fail(Refused(Answer(413, "TOO_LARGE", ("too large",))))

    async def scenario() -> None:
        shop.put("a.png")
        await shop.until(lambda: shop.filed("failed"), "refused")
        shop.put("b.png")
        await shop.until(lambda: shop.at_rest(1), "delivered")

    shop.run(scenario)
    record = shop.filed("failed")["a.png"]
    assert (record["response"]["Messages"], record["error_source"]) == ([{"Message": "too large"}], "server")


def test_a_busy_service(workshop: Opening) -> None:
    """After a 429 the document goes out again when the service says, and the 429 was no attempt."""
    shop = workshop()
    shop.backend.fail(Unavailable("busy", status=429, retry_after_s=0.05, counts=False))

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.at_rest(1), "delivered")

    shop.run(scenario)
    record = shop.filed()["scan.png"]
    assert [a["status"] for a in record["attempts"]] == [202]
    assert shop.states(record) == ["claimed", "sending", "deferred", "sending", "delivered", "filed"]
    assert not record["possible_duplicate"]


@pytest.mark.parametrize("scope", Scope)
def test_wrong_credentials(scope: Scope, workshop: Opening) -> None:
    """A pause leaves the documents in the drop folder, unsent, and ends by itself when the cause is mended."""
    shop = workshop()
    shop.backend.locked = True
    shop.backend.fail(Unauthorized("the password is wrong", scope=scope))

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.lane.gate.paused, "paused")
        shop.put("another.png", picture(1))
        checks = shop.backend.checks
        await shop.until(lambda: shop.backend.checks > checks + 1, "probed")
        await shop.until(lambda: shop.waiting() == ["another.png", "scan.png"], "back in the drop folder")
        assert shop.backend.kept == []
        shop.backend.locked = False
        await shop.until(lambda: shop.at_rest(2), "delivered")

    shop.run(scenario)
    assert len(shop.backend.kept) == 2
    assert not shop.lane.gate.paused


def test_a_queue_of_the_service_that_is_wrong(workshop: Opening) -> None:
    """A pause that concerns the queue alone pauses the queue, not the connection, and ends by itself.

    The service is asked for all queues that subfolders may lead to: any of them may be the wrong one.
    """
    shop = workshop(queue_ids={"paid": "9", "old": "8236"})
    shop.backend.fail(Unauthorized("no such queue", status=404, scope=Scope.QUEUE))

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.line.gate.reason == "no such queue", "paused")
        assert not shop.lane.gate.paused
        await shop.until(lambda: shop.at_rest(1), "delivered")

    shop.run(scenario)
    assert len(shop.backend.kept) == 1
    assert shop.backend.asked == [("8236", "9")]


def test_a_pause_is_probed_by_one(workshop: Opening) -> None:
    """While the connection is paused, no second probe goes out beside the first."""
    shop = workshop()
    shop.backend.locked = True
    shop.backend.may_answer.clear()

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.backend.checks, "probed")
        scans = shop.drop.scans
        await shop.until(lambda: shop.drop.scans > scans + 3, "a while later")
        try:
            assert shop.backend.checks == 1
        finally:
            shop.backend.may_answer.set()

    shop.run(scenario)


def test_a_lost_answer_is_found(workshop: Opening) -> None:
    """A document whose answer was lost is asked about, found, and not sent again."""
    shop = workshop()
    shop.backend.fail(Uncertain("the connection was reset"), taken=True)

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.at_rest(1), "delivered")

    shop.run(scenario)
    record = shop.filed()["scan.png"]
    assert (len(shop.backend.kept), shop.backend.finds) == (1, 1)
    assert (record["recovered"], record["possible_duplicate"]) == (True, False)
    assert shop.states(record)[:4] == ["claimed", "sending", "uncertain", "delivered"]


def test_a_lost_request_is_sent_again(workshop: Opening) -> None:
    """A document that the service was asked about and does not have is sent again, once."""
    shop = workshop()
    shop.backend.fail(Uncertain("the connection was reset"))

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.at_rest(1), "delivered")

    shop.run(scenario)
    record = shop.filed()["scan.png"]
    assert (len(shop.backend.kept), shop.backend.finds) == (1, 1)
    assert (record["possible_duplicate"], len(record["attempts"])) == (False, 2)


@pytest.mark.parametrize("taken", [True, False])
def test_nobody_can_tell_and_it_is_held(taken: bool, workshop: Opening) -> None:  # noqa: FBT001 — a parameter
    """Where the service cannot tell, the document is held as uncertain and others go their way."""
    shop = workshop()
    shop.backend.tells = False
    shop.backend.fail(Uncertain("the connection was reset"), taken=taken)

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: [j.held for j in shop.carried()] == [True], "held")
        shop.put("b.png", picture(1))
        await shop.until(lambda: shop.at_rest(1), "another one delivered")

    shop.run(scenario)
    assert [j.state for j in shop.carried()] == [State.UNCERTAIN]
    assert list(shop.filed()) == ["b.png"]
    assert len(shop.backend.kept) == 1 + taken


def test_nobody_can_tell_and_it_is_sent_again(workshop: Opening) -> None:
    """With `uncertain: resend` it goes out again, and its record says that it may be there twice."""
    shop = workshop(uncertain="resend")
    shop.backend.tells = False
    shop.backend.fail(Uncertain("the connection was reset"))

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.at_rest(1), "delivered")

    shop.run(scenario)
    assert shop.filed()["scan.png"]["possible_duplicate"]
    assert len(shop.backend.kept) == 1


def test_a_503_where_nobody_can_tell(workshop: Opening) -> None:
    """A well-formed 503 counts as not taken where the service cannot be asked."""
    shop = workshop()
    shop.backend.tells = False
    shop.backend.fail(Uncertain("maintenance", status=503, retry_after_s=0.02, probably_not_taken=True))

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.at_rest(1), "delivered")

    shop.run(scenario)
    assert not shop.filed()["scan.png"]["possible_duplicate"]
    assert len(shop.backend.kept) == 1


def test_a_changed_document_goes_back(workshop: Opening) -> None:
    """A document that changed after its claim is not sent by half; it is judged and claimed anew."""
    shop = workshop()
    shop.backend.fail(ContentChanged("the file was changed after its claim"))

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.at_rest(1), "delivered")

    shop.run(scenario)
    assert len(shop.backend.kept) == 1
    assert shop.journal.reader.tallies() == {("invoices", "done"): 1}


@pytest.mark.parametrize("part", ["lane", "drop"])
def test_a_loop_ends_even_if_there_is_work(part: str, workshop: Opening) -> None:
    """A loop that is woken in the very moment of its cancellation ends all the same."""
    shop = workshop()
    owner = getattr(shop, part)
    wake = shop.drop._wake if part == "drop" else shop.lane._crew.wake

    async def scenario() -> None:
        loop = asyncio.create_task(owner.run())
        await shop.until(lambda: wake._waiters, "napping")
        wake.set()
        loop.cancel()
        ended, _ = await asyncio.wait({loop}, timeout=5)
        assert ended

    asyncio.run(scenario())


def test_stopping_sends_nothing_more(workshop: Opening) -> None:
    """After `stop` nothing is claimed, and what was ready stays in the drop folder."""
    shop = workshop()

    async def scenario() -> None:
        await shop.until(lambda: shop.drop.scans, "watching")
        await shop.lane.stop(1.0)
        shop.put()
        await shop.until(lambda: shop.drop.inbox.ready, "ready")

    shop.run(scenario)
    assert (shop.backend.kept, shop.waiting(), shop.backend.closed) == ([], ["scan.png"], True)
