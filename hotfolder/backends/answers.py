"""Read what a service answered: its words for people, its error key, without secrets (pure)."""

import json
import re
from base64 import b64encode
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from hotfolder import veil
from hotfolder.backends import paths
from hotfolder.checks.foreign import loads, nests_too_deeply, pruned

MESSAGE_CHARS = 500
"""Longest message kept; product documentation, C.1: "else first 500 characters of the body"."""
MESSAGES_MAX = 10
"""Most messages kept of one answer: a field map of a broken form can be endless."""
REVEALING_CHARS = 8
"""Configured values from this length on are treated as secrets, shorter ones as words."""
KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,99}")
"""What counts as an error key: one word. A sentence under `code` is a message."""
UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")
"""Control characters, line breaks, bidirectional overrides and lone surrogates: nothing for a log."""
TAG = re.compile(r"(?is)<(script|style)\b.*?</\1\s*>|<[^>]*>")
TITLE = re.compile(r"(?is)<title[^>]*>(.*?)</title>")


@dataclass(frozen=True, slots=True)
class Reply:
    """A service's answer; header names are in lower case, `document` is the parsed JSON or None."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    """Empty for a yes in JSON, which `document` holds."""
    document: Any = None
    request_complete: bool = True
    """False: the answer came before the whole request had been handed over."""

    @property
    def good(self) -> bool:
        """True for 2xx."""
        return 200 <= self.status < 300  # noqa: PLR2004 — the classes of RFC 9110 §15

    @property
    def structured(self) -> bool:
        """True for a body that is a JSON object or list, the only shapes in which the services speak."""
        return isinstance(self.document, dict | list)

    @property
    def foreign(self) -> bool:
        """True for a body of another shape: the page of a portal or a proxy, half an answer."""
        return bool(self.content.strip()) and not self.structured

    def ids(self, wanted: Iterable[str]) -> tuple[str, ...]:
        """Return the identifiers at the first path that has any; a foreign body's headers name none."""
        return () if self.foreign else paths.ids(wanted, self.document, self.headers)

    def text(self, *wanted: str) -> str | None:
        """Return the first text at any of the paths."""
        return paths.text(wanted, self.document, self.headers)


class Secrets:
    """The last few passwords and tokens that were used, so that an echo of them can be blotted out."""

    def __init__(self) -> None:
        # A password, a few generations of a token: an old token that was forgotten has expired.
        self._known: deque[str] = deque(maxlen=32)
        self._addresses: set[str] = set()

    def remember(self, secret: str) -> str:
        """Note a secret in all forms in which it is sent; returns it."""
        encoded = b64encode(secret.encode("utf-8", "surrogateescape")).decode()
        for form in (secret, json.dumps(secret)[1:-1], encoded):
            if form and form not in self._known:
                self._known.append(form)
        veil.remember(secret)
        return secret

    def conceal(self, address: str) -> str:
        """Note an address that may hold a secret: it whole, its last segment, the values of its query; returns it."""
        parts = urlsplit(address)
        inner = (parts.path.rstrip("/").rpartition("/")[2], *(value for _, value in parse_qsl(parts.query)))
        concealed = {address, *(one for one in inner if len(one) >= REVEALING_CHARS)}
        self._addresses |= concealed
        for one in concealed:
            veil.remember(one)
        return address

    def known(self) -> set[str]:
        """Return every known secret, in each form in which it is sent."""
        return {*self._known, *self._addresses}

    def blot(self, text: str) -> str:
        """Replace every known secret in a text."""
        for secret in sorted(self.known(), key=len, reverse=True):
            text = text.replace(secret, "***")
        return text


def parse(content: bytes) -> Any:
    """Return the JSON document, None where the bytes are none; a hostile one is no error either.

    What others have written into a list nests as they like; null stands for what could not be kept.
    """
    try:
        found = loads(content)
    except (ValueError, RecursionError):
        return None
    return pruned(found) if nests_too_deeply(found) else found


def clean(text: str, secrets: Secrets) -> str:
    """Make a foreign text fit for a log line: one line, no control characters or secrets, 500 characters."""
    line = " ".join(UNSEEN.sub(" ", secrets.blot(text)).split())
    return line if len(line) <= MESSAGE_CHARS else line[: MESSAGE_CHARS - 1] + "…"


def messages(reply: Reply, message_paths: Iterable[str], secrets: Secrets) -> tuple[str, ...]:
    """Return what the service says to people: by path, else from any shape it may have; may be empty."""
    found: Iterable[str] = paths.texts(message_paths, reply.document, reply.headers)
    if not found:
        found = _flat(reply.document) if isinstance(reply.document, dict | list) else _plain(reply)
    kept: dict[str, None] = {}
    for one in found:
        if line := clean(one, secrets):
            kept[line] = None
        if len(kept) == MESSAGES_MAX:
            break
    return tuple(kept)


def error_key(
    reply: Reply, key_paths: Iterable[str], known: Mapping[int, tuple[str, ...]], secrets: Secrets
) -> str | None:
    """Return the service's key of an error: by path, else a known word, else the status's only one."""
    for one in (path for each in key_paths if (path := reply.text(each))):
        if KEY.fullmatch(one) and one != str(reply.status) and secrets.blot(one) == one:
            return one
    here = known.get(reply.status, ())
    everywhere = (word for words in known.values() for word in words)
    body = reply.content.decode("utf-8", "replace")
    for word in (*here, *everywhere):
        if re.search(rf"(?<![A-Za-z_]){re.escape(word)}(?![A-Za-z_])", body):
            return word
    return here[0] if len(here) == 1 else None


def phrase(status: int) -> str:
    """Return the status with its name, as `413 Request Entity Too Large`."""
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _flat(document: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    """Walk a field map, a list or a mixture: `{"queue": ["required"]}` becomes `queue: required`."""
    if depth > 5:  # noqa: PLR2004 — deeper than any error body seen; a bound against nonsense
        return
    if isinstance(document, Mapping):
        for key, value in document.items():
            yield from _flat(value, str(key), depth + 1)
    elif isinstance(document, list):
        for value in document:
            yield from _flat(value, name, depth + 1)
    elif words := paths.as_text(document):
        yield f"{name}: {words}" if name else words


def _plain(reply: Reply) -> Iterator[str]:
    """Read a body that is no JSON object: a page of a proxy, plain text, half an answer."""
    body = reply.content.decode("utf-8", "replace").strip()
    if "html" in reply.headers.get("content-type", "") or body[:1] == "<":
        title = TITLE.search(body[:20_000])
        words = title[1] if title else TAG.sub(" ", body[:20_000])
        yield (
            f"a web page instead of an answer: {words}"
            if words.strip()
            else "a web page instead of an answer"
        )
    elif body:
        yield body[: 4 * MESSAGE_CHARS]
