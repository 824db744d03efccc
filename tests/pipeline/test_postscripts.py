"""What is told of a document later goes into its sidecar, once, and moves nothing."""

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hotfolder.journal import Journal
from hotfolder.model import Journey
from hotfolder.news import News
from hotfolder.pipeline.line import Line
from hotfolder.pipeline.postscripts import Postscripts, with_events
from hotfolder.sidecar import draw, moment, read, render, sidecar_schema
from tests.builders import NOW, delivered
from tests.pipeline.workshop import Guarded, Workshop

JOURNEY = delivered(queue_id="8236")
RECORD = draw(JOURNEY, NOW)


def news(status: str = "exported", at: float = NOW, **changes: Any) -> News:
    """Make what was told of a document."""
    record = {"id": "1", "status": status}
    facts = {"queue_id": "8236", "event": None, "body": json.dumps(record), "last_at": at, "key": status}
    return News(connection="acme", document_id="1", status=status, received_at=at, **{**facts, **changes})


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.floats(0, 60)), max_size=12), st.integers(1, 4))
def test_order_and_repeats_do_not_matter(told: list[tuple[str, float]], cut: int) -> None:
    """Told at once or by and by, in any order, again and again: the same events, the earliest first."""
    every = [news(status, NOW + late) for status, late in told]
    whole = with_events(RECORD, JOURNEY, every)
    piecewise = with_events(RECORD, JOURNEY, every[cut:])
    piecewise = with_events(with_events(piecewise, JOURNEY, every[:cut]), JOURNEY, every)
    assert {(e.status, e.received_at) for e in whole.events} == {
        (e.status, e.received_at) for e in piecewise.events
    }
    assert [e.received_at for e in whole.events] == sorted(e.received_at for e in whole.events)
    assert {e.status for e in whole.events} == {status for status, _ in told}
    assert with_events(whole, JOURNEY, every) == whole
    Draft202012Validator(sidecar_schema()).validate(json.loads(render(whole)))
    assert read(render(whole)) == whole


def test_an_event_says_what_was_told() -> None:
    """The four keys of the schema, when and how often, the record itself, and what does not fit."""
    told = news(queue_id="q9", event="changed", times=3, at=NOW + 1, rejected=True)
    record = with_events(RECORD, JOURNEY, [told])
    assert json.loads(render(record))["events"] == [
        {
            "received_at": "2023-11-14T22:13:21.000Z",
            "last_at": "2023-11-14T22:13:21.000Z",
            "times": 3,
            "webhook_event": "changed",
            "id": "1",
            "status": "exported",
            "queue_id": "q9",
            "warning": "it was sent to queue 8236",
            "body": {"id": "1", "status": "exported"},
        }
    ]
    assert record.warnings == ["the service said later: exported"]
    assert record.outcome == "done"


@pytest.mark.parametrize(("sent_to", "told"), [("8236", "8236"), ("8236", None), (None, "q9"), (None, None)])
def test_a_queue_that_fits_or_that_nobody_names_is_no_warning(sent_to: str | None, told: str | None) -> None:
    """DocDigitizer has no queues, and not every record names one."""
    (event,) = with_events(RECORD, delivered(queue_id=sent_to), [news(queue_id=told)]).events
    assert (event.queue_id, event.warning) == (told, None)


def test_what_stands_in_the_record_outlasts_the_journal() -> None:
    """Where the journal began anew, the earlier moment and the larger number are the ones that were true before."""
    known = with_events(RECORD, JOURNEY, [news(at=NOW, last_at=NOW + 9, times=5)])
    (event,) = with_events(known, JOURNEY, [news(at=NOW + 3, last_at=NOW + 4, times=1)]).events
    assert event == known.events[0]
    (event,) = with_events(known, JOURNEY, [news(at=NOW - 3, last_at=NOW + 20, times=6)]).events
    assert (event.received_at, event.last_at, event.times) == (moment(NOW - 3), moment(NOW + 20), 6)


def test_a_sidecar_stays_readable_however_much_is_told() -> None:
    """Beyond two hundred events there is one warning, and the file stays below what is read of one."""
    long = [news(f"s{n}", NOW + n, body=json.dumps({"x": "ž" * 330, "n": n})) for n in range(250)]
    record = with_events(RECORD, JOURNEY, long)
    assert len(record.events) == 200
    assert record.warnings == ["more than 200 events; the later ones are in the journal alone"]
    assert len(render(record)) < 1 << 20
    assert with_events(record, JOURNEY, long) == record
    again = with_events(record, JOURNEY, [replace(long[0], times=2), replace(long[249], times=2)])
    assert [e.times for e in again.events] == [2] + 199 * [1]


@pytest.mark.parametrize("levels", [0, 38])
def test_a_body_that_takes_many_lines_is_left_out(levels: int) -> None:
    """What is short as it came may be long as a sidecar is written: each number of a list has a line of its own."""
    many: Any = [1] * 900
    for _ in range(levels):
        many = [many]
    wide = [news(f"s{n}", NOW + n, body=json.dumps({"a": many, "n": n})) for n in range(200)]
    record = with_events(RECORD, JOURNEY, wide)
    assert {(e.status, e.body) for e in record.events} == {(f"s{n}", None) for n in range(200)}
    short = with_events(RECORD, JOURNEY, [news(body=json.dumps({"a": [1] * 20}))])
    assert short.events[0].body == {"a": [1] * 20}


Telling = Callable[..., Any]


async def filed(workshop: Workshop, name: str = "scan.png") -> Journey:
    """Drop a document, wait until it is at rest, and return its row."""
    before = workshop.line.filed["done"]
    workshop.put(name, content=None)
    await workshop.until(lambda: workshop.line.filed["done"] == before + 1, "filed")
    found = workshop.journal.reader.last("invoices", b"", name.encode())
    assert found is not None
    return found


def told_of(journey: Journey, status: str = "exported", **changes: Any) -> News:
    """Make what was told of a filed document."""
    assert journey.answer is not None
    assert journey.answer.document_ids
    number = journey.answer.document_ids[0]
    return News(
        **{
            "connection": "acme",
            "key": f"{number} {status}",
            "document_id": number,
            "status": status,
            "event": None,
            "queue_id": None,
            "body": None,
            "received_at": NOW,
            "last_at": NOW,
            **changes,
        }
    )


async def hear(journal: Journal, *told: News) -> None:
    """Write what was told, as the receiver does."""
    for one in told:
        await asyncio.wrap_future(journal.hear(one))


def beside(workshop: Workshop, late: Postscripts, scenario: Callable[[], Any]) -> None:
    """Run a scenario beside the pipeline and its postscripts."""

    async def both() -> None:
        workshop.line.on_filed = late.wake
        task = asyncio.create_task(late.run())
        try:
            await scenario()
            assert not task.done()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    workshop.run(both)


@pytest.fixture
def shop(tmp_path: Path, journal: Journal) -> Workshop:
    """A pipeline with a service in memory."""
    (tmp_path / "in").mkdir()
    return Workshop(tmp_path / "in", journal, Guarded())


def postscripts(shop: Workshop) -> Postscripts:
    """Return what writes the queue's postscripts."""
    line: Line = shop.line
    return Postscripts(line, line._means.recorder)


def test_told_after_and_before_it_was_filed(shop: Workshop, journal: Journal) -> None:
    """What comes before the document is known waits for it; the journal remembers what is written."""
    late = postscripts(shop)

    async def scenario() -> None:
        first = await filed(shop)
        await hear(journal, told_of(first), told_of(first), told_of(first, "again"))
        late.wake()
        await shop.until(lambda: len(shop.filed()["scan.png"]["events"]) == 2, "written")
        assert [e["times"] for e in shop.filed()["scan.png"]["events"]] == [2, 1]
        assert journal.reader.orphans() == {}
        number = str(int(first.answer.document_ids[0]) + 1)  # type: ignore[union-attr,index]
        await hear(journal, told_of(first, "early", document_id=number, key="early"))
        assert journal.reader.orphans() == {"acme": 1}
        second = await filed(shop, "second.png")
        assert second.answer.document_ids == (number,)  # type: ignore[union-attr]
        await shop.until(lambda: shop.filed()["second.png"]["events"], "adopted")
        assert journal.reader.orphans() == {}
        await shop.until(lambda: not journal.reader.unwritten_news("invoices", 9), "remembered")

    beside(shop, late, scenario)


def test_a_rejection_is_loud_and_moves_nothing(shop: Workshop, journal: Journal, logged: list[str]) -> None:
    """The log names queue, file and status once; the document stays, and so does its outcome."""
    late = postscripts(shop)

    async def scenario() -> None:
        made = await filed(shop)
        told = told_of(made, "extraction-rejected", rejected=True)
        for times in (1, 2):
            await hear(journal, told)
            late.wake()
            await shop.until(
                lambda times=times: [e["times"] for e in shop.filed()["scan.png"]["events"]] == [times],
                "written",
            )
        assert journal.reader.rejected_later() == {"invoices": 1}
        assert shop.filed()["scan.png"]["outcome"] == "done"
        loud = [line for line in logged if "says later that it is extraction-rejected" in line]
        assert len(loud) == 1
        assert "WARNING" in loud[0]
        assert "queue invoices: scan.png" in loud[0]

    beside(shop, late, scenario)


@pytest.mark.parametrize("harm", ["removed", "changed", "another's", "folder"])
def test_a_record_that_is_not_there_is_said_once(
    shop: Workshop, journal: Journal, logged: list[str], harm: str
) -> None:
    """What people moved or changed is left as it is, and what was told stays in the journal."""
    late = postscripts(shop)

    async def scenario() -> None:
        made = await filed(shop)
        record = shop.top / "done" / "scan.png.json"
        content = record.read_text()
        record.unlink()
        if harm == "changed":
            record.write_text("{}")
        elif harm == "another's":
            record.write_text(content.replace(made.upload_id, "f" + made.upload_id[1:]))
        elif harm == "folder":
            record.mkdir()
        before = record.read_text() if record.is_file() else None
        await hear(journal, told_of(made))
        late.wake()
        await shop.until(lambda: [x for x in logged if "is kept in the journal alone" in x], "said")
        await shop.until(lambda: not journal.reader.unwritten_news("invoices", 9), "settled")
        assert (record.read_text() if record.is_file() else None) == before
        assert not [name for name in os.listdir(shop.top / "done") if name.endswith(".tmp")]

    beside(shop, late, scenario)


def test_an_archive_that_cannot_be_written_is_tried_again(
    shop: Workshop, journal: Journal, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trouble is said once, and nothing is lost."""
    monkeypatch.setattr("hotfolder.pipeline.postscripts._LOOK_AGAIN_S", 0.02)
    monkeypatch.setattr("hotfolder.pipeline.postscripts._GATHER_S", 0.0)
    late = postscripts(shop)

    async def scenario() -> None:
        made = await filed(shop)
        (shop.top / "done").rename(shop.top.parent / "away")
        await hear(journal, told_of(made))
        late.wake()
        await shop.until(lambda: [x for x in logged if "cannot be added" in x], "said")
        await asyncio.sleep(0.2)
        (shop.top.parent / "away").rename(shop.top / "done")
        await shop.until(lambda: shop.filed()["scan.png"]["events"], "written")
        await shop.until(lambda: [x for x in logged if "to the records again" in x], "over")
        assert len([x for x in logged if "cannot be added" in x]) == 1

    beside(shop, late, scenario)
