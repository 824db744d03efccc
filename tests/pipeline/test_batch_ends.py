"""`mode: batch`: how batches end early, what does not keep them waiting, and reports that are written anew."""

import json
import os
from dataclasses import replace
from typing import Any

from hotfolder.backends.base import Uncertain
from hotfolder.batches import draw, render
from hotfolder.claims import new_upload_id, work_name
from hotfolder.model import Batch, State
from hotfolder.settlement import Verdict, settled
from tests.builders import DEADLINE_S, NOW
from tests.pipeline.test_batching import NAMES, OneByOne, outcomes, put_all, reports
from tests.pipeline.test_hours import a_while, hours, put_clock
from tests.pipeline.workshop import Opening, Workshop, picture


def begun(shop: Workshop, *names: bytes) -> Batch:
    """Have the journal know a batch."""
    batch = Batch(new_upload_id(NOW), "invoices", NOW, tuple((b"", name) for name in names))
    shop.journal.begin_batch(batch).result()
    return batch


def test_a_pause_of_the_connection_ends_a_batch(workshop: Opening) -> None:
    """What its log-in kept from being sent goes back; the log-in works again, and the rest is another batch in order."""
    backend = OneByOne()
    shop = workshop(backend, mode="batch")
    backend.may.clear()
    put_all(shop)

    async def scenario() -> None:
        await shop.until(lambda: [j.state for j in shop.carried()] == [State.SENDING], "the first one")
        backend.locked = True
        backend.may.set()
        await shop.until(lambda: reports(shop), "reported")
        assert shop.waiting() == NAMES
        backend.locked = False
        await shop.until(lambda: shop.at_rest(5), "all are delivered")
        await shop.until(lambda: len(reports(shop)) == 2, "reported")

    shop.run(scenario)
    first, second = reports(shop)
    assert [o for *_, o in outcomes(first)] == ["untouched"] * 5
    assert outcomes(second) == [(n, name, "done") for n, name in enumerate(NAMES, 1)]


def test_the_end_of_the_hours_ends_a_batch(workshop: Opening) -> None:
    """When the schedule closes a queue the rest is untouched, and goes as a batch of its own when it opens again."""
    backend = OneByOne()
    shop = workshop(backend, mode="batch", schedule=hours(-1, 1))
    backend.may.clear()
    put_all(shop)

    async def scenario() -> None:
        await shop.until(lambda: [j.state for j in shop.carried()] == [State.SENDING], "the first one")
        put_clock(shop, 2)
        await a_while(shop)
        backend.may.set()
        await shop.until(lambda: reports(shop), "reported")
        assert shop.waiting() == NAMES[1:]
        put_clock(shop, 0)
        await shop.until(lambda: len(reports(shop)) == 2, "reported")

    shop.run(scenario)
    first, second = sorted(reports(shop), key=lambda report: len(report.files), reverse=True)
    assert [o for *_, o in outcomes(first)] == ["done", *["untouched"] * 4]
    assert [(name, o) for _, name, o in outcomes(second)] == [(name, "done") for name in NAMES[1:]]


def test_a_twin_keeps_nobody_waiting(workshop: Opening) -> None:
    """A document that waits for what becomes of another one of its content lets those behind it go."""
    backend = OneByOne(asks=1_000_000)
    shop = workshop(backend, mode="batch", duplicates="done")
    for name, number in (("a.png", 0), ("b.png", 0), ("c.png", 2), ("d.png", 3)):
        shop.put(name, picture(number))

    async def scenario() -> None:
        await shop.until(lambda: len(backend.kept) == 3, "sent")
        waits = {j.name: j.state for j in shop.carried()}
        assert waits[b"b.png"] is State.CLAIMED

    shop.run(scenario)
    assert [kept.name for kept in backend.kept] == ["a.png", "c.png", "d.png"]


def test_what_is_sent_again_waits_for_its_turn(workshop: Opening) -> None:
    """A person has a held document sent again while another of its batch is on the wire: one at a time it stays."""
    backend = OneByOne()
    backend.tells = False
    backend.fail(Uncertain("the answer was lost"))
    shop = workshop(backend, mode="batch", uncertain="hold")
    for name, number in (("a.png", 0), ("b.png", 1), ("c.png", 2)):
        shop.put(name, picture(number))

    async def scenario() -> None:
        await shop.until(lambda: [j.held for j in shop.carried()].count(True) == 1, "held")
        (held,) = (j for j in shop.carried() if j.held)
        await shop.until(lambda: len(backend.kept) == 2, "the others go on")
        backend.may.clear()
        shop.put("d.png", picture(3))
        sending = lambda: [j.name for j in shop.carried() if j.state is State.SENDING]  # noqa: E731
        await shop.until(lambda: sending() == [b"d.png"], "the next batch")
        again = lambda j: settled(j, Verdict.RESEND, None, NOW)  # noqa: E731
        await shop.lane.hands.settle(shop.line, held.upload_id, again, DEADLINE_S)
        await a_while(shop)
        backend.may.set()
        await shop.until(lambda: len(reports(shop)) == 2, "reported")

    shop.run(scenario)
    assert [kept.name for kept in backend.kept] == ["b.png", "c.png", "d.png", "a.png"]
    assert backend.most == 1
    assert [o for *_, o in outcomes(reports(shop)[0])] == ["done"] * 3


def test_documents_bring_their_companions(workshop: Opening) -> None:
    """Each takes its own along; one that is written anew while the batch runs is the one that counts."""
    backend = OneByOne()
    shop = workshop(backend, mode="batch", companion="{stem}.json", companion_timeout_s=1.0)
    backend.may.clear()
    for number, name in enumerate(NAMES):
        shop.put(name.replace("png", "json"), json.dumps({"queue_id": f"q{number}"}).encode())
        shop.put(name, picture(number))

    async def scenario() -> None:
        await shop.until(lambda: [j.state for j in shop.carried()] == [State.SENDING], "the first one")
        shop.put("e.json", b'{"queue_id": "other"}')
        await shop.until(lambda: any(a.own.queue_id == "other" for a in shop.drop.inbox.ready), "seen")
        backend.may.set()
        await shop.until(lambda: reports(shop), "reported")

    shop.run(scenario)
    assert {kept.name: kept.queue_id for kept in backend.kept} == {
        "a.png": "q0",
        "b.png": "q1",
        "c.png": "q2",
        "d.png": "q3",
        "e.png": "other",
    }
    (report,) = reports(shop)
    assert [o for *_, o in outcomes(report)] == ["done"] * 5
    for name in NAMES:
        assert json.loads((shop.top / "done" / f"{name}.json").read_text())["beside"] == [f"{name[0]}.json"]


def test_a_report_is_drawn_anew(workshop: Opening) -> None:
    """A daemon that ended between the report and its row writes it once more, in the place of the first."""
    shop = workshop(OneByOne(), mode="batch")
    batch = begun(shop, b"a.png")
    (shop.top / "done").mkdir()
    report = shop.top / "done" / f"{batch.batch_id}.batch.json"
    report.write_bytes(render(draw(batch, [], 0.0)))

    async def scenario() -> None:
        shop.line.batching.owe(batch)
        await shop.until(lambda: not shop.journal.reader.open_batches("invoices"), "known as written")

    shop.run(scenario)
    assert not reports(shop)[0].ended.startswith("1970")
    assert [p.name for p in (shop.top / "done").iterdir()] == [report.name]


def test_what_is_not_ours_is_never_replaced(workshop: Opening) -> None:
    """Where somebody's file has the name of a report, the queue says so; the report comes once the name is free."""
    shop = workshop(OneByOne(), mode="batch")
    batch = begun(shop, b"a.png")
    (shop.top / "done").mkdir()
    report = shop.top / "done" / f"{batch.batch_id}.batch.json"
    report.write_bytes(render(with_another_id(draw(batch, [], NOW))))

    async def scenario() -> None:
        theirs = report.read_bytes()
        shop.line.batching.owe(batch)
        await shop.until(lambda: shop.line.batching.trouble, "said")
        assert report.read_bytes() == theirs
        report.unlink()
        await shop.until(lambda: not shop.journal.reader.open_batches("invoices"), "written")
        await shop.until(lambda: shop.line.batching.trouble is None, "said")

    shop.run(scenario)
    assert outcomes(reports(shop)[0]) == [(1, "a.png", "untouched")]


def with_another_id(report: Any) -> Any:
    """Return the report of another batch."""
    return report.model_copy(update={"batch_id": new_upload_id(NOW)})


def test_what_was_missing_comes_back(workshop: Opening) -> None:
    """A document that left the work folder is `missing`; found and filed later, its batch is reported anew."""
    backend = OneByOne()
    shop = workshop(backend, mode="batch")
    backend.may.clear()
    shop.put("a.png", picture(0))
    shop.put("b.png", picture(1))

    async def scenario() -> None:
        await shop.until(lambda: [j.state for j in shop.carried()] == [State.SENDING], "the first one")
        (first,) = shop.carried()
        there = shop.top / ".hotfolder" / os.fsdecode(work_name(first))
        await shop.until(lambda: backend._now == 1, "on the wire")
        content = there.read_bytes()
        backend.may.set()
        await shop.until(lambda: backend.kept, "taken")
        there.unlink()
        await shop.until(lambda: reports(shop), "reported")
        assert outcomes(reports(shop)[0]) == [(1, "a.png", "missing"), (2, "b.png", "done")]
        there.write_bytes(content)
        found = shop.journal.reader.find(first.upload_id)
        assert found is not None
        shop.lane.resume(shop.line, replace(found, filed_at=None))
        await shop.until(lambda: outcomes(reports(shop)[0])[0][2] == "done", "reported anew")

    shop.run(scenario)
    assert len(reports(shop)) == 1


def test_a_batch_whose_folder_goes_away(workshop: Opening) -> None:
    """While the folder is offline nothing is reported and nothing claimed; the report comes when it is back."""
    shop = workshop(OneByOne(), mode="batch")
    batch = begun(shop, b"a.png")

    async def scenario() -> None:
        await shop.until(lambda: shop.drop.scans, "open")
        shop.top.rename(shop.top.with_name("away"))
        await shop.until(lambda: shop.drop.offline, "offline")
        shop.line.batching.owe(batch)
        assert not shop.line.batching.due
        shop.top.with_name("away").rename(shop.top)
        await shop.until(lambda: reports(shop), "reported")
        assert shop.line.batching.trouble is None

    shop.run(scenario)
