"""The forms of a line."""

import json
from datetime import UTC, datetime

import pytest

from hotfolder.logs.forms import FORMS, LONGEST_CHARS, Said, as_journal, as_json, as_text

AT = datetime(2026, 12, 1, 8, 15, 2, 345678, tzinfo=UTC)
ABOUT = {"upload_id": "0190-1", "file": "scan.pdf", "queue": "invoices", "connection": "acme"}
HOSTILE = "a\x1b[2J\x9bb\u202e\u2066c\u2028d\x00\udc80\r\t\U000e0001"
"""A terminal's orders, overrides of direction, separators, a byte that is no UTF-8, a tag that nobody sees."""


def test_a_line_about_a_document_ends_in_its_id() -> None:
    """Text and journal carry the id in a fixed place, also before a traceback."""
    said = Said(AT, "ERROR", "queue invoices: scan.pdf failed\nTraceback\n  line", ABOUT)
    first, *further = as_text(said).splitlines()
    assert first == "2026-12-01 08:15:02.345 ERROR   queue invoices: scan.pdf failed [id 0190-1]"
    assert further == ["    Traceback", "      line"]
    assert as_journal(said).splitlines()[0] == "<3>queue invoices: scan.pdf failed [id 0190-1]"


def test_json_has_what_a_line_is_about_as_keys() -> None:
    """Programs find queue, connection, file and id without reading the sentence."""
    line = as_json(Said(AT, "INFO", "queue invoices: scan.pdf filed", ABOUT))
    assert json.loads(line) == {
        "time": "2026-12-01T08:15:02.345+00:00",
        "level": "INFO",
        "message": "queue invoices: scan.pdf filed",
        **ABOUT,
    }


def test_nothing_that_a_line_is_about_replaces_its_own_keys() -> None:
    """Whatever a library binds, time, level and message are ours."""
    line = as_json(Said(AT, "INFO", "said", {"level": "x", "message": "y", "time": "z", "other": 1}))
    assert json.loads(line) == {
        "time": "2026-12-01T08:15:02.345+00:00",
        "level": "INFO",
        "message": "said",
        "other": 1,
    }


@pytest.mark.parametrize("form", sorted(FORMS))
def test_nothing_moves_a_cursor_or_hides(form: str) -> None:
    """In each form, in message and keys alike, only what can be printed stands as itself."""
    text = FORMS[form](Said(AT, "INFO", HOSTILE, {"upload_id": HOSTILE}))
    assert text.endswith("\n")
    assert text[:-1].isprintable()
    text.encode()


def test_json_keeps_what_it_spells_out() -> None:
    """A reader of JSON gets the text as it was, its breaks too."""
    assert json.loads(as_json(Said(AT, "INFO", HOSTILE + "\nž")))["message"] == HOSTILE + "\nž"


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_message_is_bounded(form: str) -> None:
    """One message cannot fill a disk, nor be cut by journald."""
    text = FORMS[form](Said(AT, "INFO", "x" * (LONGEST_CHARS + 7)))
    assert "… (7 more characters)" in text
    assert len(text) < LONGEST_CHARS + 200
