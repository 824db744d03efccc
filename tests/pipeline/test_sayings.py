"""How loud an arrow of a document is told."""

from dataclasses import replace

import pytest

from hotfolder.model import ErrorSource, Journey, State
from hotfolder.pipeline.sayings import Sayings, told
from hotfolder.states import Event
from tests.builders import journey

E, S = Event, State
WAY = list[tuple[Event, State, State | None]]
DIRECT: WAY = [
    (E.CLAIM, S.CLAIMED, None),
    (E.SEND, S.SENDING, S.CLAIMED),
    (E.DELIVER, S.DELIVERED, S.SENDING),
    (E.FILE, S.FILED, S.DELIVERED),
]
FOLLOWED: WAY = [
    *DIRECT[:2],
    (E.ACCEPT, S.ACCEPTED, S.SENDING),
    (E.ACCEPT, S.ACCEPTED, S.ACCEPTED),
    (E.DELIVER, S.DELIVERED, S.ACCEPTED),
    DIRECT[3],
]
TRIED = [*DIRECT[:1], *[(E.SEND, S.SENDING, S.CLAIMED), (E.DEFER, S.DEFERRED, S.SENDING)] * 50, *DIRECT[1:]]
REFUSED: WAY = [*DIRECT[:2], (E.REFUSE, S.REFUSED, S.SENDING), (E.FILE, S.FILED, S.REFUSED)]
PUT_BACK: WAY = [*DIRECT[:1], (E.RETURN, S.RETURNED, S.CLAIMED)] * 50


def levels(way: WAY, sayings: Sayings | None = None, **facts: object) -> list[str]:
    """Return what is said above DEBUG of one document's way."""
    sayings = sayings or Sayings()
    made = journey(**facts)
    found = [sayings.level(event, replace(made, state=state), before) for event, state, before in way]
    return [level for level in found if level != "DEBUG"]


@pytest.mark.parametrize(
    ("way", "said"),
    [
        (DIRECT, ["INFO"]),
        (FOLLOWED, ["INFO", "INFO"]),
        (TRIED, ["INFO"]),
        (REFUSED, ["WARNING", "INFO"]),
        (PUT_BACK, []),
    ],
    ids=["delivered", "accepted first", "tried fifty times", "refused", "put back by a pause"],
)
def test_lines_of_a_document(way: WAY, said: list[str]) -> None:
    """At INFO a delivered document is a line, with a task of the service's two, a failed one two, a retry none."""
    assert levels(way) == said


def test_what_is_put_back_for_a_reason_is_told_once() -> None:
    """A file that cannot be read is claimed again and again, each time as another document."""
    sayings, said = Sayings(), []
    for number in range(20):
        facts = {"upload_id": f"id-{number}", "reason": "it cannot be read to its end"}
        said += levels(PUT_BACK[1:2], sayings, **facts)
    assert said == ["INFO"]
    assert levels(PUT_BACK[1:2], sayings, reason="it changed") == ["INFO"]


def test_a_doubt_is_told_once_and_so_is_who_ends_it() -> None:
    """Uncertain is a warning once, held one more, and that it is sent again is said."""
    sayings = Sayings()
    way: WAY = [(E.DOUBT, S.UNCERTAIN, S.SENDING), (E.DOUBT, S.UNCERTAIN, S.UNCERTAIN)] * 10
    assert levels(way, sayings) == ["WARNING"]
    assert levels(way, sayings, held=True, reason="nobody can tell") == ["WARNING"]
    assert levels([(E.DEFER, S.DEFERRED, S.UNCERTAIN)], sayings) == ["INFO"]


def test_a_silence_is_told_once() -> None:
    """A document that the service does not finish is a warning, however often its row is written."""
    way: WAY = [(E.ACCEPT, S.ACCEPTED, S.ACCEPTED)] * 10
    assert levels(way, stalled=True, reason="it has not finished") == ["WARNING"]


def test_the_memory_is_bounded() -> None:
    """A daemon that runs for years remembers some thousands of things that it said."""
    sayings = Sayings()
    for number in range(10_000):
        levels([(E.DOUBT, S.UNCERTAIN, S.SENDING)], sayings, upload_id=f"id-{number}")
    assert len(sayings._said) <= 4096


def test_nothing_is_remembered_of_documents_that_go_well() -> None:
    """Nor of those that are refused."""
    sayings = Sayings()
    for way in (DIRECT, FOLLOWED, TRIED, REFUSED, PUT_BACK):
        levels(way, sayings)
    assert not sayings._said


def _filed(**facts: object) -> Journey:
    return journey(state=State.FILED, **facts)


def test_the_last_line_says_where_it_lies() -> None:
    """An operator finds the document by the line of its filing."""
    assert told(_filed(filed_name=b"scan.1.pdf")) == "filed as done/scan.1.pdf"
    assert (
        told(_filed(error_source=ErrorSource.SERVER, filed_name=b"a\nb.pdf")) == "filed as failed/a\\nb.pdf"
    )
    assert told(journey(state=State.REFUSED, reason="too large")) == "refused: too large"
    assert told(journey(state=State.ACCEPTED)) == "accepted"
