"""What is so at one moment, as the owner of the state tells it: plain values, bounded words, no name of any file."""

from collections.abc import Mapping
from dataclasses import dataclass, field

CAUSES = {
    "not_scanned": "its folder was not looked through yet",
    "offline": "its folder cannot be watched, read or written, or does not answer",
    "by_hand": "a person paused it",
    "stopped": "a document failed, and its setting `on_error` lets nothing go on",
    "doubt": "nobody knows whether a document arrived, and its setting `on_error` lets nothing go on",
    "unauthorized": "the service says that credentials, licence or settings are wrong",
    "unreachable": "documents wait, and the service has been in trouble for two minutes or longer",
    "disk": "nothing can be moved into its work folder or its archive",
    "journal": "the journal cannot be written",
    "off_hours": "its `schedule` keeps it closed",
}
"""What can keep the documents of a queue waiting → the same in words."""

WANTED = frozenset({"off_hours"})
"""Causes that end by themselves and are as the configuration wants them: a queue stays ready."""

STATES = ("active", "paused", "stopped", "offline")
"""States of a queue, as in `status`."""
COUNTED = ("waiting", "ignored", "claimed", "uncertain")
"""What documents of a queue that are not at rest can be, as in `status`."""
NEEDING = ("held", "stalled", "missing", "stuck", "unfiled")
"""Documents that need a person: nobody can tell whether they arrived; the service has been silent about them for long;
they left the work folder without us; recovery left them there; they cannot be laid into their archive."""
GATES = ("open", "half_open", "closed", "paused")
"""Whether requests of a connection go out: all, a single one that finds out, none for a while, none."""
MODES = ("events", "polling")


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """One queue; times in seconds since 1970, durations in seconds."""

    name: str
    connection: str
    state: str
    """One of `STATES`."""
    causes: tuple[str, ...]
    """Of `CAUSES`, all that apply."""
    counts: Mapping[str, int]
    """By the words of `COUNTED`."""
    needing: Mapping[str, int]
    """By the words of `NEEDING`."""
    oldest_waiting_s: float | None
    """Of all that are not at rest, as in `status`."""
    oldest_unsent_s: float | None
    """Of those that the service does not have, as far as anybody knows."""
    last_scan: float | None
    watching: str
    """One of `MODES`."""
    window_s: float
    """How long a file must be quiet, with what was learned."""

    @property
    def ready(self) -> bool:
        """Tell whether what is dropped now will be delivered, as the configuration wants it."""
        return not set(self.causes) - WANTED


@dataclass(frozen=True, slots=True)
class ConnectionFacts:
    """One connection."""

    name: str
    backend: str
    gate: str
    """One of `GATES`."""
    failures: int
    """Failed tries in a row."""
    closed_s: float
    """Seconds until the next try."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that the documents' loop knows at one moment."""

    queues: tuple[QueueFacts, ...] = ()
    connections: tuple[ConnectionFacts, ...] = ()
    journal_writable: bool = True
    stalled_s: Mapping[str, float] = field(default_factory=dict)
    """Loop → for how long it has worked without coming any further, in seconds; 0: it is well."""

    @property
    def hung(self) -> list[str]:
        """Return the loops that make no progress."""
        return sorted(loop for loop, seconds in self.stalled_s.items() if seconds)

    @property
    def ready(self) -> bool:
        """Tell whether every queue is ready, and every loop makes progress."""
        return not self.hung and all(queue.ready for queue in self.queues)


@dataclass(frozen=True, slots=True)
class Store:
    """What the journal and its disk hold."""

    filed: Mapping[tuple[str, str], int] = field(default_factory=dict)
    """Documents by queue and outcome (`done`, `failed`), since the journal began."""
    rejected: Mapping[str, int] = field(default_factory=dict)
    """Delivered documents that came to nothing later, by queue."""
    journal_bytes: int | None = None
    free_bytes: int | None = None
    """What is free for the program on the disk of the state directory."""
