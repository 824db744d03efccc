"""Take the JSON of others in such a way that it can be written and read again (pure)."""

import json
import math
from typing import Any

MOST_LEVELS = 40
"""Lists and mappings within each other that are kept of what others write: far above what services and companions
have (below ten), as for YAML, and with the levels around it far below the 200 that pydantic reads back from a row."""


def loads(content: bytes) -> Any:
    """Return a JSON document, infinities and NaN being null in it; raises ValueError and RecursionError."""
    return json.loads(content, parse_constant=_no_number, parse_float=_number)


def _no_number(name: str) -> None:
    """Read NaN and infinities, which are no JSON and would make the sidecar none, as null."""
    del name


def _number(text: str) -> float | None:
    """Read what is too large for a number of ours as null: it would be an infinity."""
    number = float(text)
    return number if math.isfinite(number) else None


def nests_too_deeply(value: Any) -> bool:
    """Tell whether lists and mappings lie within each other more than `MOST_LEVELS` deep."""
    level = [value]
    for _ in range(MOST_LEVELS + 1):
        inner = [one for one in level if isinstance(one, dict | list)]
        if not inner:
            return False
        level = [item for one in inner for item in (one.values() if isinstance(one, dict) else one)]
    return True


def pruned(value: Any, levels: int = MOST_LEVELS) -> Any:
    """Return a value in which null stands for the lists and mappings below so many levels."""
    if not isinstance(value, dict | list):
        return value
    if levels == 0:
        return None
    if isinstance(value, list):
        return [pruned(item, levels - 1) for item in value]
    return {key: pruned(item, levels - 1) for key, item in value.items()}
