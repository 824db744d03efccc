"""Accepted documents are asked about together, and never in the way of those that want to go out."""

import threading
import time
import uuid
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from hotfolder.backends.base import DeliveryError, Parcel, Receipt, Unavailable
from hotfolder.delivery import Step, step
from hotfolder.model import Journey, Remote, State
from hotfolder.pipeline import rounds
from hotfolder.pipeline.errands import Errand
from hotfolder.settings import Limits
from hotfolder.states import Event
from hotfolder.status import state_of
from tests.builders import DEADLINE_S, journey
from tests.pipeline.workshop import Guarded, Opening, picture


class Crowd(Guarded):
    """A service that can be asked about many at once, and says the final word when it is told to."""

    def __init__(self) -> None:
        super().__init__(asks=10**9)
        self.shares = True
        self.ready = False
        self.fails: DeliveryError | None = None
        self.rounds: list[int] = []
        """How many documents each question was about."""
        self.asking = self.asked_at_once = 0
        self.hangs = threading.Event()
        """Cleared: questions do not come back."""
        self.hangs.set()
        self._count = threading.Lock()
        self.sent_after: list[int] = []
        """How many questions there had been when each document came."""

    def upload(self, parcel: Parcel) -> Receipt:
        """Note how many questions went before."""
        self.sent_after.append(len(self.rounds))
        return super().upload(parcel)

    def shares_questions(self, remote: Remote) -> bool:
        """Tell whether that was wanted."""
        return self.shares and remote.task is not None

    def follow_up(self, receipt: Receipt, parcel: Parcel) -> Receipt:
        """Say the final word, or none."""
        del parcel
        self.rounds.append(1)
        with self._count:
            self.asking += 1
            self.asked_at_once = max(self.asking, self.asked_at_once)
        assert self.hangs.wait(DEADLINE_S)
        with self._count:
            self.asking -= 1
        return self._word(receipt)

    def follow_up_many(self, asked: Sequence[tuple[Receipt, Parcel]]) -> list[Receipt | DeliveryError]:
        """Say so of all."""
        self.rounds.append(len(asked))
        return [self.fails or self._word(receipt) for receipt, _ in asked]

    def _word(self, receipt: Receipt) -> Receipt:
        if self.fails:
            raise self.fails
        return replace(receipt, final=True, document_ids=("7",)) if self.ready else receipt


def accepted(number: int, **changes: Any) -> Journey:
    """Return a document that an earlier run had accepted."""
    facts: dict[str, Any] = {
        "upload_id": str(uuid.UUID(int=number + 1)),
        "name": b"%d.png" % number,
        "state": State.ACCEPTED,
        "media_type": "image/png",
        "sha256": "0" * 64,
        "remote": Remote(task=str(number)),
        "told_at": time.time(),
    }
    return journey(**facts | changes)


def test_one_question_for_many(workshop: Opening) -> None:
    """Forty accepted documents are asked about with a few questions, and each gets its own final word."""
    crowd = Crowd()
    shop = workshop(crowd)

    async def scenario() -> None:
        for number in range(40):
            shop.put(f"{number}.png", picture(number))
        await shop.until(
            lambda: len(shop.carried()) == 40 and max(crowd.rounds, default=0) > 1, "asked about"
        )
        await shop.until(lambda: all(j.state is State.ACCEPTED for j in shop.carried()), "all accepted")
        crowd.rounds.clear()
        crowd.ready = True
        await shop.until(lambda: shop.at_rest(40), "all filed")

    shop.run(scenario)
    assert sum(crowd.rounds) == 40
    assert len(crowd.rounds) <= 8


def test_trouble_with_a_question_for_many_is_one_trouble(workshop: Opening) -> None:
    """A question about forty documents that fails is one failure of the service, and all are asked about again."""
    crowd = Crowd()
    shop = workshop(crowd)
    error = Unavailable("down", status=503, retry_after_s=0.5)

    async def scenario() -> None:
        crowd.fails = error
        for number in range(40):
            shop.lane.resume(shop.line, accepted(number))
        await shop.until(lambda: shop.lane.gate.failures, "in trouble")
        assert crowd.rounds[0] > 1
        assert shop.lane.gate.failures == len(crowd.rounds)
        crowd.fails = None
        await shop.until(lambda: sum(crowd.rounds) >= 80, "asked again")
        await shop.until(lambda: shop.lane.gate.failures == 0, "well again")

    shop.run(scenario)


def test_thousands_that_wait_keep_nobody_waiting(workshop: Opening) -> None:
    """With three thousand documents to be asked about, a hundred at a time, a new one is sent at once."""
    crowd = Crowd()
    shop = workshop(crowd)

    async def scenario() -> None:
        for number in range(3_000):
            shop.lane.resume(shop.line, accepted(number))
        await shop.until(lambda: crowd.rounds, "asking")
        shop.put("new.png", picture(1))
        await shop.until(lambda: crowd.kept, "sent")
        assert sum(crowd.rounds) < 3_000
        await shop.until(lambda: sum(crowd.rounds) >= 3_000, "all asked about")

    shop.run(scenario)
    assert max(crowd.rounds) == 100
    assert crowd.rounds.count(100) >= 20


def test_new_documents_wait_while_questions_do_not_keep_up(
    workshop: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where questions about very many documents are a minute late, nothing new is taken, and that is said."""
    monkeypatch.setattr(rounds, "_MOST_BEHIND", 20)
    crowd = Crowd()
    crowd.shares = False
    shop = workshop(crowd)

    async def scenario() -> None:
        crowd.hangs.clear()
        await shop.until(lambda: shop.drop.folders, "watching")
        line, now = shop.line, time.monotonic()
        for number in range(30):
            late = accepted(number)
            line.carried[late.upload_id] = late
            shop.lane._carriage.rounds.add(line, late, now - 61.0, 0)
        shop.lane._crew.wake.set()
        await shop.until(lambda: crowd.asking == 2, "asking")
        assert "28 accepted documents wait to be asked about" in (shop.lane.behind or "")
        shop.put("new.png", picture(1))
        await shop.until(lambda: shop.drop.inbox.ready, "ready")
        assert shop.lane.behind in (state_of(shop.lane, line)[1] or "")
        crowd.ready = True
        crowd.hangs.set()
        await shop.until(lambda: crowd.kept, "sent")
        assert shop.lane.behind is None

    shop.run(scenario)


def test_questions_leave_half_of_the_places_to_documents(workshop: Opening) -> None:
    """However slow the service is with questions, two of four places stay free for what wants to go out."""
    crowd = Crowd()
    crowd.shares = False
    shop = workshop(crowd)

    async def scenario() -> None:
        crowd.hangs.clear()
        for number in range(10):
            shop.lane.resume(shop.line, accepted(number))
        await shop.until(lambda: crowd.asking == 2, "two questions hang")
        for number in range(5):
            shop.put(f"new{number}.png", picture(number))
        await shop.until(lambda: len(crowd.kept) == 5, "sent")
        assert crowd.asking == crowd.asked_at_once == 2
        crowd.hangs.set()

    shop.run(scenario)


def test_documents_and_questions_take_turns(workshop: Opening) -> None:
    """On a connection with one place a document waits for one question at most, however many are due."""
    crowd = Crowd()
    crowd.shares = False
    shop = workshop(crowd)
    shop.lane._limits = Limits(concurrency=1, per_second=1000.0)

    async def scenario() -> None:
        shop.line.by_hand = "not yet"
        for number in range(5):
            shop.put(f"new{number}.png", picture(number))
        await shop.until(lambda: len(shop.drop.inbox.ready) == 5, "ready")
        for number in range(2_000):
            shop.lane.resume(shop.line, accepted(number))
        await shop.until(lambda: crowd.rounds, "asking")
        shop.lane.hands.resume(shop.line)
        await shop.until(lambda: len(crowd.kept) == 5, "sent")

    shop.run(scenario)
    assert crowd.asked_at_once == 1
    assert crowd.sent_after[-1] < 2_000
    assert all(after - before <= 1 for before, after in pairwise(crowd.sent_after))


def test_an_offline_folder_puts_its_questions_off(workshop: Opening) -> None:
    """A document whose drop folder is away for a moment is asked about once the folder is back."""
    crowd = Crowd()
    crowd.ready = True
    shop = workshop(crowd)

    async def scenario() -> None:
        await shop.until(lambda: shop.drop.folders, "watching")
        shop.drop.folders, away = None, shop.drop.folders
        asked = shop.lane._inquiries.poll([Errand(0.0, 1, shop.line, accepted(1), 0)])
        with pytest.raises(StopIteration):  # it is over without anything to wait for
            asked.send(None)
        shop.drop.folders = away
        assert crowd.rounds == []
        await shop.until(lambda: crowd.rounds, "asked about")

    shop.run(scenario)


def test_what_has_moved_on_is_asked_about_soon_again(workshop: Opening) -> None:
    """However long the service took for its first step: the next one may be quick."""
    crowd = Crowd()
    shop = workshop(crowd)

    async def scenario() -> None:
        before = accepted(1, state=State.SENDING, remote=Remote())
        shop.line.carried[before.upload_id] = before
        moved_on = step(before, Event.ACCEPT, remote=Remote(task="1"))
        await shop.lane._carriage.go(shop.line, Step(Event.ACCEPT, moved_on), before, 20)
        await shop.until(lambda: len(crowd.rounds) >= 2, "asked twice")

    shop.run(scenario)
