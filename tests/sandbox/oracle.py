"""The official client's models as a judge of what the sandbox answers in Rossum's name."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any
from urllib.parse import parse_qs

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
    place = path.partition("?")[0]
    return KINDS[place if place in KINDS else place.partition("/")[0]]


def objects_of(answer: Mapping[str, Any]) -> list[Any]:
    """Return the objects of an answer: those of a page, or the one that it is."""
    return list(answer.get("results", [answer]))


def complaints(path: str, answer: Mapping[str, Any]) -> list[str]:
    """Return what the client would miss, not know, or not understand in an answer; nothing where all is well."""
    kind = kind_of(path)
    found = [said for shown in objects_of(answer) for said in _about(kind, shown)]
    asked = parse_qs(path.partition("?")[2]).get("sideload", [""])[0]
    beside = set(filter(None, asked.split(",")))  # the client takes these from the page itself
    if "results" in answer and set(answer) ^ {"pagination", "results", *beside}:
        found.append(f"a page has {sorted(answer)}")
    for kind_beside in beside & answer.keys():
        found += [said for shown in answer[kind_beside] for said in _about(KINDS[kind_beside], shown)]
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
