"""Pydantic's errors in plain sentences, without what was typed."""

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic_core import ErrorDetails

from hotfolder.settings.connections import CONNECTIONS
from hotfolder.settings.notify import TARGETS
from hotfolder.settings.problems import KeyPath, Problem
from hotfolder.settings.program import SOURCE_KEY, Settings
from hotfolder.settings.queues import Queue
from hotfolder.settings.section import NAME_KEY, Section
from hotfolder.settings.yaml_source import Document

FEW = 12
"""So many valid keys still fit a message."""
MAPPING = "expected keys and values below this key"
SENTENCES: Mapping[str, str] = {
    "missing": "is missing",
    "bool_type": "write true or false",
    "bool_parsing": "write true or false",
    "string_type": "expected text; put it in quotes if it looks like a number",
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "dict_type": MAPPING,
    "model_type": MAPPING,
    "model_attributes_type": MAPPING,
    "tuple_type": "expected a list, such as [a, b]",
    "frozen_set_type": "expected a list, such as [a, b]",
    "string_too_short": "is empty; write something or leave the key out",
    "too_short": "is empty; write at least one entry",
    "greater_than": "must be more than {gt:g}",
    "less_than_equal": "must be at most {le:g}",
}
"""Type of the error → what is said; the rest is filled in from the error's context."""


def path_of(error: ErrorDetails) -> KeyPath:
    """Return the path in the document, without the marks that pydantic adds for keys and kinds of things."""
    path = error["loc"]
    if path[-1:] == ("[key]",):
        path = path[:-1]
    tag = _tag_at(path)
    return (*path[:tag], *path[tag + 1 :]) if tag else path


def _tag_at(path: KeyPath) -> int:
    """Return where pydantic puts the kind of thing into a path, 0 where it does not."""
    return 2 if path[:1] == ("connections",) else 3 if path[:2] == ("notify", "targets") else 0


def explain(error: ErrorDetails, document: Document) -> Problem:
    """Turn one of pydantic's errors into a problem with its place."""
    path = path_of(error)
    value = _value(document, path)
    words = _words(error)
    if error["type"] == "extra_forbidden":
        return document.problem(path, _unknown_key(words), nearest=_nearest(str(path[-1]), words))
    if error["type"].startswith("union_tag"):
        key = "via" if path[:1] == ("notify",) else "backend"
        path, value = (*path, key), value.get(key) if isinstance(value, dict) else None
    at_key = error["type"] == "missing" or error["loc"][-1] == "[key]"
    return document.problem(path, _sentence(error, words), nearest=_nearest(value, words), at_key=at_key)


def _value(document: Document, path: KeyPath) -> Any:
    value: Any = document.value
    for step in path:
        if isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            value = value.get(step) if isinstance(value, dict) else None
    return value


def _nearest(value: Any, words: Iterable[str]) -> str | None:
    close = difflib.get_close_matches(value, words, 1) if isinstance(value, str) else []
    return close[0] if close else None


def _words(error: ErrorDetails) -> list[str]:
    """Return the keys or words of which one was expected."""
    if error["type"] == "extra_forbidden":
        return _keys(_section(error["loc"][:-1]))
    if error["type"].startswith("union_tag"):
        return list(TARGETS if error["loc"][:1] == ("notify",) else CONNECTIONS)
    if error["type"] in {"literal_error", "enum"}:
        return re.findall(r"'([^']*)'", error["ctx"]["expected"])
    return []


def _unknown_key(words: list[str]) -> str:
    if len(words) > FEW:
        return "there is no such key here; `hotfolder schema config` lists them"
    return f"there is no such key here; expected one of {', '.join(words)}"


def _sentence(error: ErrorDetails, words: list[str]) -> str:
    context = error.get("ctx", {})
    if error["type"] == "value_error":
        return str(context["error"])
    if error["type"] == "union_tag_not_found":
        return f"is missing: expected one of {', '.join(words)}"
    if words:
        return f"expected one of {', '.join(words)}"
    if error["loc"][-1:] == ("folder",) and error["type"] == "missing":
        return "is missing: give the queue a folder, or set `root` at the top of the file"
    known = SENTENCES.get(error["type"])
    return known.format(**context) if known else f"cannot be used ({error['type'].replace('_', ' ')})"


def _keys(section: type[Section]) -> list[str]:
    keys = (field.alias for field in section.model_fields.values())
    return [key for key in keys if key and key not in {NAME_KEY, SOURCE_KEY}]


def _section(path: KeyPath) -> type[Section]:
    """Return the class that describes the mapping at pydantic's own path."""
    section: type[Section] = Settings
    if path[:1] == ("queues",):
        section, path = Queue, path[2:]
    elif path[:1] == ("connections",):
        section, path = CONNECTIONS[str(path[2])], path[3:]
    elif path[:2] == ("notify", "targets"):
        section, path = TARGETS[str(path[3])], path[4:]
    for step in path:
        section = _nested(section, step)
    return section


def _nested(section: type[Section], key: str | int) -> type[Section]:
    annotation = next(field.annotation for field in section.model_fields.values() if field.alias == key)
    kinds = (annotation, *get_args(annotation))
    return next(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section))
