"""Say until when a document waits that is sent again or asked about (pure); all moments are seconds since 1970."""

from dataclasses import replace

from hotfolder.delivery import Step
from hotfolder.model import Journey, State


def unanswered(journey: Journey, not_before: float) -> Journey:
    """Let others go first once the gate opens: what one question fails on may concern that question alone."""
    return replace(journey, not_before=not_before) if journey.state is State.UNCERTAIN else journey


def timed(found: Step, wall: float, ask_after_s: float, closed_s: float) -> Journey:
    """Return a journey after its arrow with the moment of its next step; the gate stays closed for `closed_s`."""
    journey = found.journey
    if journey.state is State.UNCERTAIN and journey.not_before <= wall and not journey.held:
        return replace(journey, not_before=wall + ask_after_s)
    if journey.state is State.DEFERRED and found.trouble is not None:
        return replace(journey, not_before=wall + closed_s)
    return journey
