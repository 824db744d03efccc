"""Asking until the answer is final."""

import time
from collections.abc import Container
from dataclasses import replace
from typing import Any

import pytest

from hotfolder.backends.base import CannotTell, Parcel, Receipt, Refused, Unauthorized, Unavailable, Uncertain
from hotfolder.backends.memory import Memory
from hotfolder.delivery import Step, Tried, Trouble, answered, parcel_for, step
from hotfolder.followup import (
    Told,
    ask_progress,
    ask_whereabouts,
    first_sent,
    located,
    next_look,
    poll_delay,
    progressed,
    rivals,
)
from hotfolder.model import Answer, Attempt, ErrorSource, Journey, Remote, State
from hotfolder.settings import Queue
from hotfolder.states import Event
from tests.builders import NOW, PDF, journey

RECEIPT = Receipt(200, final=True, document_ids=("7",), remote=Remote(task="t", documents=("7",)))
REFUSED = Refused(Answer(422, "INCOHERENT_DATA", ("damaged",)), remote=Remote(status="failed_import"))
CONFLICT = Refused(Answer(409, "CONFLICT", ("identical",)))
QUEUE = Queue(name="invoices", connection="acme", folder="/srv/invoices")


def parcel(made: Journey) -> Parcel:
    """Make the parcel of a journey."""
    return parcel_for(made, QUEUE, lambda: iter([PDF]))


def accepted(**changes: Any) -> Journey:
    """Make a journey that the service is at work on."""
    return journey(**{"state": State.ACCEPTED, "accepted_status": 202, "remote": Remote(task="t"), **changes})


def doubtful(**changes: Any) -> Journey:
    """Make a journey that may have arrived."""
    return journey(**{"state": State.UNCERTAIN, **changes})


def locate(told: Told, policy: str = "hold", **changes: Any) -> Step:
    """Decide on an uncertain document; fails where that is trouble."""
    found = located(doubtful(**changes), told, "imported", policy, NOW)
    assert isinstance(found, Step)
    return found


# Accepted ----------------------------------------------------------------------------------------


def test_the_final_word_delivers() -> None:
    """The service's final word on an accepted document delivers it."""
    found = progressed(accepted(), RECEIPT, "imported", NOW)
    assert isinstance(found, Step)
    assert (found.event, found.journey.answer) == (Event.DELIVER, Answer(200, document_ids=("7",)))
    assert found.journey.accepted_status == 202


def test_the_same_word_again_is_nothing_new() -> None:
    """A receipt that says nothing new is no arrow; one that says something is."""
    still = Receipt(202, final=False, remote=Remote(task="t"))
    assert progressed(accepted(), still, "imported", NOW) is None
    moved = progressed(
        accepted(), replace(still, remote=Remote(task="t", status="importing")), "imported", NOW
    )
    assert isinstance(moved, Step)
    assert moved.event is Event.ACCEPT


def test_a_document_that_waits_for_its_results_is_not_asked_about() -> None:
    """Its last word is known: it is what it was, and the service hears no question."""
    answer = Answer(202, document_ids=("7", "8"))
    told = ask_progress(Memory(asks=9), accepted(answer=answer, results_from=NOW), parcel(journey()))
    assert isinstance(told, Receipt)
    assert (told.final, told.status, told.document_ids) == (True, 202, ("7", "8"))
    found = progressed(accepted(answer=answer, results_from=NOW), told, "processed", NOW)
    assert isinstance(found, Step)
    assert (found.event, found.journey.answer) == (Event.DELIVER, answer)


def test_a_promise_is_looked_at_when_it_is_over() -> None:
    """However rare the looks have become, the next one is not long after the moment that the service promised."""
    promise = Remote(task="t", sla_at="2023-11-14T22:15:00Z")  # 100 s from now on
    assert next_look(accepted(remote=promise, imported=True), 30, NOW) == 101.0
    assert next_look(accepted(remote=promise, imported=True), 0, NOW) == 1.0
    assert next_look(accepted(remote=promise, imported=True, sla_told=True), 30, NOW) == 600.0
    assert next_look(accepted(remote=promise, imported=True), 30, NOW + 200) == 600.0
    assert next_look(accepted(imported=True), 30, NOW) == 600.0
    assert next_look(accepted(), 30, NOW) == 60.0


def test_a_failed_import_is_a_failure() -> None:
    """A document that the service accepted and then could not import is refused, with what is known of it."""
    found = progressed(accepted(), REFUSED, "imported", NOW)
    assert isinstance(found, Step)
    assert (found.event, found.journey.answer) == (Event.REFUSE, REFUSED.answer)
    assert (found.journey.error_source, found.journey.remote.status) == (ErrorSource.SERVER, "failed_import")


def test_a_service_that_forgets_is_asked_for_the_document() -> None:
    """What the service accepted and no longer knows is uncertain, not delivered and not sent again."""
    found = progressed(accepted(asked=2), Uncertain("404"), "imported", NOW)
    assert isinstance(found, Step)
    assert (found.event, found.journey.asked) == (Event.DOUBT, 0)


@pytest.mark.parametrize("told", [CannotTell("odd"), None])
def test_an_answer_that_says_nothing_changes_nothing(told: Told) -> None:
    """An accepted document stays accepted, and nobody else on the connection suffers."""
    assert progressed(accepted(), told, "imported", NOW) is None


@pytest.mark.parametrize(
    "told", [CannotTell("odd"), None, Receipt(202, final=False, remote=Remote(task="t"))]
)
def test_a_long_silence_is_said_once(told: Told) -> None:
    """After a day without a new fact a person should look; it goes on being asked, and nothing is said again."""
    day_s = 86_400.0
    since = accepted(accepted_at=NOW - 2 * day_s, told_at=NOW - day_s)
    assert progressed(replace(since, told_at=NOW - day_s + 1), told, "imported", NOW) is None
    found = progressed(since, told, "imported", NOW)
    assert isinstance(found, Step)
    assert (found.event, found.journey.state, found.journey.stalled) == (Event.ACCEPT, State.ACCEPTED, True)
    assert "the service has had it since 2023-11-12T22:13:20.000Z and has not finished" in (
        found.journey.reason or ""
    )
    assert progressed(found.journey, told, "imported", NOW + day_s) is None


@pytest.mark.parametrize("told", [CannotTell("odd"), None, Receipt(202, final=False, remote=Remote())])
@pytest.mark.parametrize(
    "promised", ["2023-11-14T22:13:20.000000Z", "2023-11-14T23:13:20+01:00", "2023-11-14T22:13:20"]
)
def test_a_broken_promise_is_said_once(told: Told, promised: str) -> None:
    """Once the moment has passed until which the service promised to be done, that is said, and stays in the record."""
    remote = Remote(sla_at=promised)
    told = replace(told, remote=remote) if isinstance(told, Receipt) else told
    waiting = accepted(remote=remote, accepted_at=NOW - 60, told_at=NOW - 60, warnings=("first",))
    assert progressed(waiting, told, "processed", NOW) is None
    found = progressed(waiting, told, "processed", NOW + 0.001)
    assert isinstance(found, Step)
    assert (found.event, found.journey.state, found.journey.stalled) == (Event.ACCEPT, State.ACCEPTED, True)
    assert (found.journey.reason or "").startswith(
        "the service promised it until 2023-11-14T22:13:20.000Z and has not finished"
    )
    late = "the service promised it until 2023-11-14T22:13:20.000Z and was not done by then"
    assert found.journey.warnings == ("first", late)
    assert progressed(found.journey, told, "processed", NOW + 3600) is None
    moved = progressed(
        found.journey, Receipt(202, final=False, remote=replace(remote, status="x")), "processed", NOW
    )
    assert isinstance(moved, Step)
    assert progressed(moved.journey, None, "processed", NOW + 3600) is None
    done = progressed(moved.journey, Receipt(202, final=True, remote=remote), "processed", NOW + 3600)
    assert isinstance(done, Step)
    assert done.journey.warnings == ("first", late)


def test_a_promise_without_zone_is_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service's times are UTC (specification), whatever the machine's zone is."""
    waiting = accepted(remote=Remote(sla_at="2023-11-14T22:13:20"), accepted_at=NOW, told_at=NOW)
    try:
        monkeypatch.setenv("TZ", "Europe/Prague")
        time.tzset()
        assert progressed(waiting, None, "processed", NOW) is None
        assert progressed(waiting, None, "processed", NOW + 1) is not None
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "promised", [None, "", "soon", "9999-12-31T23:59:59.999999-23:59", "2023-11-14T22:13:21Z"]
)
def test_no_promise_is_not_broken(promised: str | None) -> None:
    """Without a moment, with one that nobody can read, and before it, there is nothing to say."""
    waiting = accepted(remote=Remote(sla_at=promised), accepted_at=NOW, told_at=NOW)
    assert progressed(waiting, None, "imported", NOW) is None


def test_what_is_done_in_time_for_the_last_look_is_no_broken_promise() -> None:
    """A final word that is heard late, such as after an outage of ours, blames nobody."""
    remote = Remote(sla_at="2023-11-14T22:00:00Z")
    found = progressed(accepted(remote=remote), Receipt(202, final=True, remote=remote), "processed", NOW)
    assert isinstance(found, Step)
    assert (found.event, found.journey.warnings) == (Event.DELIVER, ())


def test_a_new_fact_ends_the_silence() -> None:
    """What the service says anew counts from then on."""
    moved = Receipt(202, final=False, remote=Remote(task="t", status="importing"))
    found = progressed(accepted(stalled=True), moved, "imported", NOW)
    assert isinstance(found, Step)
    assert (found.journey.stalled, found.journey.told_at) == (False, NOW)


@pytest.mark.parametrize("told", [Unavailable("down"), Unauthorized("expired")])
def test_a_question_without_an_answer_changes_nothing(told: Told) -> None:
    """An accepted document stays accepted while the service cannot be asked."""
    found = progressed(accepted(), told, "imported", NOW)
    assert isinstance(found, Trouble)
    assert found.pause is isinstance(told, Unauthorized)


def test_looks_become_rare() -> None:
    """Accepted documents are looked at often at first, once a minute in the end."""
    delays = [poll_delay(n) for n in range(40)]
    assert delays[0] == 1.0
    assert delays == sorted(delays)
    assert delays[-1] == poll_delay(10**6) == 60.0


# Uncertain ---------------------------------------------------------------------------------------


def test_found_is_delivered_and_marked() -> None:
    """A document that the service has is delivered without being sent again, and its record says how."""
    found = locate(RECEIPT, held=True, asked=5)
    assert (found.event, found.journey.recovered, found.journey.held) == (Event.DELIVER, True, False)
    assert not found.journey.possible_duplicate
    found = locate(replace(RECEIPT, final=False))
    assert (found.event, found.journey.recovered) == (Event.ACCEPT, True)


def test_not_found_is_sent_again_guarded() -> None:
    """A clear no lets the document go out again, at once, with the guard against a twin."""
    found = locate(None, not_before=NOW + 99)
    assert (found.event, found.journey.repeat, found.journey.not_before) == (Event.DEFER, True, 0.0)
    assert not found.journey.possible_duplicate


def test_a_clear_no_after_long_silence_is_no_refusal() -> None:
    """However often nobody could tell before, a document that the service does not have is sent, not failed."""
    made = doubtful()
    for _ in range(10):
        made = located(made, CannotTell("?"), "imported", "hold", NOW).journey  # type: ignore[union-attr]
        assert made.held
    found = located(made, None, "imported", "hold", NOW)
    assert isinstance(found, Step)
    assert (found.event, found.journey.held) == (Event.DEFER, False)
    again = step(found.journey, Event.SEND)
    assert answered(again, Tried(CONFLICT, NOW, 0), "imported").event is Event.DOUBT


def test_held_until_somebody_looks() -> None:
    """Where the service cannot tell, the document is held, and asked about once an hour."""
    found = locate(CannotTell("no list"))
    assert (found.event, found.journey.held, found.journey.not_before) == (Event.DOUBT, True, NOW + 3600)
    assert "no list" in (found.journey.reason or "")
    assert not found.journey.possible_duplicate


def test_sent_again_by_policy() -> None:
    """With `uncertain: resend` it goes out again, and its record says that it may be there twice."""
    found = locate(CannotTell("no list"), "resend")
    assert (found.event, found.journey.repeat, found.journey.possible_duplicate) == (Event.DEFER, True, True)


@pytest.mark.parametrize("policy", ["hold", "resend"])
def test_an_unavailable_service_did_not_take_it(policy: str) -> None:
    """Where nobody can tell, a well-formed 503 counts as a no whatever the policy: no duplicate is feared."""
    found = locate(CannotTell("no list"), policy, probably_not_taken=True)
    assert (found.event, found.journey.repeat, found.journey.possible_duplicate) == (Event.DEFER, True, False)
    assert not found.journey.probably_not_taken


def test_a_503_says_nothing_of_the_request_after_it() -> None:
    """When a repeat after a 503 is lost too, nobody assumes that it was not taken."""
    resent = step(locate(CannotTell("?"), probably_not_taken=True).journey, Event.SEND)
    lost = answered(resent, Tried(Uncertain("reset"), NOW, 0), "imported").journey
    found = located(lost, CannotTell("?"), "imported", "hold", NOW)
    assert isinstance(found, Step)
    assert (found.event, found.journey.held) == (Event.DOUBT, True)


@pytest.mark.parametrize("told", [Unavailable("down"), Unauthorized("expired"), Uncertain("odd")])
def test_a_question_that_fails_is_asked_again(told: Told) -> None:
    """An uncertain document stays uncertain while the service cannot be asked: nothing is sent."""
    assert isinstance(located(doubtful(), told, "imported", "resend", NOW), Trouble)


def test_refused_when_asked() -> None:
    """A service that has it and could not import it refuses it."""
    found = locate(REFUSED)
    assert (found.event, found.journey.answer) == (Event.REFUSE, REFUSED.answer)


@pytest.mark.parametrize(("told", "policy"), [(None, "hold"), (CannotTell("?"), "resend")])
def test_identical_but_nowhere_comes_to_an_end(told: Told, policy: str) -> None:
    """A service that refuses the repeat as identical and cannot show the document does not keep us for ever."""
    made, sent = doubtful(), 0
    while made.state is not State.REFUSED:
        found = located(made, told, "imported", policy, NOW)
        assert isinstance(found, Step)
        made = found.journey
        if made.state is State.DEFERRED:
            sent += 1
            assert sent < 10
            made = answered(step(made, Event.SEND), Tried(CONFLICT, NOW, 0), "imported").journey
    assert made.answer is not None
    assert made.answer.status_code == 409
    assert made.answer.messages


# Asking ------------------------------------------------------------------------------------------


class Curious(Memory):
    """A backend that notes from which moment on it was asked, or has a fault."""

    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.since: list[float] = []
        self.error = error

    def find(self, parcel: Parcel, since: float, known: Container[str] = ()) -> Receipt | None:
        """Note and find nothing."""
        del parcel, known
        self.since.append(since)
        if self.error:
            raise self.error
        return None

    def follow_up(self, receipt: Receipt, parcel: Parcel) -> Receipt:
        """Fail."""
        del receipt, parcel
        raise self.error or AssertionError


def test_asked_from_the_first_attempt_on() -> None:
    """The service is asked for documents since the first attempt, with room for its clock."""
    backend = Curious()
    attempts = tuple(Attempt(NOW + n, None, "lost", 1) for n in (50, 10, 90))
    for made in (doubtful(attempts=attempts), doubtful()):
        ask_whereabouts(backend, made, parcel(made))
    assert backend.since == [NOW + 10 - 300, NOW - 300]


def test_what_an_earlier_journey_tried_is_not_asked_for() -> None:
    """The service may have the document of a journey that failed: it is not this one."""
    attempts = tuple(Attempt(NOW + n, None, "lost", 1) for n in (-900, -800, 20))
    assert first_sent(doubtful(attempts=attempts, inherited=2)) == NOW + 20 - 300
    assert first_sent(doubtful(attempts=attempts[:2], inherited=2)) == NOW - 300


def test_the_earlier_clock_counts() -> None:
    """A clock of ours that is ahead, now or when it was sent, does not hide a document; one behind changes nothing."""
    sent = doubtful(attempts=(Attempt(NOW, None, "lost", 1),))
    assert [first_sent(sent, ahead) for ahead in (None, 60.0, -900.0)] == [NOW - 300, NOW - 300, NOW - 1200]
    noted = doubtful(attempts=sent.attempts, sent_from=NOW - 840)
    assert [first_sent(noted, ahead) for ahead in (None, 0.0, -900.0)] == [NOW - 1140] * 3
    assert first_sent(doubtful(attempts=sent.attempts, sent_from=NOW + 840)) == NOW - 300


def test_asked_again_where_the_first_answer_tells_the_time() -> None:
    """A no that was given before the service's clock was known is not believed where that clock is far behind."""

    class Late(Curious):
        ahead: float | None = None

        @property
        def ahead_s(self) -> float | None:
            return self.ahead if self.since else None

    made = doubtful()
    for ahead, since in ((-840.0, [NOW - 300, NOW - 1140]), (-1.0, [NOW - 300]), (None, [NOW - 300])):
        backend = Late()
        backend.ahead = ahead
        assert ask_whereabouts(backend, made, parcel(made)) is None
        assert backend.since == since


@pytest.mark.parametrize(
    "error", [Unavailable("x"), Unauthorized("x"), CannotTell("x"), Uncertain("x"), REFUSED]
)
def test_known_failures_of_questions_are_answers(error: Exception) -> None:
    """The failures of the contract come back as they are."""
    lost, made = doubtful(), accepted()
    assert ask_whereabouts(Curious(error), lost, parcel(lost)) is error
    assert ask_progress(Curious(error), made, parcel(made)) is error


def test_a_fault_in_reading_an_answer_is_no_answer() -> None:
    """A failure that the contract does not name never counts as a yes or a no."""
    lost, made, odd = doubtful(), accepted(), Curious(KeyError("id"))
    for told in (ask_whereabouts(odd, lost, parcel(lost)), ask_progress(odd, made, parcel(made))):
        assert isinstance(told, CannotTell)
        assert "KeyError" in str(told)


def test_the_whole_way_with_a_service() -> None:
    """A lost answer, asked about: the service has the document, and follows up on it."""
    memory = Memory(asks=2)
    memory.fail(Uncertain("lost"), taken=True)
    made = journey(state=State.SENDING)
    with pytest.raises(Uncertain):
        memory.upload(parcel(made))
    made = answered(made, Tried(Uncertain("lost"), NOW, 0), "imported").journey
    found = located(made, ask_whereabouts(memory, made, parcel(made)), "imported", "hold", NOW)
    assert isinstance(found, Step)
    assert found.journey.state is State.ACCEPTED
    assert (
        progressed(found.journey, ask_progress(memory, found.journey, parcel(made)), "imported", NOW) is None
    )
    last = progressed(found.journey, ask_progress(memory, found.journey, parcel(made)), "imported", NOW)
    assert isinstance(last, Step)
    assert (last.journey.state, last.journey.recovered) == (State.DELIVERED, True)
    assert len(memory.kept) == 1


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"state": State.UNCERTAIN}, True),
        ({"state": State.SENDING}, True),
        ({"state": State.DELIVERED}, False),
        ({"state": State.UNCERTAIN, "sent_name": "another.pdf"}, False),
        ({"state": State.UNCERTAIN, "queue_id": "9"}, False),
    ],
)
def test_a_name_proves_nothing_while_another_document_of_it_is_unsettled(
    other: dict[str, Any],
    expected: bool,  # noqa: FBT001 — a parameter
) -> None:
    """Only one that may have arrived as well, under the same name in the same queue, is a rival."""
    mine = doubtful(sent_name="scan.pdf")
    theirs = journey(**{"sent_name": "scan.pdf", **other})
    assert rivals(mine, [mine, theirs]) is expected
    assert rivals(mine, [mine]) is False
