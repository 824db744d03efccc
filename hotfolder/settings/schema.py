"""The JSON Schema of the configuration, for editors; the attributes' docstrings are its descriptions."""

import ast
import inspect
import itertools
import textwrap
from typing import Any

from pydantic.fields import FieldInfo

from hotfolder.settings.connections import (
    CONNECTIONS,
    Errors,
    Limits,
    Login,
    Retry,
    Timeouts,
    Upload,
)
from hotfolder.settings.notify import TARGETS, Notify
from hotfolder.settings.program import Log, Settings
from hotfolder.settings.quantities import DURATION_PATTERN, duration_text
from hotfolder.settings.queues import Queue, Retain
from hotfolder.settings.section import Section
from hotfolder.settings.web import Http, Tls
from hotfolder.settings.webhooks import Signature, Webhook

SECTIONS: tuple[type[Section], ...] = (
    Settings,
    *CONNECTIONS.values(),
    *TARGETS.values(),
    Queue,
    Errors,
    Http,
    Limits,
    Log,
    Login,
    Notify,
    Retain,
    Retry,
    Signature,
    Timeouts,
    Tls,
    Upload,
    Webhook,
)


def config_schema() -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the configuration, keys as in YAML."""
    schema = Settings.model_json_schema(by_alias=True)
    # Left out, it comes from the environment.
    schema["required"].remove("state_dir")
    # Left out, it lies below `root`.
    schema["$defs"]["Queue"]["required"].remove("folder")
    for section in SECTIONS:
        described = schema if section is Settings else schema["$defs"][section.__name__]
        _describe(section, described["properties"])
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _describe(section: type[Section], properties: dict[str, Any]) -> None:
    texts = attribute_docstrings(section)
    for attribute, field in section.model_fields.items():
        shown = properties.get(str(field.alias))
        if shown is not None:
            shown["description"] = texts[attribute]
            shown.pop("title", None)
            _write_default(shown, field)


def _write_default(shown: dict[str, Any], field: FieldInfo) -> None:
    """Show a default as people write it, or leave it to the keys below."""
    if isinstance(field.default, Section):
        del shown["default"]
    elif isinstance(field.default, float) and _is_duration(shown):
        shown["default"] = duration_text(field.default)


def _is_duration(shown: dict[str, Any]) -> bool:
    return any(choice.get("pattern") == DURATION_PATTERN for choice in (shown, *shown.get("anyOf", ())))


def attribute_docstrings(section: type[Section]) -> dict[str, str]:
    """Return the docstrings of a section's attributes, inherited ones included.

    Read from the source, and only here: pydantic's own way does it at each import (40 ms).
    """
    found: dict[str, str] = {}
    for kind in reversed(section.__mro__):
        if issubclass(kind, Section):
            tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
            statements = [
                statement for top in tree.body if isinstance(top, ast.ClassDef) for statement in top.body
            ]
            for before, after in itertools.pairwise(statements):
                match before, after:
                    case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(
                        value=ast.Constant(value=str(text))
                    ):
                        found[name] = text
    return found
