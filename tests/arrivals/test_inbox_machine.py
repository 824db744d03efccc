"""An inbox beside a folder in which anything may happen, against a simple model of both."""

from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from hotfolder.arrivals.inbox import Inbox
from hotfolder.arrivals.scan import Seen
from hotfolder.checks.names import IgnoreRules
from hotfolder.checks.readiness import SHORT, Kind, Ready, Rules
from hotfolder.checks.walk import Wholeness
from hotfolder.model import Stamp
from tests.builders import NOW, STAMP, facts

RULES = Rules(frozenset(SHORT), min_bytes=1, max_bytes=None, patience_s=900.0)


def stamp(version: int) -> Stamp:
    """Make the stamp of a version."""
    return replace(STAMP, size=STAMP.size + version, mtime_ns=version)


class Folder(RuleBasedStateMachine):
    """A drop folder with a few files that are written, replaced and removed, beside an inbox that watches it."""

    NAMES = (b"a.pdf", b"b.pdf", b"c.tmp")
    names = st.sampled_from(NAMES)

    def __init__(self) -> None:
        super().__init__()
        self.box = Inbox(RULES, IgnoreRules(), settle_s=1.0, settle_max_s=120.0, recursive=False)
        self.now = 0.0
        self.versions = 0
        self.files: dict[bytes, tuple[int, bool]] = {}
        """The truth: version and wholeness of each file."""
        self.changed_at: dict[bytes, float] = {}
        """When the inbox was told of each file's present version."""

    @rule(gap_s=st.sampled_from([0.0, 0.25, 0.5, 1.0, 5.0]))
    def time_passes(self, gap_s: float) -> None:
        """Nothing happens for a while."""
        self.now += gap_s

    @rule(name=names, complete=st.booleans())
    def write(self, name: bytes, complete: bool) -> None:  # noqa: FBT001 — drawn by Hypothesis
        """Somebody writes a file, whole or not."""
        self.versions += 1
        self.files[name] = (self.versions, complete)
        self.changed_at.pop(name, None)

    @rule(name=names)
    def remove(self, name: bytes) -> None:
        """Somebody removes a file."""
        self.files.pop(name, None)

    @rule(name=names)
    def event(self, name: bytes) -> None:
        """The kernel tells of a file."""
        if name in self.files:
            self._tell(name)
        else:
            self.box.forget((b"", name))

    @rule(name=names)
    def writer_closes(self, name: bytes) -> None:
        """The kernel tells that a writer has closed a file."""
        self.box.closed((b"", name), self.now)

    @rule()
    def scan(self) -> None:
        """The folder is scanned."""
        self.box.begin_scan()
        for name in self.files:
            self._tell(name)
        self.box.end_scan()

    def _tell(self, name: bytes) -> None:
        version, _ = self.files[name]
        self.box.observe(Seen(b"", name, Kind.FILE, stamp(version)), self.now, NOW)
        self.changed_at.setdefault(name, self.now)

    @rule()
    def examine(self) -> None:
        """What is due is examined."""
        for key in self.box.due(self.now):
            assert not key[1].endswith(b".tmp")
            if key[1] not in self.files:
                self.box.forget(key)
                continue
            version, complete = self.files[key[1]]
            found = facts(stamp=stamp(version), whole=Wholeness(whole=complete, reason="half"))
            self.box.examined(key, found, self.now, NOW)
            self.changed_at.setdefault(key[1], self.now)

    @precondition(lambda self: self.box.ready)
    @rule()
    def claim(self) -> None:
        """The first ready document is claimed: it is whole, and was quiet since it was last seen to change."""
        taken = self.box.take()
        assert taken is not None
        current = self.files.get(taken.name)
        if current is not None and stamp(current[0]) == taken.stamp:
            assert isinstance(taken.verdict, Ready) is current[1]
            assert self.now - self.changed_at[taken.name] >= 1.0
            del self.files[taken.name]
        self.box.done(taken)

    @invariant()
    def ready_documents_are_entries(self) -> None:
        """What is ready is known, once."""
        ready = [a.key for a in self.box.ready]
        assert len(ready) == len(set(ready))
        assert set(ready) == {key for key, entry in self.box.entries.items() if entry.ready}

    @invariant()
    def everything_that_waits_will_be_looked_at(self) -> None:
        """No waiting file is forgotten."""
        waiting = [e for e in self.box.entries.values() if not e.rule and not e.ready]
        if waiting:
            due = self.box.next_due()
            assert due is not None
            assert due <= min(e.due for e in waiting)

    @invariant()
    def the_window_keeps_its_bounds(self) -> None:
        """Learning keeps the settle window between its setting and its ceiling."""
        assert 1.0 <= self.box.window_s <= 120.0


TestFolder = Folder.TestCase
TestFolder.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
