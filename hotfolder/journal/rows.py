"""How a journey is written down in a row, and read from one (pure)."""

import json
from base64 import urlsafe_b64encode

from pydantic import TypeAdapter

from hotfolder.checks.names import escaped, printable
from hotfolder.model import Journey

_JOURNEY: TypeAdapter[Journey] = TypeAdapter(Journey)


def dump(journey: Journey) -> str:
    """Return a journey as JSON, without what is as usual."""
    plain = _JOURNEY.dump_python(journey, exclude_defaults=True)
    # Pydantic's own JSON fails at a lone surrogate in a key, and a service may send one.
    return escaped(json.dumps(plain, ensure_ascii=False, default=_base64))


def _base64(name: bytes) -> str:
    """Write bytes as pydantic reads them (`val_json_bytes`)."""
    return urlsafe_b64encode(name).decode()


def place_in_words(journey: Journey) -> str:
    """Return where a document was dropped, below the drop folder, as text."""
    return printable(b"/".join(filter(None, (journey.folder, journey.name))))


def plan_text(plan: tuple[tuple[bytes, bytes], ...]) -> str:
    """Return what a batch was to hold as JSON, names in hex."""
    return json.dumps([[folder.hex(), name.hex()] for folder, name in plan])


def plan_of(text: str) -> tuple[tuple[bytes, bytes], ...]:
    """Return what a batch was to hold."""
    return tuple((bytes.fromhex(folder), bytes.fromhex(name)) for folder, name in json.loads(text))


def load(text: str) -> Journey:
    """Return the journey of a row; raises `ValueError` for what no version of this program wrote."""
    return _JOURNEY.validate_json(text)
