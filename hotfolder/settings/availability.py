"""The parts of the configuration that are understood but not built yet: never accepted and ignored."""

from collections.abc import Iterator, Mapping
from typing import Any

from hotfolder.settings.problems import Problem
from hotfolder.settings.program import Settings
from hotfolder.settings.queues import Retain
from hotfolder.settings.section import Section, yaml_key
from hotfolder.settings.yaml_source import Document

PROGRAM_ALLOWS: Mapping[str, tuple[Any, ...]] = {
    "http": (None,),
}
CONNECTION_ALLOWS: Mapping[str, tuple[Any, ...]] = {
    "api": ("v1",),
}
QUEUE_ALLOWS: Mapping[str, tuple[Any, ...]] = {
    "schedule": (None,),
    "retain": (Retain(),),
    "companion": (None,),
    "companion_timeout_s": (600.0,),
    "ready_marker": (None,),
    "wait_for": ("accepted", "imported"),
    "webhook_url": (None,),
    "status_file": (None,),
    "results": (False,),
}
"""Attribute → the values that work; deleting a line makes the attribute available."""


def unavailable(settings: Settings, document: Document) -> Iterator[Problem]:
    """Yield a problem for every value that is not built yet."""
    sections: list[tuple[tuple[str, ...], Section, Mapping[str, tuple[Any, ...]]]] = [
        ((), settings, PROGRAM_ALLOWS)
    ]
    sections += [
        (("connections", name), section, CONNECTION_ALLOWS) for name, section in settings.connections.items()
    ]
    sections += [(("queues", name), section, QUEUE_ALLOWS) for name, section in settings.queues.items()]
    for path, section, allows in sections:
        for attribute, allowed in allows.items():
            if getattr(section, attribute, allowed[0]) not in allowed:
                key = yaml_key(attribute)
                yield document.problem((*path, key), f"`{key}` is not available yet; leave it out")
