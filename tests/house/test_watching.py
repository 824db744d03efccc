"""What docs/watching.md promises of each trap is held by a test of that name."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "watching.md"


def existing_tests(where: str = "tests/**/test_*.py") -> set[str]:
    """Return the names of all tests in some files."""
    sources = (path.read_text(encoding="utf-8") for path in ROOT.glob(where))
    return {name for source in sources for name in re.findall(r"(?m)^def (test_\w+)\(", source)}


def test_every_test_that_is_named_exists() -> None:
    """A test that is renamed or removed is missed."""
    named = set(re.findall(r"`(test_\w+)`", PAGE.read_text(encoding="utf-8")))
    assert len(named) > 40
    assert not named - existing_tests()


def test_every_trap_names_a_test() -> None:
    """A row without a test would be a promise alone."""
    rows = re.findall(r"(?m)^\| (.+?) \| (.+?) \| (.+?) \|$", PAGE.read_text(encoding="utf-8"))
    traps = [row for row in rows if row[0] != "trap"]
    assert len(traps) > 30
    assert not [trap for trap, _, test in traps if "`test_" not in test]


def test_every_trap_that_is_tested_is_on_the_page() -> None:
    """A test of a trap that nobody can read about is half of it."""
    page = PAGE.read_text(encoding="utf-8")
    traps = existing_tests("tests/arrivals/test_traps*.py")
    assert traps
    assert not [name for name in traps if f"`{name}`" not in page]
