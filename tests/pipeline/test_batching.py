"""`mode: batch`: one batch of what lies there together, in a fixed order, with one report."""

import json
import threading
from dataclasses import replace
from typing import Any

import pytest

from hotfolder.arrivals.scan import Seen
from hotfolder.backends.base import Refused, Unavailable
from hotfolder.batches import SUFFIX, BatchReport, read
from hotfolder.checks.readiness import Kind
from hotfolder.claims import new_upload_id
from hotfolder.model import Answer, Batch, State
from tests.builders import DEADLINE_S, NOW, STAMP, arrival
from tests.pipeline.workshop import Guarded, Opening, Workshop, picture

NAMES = ["a.png", "b.png", "c.png", "d.png", "e.png"]


class OneByOne(Guarded):
    """A memory that refuses some names, stumbles over others once, and knows how many requests were ever together."""

    def __init__(self, asks: int = 0) -> None:
        super().__init__(asks)
        self.refused: set[str] = set()
        self.stumbles: set[str] = set()
        self.may = threading.Event()
        self.may.set()
        self.most = 0
        self._now = 0

    def upload(self, parcel: Any) -> Any:
        """Take it, when it may."""
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            assert self.may.wait(DEADLINE_S)
            if parcel.name in self.stumbles:
                self.stumbles.discard(parcel.name)
                raise Unavailable("not now", status=503)
            if parcel.name in self.refused:
                raise Refused(Answer(422, "unreadable", ("It does not like it.",)))
            return super().upload(parcel)
        finally:
            self._now -= 1


def put_all(shop: Workshop) -> None:
    """Drop documents in another order than that of their names."""
    for number, name in ((3, "d.png"), (0, "a.png"), (4, "e.png"), (2, "c.png"), (1, "b.png")):
        shop.put(name, picture(number))


def reports(shop: Workshop) -> list[BatchReport]:
    """Return the reports in done/, the oldest first."""
    top = shop.top / "done"
    names = sorted(p for p in top.glob("*" + SUFFIX.decode())) if top.exists() else []
    return [read(p.read_bytes()) for p in names]


def outcomes(report: BatchReport) -> list[tuple[int, str, str]]:
    """Return place, name and outcome of each document of a report."""
    return [(f.place, f.name, f.outcome) for f in report.files]


def batch_of(record: dict[str, Any]) -> tuple[str, int]:
    """Return the batch and the place that a sidecar names."""
    return record["batch"]["id"], record["batch"]["place"]


@pytest.mark.parametrize("asks", [0, 1])
def test_one_batch_in_order(workshop: Opening, asks: int) -> None:
    """What lies there together is sent by name, one request at a time, and each record names batch and place."""
    backend = OneByOne(asks)
    backend.stumbles = {"b.png"}
    shop = workshop(backend, mode="batch")
    put_all(shop)

    async def scenario() -> None:
        await shop.until(lambda: reports(shop), "reported")
        assert shop.at_rest(5)
        await shop.until(lambda: not shop.journal.reader.open_batches("invoices"), "the journal knows")

    shop.run(scenario)
    assert [kept.name for kept in backend.kept] == NAMES
    assert backend.most == 1
    (report,) = reports(shop)
    assert outcomes(report) == [(n, name, "done") for n, name in enumerate(NAMES, 1)]
    records = {n: r for n, r in shop.filed().items() if n in NAMES}
    assert {n: batch_of(r) for n, r in records.items()} == {
        name: (report.batch_id, n) for n, name in enumerate(NAMES, 1)
    }
    for file in report.files:
        assert json.loads((shop.top / "done" / str(file.sidecar)).read_text())["upload_id"] == file.upload_id
        assert file.response is not None
        assert file.response.StatusCode == 202
    assert report.began <= report.ended
    assert report.stopped_at is None


def test_documents_of_one_name_go_by_their_time(workshop: Opening) -> None:
    """Equal names of several folders: the older one first."""
    inbox = workshop().drop.inbox
    times = {b"x": 9, b"y": 3, b"b": 3}
    inbox.ready.append(arrival(replace(STAMP, mtime_ns=1), b"b.png"))
    inbox.ready.extend(arrival(replace(STAMP, mtime_ns=t), b"a.png", folder) for folder, t in times.items())
    assert [(a.name, a.folder) for a in inbox.in_order()] == [
        (b"a.png", b"b"),
        (b"a.png", b"y"),
        (b"a.png", b"x"),
        (b"b.png", b""),
    ]


def test_what_landed_together_is_waited_for(workshop: Opening) -> None:
    """A document that changed lately and is not ready keeps the batch waiting, for at most `settle_max`."""
    shop = workshop(mode="batch", settle_s=0, settle_max_s=5)
    inbox, line = shop.drop.inbox, shop.line
    shop.drop._rescan, shop.drop.scans = False, 1
    inbox.observe(Seen(b"", b"slow.png", Kind.FILE, STAMP), 100.0, NOW)
    assert not line.offers(100.0)
    assert not line.batching.gathers
    inbox.ready.append(arrival(STAMP, b"a.png"))
    assert not line.offers(100.5)
    assert line.batching.gathers
    inbox.forget((b"", b"slow.png"))
    assert line.offers(100.6)
    for now in (101.0, 103.0, 105.0):
        inbox.observe(Seen(b"", b"%d.png" % now, Kind.FILE, STAMP), now, NOW)
        assert not line.offers(now)
    inbox.observe(Seen(b"", b"trickle.png", Kind.FILE, STAMP), 105.6, NOW)
    assert line.offers(105.6)


def test_a_refused_one_keeps_nobody(workshop: Opening) -> None:
    """`on_error: continue`: the others of the batch go on, and the report tells both."""
    backend = OneByOne()
    backend.refused = {"c.png"}
    shop = workshop(backend, mode="batch")
    put_all(shop)

    async def scenario() -> None:
        await shop.until(lambda: reports(shop), "reported")

    shop.run(scenario)
    (report,) = reports(shop)
    assert [outcome for *_, outcome in outcomes(report)] == ["done", "done", "failed", "done", "done"]
    assert report.files[2].response is not None
    assert report.files[2].response.ErrorKey == "unreadable"
    assert report.files[2].archive == "c.png"
    assert report.stopped_at is None


@pytest.mark.parametrize("mode", ["stop", "stop_without_record"])
def test_a_batch_stops_at_a_line(workshop: Opening, mode: str) -> None:
    """`on_error: stop`: two are delivered, the third failed, two untouched; resumed, these are the next batch."""
    backend = OneByOne()
    backend.refused = {"c.png"}
    shop = workshop(backend, mode="batch", on_error=mode)
    put_all(shop)

    async def scenario() -> None:
        await shop.until(lambda: reports(shop), "reported")
        assert shop.waiting() == ["d.png", "e.png"]
        assert [kept.name for kept in backend.kept] == ["a.png", "b.png"]
        shop.lane.hands.resume(shop.line, shop.line.stopped)
        await shop.until(lambda: len(reports(shop)) == 2, "reported")

    shop.run(scenario)
    first, second = reports(shop)
    assert [o for *_, o in outcomes(first)] == ["done", "done", "failed", "untouched", "untouched"]
    assert first.stopped_at == 3
    assert (first.files[2].response is None) == (mode == "stop_without_record")
    assert first.files[3].upload_id is None
    assert outcomes(second) == [(1, "d.png", "done"), (2, "e.png", "done")]


def test_a_pause_ends_a_batch(workshop: Opening) -> None:
    """What is on the wire ends, the rest stays untouched; after the pause it is a batch of its own."""
    backend = OneByOne()
    shop = workshop(backend, mode="batch")
    backend.may.clear()
    put_all(shop)

    async def scenario() -> None:
        await shop.until(lambda: [j.state for j in shop.carried()] == [State.SENDING], "the first one")
        await shop.lane.hands.pause(shop.line, "by hand")
        backend.may.set()
        await shop.until(lambda: reports(shop), "reported")
        assert shop.waiting() == NAMES[1:]
        shop.lane.hands.resume(shop.line)
        await shop.until(lambda: len(reports(shop)) == 2, "reported")

    shop.run(scenario)
    first, second = reports(shop)
    assert [o for *_, o in outcomes(first)] == ["done", *["untouched"] * 4]
    assert [name for _, name, _ in outcomes(second)] == NAMES[1:]
    assert [kept.name for kept in backend.kept] == NAMES


def test_what_changes_meanwhile_goes_with_the_next(workshop: Opening) -> None:
    """A member that is replaced or taken away before its turn is untouched, and nothing of it is lost."""
    backend = OneByOne()
    shop = workshop(backend, mode="batch")
    backend.may.clear()
    put_all(shop)

    async def scenario() -> None:
        await shop.until(lambda: [j.state for j in shop.carried()] == [State.SENDING], "the first one")
        (shop.top / "d.png").unlink()
        shop.put("b.png", picture(77))
        scans = shop.drop.scans
        await shop.until(lambda: shop.drop.scans > scans + 3, "seen")
        backend.may.set()
        await shop.until(lambda: len(reports(shop)) == 2, "reported")

    shop.run(scenario)
    first, second = reports(shop)
    assert [o for *_, o in outcomes(first)] == ["done", "untouched", "done", "untouched", "done"]
    assert outcomes(second) == [(1, "b.png", "done")]


def test_a_report_waits_for_its_folder(workshop: Opening) -> None:
    """Where done/ cannot be written the queue says so, and the report comes once it can."""
    shop = workshop(OneByOne(), mode="batch")
    batch = Batch(new_upload_id(NOW), "invoices", NOW, ((b"", b"a.png"),))
    shop.journal.begin_batch(batch).result()
    done = shop.top / "done"
    done.write_text("in the way")

    async def scenario() -> None:
        shop.line.batching.owe(batch)
        await shop.until(lambda: shop.line.batching.trouble, "said")
        assert not shop.line.batching.due
        done.unlink()
        await shop.until(lambda: reports(shop), "written")

    shop.run(scenario)
    assert outcomes(reports(shop)[0]) == [(1, "a.png", "untouched")]
