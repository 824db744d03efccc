"""Tell trouble that cannot be written down first: the journal's own; and that a run did not end in good order."""

from dataclasses import replace

from hotfolder.notices.courier import Courier
from hotfolder.notices.deciding import Memory, Rules
from hotfolder.notices.letters import Letter
from hotfolder.notices.observing import journal_trouble
from hotfolder.notices.ways import NotSentError
from hotfolder.troubles import Kind, Notice, Pending, Phase, Told, Trouble

AGAIN_S = 600.0
"""Before a target that could not be told is tried again."""
LASTS_S = 30.0
"""How long the journal must be in trouble before that is told."""


class Alarm:
    """Trouble of the journal, kept in memory alone until the journal can be written."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._trouble: Trouble | None = None
        self._told: dict[str, float] = {}
        self._tried: dict[str, float] = {}

    def raised(self, reason: str, rules: Rules, now: float) -> tuple[Trouble, list[str]]:
        """Take note of the trouble; return it with the targets that are to be told now."""
        if self._since is None:
            self._since = now
        trouble = self._trouble = replace(journal_trouble(reason, 0.0), since=self._since)
        if now - self._since < LASTS_S:
            return trouble, []
        due = [
            name
            for name, wish in rules.wishes.items()
            if wish.wants(trouble)
            and now - self._told.get(name, float("-inf")) >= rules.repeat_s
            and now - self._tried.get(name, float("-inf")) >= AGAIN_S
        ]
        self._tried |= dict.fromkeys(due, now)
        return trouble, due

    async def send(self, courier: Courier, letter: Letter) -> None:
        """Send a message that stands nowhere: after a restart it may be sent again."""
        try:
            await courier.carry(letter)
        except NotSentError:
            return  # the log has the trouble itself, and it is tried again
        self._told[courier.target.name] = letter.at

    def remembered(self, memory: Memory) -> Memory:
        """Return what was told with this trouble in it, so that its end is told."""
        if self._trouble is None or not self._told:
            return memory
        key = self._trouble.key
        told = Told(self._trouble, max(self._told.values()), tuple(self._told))
        return memory if key in memory.told else Memory({**memory.told, key: told}, memory.shows)

    def over(self) -> None:
        """Forget it: the journal can be written, and knows."""
        self._since, self._trouble, self._told, self._tried = None, None, {}, {}


def rows(trouble: Trouble, target: str, now: float) -> list[Pending]:
    """Return trouble in the form in which letters are written."""
    return [Pending(0, target, Notice(Phase.BEGAN, trouble, now))]


def after(run: str, now: float) -> tuple[Trouble, ...]:
    """Return what is told after a run that did not end in good order."""
    return (
        Trouble(
            f"run {run}",
            Kind.PROGRAM,
            (),
            "the service was ended without being told to stop: killed, crashed, or by a power cut; it runs again",
            "nothing is lost by that; `journalctl -u hotfolder` shows what happened before it",
            "",
            now,
        ),
    )
