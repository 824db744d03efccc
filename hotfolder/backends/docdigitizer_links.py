"""Keep the `links` nodes of DocDigitizer's answers, and tell which of their links lead to its own host (pure).

{"task": {"links": {"self": "/api/v1/tasks/t1"}}}  →  {"task": {"self": "/api/v1/tasks/t1"}}
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

from hotfolder.backends.answers import Secrets, clean

NODES_MAX = 64
"""Most nodes that are kept of a document: its own, its task's, and those of a list that it stands in."""
LINKS_BYTES = 32 * 1024
"""Most text of nodes that is kept of a document, since its row in the journal holds them."""
DEPTH_MAX = 8
"""Deeper than any node seen; a bound against nonsense."""
PORTS = {"http": 80, "https": 443}

Nodes = Mapping[str, Any]


def kept(before: Nodes, document: Any, secrets: Secrets) -> dict[str, Any]:
    """Return the nodes kept so far and those of one more answer, by where they stand, as far as there is room.

    The outermost node is called `answer`, others `task`, `documents[0]` or `task.document`; their links are as
    they came, without secrets.
    """
    nodes = dict(before)
    for place, node in _nodes(document):
        shown = _blotted(node, secrets)
        taken = sum(len(json.dumps(one)) for key, one in nodes.items() if key != place)
        if (place in nodes or len(nodes) < NODES_MAX) and taken + len(json.dumps(shown)) <= LINKS_BYTES:
            nodes[place] = shown
    return nodes


def path_of(link: Any, base_url: str) -> str | None:
    """Return a link's path and query, from the root of the host that `base_url` names; None: it leads elsewhere.

    Links are paths from that root, or whole addresses, of which neither scheme nor host is ever used.
    """
    try:
        parts = urlsplit(link.strip()) if isinstance(link, str) else None
        here = parts is not None and _leads_home(parts, urlsplit(base_url))
    except ValueError:
        return None
    if parts is None or not here or not parts.path.startswith("/"):
        return None
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    return path if path.isascii() and path.isprintable() and " " not in path else None


def strangers(nodes: Nodes, base_url: str, secrets: Secrets) -> tuple[str, ...]:
    """Return a warning for each other host that a link leads to."""
    hosts = {
        _host(link): None for node in nodes.values() for link in node.values() if _abroad(link, base_url)
    }
    text = "DocDigitizer's links lead to another host ({}), where nothing is asked for"
    return tuple(text.format(clean(host, secrets)) for host in hosts)


def _blotted(value: Any, secrets: Secrets, depth: int = 0) -> Any:
    if isinstance(value, str):
        return secrets.blot(value)
    if depth > DEPTH_MAX:
        return None
    if isinstance(value, Mapping):
        return {secrets.blot(str(key)): _blotted(inner, secrets, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [_blotted(inner, secrets, depth + 1) for inner in value]
    return value


def _abroad(link: Any, base_url: str) -> bool:
    """Tell whether a link is an address of another host."""
    try:
        parts = urlsplit(link.strip()) if isinstance(link, str) else None
        return parts is not None and bool(parts.netloc) and not _leads_home(parts, urlsplit(base_url))
    except ValueError:
        return False


def _leads_home(parts: SplitResult, base: SplitResult) -> bool:
    """Compare hosts: the service itself writes http:// addresses of its https:// host (`X-Document-Location`)."""
    if not parts.netloc:
        return not parts.scheme
    if parts.scheme not in {"", *PORTS} or parts.hostname != base.hostname:
        return False
    port = parts.port or PORTS.get(parts.scheme)
    return port is None or port == PORTS.get(parts.scheme) or port == (base.port or PORTS[base.scheme])


def _host(link: str) -> str:
    return urlsplit(link.strip()).netloc.rpartition("@")[2]


def _nodes(value: Any, place: str = "", depth: int = 0) -> Iterator[tuple[str, Nodes]]:
    if depth > DEPTH_MAX:
        return
    if isinstance(value, Mapping):
        if isinstance(links := value.get("links"), Mapping):
            yield place or "answer", links
        for key, inner in value.items():
            if key != "links":
                yield from _nodes(inner, f"{place}.{key}" if place else str(key), depth + 1)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _nodes(inner, f"{place}[{number}]", depth + 1)
