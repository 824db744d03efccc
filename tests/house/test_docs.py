"""What the documentation names exists, and what the project says is about the project."""

import ast
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

from hotfolder.model import State
from hotfolder.recovery.table import RULES
from hotfolder.settings import config_schema
from hotfolder.sidecar import sidecar_schema
from hotfolder.states import ARROWS, DURABLE

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md")])

TOP_LEVEL = {
    *("pyproject.toml", "hotfolder", "config.example.yaml", "tests", "systemd", "README.md", "docs"),
    *("benchmarks", ".ci", "Makefile", "CHANGELOG.md", "LICENSE", "CONTRIBUTING.md", ".gitignore"),
}

# In brackets, so that this file does not find itself.
FOREIGN_WORDS = {
    "somebody's machine": r"(?<![\w.:/])/(?:[w]ork|[r]oot|tmp/(?!\.))/?\w",
    "an assistant": r"(?<!user-)\b[a]gents?\b",
    "a conversation": r"(?<!scope=.)\b[s]essions?\b",
    "a ticket": r"\b[i]ssue ?#?\d|\b(?:fix(?:es)?|closes|see) #\d",
    "an index": r"\b[p]ypi\.",
}
"""What a sentence would be about → how it is recognised."""
MEANT = {
    ("a conversation", "hotfolder/backends/channel.py"),  # its class: a log-in that threads share
    ("a conversation", "tests/arriving/explorer.py"),  # smbprotocol's class: a log-in
    ("a conversation", "tests/backends/test_channel.py"),
    ("a conversation", "tests/backends/test_wire.py"),  # the name of a cookie
}

FILE_ENDINGS = (
    ".py",
    ".md",
    ".yaml",
    ".yml",
    ".toml",
    ".json",
    ".service",
    ".conf",
    ".sql",
    ".lock",
    ".sock",
    ".db",
)


# What there is -----------------------------------------------------------------------------------


@cache
def sources() -> str:
    """Return the text of the program, its tests and its units, without this file."""
    patterns = (
        "hotfolder/**/*.py",
        "hotfolder/**/*.sql",
        "tests/**/*.py",
        "systemd/*.service",
        "systemd/*/*.conf",
    )
    files = {path for pattern in patterns for path in ROOT.glob(pattern)} - {Path(__file__).resolve()}
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


@cache
def setting_keys() -> frozenset[str]:
    """Return every key that a configuration or a sidecar may have."""
    keys: set[str] = set()
    pending: list[object] = [config_schema(), sidecar_schema()]
    while pending:
        item = pending.pop()
        if isinstance(item, dict):
            keys |= item.get("properties", {}).keys()
            pending += item.values()
        elif isinstance(item, list):
            pending += item
    return frozenset(keys)


@cache
def members() -> dict[str, set[str]]:
    """Return what each module and each class of the program has, by the name of either."""
    found: dict[str, set[str]] = {}
    for path in ROOT.glob("hotfolder/**/*.py"):
        module = path.parent.name if path.stem == "__init__" else path.stem
        inside = {p.stem for p in path.parent.iterdir()} if path.stem == "__init__" else set()
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found.setdefault(module, set()).update(inside, _bound_in(tree))
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                found.setdefault(node.name, set()).update(_bound_in(node))
    return found


def _bound_in(node: ast.Module | ast.ClassDef) -> Iterator[str]:
    for child in ast.walk(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield child.name
        elif isinstance(child, ast.Assign):
            yield from (t.id for t in child.targets if isinstance(t, ast.Name))
            yield from (t.attr for t in child.targets if isinstance(t, ast.Attribute))
        elif isinstance(child, ast.AnnAssign):
            yield str(getattr(child.target, "id", "") or getattr(child.target, "attr", ""))
        elif isinstance(child, ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in child.names)


def tracked() -> list[Path]:
    """Return the files of the project as git knows them, those about to be added included."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("no git checkout: the list of files was NOT checked")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, timeout=60).stdout
    return [ROOT / name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()]


# What is said ------------------------------------------------------------------------------------


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return re.sub(r"(?ms)^ *```.*?^ *```", "", page.read_text(encoding="utf-8"))


def exists(name: str) -> bool:
    """Tell whether something named in backticks exists; what does not look like a name of ours does."""
    if re.fullmatch(r"(hotfolder|tests|docs|systemd|benchmarks|\.ci)/[\w./*-]*", name):
        return any(ROOT.glob(name.rstrip("/").replace("NAME", "*")))
    if re.fullmatch(r"[\w/]+\.py", name):
        return any(ROOT.glob(f"hotfolder/**/{name.replace('NAME', '*')}")) or any(
            ROOT.glob(f"tests/**/{name}")
        )
    dotted = name.removesuffix("()").removeprefix("hotfolder.")
    if re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+", dotted) and not name.endswith(FILE_ENDINGS):
        return _dotted_exists(dotted.split("."))
    if re.fullmatch(r"_?\w+\(\)|[A-Z][a-z]+(?:[A-Z][a-z]+)+|[A-Z]+(?:_[A-Z]+)+", name):
        return bool(re.search(rf"\b{re.escape(dotted)}\b", sources()))
    return True


def _dotted_exists(parts: list[str]) -> bool:
    known = members()
    if set(parts) <= setting_keys():
        return True
    if parts[0] not in known:
        foreign = parts[0] not in setting_keys() and importlib.util.find_spec(parts[0]) is not None
        return foreign or ".".join(parts) in sources()  # such as a path in a service's answer
    return all(b in known.get(a, {b}) for a, b in pairwise(parts))


def anchors(page: Path) -> set[str]:
    """Return the fragments that the headings of a page can be linked by."""
    headings = re.findall(r"(?m)^#+ (.*)$", prose(page))
    return {re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_names_exist(page: Path) -> None:
    """Every module, symbol, path and configuration key in backticks is there under that name."""
    assert not {name for name in re.findall(r"`([^`\n]+)`", prose(page)) if not exists(name)}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link leads to a file of the project, and its fragment to a heading."""
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, fragment = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert there.is_relative_to(ROOT), target
        assert not fragment or fragment in anchors(there), target


def test_the_top_level_is_as_agreed() -> None:
    """Nothing lies at the top that a newcomer would have to ask about."""
    assert {path.relative_to(ROOT).parts[0] for path in tracked()} <= TOP_LEVEL


def test_texts_speak_of_the_project_alone() -> None:
    """No file names a place on somebody's machine, or how, by whom and after which ticket it was written."""
    found = set()
    for path in tracked():
        text = path.read_bytes()
        if b"\0" in text:
            continue
        name = path.relative_to(ROOT).as_posix()
        for about, pattern in FOREIGN_WORDS.items():
            hit = re.search(pattern, text.decode("utf-8", "replace"), re.IGNORECASE)
            if hit and (about, name) not in MEANT:
                found.add(f"{name}: {about}: {hit[0]}")
    assert not found


def test_lock_files_name_no_index() -> None:
    """The lock files hold versions and hashes, so that they install from whatever index a machine uses."""
    for lock in ROOT.glob(".ci/*.lock"):
        assert not re.search(r"://|--(extra-)?index-url|--find-links", lock.read_text(encoding="utf-8"))


# What is drawn -----------------------------------------------------------------------------------


def table_of_states() -> str:
    """Draw the table of states: one row a state, with the arrows that leave it."""
    rows = ["| state | row synced first | arrows |", "|---|---|---|"]
    for state in (None, *State):
        arrows = [f"{event} → `{after}`" for (before, event), after in ARROWS.items() if before == state]
        name = f"`{state}`" if state else "(dropped)"
        synced = "yes" if state in DURABLE else "no" if state else "no row"
        rows.append(f"| {name} | {synced} | {' · '.join(arrows) or 'at rest'} |")
    return "\n".join(rows)


def table_of_repairs() -> str:
    """Draw the table of repairs, in the order in which its rules are tried."""
    rows = [
        "| row | journal | in the work folder | in the drop folder | sidecar | repair | because |",
        "|---|---|---|---|---|---|---|",
    ]
    for rule in RULES:
        states = (
            "any" if rule.rows is None else ", ".join(sorted(f"`{s}`" if s else "none" for s in rule.rows))
        )
        journal = {None: "any", True: "the folder's", False: "lost, or an old copy"}[rule.known]
        places = [{None: "any", True: "yes", False: "no"}[there] for there in (rule.in_work, rule.in_drop)]
        records = "any" if rule.records is None else " or ".join(sorted(rule.records))
        cells = (states, journal, *places, records, f"**{rule.repair}**", rule.why)
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


@pytest.mark.parametrize(("mark", "table"), [("states", table_of_states), ("repairs", table_of_repairs)])
def test_tables_are_the_programs(mark: str, table: Callable[[], str]) -> None:
    """The tables in docs/journey.md are drawn from `states.ARROWS` and `table.RULES`; a difference shows what to paste."""
    text = (ROOT / "docs" / "journey.md").read_text(encoding="utf-8")
    drawn = re.search(f"<!-- {mark}: begin -->\n\n(.*?)\n\n<!-- {mark}: end -->", text, re.DOTALL)
    assert drawn, f"docs/journey.md has lost the marks around its table of {mark}"
    assert drawn[1] == table()
