"""Decide what a freshly claimed document is to earlier ones: a duplicate, one that comes back, a longer one (pure).

Only what the service took counts as the first of a content. One that is under way may still fail, so with
`duplicates: done` or `fail` its twin waits for it, and becomes the first itself if it does.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hotfolder.checks.names import printable
from hotfolder.model import Answer, Earlier, ErrorSource, Journey, State
from hotfolder.sidecar import moment

_UNDER_WAY = frozenset({State.SENDING, State.DEFERRED, State.UNCERTAIN, State.ACCEPTED})
"""A request has gone out, or will: a claimed one has not been judged itself."""
_DELIVERED = frozenset({State.DELIVERED, State.FILED})
_INHERITED = 9
"""Attempts taken over: fewer than the first half of what a record keeps, so that its own first one stays too."""
_GROWING = frozenset({"application/pdf", "image/tiff"})
"""What can have several pages: a JPEG or PNG of the same name is another picture."""
_APPENDED_WITHIN_S = 3600.0
"""A document that begins with all bytes of the earlier one continues it, however slowly somebody turns the pages."""
_REWRITTEN_WITHIN_S = 600.0
"""Without that proof only name and length speak, and many scanners use a name again once it is free: a device that
waits for the next page gives up after some minutes."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What a queue does with content that it has delivered (`duplicates`), and for how many seconds it remembers."""

    duplicates: str = "send"
    within_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Known:
    """What journal and archive tell of the documents before a fresh one."""

    same_content: Sequence[Journey] = ()
    """Others of its queue with its content, the newest first."""
    left_failed: bool = False
    """Whether the newest of them, if it failed, does not lie in failed/ any more."""
    same_name: Journey | None = None
    """The newest other one that was dropped under its name."""
    continues: bool = False
    """Whether it begins with all bytes of that one."""


@dataclass(frozen=True, slots=True)
class Kin:
    """The document with what it is to others; one with an answer is settled by that, unsent."""

    journey: Journey
    waits_for: str | None = None
    """Upload id of the twin under way that must be settled first."""
    told: str | None = None
    """What an operator should read of it at once."""
    pause_s: float | None = None
    """How long its writer paused after the earlier document was ready."""


def related(journey: Journey, known: Known, others: Iterable[Journey], policy: Policy, now: float) -> Kin:
    """Decide what a claimed document is to those before it, and to the `others` that its queue has under way."""
    fresh = _tried_again(journey, known)
    if fresh.answer is not None:
        return Kin(fresh)
    twins = [j for j in others if j.sha256 == journey.sha256 and j.upload_id != journey.upload_id]
    first = _first([*known.same_content, *twins], policy.within_s, now)
    running = next((j for j in twins if j.state in _UNDER_WAY), None)
    if first is None and running is not None and policy.duplicates != "send":
        reason = (
            f"it has the same content as {_named(running)}, which is under way: what becomes of that decides"
        )
        return Kin(replace(journey, reason=reason), waits_for=running.upload_id)
    if (original := first or running) is not None:
        return Kin(_duplicate(fresh, original, policy))
    return _superseding(fresh, known)


# A document that comes back from failed/ ----------------------------------------------------------


def failed_before(journey: Journey, known: Sequence[Journey]) -> Journey | None:
    """Return the failed journey that a document may try again: the newest of its content, if that is one.

    Empty files are all alike, so that an empty one tries no other again.
    """
    newest = max(known, key=lambda j: j.upload_id, default=None)
    if newest is None or newest.state is not State.FILED or newest.error_source is None:
        return None
    return newest if newest.filed_name is not None and journey.stamp.size else None


def _tried_again(journey: Journey, known: Known) -> Journey:
    old = failed_before(journey, known.same_content)
    if old is None or not known.left_failed:
        return journey
    attempts = old.attempts[-_INHERITED:]
    earlier = Earlier(old.upload_id, old.folder, old.filed_name or old.name)
    return replace(journey, retries=earlier, attempts=attempts, inherited=len(attempts))


# Content that was there before --------------------------------------------------------------------


def _first(candidates: Iterable[Journey], within_s: float, now: float) -> Journey | None:
    """Return the oldest document that the service took within the time that counts."""
    taken = (j for j in candidates if _was_taken(j) and now - _since(j) <= within_s)
    return min(taken, key=lambda j: j.upload_id, default=None)


def _was_taken(journey: Journey) -> bool:
    unsent = journey.duplicate_of is not None and journey.accepted_at is None
    return journey.state in _DELIVERED and journey.error_source is None and not unsent


def _since(journey: Journey) -> float:
    return journey.accepted_at or journey.filed_at or journey.claimed_at


def _duplicate(journey: Journey, first: Journey, policy: Policy) -> Journey:
    what = f"the same content as {_named(first)}, which this queue "
    delivered = first.state in _DELIVERED
    what += f"delivered at {moment(_since(first))}" if delivered else "is delivering"
    marked = replace(journey, duplicate_of=first.upload_id)
    if policy.duplicates == "fail":
        text = f"This document has {what}. It was not sent again; to send it all the same, set `duplicates: send`."
        return replace(marked, answer=Answer(409, "CONFLICT", (text,)), error_source=ErrorSource.LOCAL)
    if policy.duplicates == "done":
        ids = (first.answer and first.answer.document_ids) or ()
        return replace(_warned(marked, f"not sent: {what}"), answer=Answer(200, document_ids=ids))
    return _warned(marked, f"sent again: {what}")


def _named(journey: Journey) -> str:
    return f"{printable(journey.name)} (upload {journey.upload_id})"


def _warned(journey: Journey, warning: str) -> Journey:
    return replace(journey, warnings=tuple(dict.fromkeys((*journey.warnings, warning))))


# A scanner that appends page by page --------------------------------------------------------------


def continued(journey: Journey, earlier: Journey | None) -> Journey | None:
    """Return the earlier document of its name if a document may be a longer version of it."""
    if earlier is None or earlier.error_source is not None or earlier.sha256 is None:
        return None
    longer = earlier.stamp.size < journey.stamp.size
    alike = earlier.media_type == journey.media_type and journey.media_type in _GROWING
    in_time = 0 <= journey.seen_at - earlier.claimed_at <= _APPENDED_WITHIN_S
    return earlier if longer and alike and in_time else None


def _superseding(journey: Journey, known: Known) -> Kin:
    earlier = continued(journey, known.same_name)
    if earlier is None:
        return Kin(journey)
    after_s = journey.seen_at - earlier.claimed_at
    if not known.continues and after_s > _REWRITTEN_WITHIN_S:
        return Kin(journey)
    proof = " and begins with the same bytes" if known.continues else ""
    text = (
        f"it supersedes {_named(earlier)}: the same name came back longer after {after_s:.0f} s{proof}; "
        "the scanner seems to append pages; raise `settle`"
    )
    marked = replace(_warned(journey, text), supersedes=earlier.upload_id)
    return Kin(marked, told=text, pause_s=max(journey.seen_at - earlier.ready_at, 0.0))
