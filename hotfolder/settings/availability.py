"""The parts of the configuration that are understood but not built yet: never accepted and ignored."""

from collections.abc import Iterator, Mapping
from typing import Any

from hotfolder.settings.problems import Problem
from hotfolder.settings.program import Settings
from hotfolder.settings.section import yaml_key
from hotfolder.settings.yaml_source import Document

QUEUE_ALLOWS: Mapping[str, tuple[Any, ...]] = {
    "status_file": (None,),
}
"""Attribute → the values that work; deleting a line makes the attribute available."""


def unavailable(settings: Settings, document: Document) -> Iterator[Problem]:
    """Yield a problem for every value that is not built yet."""
    for name, section in settings.queues.items():
        for attribute, allowed in QUEUE_ALLOWS.items():
            if getattr(section, attribute) not in allowed:
                key = yaml_key(attribute)
                yield document.problem(("queues", name, key), f"`{key}` is not available yet; leave it out")
