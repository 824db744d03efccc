"""docs/specifications.md has a row for each statement of the three specifications, and each row names its tests."""

import ast
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "specifications.md"

LINES = {"D": 107, "C": 109, "R": 281}
"""How many lines each of the three documents has, by the letter of its rows."""

TEST = re.compile(r"`(tests/[\w/]+\.py)::((?:\w+::)?test_\w+)`")
NO_BEHAVIOUR = re.compile(r"no behaviour: \S.*")


@dataclass(frozen=True)
class Row:
    """One row of the page."""

    name: str
    lines: str
    statement: str
    behaviour: str
    tests: tuple[tuple[str, str], ...]
    rest: str
    """What stands in the last cell beside the tests."""


def rows() -> list[Row]:
    """Read the three tables."""
    found = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if re.match(r"\| [DCR]\d", line):
            assert len(cells) == 4, line
            name, _, lines = cells[0].partition(", ")
            tests = tuple((hit[1], hit[2]) for hit in TEST.finditer(cells[3]))
            found.append(Row(name, lines, cells[1], cells[2], tests, TEST.sub("", cells[3]).strip(" ,")))
    return found


@cache
def tree_of(path: str) -> ast.Module:
    """Return a file's syntax tree."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


@cache
def functions_of(path: str, scope: str) -> frozenset[str]:
    """Return the tests of a file (scope "") or of a class in it, those of its bases included."""
    if not scope:
        return _tests(tree_of(path).body)
    for node in tree_of(path).body:
        if isinstance(node, ast.ClassDef) and node.name == scope:
            bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
            return _tests(node.body).union(*(functions_of(path, base) for base in bases))
        if isinstance(node, ast.ImportFrom) and scope in {alias.name for alias in node.names}:
            there = f"{(node.module or '').replace('.', '/')}.py"
            return functions_of(there, scope) if (ROOT / there).exists() else frozenset()
    return frozenset()


def _tests(body: list[ast.stmt]) -> frozenset[str]:
    return frozenset(n.name for n in body if isinstance(n, ast.FunctionDef) and n.name.startswith("test_"))


def there_is(path: str, name: str) -> bool:
    """Tell whether pytest would find a test of this file."""
    scope, _, function = name.rpartition("::")
    collected = scope.startswith("Test") or not scope
    return collected and (ROOT / path).exists() and function in functions_of(path, scope)


def missing(row: Row) -> list[str]:
    """Return what is wrong with the tests of a row; nothing where all is well."""
    wrong = [f"{path}::{name} is not there" for path, name in row.tests if not there_is(path, name)]
    known = not row.rest or (NO_BEHAVIOUR.fullmatch(row.rest) and not row.tests)
    if not known:
        wrong.append(f"unreadable: {row.rest}")
    if not row.tests and not row.rest:
        wrong.append("names no test")
    return wrong


def numbers(lines: str) -> set[int]:
    """Return the lines that a list of ranges names."""
    found: set[int] = set()
    for one in lines.split(", ") if lines != "—" else []:
        first, _, last = one.partition("-")
        assert int(first) <= int(last or first), lines
        found |= set(range(int(first), int(last or first) + 1))
    return found


def test_every_row_names_tests_that_exist() -> None:
    """No row without a test, and no test that is not there."""
    assert {row.name: wrong for row in rows() if (wrong := missing(row))} == {}


@pytest.mark.parametrize("letter", LINES)
def test_every_line_has_its_row(letter: str) -> None:
    """The rows of a document cover it from its first line to its last, and go no further."""
    covered = set().union(*(numbers(row.lines) for row in rows() if row.name.startswith(letter)))
    assert covered == set(range(1, LINES[letter] + 1))


@pytest.mark.parametrize("letter", LINES)
def test_rows_are_numbered_through(letter: str) -> None:
    """No row got lost and none stands twice."""
    names = [row.name for row in rows() if row.name.startswith(letter)]
    assert names == [f"{letter}{number}" for number in range(len(names))]


def test_every_statement_says_something() -> None:
    """A row has a statement, and a behaviour unless it says why there is none."""
    empty = {row.name for row in rows() if not row.behaviour and not NO_BEHAVIOUR.fullmatch(row.rest)}
    assert empty | {row.name for row in rows() if not row.statement} == set()


@pytest.mark.parametrize(
    ("tests", "rest", "wrong"),
    [
        ((("tests/house/test_specifications.py", "test_every_line_has_its_row"),), "", 0),
        ((("tests/backends/test_digitoo.py", "TestDigitooJson::test_names"),), "", 0),
        ((("tests/backends/test_digitoo.py", "TestDigitooJson::test_name"),), "", 1),
        ((("tests/backends/test_digitoo.py", "DigitooContract::test_names"),), "", 1),
        ((("tests/backends/test_digitoo.py", "test_names"),), "", 1),
        ((("tests/backends/test_gone.py", "test_names"),), "", 1),
        ((), "", 1),
        ((), "some day", 1),
        ((), "open: the receiver", 1),
        ((), "no behaviour: a heading", 0),
        ((("tests/house/test_docs.py", "test_names_exist"),), "no behaviour: a heading", 1),
    ],
)
def test_a_bad_row_is_seen(tests: tuple[tuple[str, str], ...], rest: str, wrong: int) -> None:
    """A row without a test, with one that is not there, or with words that mean nothing, is found out."""
    assert len(missing(Row("D1", "1", "x", "y", tests, rest))) == wrong
