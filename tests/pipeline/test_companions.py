"""A document and its companion on their way through the pipeline, together."""

import asyncio
import json

from hotfolder.audit.inspection import Looker
from tests.pipeline.workshop import Opening, Workshop, picture

SAYS = json.dumps({"metadata": {"site": "Brno", "floor": 2}, "values": {"a": "b"}, "queue_id": "9"}).encode()


def rests(place: Workshop, area: str = "done") -> list[str]:
    """Return every name in an archive."""
    folder = place.top / area
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def test_both_orders_of_arrival(workshop: Opening) -> None:
    """The companion may come before its document or after it; both rest together, and what it says is sent."""
    place = workshop(companion="{stem}.json", metadata={"site": "Prague", "name": "{name}"})

    async def scenario() -> None:
        place.put("first.json", SAYS)
        place.put("first.png")
        place.put("second.png", picture(2))
        await place.until(lambda: place.at_rest(1), "the first is filed")
        await place.until(lambda: "companion second.json" in reason(place, b"second.png"), "the second waits")
        place.put("second.json", SAYS)
        await place.until(lambda: place.at_rest(2), "the second is filed")

    place.run(scenario)
    assert rests(place) == sorted(
        f"{n}{e}" for n in ("first", "second") for e in (".json", ".png", ".png.json")
    )
    assert place.waiting() == []
    for parcel in place.backend.received:
        name = f"{parcel.name}"
        assert parcel.metadata == {"site": "Brno", "floor": 2, "name": name}
        assert (parcel.values, parcel.queue_id) == ({"a": "b"}, "9")
    record = json.loads((place.top / "done/first.png.json").read_text())
    assert record["queue"] == {"name": "invoices", "id": "9", "id_source": "companion"}
    assert (record["file"]["companion"], record["beside"]) == ("first.json", ["first.json"])


def reason(place: Workshop, name: bytes) -> str:
    """Return why an entry of the drop folder is there."""
    entry = place.drop.inbox.entries.get((b"", name))
    return entry.reason if entry else ""


async def until_tried(place: Workshop, name: bytes, words: str) -> None:
    """Wait for a reason."""
    await place.until(lambda: words in reason(place, name), words)
