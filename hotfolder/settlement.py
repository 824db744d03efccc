"""Settle an uncertain document as a person says: it arrived, send it again, or give it up (pure)."""

from dataclasses import replace
from enum import StrEnum

from hotfolder.delivery import Step, step
from hotfolder.model import Answer, ErrorSource, Journey
from hotfolder.states import Event

_OK, _FIRST_ERROR, _NO_ANSWER = 200, 400, 504
"""RFC 9110: success, the first status of a failure, and a gateway that heard nothing in time."""


class Verdict(StrEnum):
    """What a person found out about a document, or wants."""

    SENT = "sent"
    """It arrived; the service calls it by an id."""
    RESEND = "resend"
    """It is to be sent again, even if that makes two of it."""
    FAIL = "fail"
    """It is given up."""


def settled(journey: Journey, verdict: Verdict, document_id: str | None, now: float) -> Step:
    """Decide which arrow an uncertain document takes by hand; raises `ForbiddenArrowError` for any other."""
    match verdict:
        case Verdict.SENT:
            return _arrived(journey, document_id or "", now)
        case Verdict.RESEND:
            return _again(journey)
        case Verdict.FAIL:
            return _given_up(journey)


def _arrived(journey: Journey, document_id: str, now: float) -> Step:
    remote = replace(journey.remote, documents=journey.remote.documents or (document_id,))
    warning = f"settled by hand: a person found it at the service as {document_id}"
    arrived = step(
        journey,
        Event.DELIVER,
        answer=Answer(journey.accepted_status or _OK, document_ids=(document_id,)),
        error_source=None,
        remote=remote,
        accepted_at=now if journey.accepted_at is None else journey.accepted_at,
        warnings=(*journey.warnings, warning),
        reason=warning,
    )
    return Step(Event.DELIVER, arrived)


def _again(journey: Journey) -> Step:
    warning = "settled by hand: a person had it sent again without knowing whether it had arrived"
    again = step(
        journey,
        Event.DEFER,
        repeat=True,
        possible_duplicate=True,
        asked=0,
        not_before=0.0,
        warnings=(*journey.warnings, warning),
        reason="a person had it sent again",
    )
    return Step(Event.DEFER, again)


def _given_up(journey: Journey) -> Step:
    last = journey.attempts[-1].status if journey.attempts else None
    message = (
        "It was sent and the service gave no clear answer, so it may have arrived; a person gave it up. "
        "Look it up at the service before you send it again."
    )
    given_up = step(
        journey,
        Event.REFUSE,
        answer=Answer(last if last and last >= _FIRST_ERROR else _NO_ANSWER, None, (message,)),
        error_source=ErrorSource.TRANSPORT,
        warnings=(*journey.warnings, "settled by hand: a person gave it up"),
        reason=message,
    )
    return Step(Event.REFUSE, given_up)
