"""Keep what is known of every entry of a drop folder, and say what to look at next and what is ready.

No input or output: times are arguments (`now` is monotonic, `wall` is seconds since 1970).
"""

import heapq
from collections import Counter, deque
from dataclasses import replace

from hotfolder.arrivals.entries import Arrival, Entry
from hotfolder.arrivals.pairing import Key, Paired, Pairing, Reading
from hotfolder.arrivals.scan import Seen
from hotfolder.checks.names import IgnoreRules, split
from hotfolder.checks.readiness import (
    RECORD_RULE,
    Facts,
    Kind,
    NoDocument,
    NotYet,
    Ready,
    Rules,
    judge,
    widened,
)
from hotfolder.model import Stamp

_UNKNOWN = Stamp(0, 0, 0, 0, 0)
"""The version of an entry that could not be looked at."""
_READY_AHEAD = 256
"""Documents judged ready ahead of their claim; more would go stale and cost memory."""
_PUT_OFF_S, _LONGEST_PUT_OFF_S = 30.0, 3600.0
"""A file that cannot be read to its end, such as on a bad sector, is not read again and again."""
_WRITER_AGAIN_S = 0.2
"""Until a companion is looked at again that somebody has open for writing."""
_LOOKS_AT_ONCE = 64
"""Files examined in one go, so that a backlog does not hold up what lands meanwhile."""


class Inbox:
    """What is known of one drop folder."""

    def __init__(
        self,
        rules: Rules,
        ignore: IgnoreRules,
        *,
        settle_s: float,
        settle_max_s: float,
        recursive: bool,
        pairing: Pairing | None = None,
    ) -> None:
        self.window_s = settle_s
        self.entries: dict[Key, Entry] = {}
        self.ready: deque[Arrival] = deque()
        self._rules = rules
        self._ignore = ignore
        self._settle_max_s = settle_max_s
        self._recursive = recursive
        self._looks: list[tuple[float, Key]] = []
        self._taken: dict[Key, Stamp] = {}
        self._put_off: dict[Key, tuple[int, int, float, str]] = {}
        """Documents whose claim failed: inode, how often, not before (monotonic), and why."""
        self._generation = 0
        self._pairing = pairing or Pairing()
        self.alone: list[Key] = []
        """Companions that no document came for; whoever tells of them takes them out."""

    # What was seen ------------------------------------------------------------------------------

    def begin_scan(self) -> None:
        """Start a full scan: whatever it does not mention is gone when it ends."""
        self._generation += 1

    def end_scan(self) -> None:
        """Forget what the scan did not mention, and failed claims of what was claimed in the end."""
        for key in [k for k, e in self.entries.items() if e.generation != self._generation]:
            self.forget(key)
        for key in self._put_off.keys() - self.entries.keys() - self._taken.keys():
            del self._put_off[key]

    def observe(self, seen: Seen, now: float, wall: float) -> bool:
        """Take note of an entry; tell whether the settle window grew because its writer came back."""
        key = (seen.folder, seen.name)
        if key in self._taken and self._taken[key].ino == seen.stamp.ino:
            return False
        known = self.entries.get(key)
        if seen.kind is Kind.FOLDER and self._recursive and not self._ignore.match(seen.name):
            if (
                known is not None and known.stamp != _UNKNOWN
            ):  # what could not be listed is told of after this
                self.forget(key)
            return False
        if known is not None and known.stamp == seen.stamp:
            known.generation = self._generation
            return False
        rule = self._rule(seen)
        grew = known is not None and rule is None and self._came_back(known, seen.stamp, now)
        entry = Entry(
            seen.stamp,
            known.seen_at if known else wall,
            quiet_since=now,
            reason=rule or "it has only just appeared or changed; it must be quiet for a moment",
            rule=rule,
            generation=self._generation,
        )
        self.entries[key] = entry
        if known is not None and known.ready:
            self.ready = deque(a for a in self.ready if a.key != key)
        there = seen.kind is Kind.FILE and rule in {None, self._pairing.rule(seen.name)}
        self._reconsider(
            self._pairing.saw(key, seen.stamp, now) if there else self._pairing.gone(key),
        )
        if rule is None or self.is_companion(key):
            self._look_at(key, entry, max(now + self.window_s, self._held_off(key, entry)))
        return grew

    def is_companion(self, key: Key) -> bool:
        """Tell whether an entry is to be read as a companion."""
        return self._pairing.is_companion(key[1]) and self._ignore.match_path(*key) is None

    def _reconsider(self, documents: set[Key]) -> None:
        """Judge documents anew: what goes with them came, changed or went."""
        for key in documents:
            entry = self.entries.get(key)
            if entry is not None and entry.ready:
                entry.ready = False
                self.ready = deque(a for a in self.ready if a.key != key)
            if entry is not None:
                self._look_at(key, entry, 0.0)

    def put_off(self, arrival: Arrival, reason: str, now: float) -> None:
        """Look at a document whose claim failed only after a while, longer each time, and say why it waits."""
        inode, times, _, _ = self._put_off.get(arrival.key, (0, 0, 0.0, ""))
        times = times + 1 if inode == arrival.stamp.ino else 0
        wait_s = min(_PUT_OFF_S * 2.0 ** min(times, 16), _LONGEST_PUT_OFF_S)
        self._put_off[arrival.key] = (arrival.stamp.ino, times, now + wait_s, reason)

    def _held_off(self, key: Key, entry: Entry) -> float:
        """Return until when a file is not to be looked at because of its last claim."""
        inode, _, until, reason = self._put_off.get(key, (0, 0, 0.0, ""))
        if inode != entry.stamp.ino:
            return 0.0
        entry.reason = f"{reason}; tried again"
        return until

    def unseen(self, key: Key, problem: str, now: float, wall: float) -> None:
        """Take note of an entry that could not be looked at: it stays what it was, and the next scan looks again."""
        if key in self._taken:
            return
        rule = self._ignore.match_path(*key)
        entry = self.entries.setdefault(key, Entry(_UNKNOWN, wall, now, "", rule))
        entry.generation = self._generation
        entry.reason = entry.rule or f"it cannot be looked at: {problem}"

    def closed(self, key: Key, now: float) -> None:
        """Take note that a writer has just closed it."""
        entry = self.entries.get(key)
        if entry is not None:
            entry.closed_at = now

    def forget(self, key: Key) -> None:
        """Take note that it is gone."""
        entry = self.entries.pop(key, None)
        self._put_off.pop(key, None)
        if entry is not None and entry.ready:
            self.ready = deque(a for a in self.ready if a.key != key)
        self._reconsider(self._pairing.gone(key))

    def _came_back(self, known: Entry, stamp: Stamp, now: float) -> bool:
        """Grow the window when a writer that had closed the file writes on; tell whether it grew."""
        if known.closed_at is None or known.stamp.size in {stamp.size, 0}:
            return False
        return self.learn(now - known.closed_at)

    def learn(self, gap_s: float) -> bool:
        """Let the window outlast a pause of `gap_s` of a writer; tell whether it grew."""
        window_s = widened(self.window_s, gap_s, self._settle_max_s)
        grew, self.window_s = window_s > self.window_s, window_s
        return grew

    def enters(self, folder: bytes) -> bool:
        """Tell whether documents are looked for in a folder below the drop folder."""
        above, _, name = folder.rpartition(b"/")
        return self._recursive and self._ignore.match_path(above, name) is None

    def _rule(self, seen: Seen) -> str | None:
        named = self._ignore.match_path(seen.folder, seen.name)
        if named:
            return named
        if seen.kind is Kind.FILE:
            return self._pairing.rule(seen.name)
        if seen.kind is Kind.FOLDER:
            return "a folder (this queue is not `recursive`)"
        return f"{seen.kind} (only regular files are documents)"

    # What to look at ----------------------------------------------------------------------------

    def due(self, now: float) -> list[Key]:
        """Return the files to examine now, a bounded number."""
        keys: list[Key] = []
        while self._looks and self._looks[0][0] <= now and len(keys) < _LOOKS_AT_ONCE and self.has_room:
            due, key = heapq.heappop(self._looks)
            entry = self.entries.get(key)
            if entry is not None and entry.due == due and not entry.ready:
                keys.append(key)
        return keys

    @property
    def has_room(self) -> bool:
        """Tell whether more documents may be judged ready."""
        return len(self.ready) < _READY_AHEAD

    def next_due(self) -> float | None:
        """Return when the next file wants to be examined (monotonic), None where none does."""
        return self._looks[0][0] if self._looks and self.has_room else None

    def examined(self, key: Key, facts: Facts, now: float, wall: float) -> None:
        """Judge a file by what the look at it told."""
        entry = self.entries.get(key)
        if entry is None or entry.ready:
            return
        if facts.stamp != entry.stamp:
            self.observe(Seen(*key, Kind.FILE, facts.stamp), now, wall)
            return
        if now < entry.quiet_since + self.window_s:  # the window grew since this look was planned
            self._look_at(key, entry, entry.quiet_since + self.window_s)
            return
        quiet_s = now - entry.quiet_since
        verdict = judge(facts, quiet_s, self._rules, split(key[1])[1].decode("ascii", "replace"))
        if isinstance(verdict, NotYet):
            entry.reason = verdict.reason
            self._look_at(key, entry, now + verdict.look_again_s)
            return
        if isinstance(verdict, NoDocument):
            entry.reason = entry.rule = verdict.rule
            return
        together = self._pairing.together(key, verdict, now)
        if isinstance(together, NotYet):
            entry.reason = together.reason
            self._look_at(key, entry, now + together.look_again_s)
            return
        self._make_ready(key, entry, together, wall)

    def _make_ready(self, key: Key, entry: Entry, found: Paired, wall: float) -> None:
        entry.ready = True
        fit = isinstance(found.verdict, Ready)
        entry.reason = "it is ready and waits for its turn" if fit else "it is not acceptable"
        arrival = Arrival(*key, entry.stamp, found.verdict, entry.seen_at, wall, entry.quiet_since)
        with_it = replace(arrival, attendants=found.attendants, own=found.own, told=found.told)
        self.ready.append(with_it)

    def read(self, key: Key, reading: Reading, now: float, wall: float) -> None:
        """Take note of what a companion says, or that nobody came for it."""
        entry = self.entries.get(key)
        if entry is None:
            return
        window_s = entry.quiet_since + self.window_s - now
        if reading.stamp != entry.stamp:
            self.observe(Seen(*key, Kind.FILE, reading.stamp), now, wall)
        elif reading.writer or window_s > 0:
            self._look_at(key, entry, now + max(window_s, _WRITER_AGAIN_S))
        elif reading.record:
            entry.reason = entry.rule = RECORD_RULE
            self._reconsider(self._pairing.gone(key))
        else:
            entry.reason = (
                f"{entry.rule}; it cannot be used: {reading.flaw}" if reading.flaw else entry.reason
            )
            self._reconsider(self._pairing.read(key, reading))
            self._wait_alone(key, entry, now)

    def _wait_alone(self, key: Key, entry: Entry, now: float) -> None:
        """Tell once of a companion that nobody came for."""
        timeout_s = self._pairing.custom.timeout_s
        if timeout_s is not None and now < entry.quiet_since + timeout_s:
            self._look_at(key, entry, entry.quiet_since + timeout_s)
        elif self._pairing.is_alone(key, self.entries, now):
            self.alone.append(key)

    def unexaminable(self, key: Key, problem: str, now: float) -> None:
        """Take note that a file could not be opened: again later, and say so."""
        entry = self.entries.get(key)
        if entry is None:
            return
        entry.reason = f"it cannot be read: {problem}; give the service's user the right to read it"
        self._look_at(key, entry, now + min(max(now - entry.quiet_since, 1.0), 30.0))

    def _look_at(self, key: Key, entry: Entry, when: float) -> None:
        entry.due = when
        heapq.heappush(self._looks, (when, key))

    # What is ready ------------------------------------------------------------------------------

    def still_gathers(self, now: float) -> bool:
        """Tell whether documents that changed lately, or were not judged yet, may soon be ready as well."""
        recent = (now < e.quiet_since + self._settle_max_s for e in self.entries.values() if _waits(e))
        return any(recent)

    def in_order(self) -> list[Arrival]:
        """Return what is ready by name, then by time of change, then by folder."""
        return sorted(self.ready, key=lambda a: (a.name, a.stamp.mtime_ns, a.folder))

    def take(self, planned: Arrival | None = None) -> Arrival | None:
        """Hand over one document, or the one that has been ready longest; `done` must follow.

        None where nothing is ready, or that one is gone or has changed.
        """
        arrival = next((a for a in self.ready if planned is None or _same(a, planned)), None)
        if arrival is None:
            return None
        self.ready.remove(arrival)
        stamps = (arrival.stamp, *(one.stamp for one in arrival.attendants))
        for key, stamp in zip(arrival.keys, stamps, strict=True):
            self.entries.pop(key, None)
            self._taken[key] = stamp
            self._reconsider(self._pairing.gone(key) - {arrival.key})
        return arrival

    def done(self, arrival: Arrival) -> None:
        """Take note that its claim has ended, either way."""
        for key in arrival.keys:
            self._taken.pop(key, None)

    def counts(self) -> Counter[str]:
        """Count the entries by what they are: `waiting` or `ignored`."""
        return Counter("ignored" if e.rule else "waiting" for e in self.entries.values())

    def oldest(self) -> float | None:
        """Return since when (seconds since 1970) the oldest document waits."""
        return min((e.seen_at for e in self.entries.values() if not e.rule), default=None)


def _same(arrival: Arrival, planned: Arrival) -> bool:
    """Tell whether it is the same version of a document, whatever became of what goes with it."""
    return (arrival.key, arrival.stamp) == (planned.key, planned.stamp)


def _waits(entry: Entry) -> bool:
    """Tell whether an entry is a document, or may become one, that is not ready."""
    return entry.rule is None and not entry.ready
