"""What comes of handing a document over, and which arrow it takes."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfolder.backends.base import (
    ContentChanged,
    Parcel,
    Receipt,
    Refused,
    Scope,
    Unauthorized,
    Unavailable,
    Uncertain,
)
from hotfolder.backends.memory import Memory
from hotfolder.delivery import (
    Result,
    Step,
    Tried,
    answered,
    filled,
    given_up,
    hand_over,
    may_be_given_up,
    parcel_for,
    proves_an_answer,
    received,
    refused,
    sent_name,
    stays_ours,
    step,
    trouble_of,
)
from hotfolder.model import Answer, Attempt, ErrorSource, Journey, Own, Remote, State
from hotfolder.settings import Queue
from hotfolder.states import Event, ForbiddenArrowError
from tests.builders import NOW, PDF, journey

RECEIPT = Receipt(202, final=True, document_ids=("7",), remote=Remote(task="t"), warnings=("odd",))
REFUSED = Refused(Answer(409, "CONFLICT", ("identical",)))


class Still:
    """A clock that says the same moment for ever."""

    def monotonic(self) -> float:
        """Return five."""
        return 5.0

    def wall(self) -> float:
        """Return NOW."""
        return NOW


def queue(**changes: Any) -> Queue:
    """Make a queue's settings."""
    return Queue(name="invoices", connection="acme", folder="/srv/invoices", **changes)


def sending(**changes: Any) -> Journey:
    """Make a journey whose request is on the wire."""
    return journey(**{"state": State.SENDING, **changes})


def came(result: Result, wait_for: str = "imported", **changes: Any) -> Step:
    """Decide on a result that came half a second after NOW."""
    return answered(sending(**changes), Tried(result, NOW, 0.5), wait_for)


def test_a_final_receipt_delivers() -> None:
    """A clear and final yes makes the document delivered, with the response record of a success."""
    found = came(RECEIPT)
    made = found.journey
    assert (found.event, made.state, found.trouble) == (Event.DELIVER, State.DELIVERED, None)
    assert made.answer == Answer(202, None, None, ("7",))
    assert (made.error_source, made.accepted_at, made.accepted_status) == (None, NOW + 0.5, 202)
    assert (made.remote.task, made.warnings, made.reason) == ("t", ("odd",), None)
    assert [(a.at, a.status, a.error, a.duration_ms) for a in made.attempts] == [(NOW, 202, None, 500)]


def test_a_receipt_that_is_not_final_waits_unless_accepting_is_enough() -> None:
    """What the service is still at work on is accepted; with `wait_for: accepted` that is final."""
    found = came(replace(RECEIPT, final=False))
    assert (found.event, found.journey.answer) == (Event.ACCEPT, None)
    found = came(replace(RECEIPT, final=False, document_ids=()), "accepted")
    assert (found.event, found.journey.answer) == (Event.DELIVER, Answer(202, document_ids=()))


def test_the_first_acceptance_counts() -> None:
    """Later words of the service do not change when and how it took the document."""
    made = journey(state=State.ACCEPTED, accepted_at=1.0, accepted_status=201, warnings=("odd",))
    made = received(made, replace(RECEIPT, status=200), "imported", NOW).journey
    assert (made.accepted_at, made.accepted_status, made.warnings) == (1.0, 201, ("odd",))


def test_a_refusal_is_final() -> None:
    """A service's no makes the document refused, with what it said."""
    found = came(REFUSED)
    assert (found.event, found.journey.state, found.trouble) == (Event.REFUSE, State.REFUSED, None)
    assert (found.journey.answer, found.journey.error_source) == (REFUSED.answer, ErrorSource.SERVER)
    assert len(found.journey.attempts) == 1


def test_a_refusal_without_a_request_is_no_attempt() -> None:
    """What a backend refuses by itself comes from here, and nothing was sent."""
    found = came(Refused(Answer(413, None, ("too large",)), source=ErrorSource.LOCAL))
    assert found.event is Event.REFUSE
    assert found.journey.error_source is ErrorSource.LOCAL
    assert found.journey.attempts == ()


@pytest.mark.parametrize("asked", [0, 1, 2, 3, 4])
def test_an_identical_document_after_a_doubt_is_asked_about(asked: int) -> None:
    """A guarded repeat that is refused as identical most likely met our own first one: ask, a few times."""
    found = came(REFUSED, repeat=True, asked=asked, probably_not_taken=True, held=True)
    assert found.event is (Event.DOUBT if asked < 3 else Event.REFUSE)
    assert not found.journey.probably_not_taken
    assert not found.journey.held


def test_other_refusals_after_a_doubt_are_final() -> None:
    """Only "identical" can mean that the first request arrived."""
    assert came(Refused(Answer(415, None, ("no",))), repeat=True).event is Event.REFUSE
    assert came(REFUSED).event is Event.REFUSE


def test_too_many_requests_is_no_attempt() -> None:
    """After a 429 the document is sent again when the service says, and its record knows nothing of it."""
    found = came(Unavailable("busy", status=429, retry_after_s=7, counts=False))
    assert (found.event, found.journey.state) == (Event.DEFER, State.DEFERRED)
    assert found.journey.attempts == ()
    assert found.trouble is not None
    assert (found.trouble.retry_after_s, found.trouble.counts, found.trouble.pause) == (7, False, False)
    assert not found.journey.repeat


def test_no_connection_is_an_attempt() -> None:
    """Where no connection came about the document is sent again, and its record says so."""
    found = came(Unavailable("no connection"))
    assert (found.event, len(found.journey.attempts)) == (Event.DEFER, 1)
    assert found.trouble is not None
    assert (found.trouble.counts, found.trouble.scope) == (True, Scope.CONNECTION)
    assert not stays_ours(found.journey)


@pytest.mark.parametrize("scope", Scope)
def test_wrong_credentials_pause(scope: Scope) -> None:
    """`Unauthorized` pauses what it concerns, and leaves the document unsent."""
    found = came(Unauthorized("wrong password", status=401, scope=scope))
    assert (found.event, found.journey.answer) == (Event.DEFER, None)
    assert found.trouble is not None
    assert (found.trouble.pause, found.trouble.scope) == (True, scope)


@pytest.mark.parametrize(
    "said",
    [
        {"id_source": "companion", "queue_id": "999"},
        {"queue_id": None, "own": Own(document_class="999")},
    ],
)
def test_a_companion_that_names_no_place_fails_its_document_alone(said: dict[str, Any]) -> None:
    """The queue's other documents go elsewhere: nothing pauses for them, and the record says what to correct."""
    missing = Unauthorized("no such place", status=404, scope=Scope.QUEUE)
    found = came(missing, **said)
    assert (found.event, found.trouble, found.journey.error_source) == (
        Event.REFUSE,
        None,
        ErrorSource.SERVER,
    )
    assert found.journey.answer is not None
    assert found.journey.answer.status_code == 404
    assert "999" in "".join(found.journey.answer.messages or ())
    assert came(Unauthorized("no licence", status=403), **said).trouble is not None
    assert came(missing, queue_id="8236", own=Own({"site": "Brno"}, document_class="9")).event is Event.DEFER


@pytest.mark.parametrize("probably_not", [True, False])
def test_no_clear_answer_is_a_doubt(probably_not: bool) -> None:  # noqa: FBT001 — a parameter
    """What may have arrived is uncertain, asked about anew, and nothing of an older doubt is left."""
    lost = Uncertain("reset", status=503, retry_after_s=9, probably_not_taken=probably_not)
    found = came(lost, asked=2, held=True, probably_not_taken=not probably_not)
    made = found.journey
    assert (found.event, made.state, made.asked, made.held) == (Event.DOUBT, State.UNCERTAIN, 0, False)
    assert made.probably_not_taken is probably_not
    assert made.attempts[0].status == 503
    assert found.trouble is not None
    assert found.trouble.retry_after_s == 9


@pytest.mark.parametrize(
    "problem",
    [ContentChanged("changed"), OSError(5, "Input/output error"), FileNotFoundError(2, "No such file")],
)
def test_trouble_with_the_file_concerns_this_document_alone(problem: Exception) -> None:
    """A file that changed or cannot be read holds up nobody else, and is not tried in a loop."""
    found = came(problem)
    assert (found.event, found.trouble) == (Event.DEFER, None)
    assert found.journey.not_before >= NOW + 30
    assert found.journey.reason


@given(st.integers(1, 60))
def test_a_record_stays_bounded(number: int) -> None:
    """Of many attempts, the first ones and the last ones are kept."""
    made = sending()
    for count in range(number):
        made = replace(
            answered(made, Tried(Unavailable(str(count)), NOW + count, 0), "imported").journey,
            state=State.SENDING,
        )
    errors = [int(a.error or "") for a in made.attempts]
    assert errors == (list(range(number)) if number <= 20 else [*range(10), *range(number - 10, number)])


def test_a_doubt_ends_with_its_arrow() -> None:
    """Being held, and being probably not taken, are facts of one doubt and end with it."""
    made = journey(state=State.UNCERTAIN, held=True, probably_not_taken=True)
    for event in (Event.DEFER, Event.DOUBT, Event.DELIVER, Event.ACCEPT, Event.REFUSE):
        after = step(made, event)
        assert (after.held, after.probably_not_taken) == (False, False)
    assert step(made, Event.DOUBT, held=True).held


def test_a_forbidden_arrow_is_no_step() -> None:
    """Nobody takes an arrow that the table does not have."""
    with pytest.raises(ForbiddenArrowError):
        step(journey(), Event.FILE)


def test_every_failed_question_is_trouble_for_the_connection() -> None:
    """A question that fails tells something of the service, whichever way it fails."""
    assert trouble_of(Unauthorized("x")).pause
    assert trouble_of(Unavailable("x", retry_after_s=3)).retry_after_s == 3
    assert trouble_of(Uncertain("x")).reason == "x"


# Acting ------------------------------------------------------------------------------------------


class Failing(Memory):
    """A backend with a fault."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    def upload(self, parcel: Parcel) -> Receipt:
        """Fail."""
        del parcel
        raise self.error


@pytest.mark.parametrize(
    "error",
    [Unavailable("x"), Unauthorized("x"), Uncertain("x"), REFUSED, ContentChanged("x"), OSError(5, "x")],
)
def test_known_failures_are_results(error: Exception) -> None:
    """The failures of the contract come back as they are."""
    parcel = parcel_for(journey(), queue(), lambda: iter([PDF]))
    assert hand_over(Failing(error), parcel, Still()).result is error


def test_a_fault_in_a_backend_is_a_doubt() -> None:
    """A failure that the contract does not name may have come after the document was sent."""
    parcel = parcel_for(journey(), queue(), lambda: iter([PDF]))
    result = hand_over(Failing(ZeroDivisionError("x")), parcel, Still()).result
    assert isinstance(result, Uncertain)
    assert not result.probably_not_taken
    assert "ZeroDivisionError" in str(result)


def test_a_document_is_handed_over() -> None:
    """What the backend keeps is the document."""
    memory = Memory()
    tried = hand_over(memory, parcel_for(journey(), queue(), lambda: iter([PDF])), Still())
    assert isinstance(tried.result, Receipt)
    assert (tried.began, tried.took_s) == (NOW, 0.0)
    assert [(k.name, k.size_bytes) for k in memory.kept] == [("scan.pdf", len(PDF))]


def test_templates_are_filled() -> None:
    """Templates are filled at any depth, in values alone; other braces stay, and nothing is filled twice."""
    facts = {"name": "{stem}", "stem": "s", "folder": "f", "queue": "q", "sha256": "h", "received_at": "r"}
    value = {
        "{name}": ["{name}", {"x": "{queue}/{folder}"}],
        "n": 5,
        "none": None,
        "other": "{what} {{stem}} {",
    }
    assert filled(value, facts) == {
        "{name}": ["{stem}", {"x": "q/f"}],
        "n": 5,
        "none": None,
        "other": "{what} {s} {",
    }


def test_a_parcel_says_what_the_journey_knows() -> None:
    """A parcel carries the document's id, names and the queue's words, as text."""
    made = journey(name=b"\xff\n.pdf", folder=b"sub")
    settings = queue(
        metadata={"from": "{name} {stem} {folder} {received_at}"},
        values={"site": "Prague"},
        document_class="invoice",
    )
    parcel = parcel_for(made, settings, lambda: iter([PDF]))
    assert parcel.metadata == {"from": "\\xff\\n.pdf \\xff\\n sub 2023-11-14T22:13:17.000Z"}
    assert (parcel.values, parcel.document_class) == ({"site": "Prague"}, "invoice")
    assert (parcel.upload_id, parcel.queue_id, parcel.size_bytes) == (made.upload_id, "8236", len(PDF))
    assert parcel.name == sent_name(made) == "\\xff\\n.pdf"


def test_what_a_companion_says_wins_over_the_queue() -> None:
    """Its class, and each of its keys, go out in place of the queue's."""
    own = Own({"site": "Brno"}, {"b": "own"}, None, "receipt")
    settings = queue(
        metadata={"site": "Prague", "who": "scanner"}, values={"a": "queue's"}, document_class="invoice"
    )
    parcel = parcel_for(journey(own=own), settings, lambda: iter([PDF]))
    assert parcel.metadata == {"site": "Brno", "who": "scanner"}
    assert parcel.values == {"a": "queue's", "b": "own"}
    assert parcel.document_class == "receipt"


@pytest.mark.parametrize(("reject", "repeat"), [(False, False), (False, True), (True, False), (True, True)])
def test_a_repeat_is_guarded(reject: bool, repeat: bool) -> None:  # noqa: FBT001 — parameters
    """After a doubt the service is asked to refuse what it has, whatever the queue says."""
    parcel = parcel_for(journey(repeat=repeat), queue(reject_identical=reject), lambda: iter([PDF]))
    assert parcel.reject_identical is (reject or repeat)


@pytest.mark.parametrize(
    ("changes", "stays"), [({}, False), ({"repeat": True}, True), ({"possible_duplicate": True}, True)]
)
def test_what_may_have_been_sent_stays_ours(changes: dict[str, bool], stays: bool) -> None:  # noqa: FBT001
    """A document that was in doubt once does not go back to be claimed as a new one."""
    assert stays_ours(journey(**changes)) is stays


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"state": State.DEFERRED}, True),
        ({"state": State.DEFERRED, "repeat": True}, True),
        ({"state": State.DEFERRED, "possible_duplicate": True}, False),
        ({"state": State.UNCERTAIN}, False),
        ({"state": State.SENDING}, False),
    ],
)
def test_what_may_be_given_up(changes: dict[str, Any], expected: bool) -> None:  # noqa: FBT001 — a parameter
    """Only what certainly did not arrive, as the service said itself or no request was whole."""
    assert may_be_given_up(journey(**changes)) is expected


def test_given_up_in_plain_words() -> None:
    """The record says how long nobody took it, why last, and what to do; an earlier journey's answer does not count."""
    old = (Attempt(NOW - 99, 500, "broken", 1),)
    made = journey(state=State.DEFERRED, attempts=old, inherited=1, reason="it cannot be reached")
    found = given_up(made, 7 * 86_400.0)
    assert (found.event, found.journey.error_source) == (Event.REFUSE, ErrorSource.TRANSPORT)
    assert found.journey.answer is not None
    assert found.journey.answer.status_code == 503
    (message,) = found.journey.answer.messages or ()
    assert message == (
        "It could not be delivered for 7d (`give_up_after`) and certainly did not arrive. The last reason: "
        "it cannot be reached. Once the service works again, move the document back into the drop folder."
    )


@pytest.mark.parametrize(
    ("source", "before", "expected"),
    [
        (ErrorSource.SERVER, State.SENDING, True),
        (ErrorSource.LOCAL, State.SENDING, False),
        (ErrorSource.TRANSPORT, State.DEFERRED, False),
        (ErrorSource.SERVER, State.CLAIMED, False),
    ],
)
def test_what_proves_that_the_service_answers(
    source: ErrorSource,
    before: State,
    expected: bool,  # noqa: FBT001 — a parameter
) -> None:
    """A refusal opens the gate only where the service spoke it."""
    found = refused(journey(state=before), Refused(Answer(413, None, ("too large",)), source=source))
    assert proves_an_answer(found, journey(state=before)) is expected


def test_whom_the_service_shall_call_goes_along() -> None:
    """The queue's `webhook_url` is handed over with each of its documents."""
    address = "https://hooks.acme.example/webhooks/acme/s3cret-of-acme"
    assert parcel_for(journey(), queue(webhook_url=address), lambda: iter([PDF])).webhook_url == address
    assert parcel_for(journey(), queue(), lambda: iter([PDF])).webhook_url is None
