"""What is wrong with a configuration: one problem a mistake, each with its place."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

KeyPath = tuple[str | int, ...]
"""The way to a value from the top of the file: keys of mappings, indices of lists."""


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Line and column, both from 1, as editors count."""

    line: int
    column: int


def printable(text: str) -> str:
    """Return text as one line that any terminal can show."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake; `str()` is one line, and no value of the configuration is in it."""

    file: Path
    place: Place | None
    """None where the file as a whole is the problem."""
    path: KeyPath
    """Where in the configuration; empty for the file as a whole."""
    text: str
    """What is wrong and what was expected."""
    nearest: str | None = None
    """The valid key or word that was probably meant."""

    @property
    def key(self) -> str:
        """The path as people read it, such as `queues.invoices.types[1]`."""
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return "".join(steps).removeprefix(".")

    def __str__(self) -> str:
        """Return `FILE:LINE:COLUMN: key.path: text (did you mean …?)`."""
        place = f":{self.place.line}:{self.place.column}" if self.place else ""
        key = f"{self.key}: " if self.path else ""
        hint = f" (did you mean `{self.nearest}`?)" if self.nearest else ""
        return printable(f"{self.file}{place}: {key}{self.text}{hint}")


class SettingsError(Exception):
    """The configuration cannot be used; `str()` is one line for each of its problems."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(
            sorted(problems, key=lambda problem: (problem.place or Place(0, 0), problem.key))
        )
        super().__init__("\n".join(map(str, self.problems)))
