"""What the log says of a document's arrow, and how loud: each thing once, what is everyday life not at all (pure)."""

from collections import OrderedDict

from hotfolder.checks.names import printable
from hotfolder.model import Journey, State
from hotfolder.states import Event

_REMEMBERED = 4096
"""Documents of which something was said: more than a connection has in trouble."""
_OF_ONE = 16
"""Things that are said of one document in trouble; its reasons may hold figures that are new each time."""
_LOUD = {State.ACCEPTED: "INFO", State.FILED: "INFO", State.UNCERTAIN: "WARNING", State.REFUSED: "WARNING"}


class Sayings:
    """What was said of documents in trouble, until they are filed."""

    def __init__(self) -> None:
        self._said: OrderedDict[object, set[object]] = OrderedDict()

    def level(self, event: Event, journey: Journey, before: State | None) -> str:
        """Return how loud an arrow is to be told; what was told already, or is another try, is for debugging."""
        level = _level(event, journey, before)
        place = (journey.queue, journey.folder, journey.name)
        if journey.state is State.FILED:
            self._said.pop(journey.upload_id, None)
            self._said.pop(place, None)
        elif level != "DEBUG" and (journey.state not in {State.ACCEPTED, State.REFUSED} or journey.stalled):
            # What is put back is claimed as another document each time.
            which = place if event is Event.RETURN else journey.upload_id
            what = (journey.state, journey.held, journey.reason)
            return level if self._is_new(which, what, urgent=journey.held or journey.stalled) else "DEBUG"
        return level

    def _is_new(self, which: object, what: object, *, urgent: bool) -> bool:
        said = self._said.setdefault(which, set())
        self._said.move_to_end(which)
        if len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)
        if what in said or (len(said) >= _OF_ONE and not urgent):
            return False
        said.add(what)
        return True


def _level(event: Event, journey: Journey, before: State | None) -> str:
    if journey.held or journey.stalled:
        return "WARNING"  # a person must look
    if event is Event.RETURN:
        return "INFO" if journey.reason else "DEBUG"  # a queue that pauses tells so itself
    if event is Event.DEFER:
        # Why it was not taken is told of the connection or queue; that it is sent once more after a doubt is not.
        return "INFO" if before is State.UNCERTAIN else "DEBUG"
    return "DEBUG" if journey.state is before else _LOUD.get(journey.state, "DEBUG")


def told(journey: Journey) -> str:
    """Return what became of a document, after its name."""
    if journey.state is not State.FILED:
        return f"{journey.state.value}: {journey.reason}" if journey.reason else journey.state.value
    area = "failed" if journey.error_source else "done"
    return f"filed as {area}/{printable(journey.filed_name or journey.name)}"
