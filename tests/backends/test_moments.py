"""Moments are read in every form that an answer may hold, and written in one."""

from typing import Any

import pytest

from hotfolder.backends.moments import http_date, iso, moment


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("1970-01-01T00:01:00Z", 60.0),
        ("1970-01-01T00:01:00", 60.0),
        ("1970-01-01T01:01:00+01:00", 60.0),
        (" 1970-01-01T00:01:00.5Z ", 60.5),
        (60, 60.0),
        ("yesterday", None),
        ("", None),
        (None, None),
        (True, None),
        ({}, None),
    ],
)
def test_moment(value: Any, seconds: float | None) -> None:
    """With or without zone, with parts of a second, as a number; anything else is None."""
    assert moment(value) == seconds


def test_round_trip() -> None:
    """What is written can be read, in UTC with Z."""
    assert iso(1_700_000_000.25) == "2023-11-14T22:13:20.250000Z"
    assert moment(iso(1_700_000_000.25)) == 1_700_000_000.25


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Thu, 01 Jan 1970 00:01:00 GMT", 60.0),
        ("Thu, 01 Jan 1970 01:01:00 +0100", 60.0),
        ("Thu, 99 Jan 1970 00:01:00 GMT", None),
        ("now", None),
        ("", None),
        (None, None),
    ],
)
def test_date_of_an_answer(text: str | None, seconds: float | None) -> None:
    """A proxy's odd date is no date."""
    assert http_date(text) == seconds
