"""YAML without surprises: plain values, the place of each, and no key twice."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from hotfolder.settings.problems import KeyPath, Place, Problem, SettingsError

DEEPEST = 40
"""Levels of nesting; the configuration needs 5, metadata may need some more."""
MOST_VALUES = 100_000
"""Values after aliases are followed; a thousand queues with every key are about 50,000."""

MOST_TEXT = 10_000_000
"""Characters after aliases are followed: a long text that is meant thousands of times would fill the memory."""

_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_SCALARS: Mapping[str, tuple[re.Pattern[str], Callable[[str], Any]]] = {
    _TAG + "null": (re.compile(r"(?:null|~|)$"), lambda _: None),
    _TAG + "bool": (re.compile(r"(?:true|false)$"), lambda text: text == "true"),
    # 18 digits: what 64 bits hold; a longer one is somebody's id and stays text, as do 012 and 1_000.
    _TAG + "int": (re.compile(r"(?:0|-?[1-9][0-9]{0,17})$"), int),
    _TAG + "float": (re.compile(r"-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,17}$"), float),
}

_RESOLVERS: dict[Any, Any] = {
    None: [*((tag, pattern) for tag, (pattern, _) in _SCALARS.items()), (_MERGE, re.compile("<<$"))]
}
"""First character of a plain scalar (None: any) → tags and the patterns that decide on them."""

_QUOTED = re.compile(r"""'[^']*'|"[^"]*\"""")


class _Composer(yaml.SafeLoader):
    """PyYAML's parser with the few plain words of `_SCALARS` instead of YAML 1.1's many."""

    yaml_implicit_resolvers = _RESOLVERS


@dataclass(frozen=True, slots=True)
class Document:
    """A YAML file as plain values, with the place of every key and value and the mistakes in its writing."""

    file: Path
    value: dict[str, Any]
    keys: Mapping[KeyPath, Place]
    values: Mapping[KeyPath, Place]
    problems: tuple[Problem, ...]

    def place(self, path: KeyPath, *, at_key: bool) -> Place:
        """Return where a key or its value stands; for what is not there, where its nearest parent does."""
        first, second = (self.keys, self.values) if at_key else (self.values, self.keys)
        while path:
            if found := first.get(path) or second.get(path):
                return found
            # Inside a parent its key is the better pointer: the value may be a block that starts below.
            first, second, path = self.keys, self.values, path[:-1]
        return Place(1, 1)

    def problem(
        self, path: KeyPath, text: str, *, nearest: str | None = None, at_key: bool = True
    ) -> Problem:
        """Make a problem with this key (or its value)."""
        return Problem(self.file, self.place(path, at_key=at_key), path, text, nearest)


def read_yaml(text: str, file: Path) -> Document:
    """Read a mapping from YAML text; `file` is its name in problems.

    Raises `SettingsError` for what is no YAML, or not one mapping.
    """
    builder = _Builder(file)
    try:
        node = _compose(text, file)
        if node is None:
            raise SettingsError(
                [Problem(file, Place(1, 1), (), "the file is empty; `hotfolder init` writes one")]
            )
        value = builder.build(node, ())
    except RecursionError:
        value, node = None, None
    if node is None:
        raise SettingsError([Problem(file, Place(1, 1), (), f"nested deeper than {DEEPEST} levels")])
    if not isinstance(value, dict):
        raise SettingsError([Problem(file, _place(node), (), "expected keys and values, such as `queues:`")])
    return Document(file, value, builder.keys, builder.values, tuple(builder.problems))


def _compose(text: str, file: Path) -> yaml.Node | None:
    """Parse the text; PyYAML's exceptions quote from it, so only their place and bare words go on."""
    try:
        return yaml.compose(text, Loader=_Composer)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(mark.line + 1, mark.column + 1) if mark else Place(1, 1)
        problem = Problem(file, place, (), _wording(error))
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = Place(before.count("\n") + 1, error.position - before.rfind("\n"))
        problem = Problem(file, place, (), "a control character that YAML does not allow")
    raise SettingsError([problem])


def _wording(error: yaml.MarkedYAMLError) -> str:
    said = f"{error.problem or ''} {error.context or ''}"
    if "undefined alias" in said:
        return "text that starts with * must be in quotes, or the anchor (&) is missing"
    if "duplicate anchor" in said:
        return "the same anchor (&) twice"
    if "single document" in said:
        return "a second document (---) in the file; expected one"
    if r"'\t'" in said:
        return "a tab; YAML is indented with spaces"
    return f"not valid YAML: {_QUOTED.sub(_harmless, error.problem or 'not readable')}"


def _harmless(quoted: re.Match[str]) -> str:
    """Keep single characters and the names of tokens; anything else in quotes is from the file."""
    return quoted[0] if re.fullmatch("..?.|.<.*>.", quoted[0]) else "something"


def _place(node: yaml.Node) -> Place:
    return Place(node.start_mark.line + 1, node.start_mark.column + 1)


class _Builder:
    """Turns nodes into plain values; collects places and problems as it goes."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.keys: dict[KeyPath, Place] = {}
        self.values: dict[KeyPath, Place] = {}
        self.problems: list[Problem] = []
        self._count = 0
        self._characters = 0

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        """Return the plain value of a node.

        Raises `SettingsError` where following the aliases does not end in reasonable size.
        """
        self._spend(node, path, len(path))
        self.values[path] = _place(node)
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _spend(self, node: yaml.Node, path: KeyPath, depth: int) -> None:
        self._count += 1
        if depth > DEEPEST:
            text = f"nested deeper than {DEEPEST} levels, or an anchor (&) that contains itself"
        elif self._count > MOST_VALUES:
            text = f"more than {MOST_VALUES} values, with the aliases (*) followed"
        else:
            return
        raise SettingsError([Problem(self.file, _place(node), path[:2], text)])

    def _report(self, node: yaml.Node, path: KeyPath, text: str) -> None:
        self.problems.append(Problem(self.file, _place(node), path, text))

    def _scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        text = node.value
        if isinstance(text, str) and node.tag == _TAG + "str":
            return self._text(node, path)
        if isinstance(text, str) and node.tag in _SCALARS:
            pattern, convert = _SCALARS[node.tag]
            if pattern.match(text):
                return convert(text)
        self._report(node, path, "tags (!) are not used here; put text that starts with ! in quotes")
        return None

    def _text(self, node: yaml.Node, path: KeyPath) -> str:
        """Return text; two escapes that make one character are joined, as in JSON."""
        self._characters += len(str(node.value))
        if self._characters > MOST_TEXT:
            text = f"more than {MOST_TEXT} characters, with the aliases (*) followed"
            raise SettingsError([Problem(self.file, _place(node), path[:2], text)])
        try:
            return str(node.value).encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            self._report(node, path, "half a character: a \\ud800…\\udfff escape without its partner")
            return ""

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node, merged in self._pairs(node, path, len(path)):
            if not isinstance(key_node, yaml.ScalarNode) or not key_node.value:
                self._report(key_node, path, "expected a key of plain text before the colon")
                continue
            key = self._text(key_node, path)
            if key not in result:
                self.keys[*path, key] = _place(key_node)
                result[key] = self.build(value_node, (*path, key))
            elif not merged:
                first = self.keys[*path, key]
                self._report(
                    key_node, (*path, key), f"this key is already on line {first.line}; keep one of the two"
                )
        return result

    def _pairs(
        self, node: yaml.MappingNode, path: KeyPath, depth: int
    ) -> Iterator[tuple[yaml.Node, yaml.Node, bool]]:
        """Yield key, value and whether it came by `<<`; the mapping's own ones first, since they win."""
        self._spend(node, path, depth)
        yield from ((key, value, False) for key, value in node.value if key.tag != _MERGE)
        for source in (value for key, value in node.value if key.tag == _MERGE):
            several = source.value if isinstance(source, yaml.SequenceNode) else [source]
            for mapping in several:
                if isinstance(mapping, yaml.MappingNode):
                    yield from ((key, value, True) for key, value, _ in self._pairs(mapping, path, depth + 1))
                else:
                    self._report(mapping, path, "`<<` takes a mapping or a list of mappings, such as *name")
