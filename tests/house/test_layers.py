"""Who may import whom, and which module alone owns a library or a dangerous call."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

ROWS = """
model
allocator answering checks connector news pulse retry schedule states troubles veil
backends.deadline backends.pace
sidecar spool settings journal logs metrics systemd unixsocket backends.base
attendants certificates companions identity placard results rights
backends.bodies backends.json_stream backends.moments backends.paths backends.rossum_checks grounds
backends.answers
backends.docdigitizer_links backends.findings backends.policy backends.rossum_batch backends.rossum_objects backends.wire
backends.channel
backends.callbacks backends.digitoo_list backends.docdigitizer_documents backends.docdigitizer_list
backends.digitoo_documents backends.rossum_followup backends.rossum_search
backends.digitoo backends.docdigitizer backends.docdigitizer_v3 backends.memory backends.rossum
backends
arrivals
claims delivery kinship
filing followup settlement
batches
audit pipeline premises recovery redelivery retention starter
status web
notices
service
main
__main__
"""
"""The import map from bottom to top: a module imports from rows below its own, never from its own row.

A package stands for all its modules, which may import each other, unless they are named here.
"""

APART = "sandbox"
"""Imports nothing else of the project, so that it cannot repeat a mistake of what it tests."""

LIBRARIES = {
    "watchdog": ["arrivals.watch"],
    "httpx": ["backends.wire", "notices.post"],
    "httpcore": ["backends.deadline"],
    "smtplib": ["notices.mail"],
    "sqlite3": ["journal"],
    "yaml": ["settings.yaml_source", "sandbox.faults"],
    "ctypes": ["allocator", "spool"],
    "fcntl": ["spool"],
    "shutil": ["main.demo"],
    "starlette": ["sandbox", "web"],
    "uvicorn": ["sandbox", "web"],
    "python_multipart": ["sandbox.multipart"],
    "click": ["main"],
    "rich": ["main"],
    "prometheus_client": ["metrics"],
    "ssl": [
        "backends.deadline",
        "backends.wire",
        "certificates",
        "notices.mail",
        "notices.post",
        "web.server",
    ],
}
"""Library → the modules (or packages) that alone import it."""

CALLS = {
    r"os\.(replace|renames|link|symlink|fsync|fdatasync|sync|remove)": ["spool"],
    r"\w+\.(rename|unlink|rmdir|hardlink_to|symlink_to)": ["spool"],  # of `os` and of a path
    r"logger\.(remove|add|configure)": ["logs"],
}
"""Dotted name → the modules that alone may use it."""

TOLERATED = {
    "unixsocket": "a socket that an earlier run left behind is no document",
    "premises": "the probe of the state directory is no document",
    "main.demo": "the demonstration plays the part of those who drop documents",
}

PURE = [
    "model",
    "news",
    "placard",
    "pulse",
    "states",
    "retry",
    "schedule",
    "sidecar",
    "connector",
    "kinship",
    "troubles",
    "notices.deciding",
    "notices.dispatch",
    "notices.letters",
    "notices.usual",
    "checks",
    "rights.access",
    "rights.verdicts",
    "arrivals.entries",
    "arrivals.inbox",
    "arrivals.pairing",
    "metrics.facts",
]
"""Facts in, decision out: no clock, no disk, no socket, no database, no chance."""

IMPURE = {
    *("os", "io", "pathlib", "time", "random", "secrets", "asyncio", "threading", "loguru", "logging"),
    *("socket", "sqlite3", "subprocess", "tempfile"),
}
"""Of `os` a pure module takes `os.path` alone, and of that what works on names."""

FACE = {"arrivals.inbox": {"arrivals.scan"}}
"""What a pure module takes from an impure one of the project: `Seen`, a record without behaviour."""


def name_of(path: Path) -> str:
    """Return a module's name below `hotfolder`, "" for the package itself."""
    parts = path.relative_to(ROOT / "hotfolder").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted((ROOT / "hotfolder").rglob("*.py"))}
RANKS = {name: rank for rank, row in enumerate(ROWS.split("\n")) for name in row.split()}


@cache
def tree_of(module: str) -> ast.Module:
    """Return a module's syntax tree."""
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


def imports_of(module: str) -> Iterator[str]:
    """Yield the full name of everything that a module imports, wherever in it, types included."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: a relative import; write the whole name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def internal_imports_of(module: str) -> Iterator[str]:
    """Yield the project's modules that a module imports, without the package's version."""
    for full in imports_of(module):
        name = full.removeprefix("hotfolder.")
        while name != full and name and name not in MODULES:
            name = name.rpartition(".")[0]
        if name not in {full, ""}:
            yield name


def unit_of(module: str) -> str:
    """Return the name by which a module stands in the map: its own, or the nearest package's."""
    while module not in RANKS and "." in module:
        module = module.rpartition(".")[0]
    return module


def within(module: str, owners: list[str]) -> bool:
    """Tell whether a module is one of the owners or lies in a package that is."""
    return any(module == owner or module.startswith(f"{owner}.") for owner in owners)


def dotted_names(module: str) -> Iterator[str]:
    """Yield every `name.attribute` that occurs in a module's code."""
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield f"{node.value.id}.{node.attr}"


def test_every_module_has_its_row() -> None:
    """A module that the map does not know is a decision that nobody took; and the map names no ghosts."""
    units = {unit_of(module) for module in MODULES if module and not within(module, [APART])}
    assert units == set(RANKS)


def test_imports_point_downwards() -> None:
    """A module imports from the rows below its own only, and `main` alone may start the sandbox."""
    wrong = []
    for module in (m for m in MODULES if m and not within(m, [APART])):
        mine = unit_of(module)
        for other in internal_imports_of(module):
            theirs = unit_of(other)
            allowed = mine == "main" if within(other, [APART]) else RANKS[theirs] < RANKS[mine]
            if theirs != mine and not allowed:
                wrong.append(f"{module} imports {other}")
    assert not wrong


def test_the_sandbox_stands_apart() -> None:
    """The sandbox shares no code with the program that is tried out on it."""
    inside = [module for module in MODULES if within(module, [APART])]
    assert not {(m, other) for m in inside for other in internal_imports_of(m) if not within(other, [APART])}


def test_the_journey_knows_the_contract_alone() -> None:
    """Outside `backends` only its list, its contract and its paths into answers are imported, never one service's module."""
    outside = [module for module in MODULES if not within(module, ["backends"])]
    taken = {(m, other) for m in outside for other in internal_imports_of(m) if within(other, ["backends"])}
    assert not {pair for pair in taken if pair[1] not in {"backends", "backends.base", "backends.paths"}}


def test_each_library_has_one_owner() -> None:
    """A library is imported by its owner alone, so that it can be understood and replaced in one place."""
    used = {(module, full.partition(".")[0]) for module in MODULES for full in imports_of(module)}
    assert not {(m, top) for m, top in used if top in LIBRARIES and not within(m, LIBRARIES[top])}


def test_each_dangerous_call_has_one_owner() -> None:
    """Files are renamed, synced and removed by `spool` alone, and loguru is set up by `logs` alone."""
    used = {(module, name) for module in MODULES for name in dotted_names(module)}
    used |= {(module, full) for module in MODULES for full in imports_of(module) if full.startswith("os.")}
    wrong = {
        (module, name)
        for module, name in used
        for pattern, owners in CALLS.items()
        if re.fullmatch(pattern, name) and not within(module, owners)
    }
    assert {pair for pair in wrong if pair[0] not in TOLERATED} == set()
    assert {module for module, _ in wrong} == set(TOLERATED), "an exception is not needed any more"


def test_what_decides_touches_nothing() -> None:
    """Pure modules import no clock, disk, socket or database, not even through a module of the project."""
    for module in (m for m in MODULES if within(m, PURE)):
        tops = {full.partition(".")[0] for full in imports_of(module) if not full.startswith("os.path")}
        assert not tops & IMPURE, module
        assert {name for name in dotted_names(module) if name.startswith("os.")} <= {"os.path"}, module
        inside = set(internal_imports_of(module)) - FACE.get(module, set())
        assert all(within(other, PURE) for other in inside), module


def test_the_map_in_the_documentation_is_this_one() -> None:
    """The map in docs/architecture.md is what this test holds the code to."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = re.search(r"<!-- map: begin -->\n```text\n(.*?)```\n<!-- map: end -->", text, re.DOTALL)
    assert drawn, "docs/architecture.md has lost the marks around its import map"
    assert drawn[1] == ROWS.lstrip("\n")
