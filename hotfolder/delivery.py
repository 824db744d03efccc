"""Hand a document to its backend, and decide from what came of it which arrow it takes."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hotfolder.backends.base import (
    Apart,
    Backend,
    ContentChanged,
    DeliveryError,
    Outcome,
    Parcel,
    Receipt,
    Refused,
    Scope,
    Unauthorized,
    Unavailable,
    Uncertain,
    fault_in_words,
)
from hotfolder.checks.names import printable, sendable, split
from hotfolder.checks.readiness import EXTENSIONS
from hotfolder.checks.templates import filled
from hotfolder.model import Answer, Attempt, Clock, ErrorSource, Journey, State
from hotfolder.settings import Queue
from hotfolder.settings.quantities import duration_text
from hotfolder.sidecar import moment
from hotfolder.states import Event, after

_KEPT_ATTEMPTS = 20
"""In the record of a document that is tried for days: its first attempts and the last ones."""
_CONFLICT, _NOT_FOUND = 409, 404
_NOBODY_ANSWERED, _BUSY = 504, 503
"""Status of a document that was given up where no answer gave one: nothing was heard, or only "not now"."""
_FILE_AGAIN_S = 60.0
"""A document that must stay ours and cannot be read, or was changed, needs a person: no faster than that."""
_ENOUGH_ASKING = 3


@dataclass(frozen=True, slots=True)
class Trouble:
    """What a result means for the documents behind it."""

    reason: str
    pause: bool = False
    """True: nothing more is claimed until a probe goes well."""
    scope: Scope = Scope.CONNECTION
    retry_after_s: float | None = None
    counts: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """The arrow a document takes next, with the journey as it is after it."""

    event: Event
    journey: Journey
    trouble: Trouble | None = None
    apart: bool = False
    """It was refused together with others, and goes by itself at once."""


Result = Outcome
"""What handing over a document can come to."""


@dataclass(frozen=True, slots=True)
class Tried:
    """A result with its time: wall-clock start, and seconds it took."""

    result: Result
    began: float
    took_s: float
    ahead_s: float | None = None
    """How far the service's clock was ahead of ours afterwards."""


def step(journey: Journey, event: Event, **changes: Any) -> Journey:
    """Return the journey after `event`; raises `ForbiddenArrowError`.

    `held` and `probably_not_taken` belong to one doubt, `stalled` to one silence: they end with it, unless `changes`
    say otherwise.
    """
    facts = {"held": False, "probably_not_taken": False, "stalled": False, **changes}
    return replace(journey, state=after(journey.state, event), **facts)


# Acting ------------------------------------------------------------------------------------------


def hand_over(backend: Backend, parcel: Parcel, clock: Clock) -> Tried:
    """Send one document once; blocks.

    A failure that the contract does not name may have come after the body went out: `Uncertain`.
    """
    began, start = clock.wall(), clock.monotonic()
    result: Result
    try:
        result = backend.upload(parcel)
    except (DeliveryError, ContentChanged, OSError) as known:
        result = known
    except Exception as surprise:  # noqa: BLE001 — see above
        result = Uncertain(fault_in_words(surprise))
    return Tried(result, began, clock.monotonic() - start, backend.ahead_s)


def hand_over_together(backend: Backend, parcels: Sequence[Parcel], clock: Clock) -> list[Tried]:
    """Send documents that share a request once, and return what came of each; blocks."""
    began, start = clock.wall(), clock.monotonic()
    results: Sequence[Result]
    try:
        results = backend.upload_many(parcels)
    except Exception as surprise:  # noqa: BLE001 — as in `hand_over`
        results = [Uncertain(fault_in_words(surprise))] * len(parcels)
    took_s = clock.monotonic() - start
    return [Tried(result, began, took_s, backend.ahead_s) for result in results]


def sent_name(journey: Journey) -> str:
    """Return the name under which the document goes out."""
    assert journey.media_type is not None  # noqa: S101 — only documents of known type are sent
    return sendable(journey.name, EXTENSIONS[journey.media_type][0])


def parcel_for(journey: Journey, queue: Queue, pieces: Callable[[], Iterator[bytes]]) -> Parcel:
    """Return the document as it goes out."""
    assert journey.media_type is not None  # noqa: S101 — only documents of known type are sent
    facts = {
        "name": printable(journey.name),
        "stem": printable(split(journey.name)[0]),
        "folder": printable(journey.folder),
        "queue": journey.queue,
        "sha256": journey.sha256 or "",
        "received_at": moment(journey.seen_at),
    }
    return Parcel(
        upload_id=journey.upload_id,
        queue=journey.queue,
        queue_id=journey.queue_id,
        name=journey.sent_name or sent_name(journey),
        media_type=journey.media_type,
        size_bytes=journey.stamp.size,
        sha256=journey.sha256 or "",
        pieces=pieces,
        metadata={**filled(queue.metadata, facts), **journey.own.metadata},
        values={**filled(queue.values, facts), **journey.own.values},
        document_class=journey.own.document_class or queue.document_class,
        webhook_url=queue.webhook_url,
        reject_identical=queue.reject_identical or journey.repeat,
        wait_for=queue.wait_for,
        results=queue.results,
        batch_id=journey.batch_id,
    )


# Deciding ----------------------------------------------------------------------------------------


def sending(journey: Journey, now: float, ahead_s: float | None) -> Journey:
    """Return the journey of a document that is about to go out (pure); `ahead_s` as in `Backend`."""
    name = journey.sent_name or sent_name(journey)
    return step(journey, Event.SEND, sent_name=name, sent_from=_from(journey, now, ahead_s), reason=None)


def _from(journey: Journey, began: float, ahead_s: float | None) -> float | None:
    """Return when a document may first have arrived by the service's clock, with one more request (pure)."""
    if ahead_s is None:
        return journey.sent_from
    return min(began + ahead_s, math.inf if journey.sent_from is None else journey.sent_from)


def answered(journey: Journey, tried: Tried, wait_for: str) -> Step:
    """Decide what becomes of a document after it was sent (pure)."""
    result = tried.result
    journey = replace(_with_attempt(journey, tried), sent_from=_from(journey, tried.began, tried.ahead_s))
    now = tried.began + tried.took_s
    if isinstance(result, Receipt):
        return received(journey, result, wait_for, now)
    if isinstance(result, Refused):
        return _refused_upload(journey, result)
    named = _named_by_companion(journey)
    if isinstance(result, Unauthorized) and result.scope is Scope.QUEUE and named is not None:
        # Its companion is wrong, not the queue's settings: nobody behind it would fail alike.
        return refused(journey, _misled(result, named))
    if isinstance(result, Uncertain):
        trouble = Trouble(str(result), retry_after_s=result.retry_after_s)
        doubted = step(
            journey, Event.DOUBT, reason=str(result), asked=0, probably_not_taken=result.probably_not_taken
        )
        return Step(Event.DOUBT, doubted, trouble)
    if isinstance(result, Apart):
        again = step(journey, Event.DEFER, reason=result.reason, not_before=0.0)
        return Step(Event.DEFER, again, apart=True)
    behind = _trouble(result)
    not_before = 0.0 if behind else now + _FILE_AGAIN_S
    return Step(Event.DEFER, step(journey, Event.DEFER, reason=_why(result), not_before=not_before), behind)


def received(journey: Journey, receipt: Receipt, wait_for: str, now: float) -> Step:
    """Decide what becomes of a document that the service says it has (pure)."""
    final = receipt.final or wait_for == "accepted"
    event = Event.DELIVER if final else Event.ACCEPT
    answer = Answer(receipt.status, document_ids=receipt.document_ids) if final else None
    journey = step(
        journey,
        event,
        remote=receipt.remote,
        accepted_status=receipt.status if journey.accepted_status is None else journey.accepted_status,
        accepted_at=now if journey.accepted_at is None else journey.accepted_at,
        told_at=now,
        imported=receipt.imported or journey.imported,
        rejected=receipt.rejected or journey.rejected,
        answer=answer,
        error_source=None,
        warnings=tuple(dict.fromkeys(journey.warnings + receipt.warnings)),
        reason=None if final else "the service has it and is still at work on it",
    )
    return Step(event, journey)


def _refused_upload(journey: Journey, refusal: Refused) -> Step:
    if journey.repeat and refusal.status == _CONFLICT and journey.asked < _ENOUGH_ASKING:
        # The guarded repeat found an identical document: most likely our own first one.
        return Step(Event.DOUBT, step(journey, Event.DOUBT, reason=str(refusal)))
    return refused(journey, refusal)


def _named_by_companion(journey: Journey) -> str | None:
    """Return what a companion says of the place that its document goes to, None where it says nothing."""
    if journey.id_source == "companion":
        return f"`queue_id` {journey.queue_id}"
    own = journey.own.document_class if journey.queue_id is None else None
    return own and f"`document_class` {own}"


def _misled(problem: Unauthorized, named: str) -> Refused:
    """Return the refusal of a document alone that its own companion sends where the service has no such place."""
    text = f"Its companion says {named}. Correct that or leave it out, and drop both again."
    return Refused(Answer(problem.status or _NOT_FOUND, None, (f"{problem}.", text)))


def refused(journey: Journey, refusal: Refused) -> Step:
    """Decide what becomes of a document that will never be taken (pure)."""
    final = step(
        journey,
        Event.REFUSE,
        answer=refusal.answer,
        error_source=refusal.source,
        remote=refusal.remote or journey.remote,
        reason=str(refusal),
    )
    return Step(Event.REFUSE, final)


def unsent(journey: Journey) -> Step | None:
    """Return the arrow of a claimed document that is settled without a request, None where it must be sent (pure)."""
    if journey.answer is None:
        return None
    event = Event.REFUSE if journey.error_source else Event.DELIVER
    reason = "; ".join(journey.answer.messages or journey.warnings)
    return Step(event, step(journey, event, reason=reason))


def may_be_given_up(journey: Journey) -> bool:
    """Tell whether a document waits to be sent again, and every try before certainly did not arrive (pure)."""
    return journey.state is State.DEFERRED and not journey.possible_duplicate


def given_up(journey: Journey, limit_s: float) -> Step:
    """Decide that a document that was not taken for `limit_s` seconds is tried no longer (pure)."""
    own = journey.attempts[journey.inherited :]
    status = (own[-1].status or _NOBODY_ANSWERED) if own else _BUSY
    said = f" The last reason: {journey.reason}." if journey.reason else ""
    text = (
        f"It could not be delivered for {duration_text(limit_s)} (`give_up_after`) and certainly did not arrive.{said} "
        "Once the service works again, move the document back into the drop folder."
    )
    answer = Answer(status, None, (text,))
    final = step(journey, Event.REFUSE, answer=answer, error_source=ErrorSource.TRANSPORT, reason=text)
    return Step(Event.REFUSE, final)


def proves_an_answer(found: Step, before: Journey) -> bool:
    """Tell whether an arrow proves that the service answered (pure)."""
    clear = found.event in {Event.ACCEPT, Event.DELIVER, Event.REFUSE} and before.state is not State.CLAIMED
    if found.event is Event.ACCEPT and before.results_from is not None:
        return False  # what was asked for did not come
    return clear and found.journey.error_source in {None, ErrorSource.SERVER}


def _with_attempt(journey: Journey, tried: Tried) -> Journey:
    result = tried.result
    if isinstance(result, Unavailable) and not result.counts:
        return journey
    if isinstance(result, Refused) and result.source is ErrorSource.LOCAL:
        return journey  # nothing was sent
    error = None if isinstance(result, Receipt) else _why(result)
    status = result.status if isinstance(result, Receipt | DeliveryError | Apart) else None
    done = (*journey.attempts, Attempt(tried.began, status, error, round(tried.took_s * 1000)))
    if len(done) > _KEPT_ATTEMPTS:
        done = done[: _KEPT_ATTEMPTS // 2] + done[-_KEPT_ATTEMPTS // 2 :]
    return replace(journey, attempts=done)


def _why(problem: Exception | Apart) -> str:
    if isinstance(problem, Apart):
        return problem.reason
    if isinstance(problem, OSError):
        return f"the file cannot be read: {problem.strerror or problem}"
    return str(problem)


def _trouble(problem: Exception) -> Trouble | None:
    """Return what a failure means for the documents behind; nothing where it concerns this one alone."""
    if isinstance(problem, Unauthorized):
        return Trouble(str(problem), pause=True, scope=problem.scope)
    if isinstance(problem, Unavailable):
        return Trouble(str(problem), retry_after_s=problem.retry_after_s, counts=problem.counts)
    return None


def stays_ours(journey: Journey) -> bool:
    """Tell whether an unsent document must not go back to the drop folder: it may have been sent before."""
    return journey.repeat or journey.possible_duplicate


def trouble_of(problem: DeliveryError) -> Trouble:
    """Return what a failed question to the service means for everything else on the connection."""
    return _trouble(problem) or Trouble(str(problem))
