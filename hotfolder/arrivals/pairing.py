"""Keep what was dropped for a document together with it, whichever came first (pure).

A companion says something of its document, a marker that it is complete. Neither is a document; times are
arguments (`now` is monotonic).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from hotfolder.checks.names import printable
from hotfolder.checks.readiness import NotYet, Ready, Unfit
from hotfolder.checks.templates import fill, fits
from hotfolder.model import Answer, Attendant, Own, Stamp

Key = tuple[bytes, bytes]
"""Folder below the drop folder, and base name."""

COMPANION_RULE = "a companion (this queue's `companion`); it is no document and waits for its own"
MARKER_RULE = "a marker (this queue's `ready_marker`); it is no document and waits for its own"
_LONGEST_S, _SOON_S = 3600.0, 1.0
"""Until a document is looked at again that waits for a file; the file's arrival ends it at once."""


def _any_queue(_folder: bytes, _own: Own) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Custom:
    """What a queue expects beside its documents."""

    companion: str | None = None
    """Template of its name, None for none."""
    timeout_s: float | None = None
    """How long a document waits for its companion, None for ever."""
    marker: str | None = None
    mends_s: float = 0.0
    """How long a companion that cannot be used may be quiet before that counts."""
    has_queue: Callable[[bytes, Own], bool] = _any_queue
    """Tells, by a document's folder and companion, whether it is known which queue of the service it goes to."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a look into a companion told: what it says, or why it cannot be used."""

    stamp: Stamp
    own: Own | None = None
    flaw: str | None = None
    writer: bool | None = None
    record: bool = False
    """Whether it is a sidecar of ours instead."""


@dataclass(frozen=True, slots=True)
class Paired:
    """A document with what came for it."""

    verdict: Ready | Unfit
    attendants: tuple[Attendant, ...] = ()
    own: Own = field(default_factory=Own)
    told: str | None = None
    """What an operator should read of it at once."""


@dataclass(slots=True)
class _File:
    """A companion or marker that lies in the drop folder."""

    stamp: Stamp
    quiet_since: float
    reading: Reading | None = None
    partner: Key | None = None
    """The document that it goes with, once that is ready."""


class Pairing:
    """The companions and markers of one drop folder, and the documents that want them."""

    def __init__(self, custom: Custom = Custom()) -> None:
        self.custom = custom
        self._files: dict[Key, _File] = {}
        self._wanted: dict[Key, set[Key]] = {}
        """Companion or marker → the documents that have asked for it."""
        self._since: dict[Key, float] = {}
        """Document → since when nothing else keeps it waiting."""

    def rule(self, name: bytes) -> str | None:
        """Return why a file of this base name is no document, None where it may be one."""
        if self.is_companion(name):
            return COMPANION_RULE
        return MARKER_RULE if self.custom.marker and fits(self.custom.marker, name) else None

    def is_companion(self, name: bytes) -> bool:
        """Tell whether a file of this base name is somebody's companion."""
        return self.custom.companion is not None and fits(self.custom.companion, name)

    # What was seen; each returns the documents to look at anew -----------------------------------

    def saw(self, key: Key, stamp: Stamp, now: float) -> set[Key]:
        """Take note of an entry that came or changed."""
        if self.rule(key[1]) is None:
            return self.left(key)
        self._files[key] = _File(stamp, now)
        return self._asking(key)

    def gone(self, key: Key) -> set[Key]:
        """Take note that an entry is not there any more, or is not what its name says."""
        if self._files.pop(key, None) is None:
            return self.left(key)
        return self._asking(key)

    def left(self, document: Key) -> set[Key]:
        """Take note that a document changed, or goes its way: what was to go with it is free."""
        self._since.pop(document, None)
        found: set[Key] = set()
        for key in self._names(document):
            file = self._files.get(key)
            if file is not None and file.partner == document:
                file.partner = None
                found |= self._asking(key)
            elif document in self._wanted.get(key, ()):
                self._wanted[key].discard(document)
        return found - {document}

    def read(self, key: Key, reading: Reading) -> set[Key]:
        """Take note of what a companion says."""
        file = self._files.get(key)
        if file is not None:
            file.reading = reading
        return self._asking(key)

    def _asking(self, key: Key) -> set[Key]:
        return self._wanted.pop(key, set())

    def _names(self, document: Key) -> list[Key]:
        templates = filter(None, (self.custom.companion, self.custom.marker))
        return [(document[0], fill(template, document[1])) for template in templates]

    def is_alone(self, key: Key, documents: Mapping[Key, object], now: float) -> bool:
        """Tell whether no document came for a companion although it has been there for the whole time-out."""
        file, waits_s, template = self._files.get(key), self.custom.timeout_s, self.custom.companion
        if file is None or waits_s is None or template is None or now < file.quiet_since + waits_s:
            return False
        return not any(d[0] == key[0] and fill(template, d[1]) == key[1] for d in documents if d != key)

    # What goes together --------------------------------------------------------------------------

    def together(self, document: Key, verdict: Ready | Unfit, now: float) -> Paired | NotYet:
        """Return a document that is ready, or unfit for ever, with all that goes with it, or what it waits for."""
        paired = Paired(verdict)
        for add in (self._with_marker, self._with_companion, self._with_queue):
            found = add(document, paired, now)
            if isinstance(found, NotYet):
                return found
            paired = found
        for one in paired.attendants:
            self._files[document[0], one.name].partner = document
        return paired

    def _file(self, key: Key, document: Key) -> _File | None:
        """Return what lies at a key, unless it goes with another document; this one hears of any change."""
        self._wanted.setdefault(key, set()).add(document)
        file = self._files.get(key)
        return file if file is not None and file.partner in {None, document} else None

    def _with_marker(self, document: Key, paired: Paired, _now: float) -> Paired | NotYet:
        template = self.custom.marker
        if template is None:
            return paired
        name = fill(template, document[1])
        file = self._file((document[0], name), document)
        if file is None:
            return NotYet(f"it waits for its marker {printable(name)} (`ready_marker`)", _LONGEST_S)
        marker = Attendant(name, template, file.stamp, kept=False)
        return replace(paired, attendants=(*paired.attendants, marker))

    def _with_companion(self, document: Key, paired: Paired, now: float) -> Paired | NotYet:
        template = self.custom.companion
        if template is None:
            return paired
        name = fill(template, document[1])
        file = self._file((document[0], name), document)
        if file is None:
            return self._without(document, paired, name, now)
        reading, words = file.reading, f"its companion {printable(name)}"
        if reading is None:
            return NotYet(f"it waits for {words}, which is not complete yet", _SOON_S)
        both = replace(
            paired,
            attendants=(Attendant(name, template, file.stamp), *paired.attendants),
            own=reading.own or paired.own,
        )
        if reading.flaw is None or isinstance(paired.verdict, Unfit):
            return both
        mends_s = file.quiet_since + self.custom.mends_s - now
        if mends_s > 0:
            return NotYet(f"{words} cannot be used: {reading.flaw}", mends_s)
        text = f"I{words[1:]} cannot be used: {reading.flaw}. Correct it and drop both again."
        return replace(both, verdict=_unfit(text, paired.verdict))

    def _without(self, document: Key, paired: Paired, name: bytes, now: float) -> Paired | NotYet:
        """Return a document without its companion, once it has waited for that."""
        if isinstance(paired.verdict, Unfit):
            return paired
        left_s, words = self._left_s(document, now), f"its companion {printable(name)}"
        if left_s > 0:
            return NotYet(f"it waits for {words} ({self._until()})", left_s)
        text = f"sent without {words}, which did not come in time (`companion_timeout`)"
        said = "; ".join(filter(None, (paired.verdict.warning, text)))
        return replace(paired, verdict=replace(paired.verdict, warning=said), told=text)

    def _with_queue(self, document: Key, paired: Paired, now: float) -> Paired | NotYet:
        if isinstance(paired.verdict, Unfit) or self.custom.has_queue(document[0], paired.own):
            return paired
        left_s, said = self._left_s(document, now), "nothing names the service's queue for it"
        if left_s > 0:
            return NotYet(f"{said}: neither its companion nor its folder ({self._until()})", left_s)
        text = (
            "Nothing names the service's queue for it. Put `queue_id` into its companion, or into the "
            "configuration (`queue_id`, `queue_ids`), and drop it again."
        )
        return replace(paired, verdict=_unfit(text, paired.verdict))

    def _left_s(self, document: Key, now: float) -> float:
        """Return how long a document still waits."""
        since = self._since.setdefault(document, now)
        timeout_s = self.custom.timeout_s
        return _LONGEST_S if timeout_s is None else since + timeout_s - now

    def _until(self) -> str:
        never = "`companion_timeout: never`"
        return never if self.custom.timeout_s is None else f"`companion_timeout`: {self.custom.timeout_s:g} s"


def _unfit(text: str, verdict: Ready) -> Unfit:
    return Unfit(Answer(422, "INCOHERENT_DATA", (text,)), verdict.media_type)
