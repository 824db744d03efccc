"""Ask until the answer is final: how an accepted document fares, and whether an uncertain one arrived."""

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from hotfolder.backends.base import (
    Backend,
    CannotTell,
    DeliveryError,
    Parcel,
    Receipt,
    Refused,
    Uncertain,
    fault_in_words,
)
from hotfolder.delivery import Step, Trouble, received, refused, step, trouble_of
from hotfolder.model import Answer, Journey, State
from hotfolder.sidecar import moment
from hotfolder.states import Event

_SKEW_S = 300.0
"""How far a clock may be off that is asked for what it got since a moment: servers of one service differ."""
_FIRST_POLL_S, _POLL_GROWTH, _LAST_POLL_S = 1.0, 1.6, 60.0
"""An import takes "a few seconds to several minutes" (Rossum API docs); 60 s spares their 10 requests/s."""
_LAST_LOOK_S = 600.0
"""What is imported waits for people, who take minutes at least."""
_ASK_AGAIN_S = 3600.0
"""A held document is asked about once an hour: the service may learn to tell."""
_STALLED_S = 86_400.0
"""An import takes minutes and a review by people up to a working day: after a day of silence somebody should look."""
_ENOUGH_ASKING = 3

Told = Receipt | None | DeliveryError | CannotTell
"""What asking can come to."""


def poll_delay(polls: int, *, imported: bool = False) -> float:
    """Return the seconds before the next look at an accepted document after `polls` of them."""
    return min(_FIRST_POLL_S * _POLL_GROWTH ** min(polls, 32), _LAST_LOOK_S if imported else _LAST_POLL_S)


def next_look(journey: Journey, polls: int, now: float) -> float:
    """Return the seconds before the next look at an accepted document: not long after a promise is over (pure)."""
    wait_s = poll_delay(polls, imported=journey.imported)
    promised = None if journey.sla_told else _sla_moment(journey.remote.sla_at)
    return wait_s if promised is None or promised <= now else min(wait_s, promised - now + _FIRST_POLL_S)


def ask_progress(backend: Backend, journey: Journey, parcel: Parcel) -> Told:
    """Ask once how an accepted document fares; blocks. One whose last word is known is not asked about."""
    if journey.results_from is not None and journey.answer is not None:
        ids = journey.answer.document_ids or ()
        return replace(_receipt(journey), final=True, document_ids=ids)
    return _asked(lambda: backend.follow_up(_receipt(journey), parcel))


def ask_progress_of(backend: Backend, asked: Sequence[tuple[Journey, Parcel]]) -> list[Told]:
    """Ask once how accepted documents fare, as many as possible with one request; blocks."""
    if len(asked) == 1:
        return [ask_progress(backend, *asked[0])]
    pairs = [(_receipt(journey), parcel) for journey, parcel in asked]
    try:
        return list(backend.follow_up_many(pairs))
    except Exception as surprise:  # noqa: BLE001 — a fault in reading an answer is no answer
        return [CannotTell(fault_in_words(surprise))] * len(pairs)


def _receipt(journey: Journey) -> Receipt:
    """Return what is known of an accepted document the way the service said it."""
    status = journey.answer.status_code if journey.answer else journey.accepted_status or 200
    return Receipt(status=status, final=False, remote=journey.remote, imported=journey.imported)


def first_sent(journey: Journey, ahead_s: float | None = None) -> float:
    """Return from when on the service may have a document, by the earlier one of both clocks (pure).

    `ahead_s` is how far the service's clock is ahead now; what was noted when the document was sent counts too,
    since clocks are set in between. What an earlier journey tried is left out: the service may have that document,
    and it failed.
    """
    own = journey.attempts[journey.inherited :]
    ours = min((a.at for a in own), default=journey.claimed_at)
    theirs = ours + (ahead_s or 0.0) if journey.sent_from is None else journey.sent_from
    return min(ours, theirs) - _SKEW_S


def ask_whereabouts(backend: Backend, journey: Journey, parcel: Parcel, known: Container[str] = ()) -> Told:
    """Ask once whether the service has a document that may have arrived; blocks.

    `known` are the service's ids of documents that belong to other journeys.
    """
    since = first_sent(journey, backend.ahead_s)
    told = _asked(lambda: backend.find(parcel, since, known))
    # The first answer after a start is the first that tells the service's time.
    if told is None and since - (earlier := first_sent(journey, backend.ahead_s)) > _SKEW_S / 2:
        told = _asked(lambda: backend.find(parcel, earlier, known))
    return told


def rivals(journey: Journey, others: Iterable[Journey]) -> bool:
    """Tell whether another document of its name may have arrived too, so that a name proves nothing (pure)."""
    unsettled = {State.SENDING, State.UNCERTAIN}
    return any(
        other.upload_id != journey.upload_id
        and other.sent_name == journey.sent_name
        and other.queue_id == journey.queue_id
        and other.state in unsettled
        for other in others
    )


def _asked(question: Callable[[], Receipt | None]) -> Told:
    try:
        return question()
    except (DeliveryError, CannotTell) as known:
        return known
    except Exception as surprise:  # noqa: BLE001 — a fault in reading an answer is no answer
        return CannotTell(fault_in_words(surprise))


def progressed(journey: Journey, told: Told, wait_for: str, now: float) -> Step | Trouble | None:
    """Decide what becomes of an accepted document after it was asked about (pure); None: nothing new."""
    if isinstance(told, Receipt):
        if not told.final and (told.remote, told.imported) == (journey.remote, journey.imported):
            return _stalled(journey, now)
        return received(journey, told, wait_for, now)
    if isinstance(told, Refused):
        return refused(journey, told)
    if isinstance(told, Uncertain):
        return Step(Event.DOUBT, step(journey, Event.DOUBT, reason=str(told), asked=0, not_before=now))
    if isinstance(told, DeliveryError):
        return trouble_of(told)
    return _stalled(journey, now)  # no answer, or none that can be read: it is asked again


def _overdue(journey: Journey, now: float) -> Step | None:
    """Say once that the moment has passed until which the service promised to be done."""
    promised = _sla_moment(journey.remote.sla_at)
    if journey.sla_told or promised is None or now <= promised:
        return None
    late = f"the service promised it until {moment(promised)}"
    facts = {
        "stalled": True,
        "sla_told": True,
        "warnings": (*journey.warnings, f"{late} and was not done by then"),
    }
    reason = f"{late} and has not finished; look it up there, it goes on being asked"
    return Step(Event.ACCEPT, step(journey, Event.ACCEPT, reason=reason, **facts))


def _sla_moment(text: str | None) -> float | None:
    """Read what the service promised as seconds since 1970; None for none, and for what is no moment."""
    try:
        promised = datetime.fromisoformat(text or "")
        return promised.replace(tzinfo=promised.tzinfo or UTC).timestamp()
    except ValueError:
        return None


def _stalled(journey: Journey, now: float) -> Step | None:
    """Say once of a long silence that it is one, and of a promise that it was not kept."""
    if (late := _overdue(journey, now)) is not None:
        return late
    began = journey.accepted_at or journey.claimed_at
    if journey.stalled or now - (journey.told_at or began) < _STALLED_S:
        return None
    reason = f"the service has had it since {moment(began)} and has not finished; look it up there, it goes on being asked"
    return Step(Event.ACCEPT, step(journey, Event.ACCEPT, stalled=True, reason=reason))


def located(journey: Journey, told: Told, wait_for: str, policy: str, now: float) -> Step | Trouble:
    """Decide what becomes of an uncertain document after the service was asked for it (pure)."""
    if isinstance(told, Receipt):
        found = received(journey, told, wait_for, now)
        return Step(found.event, replace(found.journey, recovered=True))
    if isinstance(told, Refused):
        return refused(journey, told)
    if isinstance(told, DeliveryError):
        return trouble_of(told)
    if told is None:
        return _missing(journey)
    return _untold(journey, told, policy, now)


def _missing(journey: Journey) -> Step:
    asked = journey.asked + 1
    if asked >= _ENOUGH_ASKING:
        answer = Answer(
            409,
            "CONFLICT",
            (
                "The service says that it has an identical document, but cannot find it. Look it up there by name.",
            ),
        )
        return refused(replace(journey, asked=asked), Refused(answer))
    reason = "the service was asked and does not have it; it is sent again"
    return Step(
        Event.DEFER, step(journey, Event.DEFER, repeat=True, asked=asked, reason=reason, not_before=0.0)
    )


def _untold(journey: Journey, why: CannotTell, policy: str, now: float) -> Step:
    asked = journey.asked + 1
    if journey.probably_not_taken:
        reason = "the service was unavailable and cannot tell whether it has it; its 503 counts as a no"
        again = step(journey, Event.DEFER, repeat=True, asked=asked, reason=reason, not_before=0.0)
        return Step(Event.DEFER, again)
    if policy == "resend":
        reason = f"the service cannot tell whether it has it ({why}); sent again by `uncertain: resend`"
        resent = step(
            journey,
            Event.DEFER,
            repeat=True,
            possible_duplicate=True,
            asked=asked,
            reason=reason,
            not_before=0.0,
        )
        return Step(Event.DEFER, resent)
    reason = (
        f"it may have arrived, and the service cannot tell ({why}); held until somebody looks it up there"
    )
    # Questions that were not answered do not count towards giving up.
    held = step(journey, Event.DOUBT, reason=reason, not_before=now + _ASK_AGAIN_S, held=True)
    return Step(Event.DOUBT, held)
