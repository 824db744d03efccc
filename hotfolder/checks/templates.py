"""What follows from a document: the names of its companion and its marker, and the texts that are sent with it (pure)."""

import re
from collections.abc import Mapping
from typing import Any

from hotfolder.checks.names import split

PLACES = ("{name}", "{stem}")
"""What a template may hold in place of the document's base name, or of that without its extension."""


def fill(template: str, name: bytes) -> bytes:
    """Return the name that a template makes of a document's base name; it may be too long for a file system."""
    stem = split(name)[0]
    before, after = _around(template)
    return before + (stem if PLACES[1] in template else name) + after


def fits(template: str, name: bytes) -> bool:
    """Tell whether a template makes this base name of any document's."""
    before, after = _around(template)
    return len(name) > len(before) + len(after) and name.startswith(before) and name.endswith(after)


def _around(template: str) -> tuple[bytes, bytes]:
    before, _, after = template.replace(*PLACES[::-1]).partition(PLACES[0])
    return before.encode(), after.encode()


# Texts -------------------------------------------------------------------------------------------

_TEMPLATE = re.compile(r"\{(name|stem|folder|queue|sha256|received_at)\}")


def filled(value: Any, facts: Mapping[str, str]) -> Any:
    """Fill the templates in every text of a nested value; other braces stay as they are."""
    if isinstance(value, str):
        return _TEMPLATE.sub(lambda found: facts[found[1]], value)
    if isinstance(value, Mapping):
        return {key: filled(item, facts) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [filled(item, facts) for item in value]
    return value


_EACH_ITS_OWN = re.compile(r"\{(name|stem|sha256|received_at)\}")


def is_each_its_own(value: Any) -> bool:
    """Tell whether a text of a nested value becomes another for every document."""
    if isinstance(value, str):
        return _EACH_ITS_OWN.search(value) is not None
    if isinstance(value, Mapping):
        return any(map(is_each_its_own, value.values()))
    return isinstance(value, list | tuple) and any(map(is_each_its_own, value))
