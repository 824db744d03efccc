"""Turn what the journal says of documents into what is told of them."""

from collections.abc import Iterable
from dataclasses import dataclass

from hotfolder.journal import Happened, place_in_words
from hotfolder.model import Journey
from hotfolder.troubles import Arrived, Kind, Trouble

FRESH_S = 86_400.0
"""A failure that is found later than this is not told any more: nobody was to be told when it happened."""
_LEARNT_S = 12 * 7 * 86_400.0
"""Older arrivals say nothing of what is usual."""
_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class History:
    """What has happened to documents since the last look."""

    failed: tuple[Trouble, ...] = ()
    mended: tuple[str, ...] = ()
    """Keys of failed documents that were delivered after all."""
    arrived: tuple[Arrived, ...] = ()


def told(happened: Iterable[Happened], now: float) -> History:
    """Return what of it is told or counted."""
    failed, mended = [], []
    arrived: dict[tuple[str, int], Arrived] = {}
    for one in happened:
        if one.event == "claim":
            key = one.queue, int(one.at // _HOUR_S)
            before = arrived.get(key, Arrived(*key, 0, 0.0))
            if now - one.at < _LEARNT_S:
                arrived[key] = Arrived(*key, before.number + 1, max(before.last_at, one.at))
        elif one.journey is not None:
            journey = one.journey
            if journey.retries is not None:
                mended.append((failed_key(journey.retries.upload_id), journey))
            if journey.error_source is not None and now - (journey.filed_at or one.at) < FRESH_S:
                failed.append(_failed(journey, journey.filed_at or one.at))
    well = tuple(key for key, journey in mended if journey.error_source is None)
    return History(tuple(failed), well, tuple(arrived.values()))


def failed_key(upload_id: str) -> str:
    """Return the key of the trouble that a document's failure is."""
    return f"failed {upload_id}"


def _failed(journey: Journey, at: float) -> Trouble:
    file, queue = place_in_words(journey), journey.queue
    reason = (
        journey.reason
        or "; ".join((journey.answer and journey.answer.messages) or ())
        or "no reason was given"
    )
    return Trouble(
        failed_key(journey.upload_id),
        Kind.FAILED,
        (queue,),
        reason.removesuffix("."),
        f"the record beside each in failed/ says more; mend what it says, then run `hotfolder retry --queue {queue}`",
        f"queue {queue}: {file} was sent again and delivered",
        at,
        file=file,
    )
