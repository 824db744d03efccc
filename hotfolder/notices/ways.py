"""What every way to a target has in common: how it fails, and what never leaves it."""

import json
import re
from base64 import b64encode
from collections.abc import Iterable
from typing import Protocol
from urllib.parse import quote

from hotfolder.checks.names import printable
from hotfolder.notices.letters import Letter
from hotfolder.settings import Secret, SecretUnavailable

_SAID_CHARS = 200
"""Most that is kept of what a server says."""
_SHORTEST = 4
"""A shorter piece of an address is a word and no secret; blotted out, it would only make texts unreadable."""


class NotSentError(Exception):
    """A message was not taken; `str()` says why, on one line, without secrets."""

    def __init__(self, reason: str, *, certain: bool = True, content: bool = False) -> None:
        super().__init__(reason)
        self.certain = certain
        """False: it may have been taken, and nobody said so."""
        self.content = content
        """True: this message is refused, and another one might be taken."""


class Way(Protocol):
    """How messages reach one target."""

    def send(self, letter: Letter) -> str | None:
        """Send a message; blocks for the target's `timeout` at most. Returns a warning, None where all went well.

        Raises `NotSentError`.
        """


def revealed(secret: Secret) -> str:
    """Return a secret as it stands now; raises `NotSentError`."""
    try:
        return secret.reveal()
    except SecretUnavailable as problem:
        raise NotSentError(str(problem)) from None


def blotted(said: str, secrets: Iterable[str]) -> str:
    """Return what a server said as one short line, without secrets in any of the forms in which they were sent."""
    forms = {form for secret in secrets for form in _forms(secret) if len(form) >= _SHORTEST}
    for form in sorted(forms, key=len, reverse=True):
        said = re.sub(re.escape(form), "***", said, flags=re.IGNORECASE)
    line = printable(" ".join(said.split()).encode("utf-8", "backslashreplace"))
    return line if len(line) <= _SAID_CHARS else line[: _SAID_CHARS - 1] + "…"


def _forms(secret: str) -> Iterable[str]:
    encoded = b64encode(secret.encode("utf-8", "surrogateescape")).decode()
    return secret, json.dumps(secret)[1:-1], quote(secret, safe=""), encoded, encoded.rstrip("=")
