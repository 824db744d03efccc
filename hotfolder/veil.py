"""Remember every secret that was revealed, so that no text that leaves the program for people repeats one.

The second of two nets: whoever handles a secret keeps it out of texts; what slips through, as in a library's
message or a traceback, is hidden here.
"""

import json
from base64 import b64encode
from dataclasses import dataclass, field
from threading import Lock
from urllib.parse import quote

MARK = "[a secret]"
"""Stands for what was hidden."""
SHORTEST_CHARS = 8
"""A shorter secret is a word of many harmless texts, and hiding it would tell where it stands."""
_MOST = 512
"""Of the forms that are remembered: a token that was forgotten has long expired."""


@dataclass(slots=True)
class _Veil:
    """What is hidden in this process: the newest last, and the longest first."""

    known: dict[str, None] = field(default_factory=dict)
    longest_first: tuple[str, ...] = ()
    lock: Lock = field(default_factory=Lock)


_veil = _Veil()


def remember(secret: str) -> None:
    """Note a secret in the forms in which it may be repeated: plain, in JSON, in an address, in base64."""
    if len(secret) < SHORTEST_CHARS:
        return
    encoded = b64encode(secret.encode("utf-8", "surrogateescape")).decode()
    forms = (secret, json.dumps(secret)[1:-1], quote(secret, safe="", errors="replace"), encoded)
    with _veil.lock:
        for form in forms:
            _veil.known.pop(form, None)
            _veil.known[form] = None
        while len(_veil.known) > _MOST:
            del _veil.known[next(iter(_veil.known))]
        _veil.longest_first = tuple(sorted(_veil.known, key=len, reverse=True))


def veiled(text: str) -> str:
    """Return a text without any of the secrets."""
    for secret in _veil.longest_first:
        if secret in text:
            text = text.replace(secret, MARK)
    return text


def forget() -> None:
    """Forget everything, as a process does that begins."""
    with _veil.lock:
        _veil.known.clear()
        _veil.longest_first = ()


def known() -> frozenset[str]:
    """Return what is hidden."""
    return frozenset(_veil.longest_first)
