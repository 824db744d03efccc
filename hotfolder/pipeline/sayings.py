"""What the log says of a document's arrow, and how loud: each thing once, what is everyday life not at all (pure)."""

from collections import OrderedDict

from hotfolder.checks.names import printable
from hotfolder.model import Journey, State
from hotfolder.states import Event

_REMEMBERED = 4096
"""Things that were said: more than a connection has under way."""
_LOUD = {State.ACCEPTED: "INFO", State.FILED: "INFO", State.UNCERTAIN: "WARNING", State.REFUSED: "WARNING"}


class Sayings:
    """What was said lately."""

    def __init__(self) -> None:
        self._said: OrderedDict[tuple[object, ...], None] = OrderedDict()

    def level(self, event: Event, journey: Journey, before: State | None) -> str:
        """Return how loud an arrow is to be told; what was told already, or is another try, is for debugging."""
        level = _level(event, journey, before)
        if level == "DEBUG":
            return level
        which = (journey.queue, journey.folder, journey.name) if event is Event.RETURN else journey.upload_id
        what = (which, journey.state, journey.held, journey.stalled, journey.reason)
        if what in self._said:
            self._said.move_to_end(what)
            return "DEBUG"
        self._said[what] = None
        if len(self._said) > _REMEMBERED:
            self._said.popitem(last=False)
        return level


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
