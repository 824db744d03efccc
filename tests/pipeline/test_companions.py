"""A document and its companion on their way through the pipeline, together."""

import json
from typing import Any

from hotfolder.backends.base import Receipt, Unavailable
from tests.pipeline.workshop import Guarded, Opening, Workshop, picture

SAYS = json.dumps({"metadata": {"site": "Brno", "floor": 2}, "values": {"a": "b"}, "queue_id": "9"}).encode()


class Recording(Guarded):
    """A memory that keeps what it was told of each document."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[Any] = []

    def upload(self, parcel: Any) -> Receipt:
        """Keep the parcel."""
        self.told.append(parcel)
        return super().upload(parcel)


def rests(shop: Workshop, area: str = "done") -> list[str]:
    """Return every name in an archive."""
    folder = shop.top / area
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def reason(shop: Workshop, name: str) -> str:
    """Return why an entry of the drop folder is there."""
    entry = shop.drop.inbox.entries.get((b"", name.encode()))
    return entry.reason if entry else ""


def test_both_orders_of_arrival(workshop: Opening) -> None:
    """The companion may come before its document or after it; both rest together, and what it says is sent."""
    backend = Recording()
    shop = workshop(backend, companion="{stem}.json", metadata={"site": "Prague", "name": "{name}"})

    async def scenario() -> None:
        shop.put("first.json", SAYS)
        shop.put("first.png")
        shop.put("second.png", picture(2))
        await shop.until(lambda: shop.at_rest(1), "the first is filed")
        await shop.until(lambda: "companion second.json" in reason(shop, "second.png"), "the second waits")
        shop.put("second.json", SAYS)
        await shop.until(lambda: shop.at_rest(2), "the second is filed")

    shop.run(scenario)
    expected = [f"{n}{e}" for n in ("first", "second") for e in (".json", ".png", ".png.json")]
    assert (rests(shop), shop.waiting()) == (expected, [])
    for parcel in backend.told:
        assert parcel.metadata == {"site": "Brno", "floor": 2, "name": parcel.name}
        assert (parcel.values, parcel.queue_id) == ({"a": "b"}, "9")
    record = json.loads((shop.top / "done/first.png.json").read_text())
    assert record["queue"] == {"name": "invoices", "id": "9", "id_source": "companion"}
    assert (record["file"]["companion"], record["beside"]) == ("first.json", ["first.json"])


def test_without_its_companion(workshop: Opening) -> None:
    """After the time-out the document goes alone, and its record says so; a companion that comes later stays."""
    shop = workshop(Recording(), companion="{stem}.yaml", companion_timeout_s=0.1)

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.at_rest(1), "filed")
        shop.put("scan.yaml", b"queue_id: 9\n")
        await shop.until(lambda: "companion" in reason(shop, "scan.yaml"), "the companion is known")

    shop.run(scenario)
    record = shop.filed()["scan.png"]
    assert "sent without its companion scan.yaml" in record["warnings"][0]
    assert (record["queue"]["id_source"], "companion" in record["file"]) == ("queue", False)
    assert shop.waiting() == ["scan.yaml"]


def test_a_broken_companion(workshop: Opening) -> None:
    """The document is refused with the line of the mistake, unsent, and both lie in failed/."""
    backend = Recording()
    shop = workshop(backend, companion="{stem}.xml")

    async def scenario() -> None:
        shop.put("scan.xml", b"<d>\n<queue>7</queue></d>")
        shop.put()
        await shop.until(lambda: shop.line.filed["failed"] == 1, "filed")

    shop.run(scenario)
    assert rests(shop, "failed") == ["scan.png", "scan.png.json", "scan.xml"]
    record = json.loads((shop.top / "failed/scan.png.json").read_text())
    assert (record["error_source"], record["response"]["StatusCode"]) == ("local", 422)
    assert (
        "scan.xml cannot be used: line 2: <queue> is not known"
        in record["response"]["Messages"][0]["Message"]
    )
    assert backend.told == []


def test_a_pause_puts_both_back(workshop: Opening) -> None:
    """What was claimed and not sent lies in the drop folder again with its companion, and is sent with it later."""
    backend = Recording()
    backend.fail(Unavailable("try later", status=503, retry_after_s=3600))
    shop = workshop(backend, companion="{stem}.json")

    async def scenario() -> None:
        shop.put("scan.json", SAYS)
        shop.put()
        await shop.until(lambda: [j for j in shop.carried() if j.state == "deferred"], "deferred")
        await shop.lane.hands.pause(shop.line, "by hand")
        assert shop.waiting() == ["scan.json", "scan.png"]
        shop.lane.hands.resume(shop.line)
        await shop.until(lambda: shop.at_rest(1), "sent")

    shop.run(scenario)
    assert rests(shop) == ["scan.json", "scan.png", "scan.png.json"]
    assert [parcel.queue_id for parcel in backend.told] == ["9", "9"]


def test_a_marker(workshop: Opening) -> None:
    """A document waits for its marker; once it was claimed the marker is gone, and after a pause it is there again."""
    backend = Recording()
    backend.fail(Unavailable("try later", status=503, retry_after_s=3600))
    shop = workshop(backend, ready_marker="{name}.ready")

    async def scenario() -> None:
        shop.put("other.png.ready", b"")
        shop.put()
        await shop.until(
            lambda: "waits for its marker scan.png.ready" in reason(shop, "scan.png"), "it waits"
        )
        assert shop.drop.inbox.counts()["ignored"] == 1
        shop.put("scan.png.ready", b"")
        await shop.until(lambda: [j for j in shop.carried() if j.state == "deferred"], "deferred")
        assert shop.waiting() == ["other.png.ready"]
        await shop.lane.hands.pause(shop.line, "by hand")
        assert shop.waiting() == ["other.png.ready", "scan.png", "scan.png.ready"]
        shop.lane.hands.resume(shop.line)
        await shop.until(lambda: shop.at_rest(1), "sent")

    shop.run(scenario)
    assert (rests(shop), shop.waiting()) == (["scan.png", "scan.png.json"], ["other.png.ready"])
    assert [p.name for p in (shop.top / ".hotfolder").iterdir()] == []


def test_a_document_that_is_not_marked_is_not_judged(workshop: Opening) -> None:
    """What is not whole without its marker is not complete, and goes nowhere."""
    shop = workshop(Recording(), ready_marker="{name}.ready")

    async def scenario() -> None:
        shop.put("scan.png", b"no picture at all")
        await shop.until(lambda: "waits for its marker" in reason(shop, "scan.png"), "it waits")
        shop.put("scan.png.ready", b"")
        await shop.until(lambda: shop.line.filed["failed"] == 1, "refused once it is marked")

    shop.run(scenario)
    assert rests(shop, "failed") == ["scan.png", "scan.png.json"]
