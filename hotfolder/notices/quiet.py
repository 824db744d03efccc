"""Keep for each queue when a document came last and what is usual for it, and judge whether it is too quiet."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from hotfolder.journal import Reader
from hotfolder.notices.usual import Habit, learned, too_quiet
from hotfolder.settings import Settings
from hotfolder.troubles import Arrived

_JUDGED_S, _LEARNED_S = 60.0, 3600.0
"""Between two judgements, and between two lessons: hours are counted."""


class Quiet:
    """The arrivals of all queues; times are seconds since 1970."""

    def __init__(self, reader: Reader) -> None:
        self.last: dict[str, float] = {}
        """When a document of each queue came last; for a queue that never had one, when it was first looked at."""
        self.why: Mapping[str, str] = {}
        """Why a queue is quiet for longer than usual."""
        self._reader = reader
        self._settings: Settings | None = None
        self._judged_at = float("-inf")
        self._habits: dict[str, tuple[float, Habit | None]] = {}

    def apply(self, settings: Settings) -> None:
        """Judge by a configuration from now on."""
        self._settings = settings
        self._judged_at = float("-inf")
        self.why = {}

    def due(self, now: float) -> bool:
        """Tell whether it is time for a judgement."""
        notify = self._settings.notify if self._settings else None
        return (
            notify is not None
            and notify.quiet_after is not None
            and not 0 <= now - self._judged_at < _JUDGED_S
        )

    def arrived(self, arrivals: Iterable[Arrived]) -> None:
        """Take note of documents that came."""
        for one in arrivals:
            if one.last_at > self.last.get(one.queue, 0.0):
                self.last[one.queue] = one.last_at
            if one.number and one.queue in self.why:
                self._judged_at = float("-inf")

    def judge(self, newest: Mapping[str, float], now: float) -> None:
        """Judge every queue; `newest` is when what lies in each drop folder came. Blocks."""
        settings = self._settings
        if settings is None or settings.notify is None or settings.notify.quiet_after is None:
            return
        why = {}
        for name, queue in settings.queues.items():
            last = max(self.last.setdefault(name, now), newest.get(name, 0.0))
            habit = self._habit(name, now) if settings.notify.quiet_after == "auto" else None
            reason = too_quiet(settings.notify.quiet_after, habit, last, now, queue.schedule, wall_clock)
            if reason is not None:
                why[name] = reason
        self.why, self._judged_at = why, now

    def _habit(self, queue: str, now: float) -> Habit | None:
        at, habit = self._habits.get(queue, (float("-inf"), None))
        if not 0 <= now - at < _LEARNED_S:
            habit = learned(self._reader.hours(queue), now, wall_clock)
            self._habits[queue] = (now, habit)
        return habit


def wall_clock(moment: float) -> datetime:
    """Return what the machine's wall clock shows at a moment (seconds since 1970)."""
    return datetime.fromtimestamp(moment)  # noqa: DTZ006 — habits are those of the wall clock
