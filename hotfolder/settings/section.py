"""What every part of the configuration has in common: strict, frozen, silent about what was typed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationInfo


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a configuration was read, handed to the validators as pydantic's context."""

    folder: Path
    """The file's folder: relative paths start here."""
    environ: Mapping[str, str]
    look: bool = True
    """Whether to look at the files and variables that hold secrets and certificates."""
    handed_over: bool = True
    """Whether to look at what systemd hands over too, which it does for the service alone."""


def origin_of(info: ValidationInfo) -> Origin | None:
    """Return the origin of what is being validated, None for objects built by a program."""
    return info.context if isinstance(info.context, Origin) else None


def yaml_key(attribute: str) -> str:
    """Turn an attribute's name into its key in YAML, where the unit is written with the value."""
    return attribute.removesuffix("_bytes").removesuffix("_s")


class Section(BaseModel):
    """A mapping of the configuration that people write."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        alias_generator=yaml_key,
        validate_by_name=True,
        validate_by_alias=True,
    )


NAME_KEY = "<name>"
"""The key under which an entry of `connections`, `queues` or `targets` is told its own name; never written by people."""


def _entry_name(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise ValueError(
            "expected a name of at most 64 letters, digits, `.`, `_` and `-`, the first a letter or digit"
        )
    return name


def named(entries: Any) -> Any:
    """Tell each entry its own key."""
    if not isinstance(entries, dict):
        return entries
    return {
        name: {**entry, NAME_KEY: name} if isinstance(entry, dict) else entry
        for name, entry in entries.items()
    }


EntryName = Annotated[str, AfterValidator(_entry_name)]

Flag = Annotated[bool, Field(strict=True)]
Text = Annotated[str, StringConstraints(min_length=1)]
