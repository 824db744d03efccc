"""The official client's models as a judge of what the sandbox answers in Rossum's name."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from dacite import DaciteError
from rossum_api.domain_logic.resources import Resource
from rossum_api.models import RESOURCE_TO_MODEL, deserialize_default

KINDS = {
    "tasks": Resource.Task,
    "uploads": Resource.Upload,
    "documents": Resource.Document,
    "annotations": Resource.Annotation,
    "relations": Resource.Relation,
    "queues": Resource.Queue,
    "auth/user": Resource.User,
}
"""What stands after `/api/v1/` → the client's model of it."""

NEVER_SHOWN = {Resource.User: {"password"}}
"""Fields that a client sends and a service never shows."""

PAGE = {"total", "total_pages", "next", "previous"}


def kind_of(path: str) -> Resource:
    """Return the kind of object that a path below `/api/v1/` answers with; raises `KeyError`."""
    return KINDS[path if path in KINDS else path.partition("?")[0].partition("/")[0]]


def objects_of(answer: Mapping[str, Any]) -> list[Any]:
    """Return the objects of an answer: those of a page, or the one that it is."""
    return list(answer.get("results", [answer]))


def complaints(path: str, answer: Mapping[str, Any]) -> list[str]:
    """Return what the client would miss, not know, or not understand in an answer; nothing where all is well."""
    kind = kind_of(path)
    found = [said for shown in objects_of(answer) for said in _about(kind, shown)]
    if "results" in answer and set(answer) ^ {"pagination", "results"}:
        found.append(f"a page has {sorted(answer)}")
    if "results" in answer and set(answer.get("pagination", ())) != PAGE:
        found.append("the page does not say where it stands")
    return found


def _about(kind: Resource, shown: Mapping[str, Any]) -> Iterator[str]:
    known = {one.name for one in fields(RESOURCE_TO_MODEL[kind])} - NEVER_SHOWN.get(kind, set())
    yield from (f"{kind.value} lacks {name}" for name in sorted(known - shown.keys()))
    yield from (f"{kind.value} has an unknown {name}" for name in sorted(shown.keys() - known))
    try:
        deserialize_default(kind, dict(shown))
    except (DaciteError, ValueError) as error:
        yield f"{kind.value}: {error}"
