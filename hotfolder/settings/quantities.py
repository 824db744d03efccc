"""Durations and sizes as people write them: `1h30m`, `25MiB`."""

import re
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationInfo, WithJsonSchema

from hotfolder.settings.section import origin_of

UNITS_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1_000, "ms": 1}
UNITS_BYTES = {
    "": 1,
    "B": 1,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}
LONGEST_S = 3650 * 86_400.0
"""Ten years: a longer wait is a slip of the finger, and far from what clocks and sleeps overflow at."""

_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,6})?"
DURATION_PATTERN = "^(?:0|(?=.)" + "".join(f"(?:{_NUMBER}{unit})?" for unit in UNITS_MS) + ")$"
SIZE_PATTERN = f"^{_NUMBER} ?(?:" + "|".join(UNITS_BYTES) + ")$"
_DURATION_PART = re.compile(f"({_NUMBER})(ms|[dhms])")
_SIZE = re.compile(f"({_NUMBER}) ?([A-Za-z]*)")


def parse_duration_s(text: str) -> float:
    """Return the seconds of `500ms`, `2s`, `1h30m` or `0`.

    Raises ValueError, in words for the operator, for anything else.
    """
    if re.fullmatch(_NUMBER, text) and Decimal(text):
        raise ValueError("a number needs its unit: write 30s, 10m, 1h or 7d")
    if not re.match(DURATION_PATTERN, text) or text.endswith("\n"):
        raise ValueError("expected a duration such as 500ms, 2s, 10m, 1h30m or 7d")
    total_ms = sum(Decimal(number) * UNITS_MS[unit] for number, unit in _DURATION_PART.findall(text))
    if total_ms > LONGEST_S * 1000:
        raise ValueError("the duration is longer than ten years (3650d)")
    return float(total_ms) / 1000


def duration_text(seconds: float) -> str:
    """Write seconds (a whole number of milliseconds) the way `parse_duration_s` reads them."""
    left_ms = round(seconds * 1000)
    parts = []
    for unit, size_ms in UNITS_MS.items():
        count, left_ms = divmod(left_ms, size_ms)
        parts += [f"{count}{unit}"] if count else []
    return "".join(parts) or "0s"


def parse_size_bytes(text: str) -> int:
    """Return the bytes of `25MiB`, `40MB`, `512 kB` or `1024`.

    Raises ValueError, in words for the operator, for anything else.
    """
    match = _SIZE.fullmatch(text)
    if not match or match[2] not in UNITS_BYTES:
        raise ValueError("expected a size such as 25MiB, 40MB, 512kB or a number of bytes")
    return int(Decimal(match[1]) * UNITS_BYTES[match[2]])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _duration(value: Any, info: ValidationInfo) -> float:
    if isinstance(value, str):
        return parse_duration_s(value)
    if not _is_number(value):
        raise ValueError("expected a duration such as 500ms, 2s, 10m, 1h30m or 7d")
    if value and origin_of(info):
        raise ValueError("a number needs its unit: write 30s, 10m, 1h or 7d")
    if not 0 <= value <= LONGEST_S:
        raise ValueError("a duration is between 0s and ten years (3650d)")
    return float(value)


def _waiting(value: Any, info: ValidationInfo) -> float:
    seconds = _duration(value, info)
    if not seconds:
        raise ValueError("the duration must be longer than 0s")
    return seconds


def size_of(value: Any) -> int:
    """Return the bytes that a YAML value stands for.

    Raises ValueError, in words for the operator, for what is no size.
    """
    if isinstance(value, str):
        return parse_size_bytes(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("expected a size such as 25MiB, 40MB, 512kB or a number of bytes")
    return value


_DURATION_SCHEMA = WithJsonSchema({"type": ["string", "integer"], "pattern": DURATION_PATTERN, "maximum": 0})

Seconds = Annotated[float, BeforeValidator(_duration), _DURATION_SCHEMA]
"""A duration in seconds, 0 included; text with a unit in YAML."""
Wait = Annotated[float, BeforeValidator(_waiting), _DURATION_SCHEMA]
"""A duration in seconds, longer than nothing; text with a unit in YAML."""
SIZE_SCHEMA = {"type": ["string", "integer"], "pattern": SIZE_PATTERN, "minimum": 0}
Bytes = Annotated[int, BeforeValidator(size_of), WithJsonSchema(SIZE_SCHEMA)]
"""A size in bytes; a number or text with a unit in YAML."""
Count = Annotated[int, Field(strict=True, gt=0)]
"""A whole number, at least 1."""
