"""Check the targets of notices, and send a message to each for a trial."""

import socket
import time
import uuid
from collections.abc import Iterable, Iterator
from datetime import datetime

from hotfolder.backends.base import Finding
from hotfolder.notices import chat
from hotfolder.notices.courier import way_to
from hotfolder.notices.letters import Letter, Sender
from hotfolder.notices.ways import NotSentError
from hotfolder.settings import AppriseTarget, EmailTarget, Notify, Settings, Target


def this_machine() -> Sender:
    """Return who writes: the machine's own name, which asks no name server, and its wall clock."""
    return Sender(
        socket.gethostname() or "this machine", lambda moment: datetime.fromtimestamp(moment).astimezone()
    )


def examine(settings: Settings) -> Iterator[Finding]:
    """Say who is told, and what stands in the way; sends nothing."""
    if settings.notify is None:
        return
    for name, target in settings.notify.targets.items():
        fault = chat.fault(target) if isinstance(target, AppriseTarget) else None
        yield Finding(fault is None, f"notify: target {name}: {fault or _told(target)}")


def _told(target: Target) -> str:
    if isinstance(target, EmailTarget):
        return f"e-mail to {', '.join(target.to)} by {target.host}:{target.at_port} ({target.security})"
    return "an address of Apprise" if isinstance(target, AppriseTarget) else "a webhook"


def rehearse(notify: Notify, sender: Sender, names: Iterable[str]) -> Iterator[Finding]:
    """Send a message for a trial to each target; blocks for the `timeout` of each at most."""
    for name in names:
        target = notify.targets[name]
        try:
            warning = way_to(target, sender).send(_trial(sender, name, time.time()))
        except NotSentError as problem:
            yield Finding(False, f"target {name}: {problem}")
        else:
            yield Finding(not warning, f"target {name}: {warning or 'the message was taken'}")


def _trial(sender: Sender, target: str, now: float) -> Letter:
    text = (
        f"This is a trial: hotfolder on {sender.host} can reach the target {target}.\n\n"
        "It comes from `hotfolder notify-test`. Nothing is wrong.\n"
    )
    return Letter(uuid.uuid4().hex, sender.host, now, f"[hotfolder {sender.host}] a trial", text)
