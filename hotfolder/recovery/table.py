"""The table of repairs: every combination of row, work folder, drop folder and sidecar, and what mends it (pure)."""

from dataclasses import dataclass
from enum import StrEnum

from hotfolder.model import FINAL, State


class Record(StrEnum):
    """What done/ or failed/ holds with the document's upload id."""

    NONE = "none"
    SIDECAR = "sidecar alone"
    FILED = "sidecar and document"


class Repair(StrEnum):
    """What makes row and folders agree; what lies under no wrong name is never touched."""

    NOTHING = "nothing"
    """It is at rest, or nothing of it is left."""
    GO_ON = "go on"
    """They agree: the next step of its state is taken."""
    GIVE_BACK = "give back"
    """It was never sent: into the drop folder, under its name or a free one."""
    FORGET = "forget"
    """It was never moved out of the drop folder (or its owner took it away): its row is closed."""
    DOUBT = "doubt"
    """It was on the wire: the service is asked before anything is sent."""
    ASK = "ask"
    """Nobody knows whether it was sent: it gets a row, and the service is asked before anything is sent."""
    TAKE_AGAIN = "take again"
    """It is ours and lies in the drop folder: into the work folder, then judged anew."""
    UNLINK = "unlink"
    """One file under two names: the one in the drop folder goes, then it is judged anew."""
    FINISH = "finish"
    """Its sidecar is written: it gets a row that says so, and is filed beside it."""
    REMEMBER = "remember"
    """Its sidecar tells how it ended: the journal learns it."""
    REFILE = "file again"
    """Its row says filed and it lies in the work folder: it is filed as its row says."""
    MISSING = "report missing"
    """It is nowhere: an error names it until it is back under its name in the work folder."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the journal says of a document and what lies on the disk."""

    row: State | None
    known: bool
    """Whether the journal is the one that this work folder was last used with."""
    in_work: bool
    in_drop: bool
    """Whether the very document (not another of its name) is at its place in the drop folder."""
    record: Record


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the table: the situations it is for, None for any, and their repair."""

    repair: Repair
    why: str
    rows: frozenset[State | None] | None = None
    known: bool | None = None
    in_work: bool | None = None
    in_drop: bool | None = None
    records: frozenset[Record] | None = None

    def fits(self, found: Situation) -> bool:
        """Tell whether it is for this situation."""
        return (
            (self.rows is None or found.row in self.rows)
            and self.known in {None, found.known}
            and self.in_work in {None, found.in_work}
            and self.in_drop in {None, found.in_drop}
            and (self.records is None or found.record in self.records)
        )


_FINAL: frozenset[State | None] = frozenset(FINAL)
_SENT: frozenset[State | None] = frozenset({State.SENDING, State.DEFERRED, State.UNCERTAIN, State.ACCEPTED})
_UNSENT: frozenset[State | None] = frozenset({None, State.CLAIMED, State.RETURNED})
_TOLD = frozenset({Record.SIDECAR, Record.FILED})
_ALONE = frozenset({Record.SIDECAR})
_UNFILED = frozenset({Record.NONE, Record.SIDECAR})


def _rows(*states: State | None) -> frozenset[State | None]:
    return frozenset(states)


RULES: tuple[Rule, ...] = (
    Rule(
        Repair.UNLINK,
        "a move without `renameat2` was cut off between its two halves",
        in_work=True,
        in_drop=True,
    ),
    Rule(
        Repair.REFILE,
        "the move into the archive was undone",
        rows=_rows(State.FILED),
        in_work=True,
    ),
    Rule(Repair.NOTHING, "at rest", rows=_rows(State.FILED)),
    Rule(Repair.GO_ON, "it is final and is filed", rows=_FINAL, in_work=True),
    Rule(
        Repair.TAKE_AGAIN,
        "a power cut undid the claim's move; it is final and is filed",
        rows=_FINAL,
        in_drop=True,
        records=_UNFILED,
    ),
    Rule(Repair.GO_ON, "filing finds what it did before, or reports it missing", rows=_FINAL),
    Rule(
        Repair.FINISH,
        "its sidecar says how it ended; the journal does not, it is lost or an old copy",
        in_work=True,
        records=_TOLD,
    ),
    Rule(
        Repair.TAKE_AGAIN,
        "its sidecar says how it ended; a power cut undid the claim's move",
        in_drop=True,
        records=_ALONE,
    ),
    Rule(
        Repair.REMEMBER,
        "it ended as its sidecar says; the journal is lost or an old copy",
        records=_TOLD,
    ),
    Rule(
        Repair.TAKE_AGAIN,
        "a power cut undid the claim's move",
        rows=_SENT,
        in_drop=True,
    ),
    Rule(Repair.MISSING, "somebody took it out of the work folder", rows=_SENT, in_work=False),
    Rule(
        Repair.FORGET,
        "the program ended before it was moved, or after it was put back",
        rows=_rows(State.CLAIMED),
        in_work=False,
    ),
    Rule(Repair.NOTHING, "nothing of it is ours", rows=_rows(None, State.RETURNED), in_work=False),
    Rule(Repair.DOUBT, "the program ended while it was on the wire", rows=_rows(State.SENDING)),
    Rule(Repair.GO_ON, "its row says it all", rows=_rows(State.UNCERTAIN, State.ACCEPTED)),
    Rule(
        Repair.ASK,
        "the journal is lost or an old copy: it may have been sent since",
        rows=_UNSENT | _rows(State.DEFERRED),
        known=False,
    ),
    Rule(Repair.GO_ON, "its row says it all", rows=_rows(State.DEFERRED)),
    Rule(
        Repair.GIVE_BACK,
        "it was not sent: a row says so before anything is; without one the power failed after its claim",
        rows=_UNSENT,
    ),
)
"""The first rule that fits holds."""


def rule_for(found: Situation) -> Rule:
    """Return the rule for a situation; the table has one for each."""
    return next(rule for rule in RULES if rule.fits(found))
