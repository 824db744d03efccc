"""What a service found is fetched after its last word and rests beside the document; a document never fails by it."""

import json
import os
import time
from collections import deque
from dataclasses import replace
from typing import IO, Any

import pytest

from hotfolder import results
from hotfolder.backends.base import CannotTell, DeliveryError, Parcel, Receipt, Unauthorized, Unavailable
from hotfolder.delivery import Step
from hotfolder.model import Beside, Journey, Remote, State
from hotfolder.pipeline.harvest import awaited, concluded, wanted
from hotfolder.spool import Folders
from hotfolder.states import Event
from tests.builders import NOW, delivered, journey
from tests.pipeline.workshop import Guarded, Opening, Workshop, picture

FOUND = b'{"schema": "hotfolder/annotations/1", "annotations": [1.10]}\n'
DAY_S = 86_400.0


class Finder(Guarded):
    """A service that is done with a document when it is told to be, and then hands out what it found."""

    def __init__(self, *, at_once: bool = False) -> None:
        super().__init__(asks=0 if at_once else 10**9)
        self.ready = True
        self.rejected: str | None = None
        self.fails: deque[Exception] = deque()
        self.always: Exception | None = None
        self.fetches: list[str] = []
        """States that the journal knew a document in when its results were fetched."""
        self.shop: Workshop | None = None
        self.follow_ups = 0

    def follow_up(self, receipt: Receipt, parcel: Parcel) -> Receipt:
        """Say that it is done, or that it is not."""
        del parcel
        self.follow_ups += 1
        number = receipt.remote.task or ""
        known = replace(receipt, remote=replace(receipt.remote, documents=(f"x/{number}",)), imported=True)
        if not self.ready:
            return known
        warnings = (f"its status is {self.rejected}",) if self.rejected else ()
        return replace(known, final=True, document_ids=(number,), rejected=bool(warnings), warnings=warnings)

    def results(self, receipt: Receipt, parcel: Parcel, into: IO[bytes]) -> bool:
        """Hand out what was found, or fail."""
        assert receipt.document_ids
        if self.shop is not None:
            self.fetches.append(self.shop.states({"upload_id": parcel.upload_id})[-1])
        if self.fails:
            raise self.fails.popleft()
        if self.always is not None:
            raise self.always
        into.write(FOUND)
        return True


def opened(workshop: Opening, service: Finder, **queue: Any) -> Workshop:
    """Open a pipeline whose queue wants results."""
    service.shop = workshop(service, **{"wait_for": "processed", "results": True} | queue)
    return service.shop


def at_work(shop: Workshop) -> list[str]:
    """Return what lies in the work folder but the lock."""
    return sorted(name for name in os.listdir(shop.top / ".hotfolder") if name not in {"lock", "run"})


def test_it_rests_beside_the_document(workshop: Opening) -> None:
    """The file of the service's words lies beside the document, its record names it, and nothing is left behind."""
    shop = opened(workshop, Finder())

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.at_rest(1), "filed")

    shop.run(scenario)
    (record,) = shop.filed().values()
    assert record["beside"] == ["scan.png.annotations.json"]
    assert (shop.top / "done" / "scan.png.annotations.json").read_bytes() == FOUND
    assert at_work(shop) == []
    assert shop.states(record) == ["claimed", "sending", "accepted", "accepted", "delivered", "filed"]
    row = shop.journal.reader.find(record["upload_id"])
    assert row is not None
    assert row.beside[0].stamp is not None


def test_the_last_word_is_written_first(workshop: Opening) -> None:
    """What is fetched by asking is fetched after the row of the last word; what came with the answer before it."""
    for at_once, expected in ((False, "accepted"), (True, "sending")):
        service = Finder(at_once=at_once)
        shop = opened(workshop, service)

        async def scenario(shop: Workshop = shop, name: str = f"{at_once}.png") -> None:
            shop.put(name, picture(len(name)))
            await shop.until(lambda: shop.at_rest(1), "filed")

        shop.run(scenario)
        assert service.fetches == [expected]
        assert (shop.top / "done" / f"{at_once}.png.annotations.json").exists()


def test_without_the_setting_nobody_asks(workshop: Opening) -> None:
    """A queue that wants no results has none."""
    service = Finder()
    shop = opened(workshop, service, results=False)

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.at_rest(1), "filed")

    shop.run(scenario)
    assert service.fetches == []
    assert "beside" not in shop.filed()["scan.png"]


@pytest.mark.parametrize(
    "failure", [Unavailable("down"), Unauthorized("no right", status=403), CannotTell("not yet")]
)
def test_what_fails_is_tried_again(workshop: Opening, failure: Exception, logged: list[str]) -> None:
    """A try that fails is said once, keeps nobody waiting, and is followed by another."""
    service = Finder()
    service.always = failure
    shop = opened(workshop, service)

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: len(service.fetches) > 1, "tried again")
        (waiting,) = shop.carried()
        assert (waiting.state, waiting.stalled) == (State.ACCEPTED, True)
        assert str(failure) in (waiting.reason or "")
        assert shop.lane.gate.closed_until <= time.monotonic()
        assert not shop.lane.gate.paused
        shop.put("second.png", picture(2))
        await shop.until(lambda: len(service.kept) == 2, "the next one is sent")
        service.always = None
        await shop.until(lambda: shop.at_rest(2), "filed")

    shop.run(scenario)
    assert {record["beside"][0] for record in shop.filed().values()} == {
        "scan.png.annotations.json",
        "second.png.annotations.json",
    }
    assert sum("cannot be fetched yet" in line for line in logged) == 1


@pytest.mark.parametrize(("failure", "after_s"), [(Unavailable("down"), DAY_S), (CannotTell("none"), 600.0)])
def test_what_fails_for_long_is_given_up(
    workshop: Opening, failure: Exception, after_s: float, logged: list[str]
) -> None:
    """A delivered document is not held for ever: it goes to done/ without results, and a warning says why."""
    service = Finder()
    service.always = failure
    shop = opened(workshop, service)

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: service.fetches, "tried")
        shop.clock.ahead_s = after_s + 1
        await shop.until(lambda: shop.at_rest(1), "filed")

    shop.run(scenario)
    (record,) = shop.filed().values()
    assert "beside" not in record
    assert [str(failure) in said for said in record["warnings"]] == [True]
    assert any("WARNING" in line and "could not be fetched" in line for line in logged)
    assert at_work(shop) == []


def test_too_fast_is_heeded_by_all(workshop: Opening) -> None:
    """A 429 closes the gate for everybody, as long as the service says."""
    service = Finder()
    service.fails.append(Unavailable("too fast", status=429, retry_after_s=0.3, counts=False))
    shop = opened(workshop, service)

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.lane.gate.closed_until > time.monotonic() + 0.1, "closed")
        await shop.until(lambda: shop.at_rest(1), "filed")

    shop.run(scenario)
    assert len(service.fetches) == 2


def test_a_full_disk_is_tried_again(workshop: Opening, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be laid into the work folder is fetched anew, and no half of it lies there."""
    broken = [OSError(28, "No space left on device")]
    whole = results.keep

    def keep(folders: Folders, upload_id: str, found: IO[bytes]) -> None:
        if broken:
            raise broken.pop()
        whole(folders, upload_id, found)

    monkeypatch.setattr(results, "keep", keep)
    service = Finder()
    shop = opened(workshop, service)

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.at_rest(1), "filed")

    shop.run(scenario)
    assert len(service.fetches) == 2
    assert (shop.top / "done" / "scan.png.annotations.json").read_bytes() == FOUND


def test_what_was_kept_is_not_fetched_again(workshop: Opening) -> None:
    """A program that ended between fetching and its row files what it had, even if the service is gone meanwhile."""
    first = Finder()
    first.always = Unavailable("down")
    shop = opened(workshop, first)

    async def until_tried() -> None:
        shop.put()
        await shop.until(lambda: first.fetches, "tried")

    shop.run(until_tried)
    (left,) = shop.journal.reader.unfinished()
    (shop.top / ".hotfolder" / f"results.{left.upload_id}").write_bytes(FOUND)
    again = opened(workshop, first)

    async def scenario() -> None:
        await again.until(lambda: again.drop.folders, "watching")
        again.lane.resume(again.line, left)
        await again.until(lambda: again.at_rest(1), "filed")

    tries = len(first.fetches)
    again.run(scenario)
    assert len(first.fetches) == tries
    assert (shop.top / "done" / "scan.png.annotations.json").read_bytes() == FOUND
    assert (at_work(shop), first.follow_ups) == ([], 1)


def test_what_is_told_makes_the_question_due(workshop: Opening) -> None:
    """A document that waits for people is asked about as soon as the service says anything of it; the answer decides."""
    service = Finder()
    service.ready = False
    shop = opened(workshop, service)

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: service.follow_ups == 2, "asked twice")
        (waiting,) = shop.carried()
        for number in ("another", "1"):
            shop.lane.told(number)
        asked = service.follow_ups
        await shop.until(lambda: service.follow_ups > asked, "asked, for the event's sake")
        await shop.until(lambda: shop.lane._carriage.rounds.due_in(time.monotonic()), "it waits again")
        assert (shop.carried()[0].state, waiting.imported) == (State.ACCEPTED, True)
        service.ready = True
        began = time.monotonic()
        shop.lane.told("1")
        await shop.until(lambda: shop.at_rest(1), "filed")
        assert time.monotonic() - began < 2.5  # far less than the next look was away by then

    shop.run(scenario)


def test_what_is_told_during_the_question_is_not_lost(workshop: Opening) -> None:
    """An event that comes while the old state is on its way to us makes the next question due at once."""
    service = Finder()
    shop = opened(workshop, service)
    rounds = shop.lane._carriage.rounds
    about = journey(state=State.ACCEPTED, remote=Remote(documents=("https://x.example/documents/d1",)))
    shop.line.carried[about.upload_id] = about
    rounds.told("d1")
    rounds.hurry([shop.line])
    rounds.add(shop.line, about, time.monotonic() + 600.0, 5)
    assert rounds.due_in(time.monotonic()) == 0
    rounds.take(time.monotonic())
    rounds.add(shop.line, about, time.monotonic() + 600.0, 5)
    assert (rounds.due_in(time.monotonic()) or 0) > 500.0
    rounds.told("d1")
    assert 0 < rounds.hurry([shop.line]) <= 1.0  # once a second at most


def test_a_rejection_after_the_import(workshop: Opening, logged: list[str]) -> None:
    """It is delivered, with a warning in the record, a WARNING in the log, and `status` counts it."""
    service = Finder()
    service.rejected = "rejected"
    shop = opened(workshop, service)

    async def scenario() -> None:
        shop.put()
        await shop.until(lambda: shop.at_rest(1), "filed")

    shop.run(scenario)
    (record,) = shop.filed().values()
    assert (record["outcome"], record["warnings"]) == ("done", ["its status is rejected"])
    assert record["beside"] == ["scan.png.annotations.json"]
    assert any("WARNING" in line and "its status is rejected" in line for line in logged)
    assert shop.journal.reader.rejected_later() == {"invoices": 1}
    assert shop.journal.reader.unwritten_news("invoices", 9) == []


# Deciding ----------------------------------------------------------------------------------------


def final(**changes: Any) -> Step:
    """Make the arrow of a document that the service is done with."""
    return Step(Event.DELIVER, delivered(**changes))


def accepted(**changes: Any) -> Journey:
    """Make a document that the service is at work on."""
    return journey(**{"state": State.ACCEPTED, **changes})


def test_who_has_results() -> None:
    """Only what the service itself said its last word on, and has a name for."""
    assert wanted(final(), accepted())
    assert not wanted(final(), journey())  # a duplicate that is filed unsent
    assert not wanted(final(answer=replace(delivered().answer, document_ids=())), accepted())  # type: ignore[type-var]
    assert not wanted(Step(Event.REFUSE, journey(state=State.REFUSED)), accepted())


@pytest.mark.parametrize(
    "failure", [Unavailable("down"), CannotTell("none"), OSError(5, "Input/output error")]
)
def test_nothing_new_is_no_row(failure: DeliveryError | CannotTell | OSError) -> None:
    """The same failure again is no arrow; another one is."""
    waiting = awaited(final(), accepted(), NOW).journey
    told = concluded(final(), waiting, failure, NOW + 1)
    assert isinstance(told, Step)
    assert (told.event, told.journey.state, told.journey.results_from) == (Event.ACCEPT, State.ACCEPTED, NOW)
    assert told.journey.answer == final().journey.answer
    assert concluded(final(), told.journey, failure, NOW + 2) is None
    assert isinstance(concluded(final(), told.journey, CannotTell("else"), NOW + 2), Step)


def test_results_come_after_what_came_with_the_document() -> None:
    """A companion stays the first of the further files, and results are named once."""
    companion = Beside(b"companion.x", "{stem}.json")
    found = final(beside=(companion,))
    told = concluded(found, accepted(results_from=NOW), None, NOW)
    assert isinstance(told, Step)
    name = results.in_work(found.journey.upload_id)
    assert told.journey.beside == (companion, Beside(name, "{name}.annotations.json"))
    assert results.with_results(told.journey) == told.journey.beside


def test_the_record_is_json() -> None:
    """The constant of these tests is what it says."""
    assert json.loads(FOUND)
