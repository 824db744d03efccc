"""What the web server shows in its tests: a daemon that stands still, and is as the test says."""

from dataclasses import dataclass, field
from typing import Any

from hotfolder.metrics import ConnectionFacts, Counts, Facts, QueueFacts, Store
from hotfolder.web import Views


def queue_facts(name: str = "q", **changes: Any) -> QueueFacts:
    """Make the facts of a queue at work."""
    usual: dict[str, Any] = {
        "connection": "g",
        "state": "active",
        "causes": (),
        "counts": {"waiting": 1},
        "needing": {},
        "oldest_waiting_s": 2.5,
        "oldest_unsent_s": 1.5,
        "last_scan": 1_700_000_000.0,
        "watching": "events",
        "window_s": 1.0,
    }
    return QueueFacts(name=name, **{**usual, **changes})


@dataclass
class Seen:
    """What there is to be seen."""

    well: bool = True
    facts: Facts = field(
        default_factory=lambda: Facts((queue_facts(),), (ConnectionFacts("g", "digitoo", "open", 0, 0.0),))
    )
    report: dict[str, Any] = field(default_factory=lambda: {"queues": [{"name": "q", "reason": "/srv/q"}]})
    store: Store = field(default_factory=lambda: Store({("q", "done"): 7}, {}, 4096, 1 << 30))
    counts: Counts = field(default_factory=Counts)
    asked: int = 0
    """How often the documents' loop was asked for facts."""
    broken: Exception | None = None
    """What asking for the report ends with."""

    def __post_init__(self) -> None:
        self.counts.keep(["q"], ["g", "z"], 1_700_000_000.0)

    def views(self) -> Views:
        """Return it as the web server takes it."""

        async def well() -> bool:
            return self.well

        async def facts() -> Facts:
            self.asked += 1
            return self.facts

        async def report() -> dict[str, Any]:
            if self.broken is not None:
                raise self.broken
            return self.report

        return Views(well, facts, report, lambda: self.store, self.counts)
