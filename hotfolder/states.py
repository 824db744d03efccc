"""The table of states and permitted arrows of a claimed document (pure).

Every arrow is one committed row of the journal; what the table does not list cannot be recorded. A
journey begins with a claim; where the journal was lost, it begins with what the folders tell of it.
"""

from enum import StrEnum

from hotfolder.model import State


class Event(StrEnum):
    """What moves a document along an arrow."""

    CLAIM = "claim"
    """It was ready, or unfit for ever: it is made ours."""
    SEND = "send"
    """A request goes out next."""
    ACCEPT = "accept"
    """The service has it, and will tell more."""
    DELIVER = "deliver"
    """The service has it, and that is final; or it had the same content before, and that is enough."""
    REFUSE = "refuse"
    """It will never be taken."""
    DEFER = "defer"
    """It was certainly not taken, or asking settled that: again later."""
    DOUBT = "doubt"
    """It may have been taken, and nobody said so."""
    RETURN = "return"
    """It goes back to the drop folder unsent."""
    FILE = "file"
    """It rests in done/ or failed/ beside its sidecar."""


ARROWS: dict[tuple[State | None, Event], State] = {
    (None, Event.CLAIM): State.CLAIMED,
    (None, Event.DOUBT): State.UNCERTAIN,
    (None, Event.DELIVER): State.DELIVERED,
    (None, Event.REFUSE): State.REFUSED,
    (None, Event.FILE): State.FILED,
    (State.CLAIMED, Event.SEND): State.SENDING,
    (State.CLAIMED, Event.DELIVER): State.DELIVERED,
    (State.CLAIMED, Event.REFUSE): State.REFUSED,
    (State.CLAIMED, Event.RETURN): State.RETURNED,
    (State.SENDING, Event.ACCEPT): State.ACCEPTED,
    (State.SENDING, Event.DELIVER): State.DELIVERED,
    (State.SENDING, Event.REFUSE): State.REFUSED,
    (State.SENDING, Event.DEFER): State.DEFERRED,
    (State.SENDING, Event.DOUBT): State.UNCERTAIN,
    (State.DEFERRED, Event.SEND): State.SENDING,
    (State.DEFERRED, Event.REFUSE): State.REFUSED,
    (State.DEFERRED, Event.RETURN): State.RETURNED,
    (State.UNCERTAIN, Event.DOUBT): State.UNCERTAIN,
    (State.UNCERTAIN, Event.ACCEPT): State.ACCEPTED,
    (State.UNCERTAIN, Event.DELIVER): State.DELIVERED,
    (State.UNCERTAIN, Event.DEFER): State.DEFERRED,
    (State.UNCERTAIN, Event.REFUSE): State.REFUSED,
    (State.ACCEPTED, Event.ACCEPT): State.ACCEPTED,
    (State.ACCEPTED, Event.DELIVER): State.DELIVERED,
    (State.ACCEPTED, Event.REFUSE): State.REFUSED,
    (State.ACCEPTED, Event.DOUBT): State.UNCERTAIN,
    (State.DELIVERED, Event.FILE): State.FILED,
    (State.REFUSED, Event.FILE): State.FILED,
}

DURABLE = frozenset(
    {State.SENDING, State.ACCEPTED, State.DELIVERED, State.UNCERTAIN, State.REFUSED, State.RETURNED}
)
"""States whose row must be on stable storage before the next step.

A claim may be lost with the power: the file then lies in the work folder without a row, and recovery
puts it back. A filing may be: recovery does it again, and finds it done.
"""


class ForbiddenArrowError(Exception):
    """A programming error: the table has no such arrow."""


def after(state: State | None, event: Event) -> State:
    """Return the state after `event`; raises `ForbiddenArrowError` where the table has no such arrow."""
    try:
        return ARROWS[state, event]
    except KeyError:
        raise ForbiddenArrowError(f"no arrow `{event}` from `{state}`") from None
