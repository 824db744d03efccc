"""Tell trouble that cannot be written down first: the journal's own; and that a run did not end in good order."""

import uuid

from hotfolder.notices.deciding import Memory, Rules
from hotfolder.notices.letters import Sender, write
from hotfolder.notices.observing import journal_trouble
from hotfolder.notices.outbox import Outbox
from hotfolder.troubles import Kind, Notice, Pending, Phase, Told, Trouble

AGAIN_S = 600.0
"""Before a target that could not be told is tried again."""
LASTS_S = 30.0
"""How long the journal must be in trouble before that is told."""


class Alarm:
    """Trouble of the journal, kept in memory alone until the journal can be written."""

    def __init__(self, outbox: Outbox, sender: Sender) -> None:
        self._outbox = outbox
        self._sender = sender
        self._since: float | None = None
        self._trouble: Trouble | None = None
        self._told: dict[str, float] = {}
        self._tried: dict[str, float] = {}

    def raised(self, reason: str, rules: Rules, now: float) -> None:
        """Take note of the trouble at a moment (seconds since 1970), and tell who is to be told of it."""
        self._since = now if self._since is None else min(self._since, now)
        trouble = self._trouble = journal_trouble(reason, self._since)
        if now - self._since < LASTS_S:
            return
        for name, wish in rules.wishes.items():
            told, tried = (moments.get(name, float("-inf")) for moments in (self._told, self._tried))
            if wish.wants(trouble) and now - told >= rules.repeat_s and now - tried >= AGAIN_S:
                self._tried[name] = now
                row = Pending(0, name, Notice(Phase.BEGAN, trouble, now))
                letter = write(uuid.uuid4().hex, [row], self._sender, now)
                self._outbox.send_at_once(name, letter, self._told)

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
