"""What the walk knows of PDF beyond the samples."""

import io

import pikepdf
import pytest

from hotfolder.checks.walk import Wholeness, walk
from hotfolder.checks.window import BytesWindow
from tests.checks.samples import PDF, all_samples, reportlab_pdf, written_by_hand


def look(content: bytes) -> Wholeness:
    """Walk over a PDF in memory."""
    return walk(PDF, BytesWindow(content))


def with_table(table: bytes, *, stated: int = 9) -> bytes:
    """Write a file of nothing but a header and this table."""
    return b"%PDF-1.5\n" + table + b"\nstartxref\n%d\n%%%%EOF\n" % stated


@pytest.mark.parametrize(
    ("after", "whole"),
    [
        (b"\r\n\r\n", True),
        (bytes(16_000), True),
        (bytes(17_000), False),
        (b"%%EOF\n%%EOF", True),
        (b"\r\n0\r\n\r\n", True),
        (b"<!-- scanned by a multifunction printer -->", True),
        (b"\n7", False),
        (b"\n7 0", False),
        (b"\n7 0 o", False),
        (b"\n7 0 obj<</Type/Page>>", False),
        (b"\n% changed\n7 0 obj", False),
        (b"\n% 7 0 obj", True),
        (b"\nxr", False),
        (b"\nend", False),
        (b"\nendstream\nendobj", False),
        (b" junk\n7 0 obj<<>>", False),
        (b"\nxref\n0 0", False),
    ],
)
def test_what_follows_the_end_is_junk_or_a_begun_revision(after, whole):
    """White space, comments and junk are harmless, the first byte of another object or table is not."""
    assert look(reportlab_pdf().rstrip() + after).whole == whole


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"hello", "the file does not begin like a PDF"),
        (
            b"%PDF-1.7\n1 0 obj",
            "the PDF ends before its cross-reference table (startxref is missing)",
        ),
        (b"%PDF-1.7\nstartxref\n12", "the PDF ends within its last lines (%%EOF is missing)"),
        (
            with_table(b"nothing"),
            "the PDF is damaged (something else stands where its cross-reference table should be)",
        ),
        (
            with_table(b"1 0 obj<</Type/Page>>stream\nendstream"),
            "the PDF is damaged (something else stands where its cross-reference table should be)",
        ),
        (
            with_table(b"xref\n0 1\n\0\0\0\0\0trailer<</Root 1 0 R>>"),
            "the PDF is damaged (something else stands where its cross-reference table should be)",
        ),
        (
            with_table(b"xref\n0 0\ntrailer<</Size 0>>"),
            "the PDF is damaged (its cross-reference table names no document root)",
        ),
        (
            with_table(b"xref\n0 0\ntrailer<</Root 1 0 R/Prev 999>>"),
            "the file ends before or in the PDF's cross-reference table",
        ),
        (
            with_table(b"xref\n0 1\n0000009999 00000 n \ntrailer<</Root 1 0 R>>"),
            "the file ends before or in an object that the PDF's cross-reference table lists",
        ),
        (
            with_table(b"xref\n0 0\ntrailer<</Root 1 0 R/XRefStm 11>>"),
            "the PDF is damaged (something else stands where its cross-reference table should be)",
        ),
        (
            with_table(b"1 0 obj<</Type/XRef/Root 1 0 R/Length 999>>stream\nabc\nendstream"),
            "the file ends before or in the PDF's cross-reference table",
        ),
        (
            with_table(b"1 0 obj<</Type/XRef/Root 1 0 R/Length 3>>stream\n" + bytes(40) + b"\nendstream"),
            "the PDF is damaged (something else stands where its cross-reference table should be)",
        ),
    ],
)
def test_the_reason_names_what_is_missing(content, reason):
    """The sentence tells an unfinished file from a damaged one."""
    assert look(content) == Wholeness(whole=False, reason=reason)


@pytest.mark.parametrize(
    "table",
    [
        b"xref\n0 0\ntrailer<</Root 1 0 R/Prev 9>>",
        b"xref\n0 0\ntrailer<</Root 1 0 R/Prev 0>>",
        b"xref\n0 0\ntrailer<</Root 1 0 R/Prev 999 0 R>>",
        b"\r\n xref\n0 0\ntrailer <</Root 1 0 R>>",
        b"1 0 obj<</Type/XRef/Root 1 0 R/Length 3>>stream\r\nabc\r\nendstream",
        b"1 0 obj<</Type/XRef/Root 1 0 R/Length 2 0 R>>stream\nabc\nendstream",
        b"1 0 obj<</Type/XRef/Index[" + b"0 1 " * 20_000 + b"]/Root 1 0 R/Length 0>>stream\n\nendstream",
        b"xref\n0 90000\n" + b"0000000009 00000 n \n" * 90_000 + b"trailer<</Root 1 0 R>>",
    ],
    ids=[
        "circle",
        "no predecessor",
        "indirect",
        "spaces",
        "stream",
        "indirect length",
        "long index",
        "long table",
    ],
)
def test_sloppy_and_unusual_tables_are_taken(table):
    """What readers cope with, and what says nothing about a cut, is no reason to refuse."""
    assert look(with_table(table)) == Wholeness(whole=True)


@pytest.mark.parametrize("entry_offset", range(40))
def test_an_entry_is_checked_wherever_it_stands_in_a_long_table(entry_offset):
    """An entry that lies across two looks is not overlooked."""
    entries = [b"0000000009 00000 n \n"] * 200
    entries[80 + entry_offset] = b"9999999999 00000 n \n"
    assert not look(with_table(b"xref\n0 200\n" + b"".join(entries) + b"trailer<</Root 1 0 R>>")).whole


@pytest.mark.parametrize("stated", [0, 3, 999_999])
def test_a_wrong_startxref_does_no_harm_where_a_table_stands_before_it(stated):
    """SANE's scanimage states 0 in every PDF that it writes."""
    whole = written_by_hand()
    number = whole.split(b"startxref\n")[1].split(b"\n")[0]
    wrong = whole.replace(b"startxref\n" + number, b"startxref\n%d" % stated)
    assert look(wrong).whole
    assert not any(look(wrong[:length]).whole for length in range(len(wrong) - 1))


def test_a_cut_linearised_file_is_told_by_the_length_that_it_states():
    """The reason says how much is missing."""
    content = all_samples()["PDF: pikepdf, linearised"].content
    reason = look(content[:-100]).reason
    assert reason == f"the PDF says that it has {len(content)} bytes, but only {len(content) - 100} are here"


def test_an_attached_pdf_may_be_taken_for_the_end_just_where_it_ends():
    """This is a known hole of a few bytes: an uncompressed attachment, and a cut right after it."""
    target, inner = io.BytesIO(), reportlab_pdf()
    with pikepdf.open(io.BytesIO(reportlab_pdf())) as document:
        document.attachments["inner.pdf"] = inner
        document.save(target, compress_streams=False)
    content = target.getvalue()
    end = content.index(inner) + len(inner.rstrip())
    assert content[end:].startswith(b"\n\nendstream")
    taken = [length for length in range(len(content)) if look(content[:length]).whole]
    assert taken == [end, end + 1, end + 2, len(content) - 1]


def test_an_untrue_length_of_linearisation_does_no_harm():
    """Programs that rewrite a file leave the dictionary behind."""
    content = all_samples()["PDF: pikepdf, linearised"].content
    number = b"%d" % len(content)
    assert look(content.replace(b"/L " + number, b"/L " + b"9" * len(number), 1)).whole


def test_a_table_that_was_zeroed_in_the_middle_of_the_file_is_found():
    """A part that was never written shows where the table leads there."""
    content = all_samples()["PDF: pypdf, incremental"].content
    first = content.index(b"xref\n")
    assert not look(content[:first] + bytes(40) + content[first + 40 :]).whole
