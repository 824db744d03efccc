"""From a file to settings, or to all of its problems at once."""

import copy
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from hotfolder.settings.crosschecks import cross_checks
from hotfolder.settings.problems import KeyPath, Place, Problem, SettingsError
from hotfolder.settings.program import SOURCE_KEY, Settings, default_state_dir
from hotfolder.settings.section import Origin
from hotfolder.settings.wording import explain, path_of
from hotfolder.settings.yaml_source import Document, read_yaml

LARGEST_BYTES = 4 * 1024 * 1024
"""A thousand queues with every key and comment are about 1 MiB."""
ROUNDS = 4
"""Taking out a mistake can leave a gap (its mapping goes next) as often as mappings are nested."""


def load_settings(
    path: Path, environ: Mapping[str, str], *, look: bool = True, handed_over: bool = True
) -> Settings:
    """Read the configuration; with `look`, secrets and certificates must be there now.

    Without `handed_over` that is not asked of what only systemd hands over, and only to the service.

    Raises `SettingsError` with every problem that can be found.
    """
    document = read_yaml(_text_of(path), path)
    origin = Origin(Path(os.path.abspath(path)).parent, environ, look, handed_over)
    settings, errors = _validate(document.value, path, origin)
    problems = [*document.problems, *(explain(error, document) for error in errors)]
    known = {problem.path for problem in problems}
    whole = settings or _without_mistakes(document, errors, origin)
    if whole:
        found = cross_checks(whole, document)
        problems += [problem for problem in found if problem.path not in known]
    if problems or not settings:
        raise SettingsError(problems)
    return settings


def _text_of(path: Path) -> str:
    try:
        with open(path, "rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        text = (
            "there is no such file; name one with -c or HOTFOLDER_CONFIG, or write one with `hotfolder init`"
        )
    except OSError as error:
        text = f"the file cannot be read: {error.strerror or error}"
    else:
        return _decoded(content, path)
    raise SettingsError([Problem(path, None, (), text)])


def _decoded(content: bytes, path: Path) -> str:
    if len(content) > LARGEST_BYTES:
        place, text = None, "the file is larger than 4 MiB; this is no configuration"
    else:
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            place = Place(
                content.count(b"\n", 0, error.start) + 1, error.start - content.rfind(b"\n", 0, error.start)
            )
            text = "this is not UTF-8; save the file as UTF-8 text"
    # Outside of the handler: that exception holds the whole file.
    raise SettingsError([Problem(path, place, (), text)])


def _validate(
    value: dict[str, Any], path: Path, origin: Origin
) -> tuple[Settings | None, list[ErrorDetails]]:
    told = {
        "state_dir": str(default_state_dir(origin.environ)),
        **value,
        SOURCE_KEY: Path(os.path.abspath(path)),
    }
    try:
        return Settings.model_validate(told, context=origin, by_alias=True, by_name=False), []
    except ValidationError as error:
        details = error.errors(include_input=False, include_url=False)
    # `done` and `failed` cannot be derived from a folder that has a problem itself.
    return None, [detail for detail in details if detail["type"] != "default_factory_not_called"]


def _without_mistakes(document: Document, errors: Iterable[ErrorDetails], origin: Origin) -> Settings | None:
    """Return settings of what is left without the mistakes, so that the rest can be checked too."""
    value = copy.deepcopy(document.value)
    for _ in range(ROUNDS):
        wrong = {_existing(value, path_of(error)) for error in errors}
        if () in wrong:
            return None
        for path in sorted(wrong, key=len):
            _remove(value, path)
        settings, errors = _validate(value, document.file, origin)
        if settings:
            return settings
    return None


def _existing(value: Any, path: KeyPath) -> KeyPath:
    """Return the part of a path that leads through mappings that are there."""
    for depth, step in enumerate(path):
        if not isinstance(value, dict) or step not in value:
            return path[:depth]
        value = value[step]
    return path


def _remove(value: Any, path: KeyPath) -> None:
    if _existing(value, path) == path:
        for step in path[:-1]:
            value = value[step]
        del value[path[-1]]
