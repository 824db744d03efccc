"""Several documents of a batch in one request: each keeps its own rows, and none is sent twice or fails for another."""

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from hotfolder.backends.base import (
    Apart,
    ContentChanged,
    Outcome,
    Parcel,
    Receipt,
    Refused,
    Traits,
    Unauthorized,
    Unavailable,
    Uncertain,
)
from hotfolder.backends.memory import Memory
from hotfolder.batches import SUFFIX, read
from hotfolder.delivery import Trouble
from hotfolder.model import Answer, State
from hotfolder.pipeline import Line, convoys
from hotfolder.pipeline.gates import Gates
from hotfolder.retry import Gate
from tests.builders import DEADLINE_S
from tests.pipeline.workshop import Guarded, Opening, Workshop, picture

NAMES = ["a.png", "b.png", "c.png", "d.png", "e.png"]
MOST = 3


class Several(Guarded):
    """A memory that takes several documents in a request, all or none, and knows what each request held."""

    traits: ClassVar[Traits] = replace(Memory.traits, files_per_request=100)

    def __init__(self, asks: int = 0) -> None:
        super().__init__(asks)
        self.requests: list[list[str]] = []
        self.bad: set[str] = set()
        self.trouble: list[Exception] = []
        self.lost: list[Exception] = []
        self.most = 100
        self.may = threading.Event()
        self.may.set()
        self.look: Callable[[], object] = lambda: None

    def together(self, parcels: Sequence[Parcel]) -> list[list[Parcel]]:
        """Divide by number."""
        return [list(parcels[i : i + self.most]) for i in range(0, len(parcels), self.most)]

    def upload_many(self, parcels: Sequence[Parcel]) -> list[Outcome]:
        """Take all, or fail for all."""
        assert self.may.wait(DEADLINE_S)
        self.look()
        self.requests.append([one.name for one in parcels])
        if self.trouble:
            return [self.trouble.pop(0)] * len(parcels)  # type: ignore[list-item]
        if len(parcels) > 1 and any(one.name in self.bad for one in parcels):
            return [Apart("one of them is bad", 400)] * len(parcels)
        taken: list[Outcome] = [self._taken(one) for one in parcels]
        return [self.lost[0]] * len(parcels) if self.lost else taken  # type: ignore[list-item]

    def _taken(self, parcel: Parcel) -> Outcome:
        try:
            return Memory.upload(self, parcel)
        except (ContentChanged, OSError) as problem:
            return problem

    def upload(self, parcel: Parcel) -> Receipt:
        """Take one, unless it is bad."""
        self.requests.append([parcel.name])
        if parcel.name in self.bad:
            raise Refused(Answer(400, "bad_request", ("It is bad.",)))
        return Memory.upload(self, parcel)


class Counting(Gates):
    """Gates that know how many failures each closing left."""

    seen: list[int]

    def close(self, line: Line, trouble: Trouble) -> bool:
        """Note it."""
        paused = super().close(line, trouble)
        self.seen.append(self.shared.failures)
        return paused


def put_all(shop: Workshop) -> None:
    """Drop documents in another order than that of their names."""
    for number, name in ((3, "d.png"), (0, "a.png"), (4, "e.png"), (2, "c.png"), (1, "b.png")):
        shop.put(name, picture(number))


def outcomes(shop: Workshop) -> list[list[str]]:
    """Return what the reports in done/ say of each document, the oldest report first."""
    found = sorted((shop.top / "done").glob("*" + SUFFIX.decode()))
    return [[file.outcome for file in read(path.read_bytes()).files] for path in found]


def reported(shop: Workshop, batches: int = 1) -> None:
    """Run a workshop with all documents until so many batches are reported."""
    put_all(shop)

    async def scenario() -> None:
        await shop.until(lambda: len(outcomes(shop)) == batches, "reported")

    shop.run(scenario)


def test_one_request_and_a_record_for_each(workshop: Opening) -> None:
    """A batch goes in one request in order; before it begins the row of each says so, and each ends with its own ids."""
    backend = Several(asks=1)
    shop = workshop(backend, mode="batch")
    rows: list[list[State]] = []
    backend.look = lambda: rows.append([j.state for j in shop.journal.reader.unfinished()])
    reported(shop)
    assert backend.requests == [NAMES]
    assert rows == [[State.SENDING] * 5]
    records = {name: record for name, record in shop.filed().items() if name in NAMES}
    batch = {record["batch"]["id"] for record in records.values()}
    assert (len(batch), [records[name]["batch"]["place"] for name in NAMES]) == (1, [1, 2, 3, 4, 5])
    kept = {one.upload_id: one.number for one in backend.kept}
    for record in records.values():
        assert [one["DocumentID"] for one in record["response"]["DocumentIDs"]] == [kept[record["upload_id"]]]
        assert len(record["attempts"]) == 1
        assert shop.states(record) == ["claimed", "sending", "accepted", "delivered", "filed"]
    assert outcomes(shop) == [["done"] * 5]


def test_what_does_not_fit_goes_with_the_next_request(workshop: Opening) -> None:
    """What the service divides is several requests, in order; none of them is of one document without need."""
    backend = Several()
    backend.most = 2
    shop = workshop(backend, mode="batch")
    reported(shop)
    assert backend.requests == [["a.png", "b.png"], ["c.png", "d.png"], ["e.png"]]
    assert outcomes(shop) == [["done"] * 5]


@pytest.mark.parametrize("limits", [{"files_per_request": 2}, {"request_bytes": 3 * len(picture()) - 1}])
def test_no_more_is_claimed_than_a_request_holds(workshop: Opening, limits: dict[str, Any]) -> None:
    """By number and by size, documents stay in the drop folder until there is a request for them."""
    backend = Several()
    backend.traits = replace(backend.traits, **limits)  # type: ignore[misc]
    backend.may.clear()
    shop = workshop(backend, mode="batch")
    put_all(shop)

    async def scenario() -> None:
        await shop.until(lambda: [j.state for j in shop.carried()] == [State.SENDING] * 2, "under way")
        assert shop.waiting() == NAMES[2:]
        backend.may.set()
        await shop.until(lambda: outcomes(shop), "reported")

    shop.run(scenario)
    assert backend.requests == [["a.png", "b.png"], ["c.png", "d.png"], ["e.png"]]
    assert outcomes(shop) == [["done"] * 5]


def test_a_refused_request_is_sent_again_singly(workshop: Opening) -> None:
    """One bad document fails alone; the others are delivered at once, and their records tell both attempts."""
    backend = Several()
    backend.bad = {"c.png"}
    shop = workshop(backend, mode="batch")
    reported(shop)
    assert backend.requests[0] == NAMES
    assert sorted(backend.requests[1:]) == [[name] for name in NAMES]
    assert outcomes(shop) == [["done", "done", "failed", "done", "done"]]
    assert shop.filed("failed")["c.png"]["response"]["ErrorKey"] == "bad_request"
    first, second = shop.filed()["a.png"]["attempts"]
    assert (first["status"], first["error"], second["status"]) == (400, "one of them is bad", 202)
    assert shop.line.gate == shop.lane.gate == Gate()


def test_trouble_counts_once(workshop: Opening) -> None:
    """A request that was not taken closes the gate once, not for each document; these go again by themselves."""
    backend = Several()
    backend.trouble = [Unavailable("not now", status=503)]
    shop = workshop(backend, mode="batch")
    seen: list[int] = []
    shop.lane._carriage.gates = counting = Counting(shop.connection, shop.clock)
    counting.seen = seen
    reported(shop)
    assert seen == [1]
    assert backend.requests[0] == NAMES
    assert sorted(backend.requests[1:]) == [[name] for name in NAMES]
    assert len(backend.kept) == 5
    assert outcomes(shop) == [["done"] * 5]


@pytest.mark.parametrize("taken", [True, False])
def test_a_lost_answer_puts_each_in_doubt(workshop: Opening, *, taken: bool) -> None:
    """After a lost answer each document is asked for by itself: what is there is not sent again, what is not there once."""
    backend = Several()
    (backend.lost if taken else backend.trouble).append(Uncertain("no answer"))
    shop = workshop(backend, mode="batch")
    reported(shop)
    assert backend.finds == 5
    assert sorted(backend.requests[1:]) == ([] if taken else [[name] for name in NAMES])
    assert len(backend.kept) == 5
    assert all(record["recovered"] == taken for name, record in shop.filed().items() if name in NAMES)


def test_a_pause_of_the_service_gives_all_back(workshop: Opening) -> None:
    """Where the service lets nobody in, every document of the request goes back to the drop folder."""
    backend = Several()
    backend.trouble = [Unauthorized("the password is wrong", status=401)]
    backend.locked = True
    shop = workshop(backend, mode="batch")
    put_all(shop)

    async def scenario() -> None:
        await shop.until(lambda: shop.lane.gate.paused and not shop.carried(), "given back")
        assert shop.waiting() == NAMES
        backend.locked = False
        await shop.until(lambda: shop.at_rest(5), "delivered")

    shop.run(scenario)
    assert [len(request) for request in backend.requests[:2]] == [5, 1]
    assert len(backend.kept) == 5


def test_a_pause_by_hand_lets_the_request_end(workshop: Opening) -> None:
    """What is on the wire ends, what was claimed for the next request goes back untouched."""
    backend = Several()
    backend.most = 2
    backend.may.clear()
    shop = workshop(backend, mode="batch")
    put_all(shop)

    async def scenario() -> None:
        await shop.until(lambda: [j.state for j in shop.carried()].count(State.SENDING) == 2, "under way")
        await shop.lane.hands.pause(shop.line, "by hand")
        backend.may.set()
        await shop.until(lambda: shop.at_rest(2) and not shop.carried(), "the rest is back")
        assert shop.waiting() == NAMES[2:]
        await shop.until(
            lambda: len(shop.drop.inbox.ready) == 3, "the rest is ready again, so that it goes together"
        )
        shop.lane.hands.resume(shop.line)
        await shop.until(lambda: len(outcomes(shop)) == 2, "reported")

    shop.run(scenario)
    assert outcomes(shop) == [["done", "done", "untouched", "untouched", "untouched"], ["done"] * 3]
    assert sorted(name for request in backend.requests for name in request) == NAMES


def test_a_stop_by_error_takes_one_at_a_time(workshop: Opening) -> None:
    """With `on_error: stop` no two documents share a request: the rest must stay untouched."""
    backend = Several()
    backend.bad = {"c.png"}
    shop = workshop(backend, mode="batch", on_error="stop")
    reported(shop)
    assert backend.requests == [["a.png"], ["b.png"], ["c.png"]]
    assert shop.waiting() == ["d.png", "e.png"]


@pytest.mark.parametrize(("duplicates", "sent"), [("done", 5), ("send", 6)])
def test_twins_of_one_batch(workshop: Opening, duplicates: str, sent: int) -> None:
    """Two of one content in a batch: the second waits for the first, or is sent with it where it shall be sent."""
    backend = Several()
    shop = workshop(backend, mode="batch", duplicates=duplicates)
    shop.put("b2.png", picture(1))
    reported(shop)
    assert len(backend.kept) == sent
    assert backend.requests[0] == [
        "a.png",
        "b.png",
        *(["b2.png"] if sent == 6 else []),
        "c.png",
        "d.png",
        "e.png",
    ]
    twin, first = shop.filed()["b2.png"], shop.filed()["b.png"]
    assert twin["duplicate_of"] == first["upload_id"]
    assert first["duplicate_of"] is None
    assert outcomes(shop) == [["done"] * 6]


def test_a_document_that_is_settled_needs_no_request(workshop: Opening) -> None:
    """What is no document of a known type fails by itself, in its place; the others share a request."""
    backend = Several()
    shop = workshop(backend, mode="batch")
    shop.put("b2.png", b"no picture at all, and no document either" * 9)
    put_all(shop)

    async def scenario() -> None:
        await shop.until(lambda: outcomes(shop) and shop.line.filed == {"done": 5, "failed": 1}, "at rest")

    shop.run(scenario)
    assert backend.requests[0] == NAMES[: len(backend.requests[0])]
    assert sorted(name for request in backend.requests for name in request) == NAMES


def test_a_file_that_changed_goes_back_alone(workshop: Opening) -> None:
    """What changed after its claim goes back to the drop folder; the others of the request do not wait for it."""
    backend = Several()
    shop = workshop(backend, mode="batch")
    changed = threading.Event()

    def change() -> None:
        if not changed.is_set():
            changed.set()
            (claimed,) = (p for p in (shop.top / ".hotfolder").iterdir() if p.name.endswith("b.png"))
            with claimed.open("ab") as file:
                file.write(b"more")

    backend.look = change
    put_all(shop)

    async def scenario() -> None:
        await shop.until(lambda: shop.at_rest(5), "delivered")

    shop.run(scenario)
    assert backend.requests[0] == NAMES
    assert sorted(one.name for one in backend.kept) == NAMES
    rows = [shop.states({"upload_id": one.upload_id}) for one in backend.kept if one.name != "b.png"]
    assert all(states.count("sending") == 1 for states in rows)


@pytest.mark.parametrize("where", ["upload_many", "together", "_recalled"])
def test_a_fault_strands_nobody(workshop: Opening, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """A failure that nobody thought of, before or in the request, costs no document; in it, each is asked for."""
    backend = Several()
    shop = workshop(backend, mode="batch")
    target: Any = convoys if where == "_recalled" else backend
    true = getattr(target, where)
    failures = [RuntimeError("invented")]

    def failing(*words: Any) -> Any:
        if failures:
            raise failures.pop()
        return true(*words)

    monkeypatch.setattr(target, where, failing)
    monkeypatch.setattr("hotfolder.pipeline.carriage._STRANDED_S", 0.05)
    reported(shop)
    assert len(backend.kept) == 5
    assert backend.finds == (5 if where == "upload_many" else 0)
    assert outcomes(shop) == [["done"] * 5]


def test_a_daemon_that_ends_begins_no_further_request(workshop: Opening) -> None:
    """While the program ends, the running request may; what was claimed for the next one is not sent."""
    backend = Several()
    backend.most = MOST
    backend.may.clear()
    shop = workshop(backend, mode="batch")
    put_all(shop)

    async def scenario() -> None:
        await shop.until(lambda: [j.state for j in shop.carried()].count(State.SENDING) == MOST, "under way")
        backend.may.set()

    shop.run(scenario)
    assert backend.requests == [NAMES[:MOST]]
    states = {j.name: j.state for j in shop.journal.reader.unfinished()}
    assert all(states.get(name.encode()) in {None, State.CLAIMED} for name in NAMES[MOST:])


def test_a_daemon_that_ends_before_the_request(workshop: Opening) -> None:
    """Where the program is told to end while documents are claimed, none of them is sent any more: they go back."""
    backend = Several()
    divide, asked, may = backend.together, threading.Event(), threading.Event()

    def slowly(parcels: Sequence[Parcel]) -> list[list[Parcel]]:
        asked.set()
        assert may.wait(DEADLINE_S)
        return divide(parcels)

    backend.together = slowly  # type: ignore[method-assign]
    shop = workshop(backend, mode="batch")
    put_all(shop)

    async def scenario() -> None:
        await shop.until(asked.is_set, "about to be sent")
        ending = asyncio.create_task(shop.lane.stop(DEADLINE_S))
        await asyncio.sleep(0)
        may.set()
        assert await ending

    shop.run(scenario)
    assert backend.requests == []
    assert shop.waiting() == NAMES


def test_sidecars_are_whole(workshop: Opening) -> None:
    """The report's places and the sidecars agree."""
    backend = Several()
    shop = workshop(backend, mode="batch")
    reported(shop)
    (path,) = (shop.top / "done").glob("*" + SUFFIX.decode())
    for file in read(path.read_bytes()).files:
        record = json.loads((shop.top / "done" / str(file.sidecar)).read_text())
        assert (record["upload_id"], record["batch"]["place"]) == (file.upload_id, file.place)
