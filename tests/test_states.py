"""The table of states."""

import itertools

import pytest

from hotfolder.model import OPEN, State
from hotfolder.states import ARROWS, DURABLE, Event, ForbiddenArrowError, after

TABLE = """
                      claim    send     accept    deliver    refuse   defer     doubt      return    file
(nothing)             claimed  .        .         delivered  refused  .         uncertain  .         filed
claimed               .        sending  .         delivered  refused  .         .          returned  .
sending               .        .        accepted  delivered  refused  deferred  uncertain  .         .
deferred              .        sending  .         .          refused  .         .          returned  .
uncertain             .        .        accepted  delivered  refused  deferred  uncertain  .         .
accepted              .        .        accepted  delivered  refused  .         uncertain  .         .
delivered             .        .        .         .          .        .         .          .         filed
refused               .        .        .         .          .        .         .          .         filed
filed                 .        .        .         .          .        .         .          .         .
returned              .        .        .         .          .        .         .          .         .
"""


def _cells() -> list[tuple[State | None, Event, State | None]]:
    head, *lines = TABLE.strip().splitlines()
    events = [Event(word) for word in head.split()]
    cells = []
    for line in lines:
        name, *targets = line.split()
        before = None if name == "(nothing)" else State(name)
        cells += [
            (before, event, None if target == "." else State(target))
            for event, target in zip(events, targets, strict=True)
        ]
    return cells


CELLS = _cells()


def test_the_drawn_table_has_every_pair() -> None:
    """No pair of state and event is left out of these tests."""
    assert {(before, event) for before, event, _ in CELLS} == set(itertools.product([None, *State], Event))


@pytest.mark.parametrize(("before", "event", "target"), CELLS)
def test_every_arrow_leads_where_it_is_drawn(
    before: State | None, event: Event, target: State | None
) -> None:
    """An arrow leads to the one state that is drawn, and what is not drawn is forbidden."""
    if target is None:
        with pytest.raises(ForbiddenArrowError, match=event.value):
            after(before, event)
    else:
        assert after(before, event) is target


def _reachable(start: State | None) -> set[State]:
    found: set[State] = set()
    edge: set[State | None] = {start}
    while edge:
        edge = {target for (before, _), target in ARROWS.items() if before in edge} - found
        found |= {state for state in edge if state is not None}
    return found


def test_every_state_can_be_reached() -> None:
    """From nothing, every state can be reached."""
    assert _reachable(None) == set(State)


@pytest.mark.parametrize("state", sorted(OPEN))
def test_every_open_state_has_a_way_to_rest(state: State) -> None:
    """No document is ever in a state from which it can neither be filed nor go back."""
    assert _reachable(state) & {State.FILED, State.RETURNED}


@pytest.mark.parametrize("state", [State.FILED, State.RETURNED])
def test_rest_is_final(state: State) -> None:
    """Nothing moves a document that is at rest."""
    assert not _reachable(state)


def test_a_document_that_may_have_arrived_never_goes_back_by_itself() -> None:
    """What was on the wire and is in doubt is neither put back nor sent before the service was asked."""
    for state in (State.SENDING, State.UNCERTAIN, State.ACCEPTED):
        assert (state, Event.RETURN) not in ARROWS
        assert (state, Event.SEND) not in ARROWS


def test_what_the_outside_must_not_forget_is_durable() -> None:
    """Before a request goes out, after an answer came, and before a document goes back, the row survives a power cut."""
    assert {
        State.SENDING,
        State.ACCEPTED,
        State.DELIVERED,
        State.UNCERTAIN,
        State.REFUSED,
        State.RETURNED,
    } == DURABLE
