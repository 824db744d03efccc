"""Fetch what a service found in a document (`results`) between its last word and the filing."""

from dataclasses import replace
from functools import partial
from tempfile import SpooledTemporaryFile

from hotfolder import results
from hotfolder.backends.base import Backend, CannotTell, DeliveryError, Unavailable
from hotfolder.delivery import Step, Trouble, trouble_of
from hotfolder.model import Clock, Journey, State
from hotfolder.pipeline.crew import Crew
from hotfolder.pipeline.line import Line
from hotfolder.states import Event, after

_GIVEN_UP_S = 86_400.0
"""A service that is down comes back within a day; what it found can be looked up there for longer."""
_NOTHING_S = 600.0
"""A service that says that it has nothing may say so too early, but not for longer than its lists lag behind."""
_IN_MEMORY_BYTES = 1 << 20
"""Most results are shorter, and need no file before that in the work folder."""

Failure = DeliveryError | CannotTell | OSError


# Deciding ----------------------------------------------------------------------------------------


def wanted(found: Step, before: Journey) -> bool:
    """Tell whether a delivery is the service's own last word on a document that it has a name for (pure)."""
    answer = found.journey.answer
    asked = before.state in {State.SENDING, State.UNCERTAIN, State.ACCEPTED}
    return found.event is Event.DELIVER and asked and answer is not None and bool(answer.document_ids)


def awaited(found: Step, before: Journey, now: float) -> Step:
    """Return the arrow of a document that is done at the service, and whose results come first (pure)."""
    reason = "the service is done with it; what it found is fetched"
    return _waiting(found, before, before.results_from or now, reason)


def concluded(found: Step, before: Journey, failure: Failure | None, now: float) -> Step | Trouble | None:
    """Decide what a try to fetch results means (pure); None: nothing new, it is tried again."""
    if failure is None:
        beside = results.with_results(found.journey)
        return replace(
            found, journey=replace(found.journey, beside=beside, results_from=before.results_from or now)
        )
    since = now if before.results_from is None else before.results_from
    limit_s = _NOTHING_S if isinstance(failure, CannotTell) else _GIVEN_UP_S
    why = (failure.strerror if isinstance(failure, OSError) else None) or str(failure)
    if now - since >= limit_s:
        said = f"what the service found could not be fetched, and is not beside it: {why}"
        warnings = (*found.journey.warnings, said)
        return replace(found, journey=replace(found.journey, warnings=warnings))
    if isinstance(failure, Unavailable) and not failure.counts:
        return trouble_of(failure)  # it wants to be left alone for a while, by all
    reason = f"the service is done with it, and what it found cannot be fetched yet ({why}); tried again for a day at most"
    told = _waiting(found, before, since, reason)
    told = replace(told, journey=replace(told.journey, stalled=True))
    return None if before.reason == reason else told


def _waiting(found: Step, before: Journey, since: float, reason: str) -> Step:
    state = after(before.state, Event.ACCEPT)
    return Step(Event.ACCEPT, replace(found.journey, state=state, results_from=since, reason=reason))


# Acting ------------------------------------------------------------------------------------------


class Harvest:
    """The results of one connection's documents."""

    def __init__(self, backend: Backend, crew: Crew, clock: Clock) -> None:
        self._backend = backend
        self._crew = crew
        self._clock = clock

    async def brought_in(self, line: Line, found: Step | Trouble, before: Journey) -> Step | Trouble | None:
        """Return what becomes of a document whose queue wants results, once that was tried; of others `found`.

        None: nothing new. An answer to the upload may be the result itself: it is kept before anything is written
        of the answer. Elsewhere the last word is written first, so that fetching has its turn among the questions.
        """
        if isinstance(found, Trouble) or not line.queue.results or not wanted(found, before):
            return found
        if before.state is not State.SENDING and before.results_from is None:
            return awaited(found, before, self._clock.wall())
        return concluded(found, before, await self._fetched(line, found.journey, before), self._clock.wall())

    async def _fetched(self, line: Line, journey: Journey, before: Journey) -> Failure | None:
        try:
            folders, parcel = line.folders, line.parcel(journey)
            # From a try that was cut off after its end; what an earlier upload led to is fetched anew.
            if before.state is State.ACCEPTED and await self._crew.on_disk(
                line, partial(results.lie, folders, journey.upload_id)
            ):
                return None
            with SpooledTemporaryFile(_IN_MEMORY_BYTES) as file:
                fetch = partial(results.fetch, self._backend, journey, parcel, file)
                failure: Failure | None = await self._crew.on_wire(fetch)
                if failure is None:
                    await self._crew.on_disk(line, partial(results.keep, folders, journey.upload_id, file))
                return failure
        except OSError as problem:
            return problem
