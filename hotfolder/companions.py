"""Read what a companion says of its document: JSON, YAML or XML, of one shape (pure)."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn
from xml.parsers import expat

from hotfolder.checks.foreign import MOST_LEVELS, nests_too_deeply
from hotfolder.model import Own
from hotfolder.settings.problems import SettingsError
from hotfolder.settings.yaml_source import read_yaml

LARGEST_BYTES = 64 << 10
"""Far above what services take as metadata (Rossum: 4 kB), far below what hurts in a row of the journal."""
_INFLATED = 6
"""JSON spells a character outside ASCII with six."""
_FORMS = {".json": "json", ".yaml": "yaml", ".yml": "yaml", ".xml": "xml"}
_MAPPINGS, _TEXTS = ("metadata", "values"), ("queue_id", "document_class")
_KEYS = (*_MAPPINGS, *_TEXTS)
_SHAPE = f"a companion has {', '.join(_KEYS)}"


class CompanionError(ValueError):
    """No companion; `str()` says what is wrong, and on which line where that is known."""


def form_of(template: str) -> str:
    """Return the form of the companions that a template names, by its extension: `json`, `yaml` or `xml`."""
    return next(form for ending, form in _FORMS.items() if template.lower().endswith(ending))


def parse(content: bytes, form: str) -> Own:
    """Return what a companion says; raises `CompanionError`."""
    if len(content) > LARGEST_BYTES:
        raise CompanionError(f"it is larger than {LARGEST_BYTES >> 10} KiB")
    if not content.strip():
        raise CompanionError("it is empty")
    try:
        found = {"json": _json, "yaml": _yaml, "xml": _xml}[form](content)
    except RecursionError:
        raise CompanionError("it is nested too deeply") from None
    if nests_too_deeply(found):
        raise CompanionError(f"it is nested deeper than {MOST_LEVELS} levels")
    own = _own(found)
    if len(json.dumps(found)) > _INFLATED * LARGEST_BYTES:
        raise CompanionError("it is too large once its aliases (*) are followed")
    return own


# Its shape ---------------------------------------------------------------------------------------


def _own(found: Any) -> Own:
    if not isinstance(found, dict):
        raise CompanionError(f"expected keys and values: {_SHAPE}")
    unknown = sorted(found.keys() - set(_KEYS))
    if unknown:
        raise CompanionError(f"`{unknown[0]}` is not known: {_SHAPE}")
    for text in _texts_in(found):
        if not text.isascii() and text != text.encode("utf-8", "replace").decode():
            raise CompanionError("half a character: a \\ud800…\\udfff escape without its partner")
    metadata, values = (_mapping(key, found.get(key)) for key in _MAPPINGS)
    queue_id, document_class = (_text(key, found.get(key)) for key in _TEXTS)
    return Own(metadata, values, queue_id, document_class)


def _mapping(key: str, value: Any) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise CompanionError(f"`{key}` must hold keys and values")
    return value


def _text(key: str, value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and key == "queue_id":
        return str(value)
    if not isinstance(value, str) or not value.strip() or not value.isprintable():
        kind = "a whole number or text" if key == "queue_id" else "text"
        raise CompanionError(f"`{key}` must be {kind}")
    return value


def _texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            yield from _texts_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts_in(item)


# Its forms ---------------------------------------------------------------------------------------


def _json(content: bytes) -> Any:
    try:
        return json.loads(
            _decoded(content),
            object_pairs_hook=_once,
            parse_float=_finite,
            parse_constant=_finite,
        )
    except json.JSONDecodeError as problem:
        raise CompanionError(f"line {problem.lineno}: not valid JSON: {problem.msg}") from None
    except CompanionError:
        raise
    except ValueError:  # a whole number of thousands of digits
        raise CompanionError("a number is too long") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise CompanionError(f"`{twice}` stands there twice; keep one of the two")
    return found


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise CompanionError(f"{text} is no number that a service takes")
    return number


def _yaml(content: bytes) -> Any:
    try:
        document = read_yaml(_decoded(content), Path())
        problems = document.problems
    except SettingsError as error:
        problems = error.problems
    if not problems:
        return document.value
    first = problems[0]
    if not first.path and first.text.startswith(("the file is empty", "expected keys")):
        raise CompanionError(f"expected keys and values: {_SHAPE}")
    line = first.place.line if first.place else 1
    raise CompanionError(f"line {line}: {first.text}")


def _decoded(content: bytes) -> str:
    """Return text in whichever Unicode form its first bytes tell (RFC 4627 §3)."""
    try:
        return content.decode(json.detect_encoding(content)).removeprefix("\ufeff")
    except UnicodeDecodeError as problem:
        line = content[: problem.start].count(b"\n") + 1
        raise CompanionError(f"line {line}: not in UTF-8") from None


def _xml(content: bytes) -> Any:
    reader = _XmlReader()
    try:
        reader.parser.Parse(content, True)
    except expat.ExpatError as problem:
        said = expat.ErrorString(problem.code)
        raise CompanionError(f"line {problem.lineno}: not valid XML: {said}") from None
    return reader.found


class _XmlReader:
    """Reads `<any><metadata><site>Prague</site>…</metadata><queue_id>7</queue_id></any>`, and nothing richer."""

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}
        self._path: list[str] = []
        self._text: list[str] = []
        self.parser = parser = expat.ParserCreate(namespace_separator=" ")
        parser.XmlDeclHandler = self._declared
        parser.StartDoctypeDeclHandler = self._refuse
        parser.StartElementHandler = self._open
        parser.EndElementHandler = self._close
        parser.CharacterDataHandler = self._text.append

    def _complain(self, text: str) -> NoReturn:
        raise CompanionError(f"line {self.parser.CurrentLineNumber}: {text}")

    def _declared(self, _version: str, encoding: str | None, _standalone: int) -> None:
        if encoding is not None and encoding.lower() not in {"utf-8", "utf-16", "us-ascii"}:
            self._complain(f"encoding {encoding}; write it in UTF-8")

    def _refuse(self, *_: Any) -> None:
        self._complain("a document type (<!DOCTYPE) is not taken; leave it out")

    def _open(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition(" ")[2]
        if "".join(self._text).strip():
            self._complain(f"text beside <{name}>; expected elements alone")
        self._text.clear()
        depth = len(self._path)
        if depth == 1 and name not in _KEYS:
            self._complain(f"<{name}> is not known: {_SHAPE}")
        if depth == 1 and name in self.found:
            self._complain(f"<{name}> stands there twice; keep one of the two")
        if depth == 1 and name in _MAPPINGS:
            self.found[name] = {}
        if depth == 2 and self._path[1] in _MAPPINGS:  # noqa: PLR2004 — below root and mapping
            name = attributes.get("name", name)
            if name in self.found[self._path[1]]:
                self._complain(f"`{name}` stands there twice; keep one of the two")
        elif depth > 1:
            self._complain(f"<{name}> is nested too deeply")
        self._path.append(name)

    def _close(self, _tag: str) -> None:
        *above, name = self._path
        text = "".join(self._text).strip()
        self._text.clear()
        self._path.pop()
        if len(above) == 2:  # noqa: PLR2004 — below root and mapping
            self.found[above[1]][name] = text
        elif len(above) == 1 and name in _TEXTS:
            self.found[name] = text
        elif text:
            self._complain(f"text in <{name}>; expected elements alone")
