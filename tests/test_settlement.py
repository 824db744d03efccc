"""What becomes of an uncertain document that a person settles."""

import pytest

from hotfolder.model import Attempt, ErrorSource, Remote, State
from hotfolder.settlement import Verdict, settled
from hotfolder.sidecar import draw
from hotfolder.states import Event, ForbiddenArrowError
from tests.builders import NOW, journey


def attempt(status: int | None) -> Attempt:
    """Make a try that was answered with a status, or with nothing."""
    return Attempt(NOW, status, "no answer", 5)


def test_it_arrived() -> None:
    """A document that arrived is delivered under the id that the person found, and says who settled it."""
    step = settled(journey(state=State.UNCERTAIN, held=True), Verdict.SENT, "4711", NOW)
    record = draw(step.journey, NOW)
    assert (step.event, step.journey.state, step.journey.held) == (Event.DELIVER, State.DELIVERED, False)
    assert (record.outcome, record.response and record.response.Messages) == ("done", None)
    assert record.remote.documents == ["4711"]
    assert "4711" in record.warnings[0]
    assert "settled by hand" in record.warnings[0]


def test_what_the_service_called_it_is_kept() -> None:
    """Addresses that the service gave before are not replaced by the id."""
    known = journey(
        state=State.UNCERTAIN, remote=Remote(task="t", documents=("https://a/1",)), accepted_at=5.0
    )
    after = settled(known, Verdict.SENT, "1", NOW).journey
    assert (after.remote, after.accepted_at) == (known.remote, 5.0)


def test_it_is_sent_again() -> None:
    """A repeat is guarded, waits for nothing, and is marked as a possible duplicate."""
    after = settled(
        journey(state=State.UNCERTAIN, not_before=NOW + 9, asked=2), Verdict.RESEND, None, NOW
    ).journey
    assert (after.state, after.repeat, after.possible_duplicate) == (State.DEFERRED, True, True)
    assert (after.not_before, after.asked) == (0.0, 0)


@pytest.mark.parametrize(
    ("attempts", "status"),
    [((), 504), ((attempt(None),), 504), ((attempt(200),), 504), ((attempt(503), attempt(502)), 502)],
)
def test_it_is_given_up(attempts: tuple[Attempt, ...], status: int) -> None:
    """A document that is given up gets the last attempt's error status, or 504, and advice in plain words."""
    after = settled(journey(state=State.UNCERTAIN, attempts=attempts), Verdict.FAIL, None, NOW).journey
    assert after.answer is not None
    assert (after.answer.status_code, after.error_source) == (status, ErrorSource.TRANSPORT)
    assert after.answer.messages
    assert "may have arrived" in after.answer.messages[0]


@pytest.mark.parametrize("state", sorted(set(State) - {State.UNCERTAIN, State.ACCEPTED, State.SENDING}))
def test_nothing_else_can_be_settled(state: State) -> None:
    """The table has no such arrow from a state in which nothing is in doubt."""
    with pytest.raises(ForbiddenArrowError):
        settled(journey(state=state), Verdict.RESEND, None, NOW)
