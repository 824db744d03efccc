"""What is known of an entry of a drop folder, and of a document that can be claimed (pure)."""

from dataclasses import dataclass, field

from hotfolder.arrivals.pairing import Key
from hotfolder.checks.readiness import Ready, Unfit
from hotfolder.model import Attendant, Own, Stamp


@dataclass(slots=True)
class Entry:
    """One entry of the drop folder that is not claimed."""

    stamp: Stamp
    seen_at: float
    quiet_since: float
    reason: str
    rule: str | None = None
    closed_at: float | None = None
    """When a writer was last seen to close it (monotonic), None while it may still be writing."""
    due: float = 0.0
    generation: int = 0
    ready: bool = False


@dataclass(frozen=True, slots=True)
class Arrival:
    """A document that can be claimed: whole and acceptable, or complete and unfit for ever."""

    folder: bytes
    name: bytes
    stamp: Stamp
    verdict: Ready | Unfit
    seen_at: float
    ready_at: float
    quiet_since: float
    attendants: tuple[Attendant, ...] = ()
    own: Own = field(default_factory=Own)
    """What its companion says of it."""
    told: str | None = None
    """What an operator should read of it at once."""

    @property
    def key(self) -> Key:
        """Return where it lies."""
        return self.folder, self.name

    @property
    def keys(self) -> list[Key]:
        """Return where it and what goes with it lie."""
        return [self.key, *((self.folder, one.name) for one in self.attendants)]


@dataclass(frozen=True, slots=True)
class Habits:
    """How a drop folder is watched; seconds."""

    name: str
    path: str
    poll: str
    interval_s: float
    rescan_s: float
    recursive: bool
    own_folders: frozenset[bytes]
    """Names at the top of the drop folder that belong to the service."""
    companion_form: str | None = None
    """How companions are written: `json`, `yaml` or `xml`."""
