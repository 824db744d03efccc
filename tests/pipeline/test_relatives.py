"""Duplicates, documents that come back and longer ones, carried along a real pipeline."""

import io
import threading
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from hotfolder.backends.base import Refused, Unauthorized, Unavailable, Uncertain
from hotfolder.model import Answer, State
from tests.builders import DEADLINE_S
from tests.pipeline.workshop import Guarded, Opening, picture

REFUSED = Refused(Answer(413, "TOO_LARGE", ("too large",)))


def pages(number: int) -> bytes:
    """Return a TIFF of so many pages."""
    made = io.BytesIO()
    first, *others = (Image.new("L", (8, 8), shade) for shade in range(number))
    first.save(made, "TIFF", save_all=True, append_images=others)
    return made.getvalue()


# Duplicates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "archive", "sent"), [("send", "done", 2), ("done", "done", 1), ("fail", "failed", 1)]
)
def test_content_that_was_delivered(policy: str, archive: str, sent: int, workshop: Opening) -> None:
    """By the queue's policy it is sent again, filed as done with the first's id, or failed; its record names the first."""
    shop = workshop(duplicates=policy)

    async def scenario() -> None:
        shop.put("a.png")
        await shop.until(lambda: shop.at_rest(1), "the first delivered")
        shop.put("b.png")
        await shop.until(lambda: sum(shop.line.filed.values()) == 2, "the second filed")

    shop.run(scenario)
    first, second = shop.filed()["a.png"], shop.filed(archive)["b.png"]
    assert len(shop.backend.kept) == sent
    assert (first["duplicate_of"], second["duplicate_of"]) == (None, first["upload_id"])
    if policy == "done":
        assert second["response"]["DocumentIDs"] == first["response"]["DocumentIDs"]
        assert shop.states(second) == ["claimed", "delivered", "filed"]
    if policy == "fail":
        assert (second["response"]["StatusCode"], second["response"]["ErrorKey"]) == (409, "CONFLICT")
        assert shop.states(second) == ["claimed", "refused", "filed"]


class Untimed(Guarded):
    """A service whose clock is asked for before each document, since it never tells it."""

    traits = replace(Guarded.traits, finds_by_time=True)


@pytest.mark.parametrize("service", [Guarded, Untimed])
def test_twins_dropped_at_once(service: type[Guarded], workshop: Opening) -> None:
    """Of many documents of one content that land together one is sent, and the others end with its id."""
    shop = workshop(service(asks=2), duplicates="done")

    async def scenario() -> None:
        for number in range(12):
            shop.put(f"{number}.png")
        await shop.until(lambda: shop.at_rest(12), "all filed")

    shop.run(scenario)
    records = shop.filed().values()
    (first,) = [r for r in records if r["duplicate_of"] is None]
    assert len(shop.backend.kept) == 1
    assert {r["duplicate_of"] for r in records if r is not first} == {first["upload_id"]}
    assert {i["DocumentID"] for r in records for i in r["response"]["DocumentIDs"]} == {"1"}


def test_a_twin_is_sent_where_the_first_fails(workshop: Opening) -> None:
    """A document that waited for one of its content is sent once that one was refused."""
    shop = workshop(duplicates="fail")
    shop.backend.fail(Unavailable("busy", retry_after_s=0.3, counts=False))
    shop.backend.fail(REFUSED)

    async def scenario() -> None:
        shop.put("a.png")
        await shop.until(lambda: [j.state for j in shop.carried()] == [State.DEFERRED], "the first waits")
        shop.put("b.png")
        await shop.until(lambda: shop.at_rest(1), "the second delivered")

    shop.run(scenario)
    assert list(shop.filed("failed")) == ["a.png"]
    assert shop.filed()["b.png"]["duplicate_of"] is None
    assert len(shop.backend.kept) == 1


def test_a_twin_of_a_held_document_waits(workshop: Opening) -> None:
    """While nobody knows whether the first arrived the second is not sent, and says what it waits for."""
    shop = workshop(duplicates="done")
    shop.backend.tells = False
    shop.backend.fail(Uncertain("the connection was reset"), taken=True)

    async def scenario() -> None:
        shop.put("a.png")
        await shop.until(lambda: [j.held for j in shop.carried()] == [True], "held")
        shop.put("b.png")
        await shop.until(lambda: any("a.png" in (j.reason or "") for j in shop.carried()), "waits for it")
        shop.put("c.png", picture(1))
        await shop.until(lambda: shop.at_rest(1), "another content delivered")

    shop.run(scenario)
    assert [k.name for k in shop.backend.kept] == ["a.png", "c.png"]


class OnTheWire(Guarded):
    """Keeps an upload on the wire until the test lets it go."""

    def __init__(self) -> None:
        super().__init__()
        self.goes = threading.Event()

    def upload(self, parcel: Any) -> Any:
        """Wait for the test."""
        assert self.goes.wait(DEADLINE_S)
        return super().upload(parcel)


def test_a_twin_goes_back_when_its_queue_pauses(workshop: Opening) -> None:
    """What waits for its first was not sent: a pause puts it back, and both are settled after it."""
    backend = OnTheWire()
    shop = workshop(backend, duplicates="done")
    backend.fail(Unauthorized("the password is wrong"))
    backend.may_answer.clear()  # the pause lasts until the test ends it

    async def scenario() -> None:
        shop.put("a.png")
        await shop.until(shop.carried, "the first is under way")
        shop.put("b.png")
        twins = shop.lane._carriage.twins
        await shop.until(
            lambda: any(twins.holds(j.upload_id) for j in shop.carried()), "the second waits for it"
        )
        backend.goes.set()
        await shop.until(lambda: shop.waiting() == ["a.png", "b.png"], "both are back")
        backend.may_answer.set()
        await shop.until(lambda: shop.at_rest(2), "both filed")

    shop.run(scenario)
    assert len(shop.backend.kept) == 1


# What comes back ----------------------------------------------------------------------------------


@pytest.mark.parametrize("again", ["done", "failed"])
def test_a_document_moved_back_from_failed(again: str, workshop: Opening) -> None:
    """Its history goes with it, its new record names the old upload, and no lonely record stays in failed/."""
    shop = workshop(duplicates="fail")
    shop.backend.fail(REFUSED)

    async def scenario() -> None:
        shop.put("a.png")
        await shop.until(lambda: shop.line.filed["failed"] == 1, "failed")
        old.append(shop.filed("failed")["a.png"])
        if again == "failed":
            shop.backend.fail(REFUSED)
        (shop.top / "failed/a.png").rename(shop.top / "a.png")
        await shop.until(lambda: sum(shop.line.filed.values()) == 2, "filed again")

    old: list[dict[str, Any]] = []
    shop.run(scenario)
    (record,) = shop.filed(again).values()
    assert (record["retry_of"], record["duplicate_of"]) == (old[0]["upload_id"], None)
    assert record["attempts"][0] == old[0]["attempts"][0]
    assert len(record["attempts"]) == 2
    assert len(list((shop.top / "failed").iterdir())) == (2 if again == "failed" else 0)


def test_a_copy_of_a_failed_document_is_no_retry(workshop: Opening) -> None:
    """While the failed one still lies in failed/, its record stays beside it."""
    shop = workshop()
    shop.backend.fail(REFUSED)

    async def scenario() -> None:
        shop.put("a.png")
        await shop.until(lambda: shop.line.filed["failed"] == 1, "failed")
        shop.put("b.png")
        await shop.until(lambda: shop.at_rest(1), "delivered")

    shop.run(scenario)
    assert "retry_of" not in shop.filed()["b.png"]
    assert sorted(p.name for p in (shop.top / "failed").iterdir()) == ["a.png", "a.png.json"]


# Longer ones --------------------------------------------------------------------------------------


def test_a_scanner_that_makes_the_name_again(workshop: Opening) -> None:
    """The longer document is sent under an upload of its own, says what it supersedes, and the queue learns to wait."""
    shop = workshop()

    async def scenario() -> None:
        shop.put("scan.tif", pages(1))
        await shop.until(lambda: shop.at_rest(1), "the first page delivered")
        shop.put("scan.tif", pages(3))
        await shop.until(lambda: shop.at_rest(2), "all pages delivered")

    shop.run(scenario)
    first = shop.filed().pop("scan.tif")
    (longer,) = [r for r in shop.filed().values() if r["upload_id"] != first["upload_id"]]
    assert longer["supersedes"] == first["upload_id"]
    assert "supersedes" not in first
    assert [k.sha256 for k in shop.backend.kept] == [first["file"]["sha256"], longer["file"]["sha256"]]
    assert "raise `settle`" in longer["warnings"][0]
    assert shop.drop.inbox.window_s > 0


def test_the_same_beginning_is_noticed(workshop: Opening) -> None:
    """A PDF that was continued begins with all bytes of the earlier one, and its record says so."""
    from tests.e2e.producers import reportlab_pdf  # noqa: PLC0415 — one test alone needs a real PDF

    shop = workshop()
    page = reportlab_pdf(1)

    async def scenario() -> None:
        shop.put("scan.pdf", page)
        await shop.until(lambda: shop.at_rest(1), "delivered")
        shop.put("scan.pdf", page + b"% continued\n%%EOF\n")
        await shop.until(lambda: shop.at_rest(2), "delivered again")

    shop.run(scenario)
    warnings = [w for r in shop.filed().values() for w in r["warnings"]]
    assert ["begins with the same bytes" in w for w in warnings] == [True]
