"""Moments in answers and questions: ISO 8601 in and out, seconds since 1970 within (pure)."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any


def moment(value: Any) -> float | None:
    """Read an ISO 8601 text or a number of seconds since 1970; a time without zone is UTC; None for else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, str):
        return None
    try:
        read = datetime.fromisoformat(value.strip())
        return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def iso(seconds: float) -> str:
    """Write seconds since 1970 as ISO 8601 in UTC with Z."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def http_date(text: str | None) -> float | None:
    """Read a `Date` header (RFC 9110 §5.6.7) as seconds since 1970; None for else."""
    try:
        return parsedate_to_datetime(text or "").timestamp()
    except (ValueError, OverflowError):
        return None
