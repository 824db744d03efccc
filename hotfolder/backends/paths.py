"""Find values in an answer by configurable paths such as `data.documents[].id` (pure).

data.id               the key `id` of the object under the key `data`
data[].id             the key `id` of each object in the list under `data`
header:X-Location     a response header, in any case
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from hotfolder.model import Remote

HEADER = "header:"


def values(path: str, document: Any, headers: Mapping[str, str]) -> Iterator[Any]:
    """Yield what stands at one path of a parsed JSON document or of the headers (names in lower case)."""
    if path.startswith(HEADER):
        value = headers.get(path.removeprefix(HEADER).strip().lower())
        return iter(() if value is None else (value,))
    found: Iterable[Any] = (document,)
    for step in path.split("."):
        found = list(_step(step, found))
    return iter(found)


def texts(paths: Iterable[str], document: Any, headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the texts at the first path that has any; numbers count as text, all else does not."""
    for path in paths:
        found = tuple(one for value in values(path, document, headers) if (one := as_text(value)))
        if found:
            return found
    return ()


def text(paths: Iterable[str], document: Any, headers: Mapping[str, str]) -> str | None:
    """Return the first text at the first path that has any."""
    return next(iter(texts(paths, document, headers)), None)


def ids(paths: Iterable[str], document: Any, headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return identifiers: as `texts`, of an address its last path segment only, each one once."""
    return tuple(dict.fromkeys(last_segment(one) for one in texts(paths, document, headers)))


def as_text(value: Any) -> str:
    """Return a text or number as stripped text, the empty text for anything else."""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return ""


def last_segment(address: str) -> str:
    """Return the id at the end of an address, so that no foreign host is ever asked; else the text itself."""
    if "/" not in address:
        return address
    try:
        path = urlsplit(address).path
    except ValueError:
        path = address
    return unquote(path.rstrip("/").rsplit("/", 1)[-1])


def _step(step: str, found: Iterable[Any]) -> Iterator[Any]:
    key, each = (step[:-2], True) if step.endswith("[]") else (step, False)
    for value in found:
        inner = value
        if key:
            if not isinstance(value, Mapping) or key not in value:
                continue
            inner = value[key]
        if not each:
            yield inner
        elif isinstance(inner, list):
            yield from inner


def numbers_of(remote: Remote) -> tuple[str, ...]:
    """Return the ids of the documents that are known."""
    return tuple(map(last_segment, remote.documents))
