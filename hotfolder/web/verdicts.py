"""Decide whether a call is a service's own, and read its record (pure: the moment and the secrets are arguments)."""

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from hotfolder.backends.paths import text
from hotfolder.checks.foreign import loads, nests_too_deeply
from hotfolder.checks.names import escaped, printable
from hotfolder.news import News
from hotfolder.settings import Webhook

_LONGEST_TEXT = 256
"""Characters of an id or a status: longer ones have not been seen, and would fill sidecar and journal."""
_LONGEST_BODY = 2048
"""Characters of a record that is kept whole: the known ones have about two hundred."""
_MOST_FIELDS = 100


@dataclass(frozen=True, slots=True)
class Door:
    """What one connection asks of those who call for it."""

    connection: str
    webhook: Webhook
    by_get: bool
    """Whether this service may call back by GET, with everything in the query."""
    secret: str | None = field(default=None, repr=False)
    key: str | None = field(default=None, repr=False)
    """Of the signature."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it came in; names of headers are in lower case."""

    method: str
    word: str | None = field(repr=False)
    """What the path has after the connection's name."""
    headers: Mapping[str, str] = field(repr=False)
    query: str = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rejection:
    """A call that is not taken: HTTP status, and why in words for the log."""

    status: int
    why: str


STRANGER = Rejection(404, "no such address")
"""One answer for a connection that nobody may call for and for a wrong secret in the path."""


def judged(door: Door | None, call: Call, now: float) -> News | Rejection:
    """Return what a call tells at the moment `now` (seconds since 1970), or why it is not taken."""
    if door is None:
        return STRANGER
    return _unproven(door, call) or _unfit(door, call) or _told(door, call, now)


# Who calls -----------------------------------------------------------------------------------------


def _unproven(door: Door, call: Call) -> Rejection | None:
    """Return why a call is not the service's own, None where everything that is asked for was shown."""
    in_path = door.secret if door.webhook.header is None else None
    if (in_path is None) != (call.word is None) or not _equal(in_path or "", call.word or ""):
        return STRANGER
    header = door.webhook.header
    if header is not None and not _equal(door.secret or "", call.headers.get(header.lower(), "")):
        return Rejection(401, f"the secret in {header} is wrong or missing")
    signature = door.webhook.signature
    if signature is not None and not _signed(door, call):
        return Rejection(401, f"the signature in {signature.header} is wrong or missing")
    return None


def _equal(ours: str, theirs: str) -> bool:
    return hmac.compare_digest(ours.encode(), theirs.encode("utf-8", "surrogateescape"))


def _signed(door: Door, call: Call) -> bool:
    signature = door.webhook.signature
    assert signature is not None  # noqa: S101 — asked by `_unproven`
    given = call.headers.get(signature.header.lower(), "").strip()
    digest = hmac.new((door.key or "").encode(), call.body, signature.algorithm).digest()
    if signature.encoding == "hex":
        head, tail = given[: len(signature.prefix)], given[len(signature.prefix) :]
        given, wanted = head + tail.lower(), digest.hex()
    else:
        wanted = base64.b64encode(digest).decode()
    return door.key is not None and _equal(signature.prefix + wanted, given)


def _unfit(door: Door, call: Call) -> Rejection | None:
    allowed = {"POST", "GET"} if door.by_get and door.webhook.signature is None else {"POST"}
    return None if call.method in allowed else Rejection(405, f"{call.method} is not taken here")


# What it says --------------------------------------------------------------------------------------


def _told(door: Door, call: Call, now: float) -> News | Rejection:
    webhook = door.webhook
    for record in _records(call, signed=webhook.signature is not None):
        document_id, event, status, queue_id = (
            text(where, record, {}) or None
            for where in (
                webhook.document_id_paths,
                webhook.event_paths,
                webhook.status_paths,
                webhook.queue_id_paths,
            )
        )
        if not (document_id and status) and not event:
            continue
        facts = (document_id, event, status, queue_id)
        if any(len(one) > _LONGEST_TEXT for one in facts if one):
            return Rejection(400, "an id or a status is longer than any that is known")
        return _news(door, record, facts, now)
    return Rejection(400, "no record with a document's id and status; see `document_id_paths`")


def _records(call: Call, *, signed: bool) -> Iterator[Mapping[str, Any]]:
    """Yield what may be the record: the body as JSON or as a form, then the query; of a signed call the body alone."""
    try:
        body = loads(call.body)
    except (ValueError, RecursionError):
        body = _form(call.body.decode("utf-8", "replace"))
    if isinstance(body, dict):
        yield body
    if not signed:
        yield _form(call.query)


def _form(encoded: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(encoded, max_num_fields=_MOST_FIELDS))
    except ValueError:
        return {}


Facts = tuple[str | None, str | None, str | None, str | None]


def _news(door: Door, record: Mapping[str, Any], facts: Facts, now: float) -> News:
    document_id, event, status, queue_id = (_quiet(door, one) for one in facts)
    canonical = json.dumps(record, sort_keys=True, separators=(",", ":"))
    rejections = {word.casefold() for word in door.webhook.rejections}
    return News(
        connection=door.connection,
        key=hashlib.sha256(canonical.encode()).hexdigest(),
        document_id=document_id or "",
        status=status,
        event=event,
        queue_id=queue_id,
        body=_kept(door, record) if len(canonical) <= _LONGEST_BODY else None,
        received_at=now,
        last_at=now,
        rejected=status is not None and status.casefold() in rejections,
    )


def _quiet(door: Door, words: str | None) -> str | None:
    """Return a text fit for logs and sidecars."""
    return None if words is None else printable(_blotted(door, words).encode("utf-8", "backslashreplace"))


def _kept(door: Door, record: Mapping[str, Any]) -> str | None:
    """Return a record as JSON that a sidecar can hold, None where nothing is left of it."""
    if nests_too_deeply(record):
        return None
    kept = _blotted(door, escaped(json.dumps(record, ensure_ascii=False)))
    try:
        json.loads(kept)
    except ValueError:  # a secret that is a piece of JSON
        return None
    return kept


def _blotted(door: Door, words: str) -> str:
    """Replace our own secrets, which a service may echo."""
    for secret in filter(None, (door.secret, door.key)):
        words = words.replace(secret, "***").replace(json.dumps(secret, ensure_ascii=False)[1:-1], "***")
    return words
