"""What the style asks for and no linter checks: sizes, names, how things are logged, nothing swallowed."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

N = TypeVar("N", bound=ast.AST)
ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(p for folder in ("hotfolder", "tests", "benchmarks") for p in (ROOT / folder).rglob("*.py"))

FILE_LINES = {"hotfolder": 350, "tests": 450, "benchmarks": 350}
"""A contract class, or all tests of one service, are read best in one file."""
FUNCTION_LINES = 45

EMPTY_NAMES = {"utils", "util", "helpers", "common", "manager", "handler", "misc", "data", "info"}
LEVELS = {"trace", "debug", "info", "success", "warning", "error", "critical", "exception", "log"}


def nodes(kind: type[N]) -> Iterator[tuple[str, N]]:
    """Yield every node of a kind with the file that it is in."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, kind):
                yield path.relative_to(ROOT).as_posix(), node


def test_files_are_short() -> None:
    """A file that grows is split into a package of its name."""
    lines = {p.relative_to(ROOT).as_posix(): len(p.read_text(encoding="utf-8").splitlines()) for p in SOURCES}
    assert [(name, n) for name, n in lines.items() if n > FILE_LINES[name.partition("/")[0]]] == []


def test_functions_are_short() -> None:
    """A function fits on a screen."""
    functions: list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]
    functions = [*nodes(ast.FunctionDef), *nodes(ast.AsyncFunctionDef)]
    lengths = {f"{file}: {node.name}": (node.end_lineno or 0) - node.lineno + 1 for file, node in functions}
    assert not {name: n for name, n in lengths.items() if n > FUNCTION_LINES}


def test_names_say_something() -> None:
    """No module and no class is named after its shape instead of its purpose."""
    assert not {path for path in SOURCES if path.stem.lower() in EMPTY_NAMES}
    suffixes = ("Manager", "Helper", "Helpers", "Utils")
    assert not {(file, node.name) for file, node in nodes(ast.ClassDef) if node.name.endswith(suffixes)}


def test_messages_are_templates() -> None:
    """A log line is a template with arguments: a file name with braces must not be taken for one."""
    wrong = []
    for file, node in nodes(ast.Call):
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr in LEVELS and _is_logger(called.value):
            first = node.args[:2] if called.attr == "log" else node.args[:1]
            if any(isinstance(argument, ast.JoinedStr | ast.BinOp) for argument in first):
                wrong.append(f"{file}:{node.lineno}")
    assert not wrong


def _is_logger(node: ast.AST) -> bool:
    while isinstance(node, ast.Call | ast.Attribute):
        node = node.func if isinstance(node, ast.Call) else node.value
    return isinstance(node, ast.Name) and node.id in {"logger", "log", "log_of"}


def test_nothing_is_swallowed() -> None:
    """No handler catches whatever comes and says nothing; a foreseen exception may be passed over."""
    wrong = []
    for file, node in nodes(ast.ExceptHandler):
        broad = isinstance(node.type, ast.Name) and node.type.id in {"Exception", "BaseException"}
        silent = len(node.body) == 1 and isinstance(node.body[0], ast.Pass | ast.Continue)
        if node.type is None or (broad and silent):
            wrong.append(f"{file}:{node.lineno}")
    assert not wrong
