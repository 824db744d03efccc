"""What is told to people by itself, as the journal keeps it (pure)."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What trouble is about; targets choose by it."""

    QUEUE = "queue"
    """A queue or a connection is paused, stopped or offline."""
    DELIVERY = "delivery"
    """A service has taken nothing for long."""
    FAILED = "failed"
    """A document went to failed/."""
    STUCK = "stuck"
    """A document does not get on by itself."""
    QUIET = "quiet"
    """Nothing has arrived for longer than usual."""
    PROGRAM = "program"
    """The program itself: its journal, its loops, its end."""


class Phase(StrEnum):
    """What is said of trouble."""

    BEGAN = "wrong"
    LASTS = "still wrong"
    OVER = "well again"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing that is wrong; texts are one line each, safe to show; times are seconds since 1970."""

    key: str
    """What makes it the same trouble as before."""
    kind: Kind
    queues: tuple[str, ...]
    """The queues that it concerns; none: all of them."""
    what: str
    """A sentence without its full stop; of a document that `file` names: what is said behind its name."""
    advice: str
    """What to do."""
    well: str
    """The sentence for when it is over."""
    since: float
    file: str | None = None
    """The document, below its drop folder."""
    word: str = ""
    """Another word under the same key is new trouble: paused, stopped, offline."""
    after_s: float = 0.0
    """How long it must last before it is told."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell, decided at a moment."""

    phase: Phase
    trouble: Trouble
    at: float


@dataclass(frozen=True, slots=True)
class Told:
    """Trouble that was told, remembered until a day after it was over."""

    trouble: Trouble
    told_at: float
    """When it was told last."""
    targets: tuple[str, ...]
    """Who was told; they alone hear of its end."""
    gone_since: float | None = None
    """Since when it does not show."""
    returns: int = 0
    """How often it came back lately."""
    over_at: float | None = None
    """When its end was told."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A notice on its way to one target; `number` is that of its row."""

    number: int
    target: str
    notice: Notice
    letter: str | None = None
    """The message that it goes out with, once that was begun; a repeated message has the same name."""
    times: int = 1
    """How many notices of its kind and queues it stands for; more than one where too many wait."""


@dataclass(frozen=True, slots=True)
class Arrived:
    """How many documents of a queue were taken within an hour (counted from 1970), the last one when."""

    queue: str
    hour: int
    number: int
    last_at: float
