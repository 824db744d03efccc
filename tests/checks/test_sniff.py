import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfolder.checks.sniff import foreign, is_record, may_become, sniff
from tests.checks.samples import all_samples

ISO_MEDIA = b"\0\0\0\x18ftyp"


@pytest.mark.parametrize("name", all_samples())
def test_every_sample_is_recognised_by_its_beginning(name):
    """The media type is the content's, whoever wrote it; and it is nothing foreign."""
    sample = all_samples()[name]
    assert sniff(sample.content[:1029]) == sample.media_type
    assert foreign(sample.content) is None


@pytest.mark.parametrize("head", [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"])
def test_both_byte_orders_of_tiff_and_bigtiff_are_recognised(head):
    """Four signatures are TIFF."""
    assert sniff(head + bytes(12)) == "image/tiff"


def test_a_pdf_may_begin_anywhere_in_the_first_kilobyte():
    """%PDF- is found up to offset 1,024 and not behind it."""
    assert sniff(b"x" * 1024 + b"%PDF-1.7") == "application/pdf"
    assert sniff(b"x" * 1025 + b"%PDF-1.7") is None


def test_a_picture_that_mentions_pdf_stays_a_picture():
    """A signature at the very start wins over %PDF- somewhere behind it."""
    assert sniff(b"\xff\xd8\xff\xfe\0\x20%PDF-1.7") == "image/jpeg"


@pytest.mark.parametrize("head", [b"", b"%PD", b"\x89PNG\r\n", b"II", b"\xff\xd8", b"hello", bytes(4096)])
def test_too_little_or_something_else_is_no_media_type(head):
    """Half a signature is none."""
    assert sniff(head) is None


@pytest.mark.parametrize("name", all_samples())
def test_a_document_of_which_only_some_bytes_have_come_may_become_one(name):
    """No beginning of a document, nor of a print job around it, is taken for something else for good."""
    content = all_samples()[name].content
    assert all(sniff(content[:length]) or may_become(content[:length]) for length in range(11, 100))
    if not content.startswith(b"\x1b"):
        assert all(sniff(content[:length]) or may_become(content[:length]) for length in range(1, 11))


@pytest.mark.parametrize("head", [b"", b"hello", b"GIF89a", b"@PJL".ljust(1029), bytes(4)])
def test_what_cannot_become_a_document_any_more_is_known(head):
    """Nothing at all, another signature, or a kilobyte without %PDF-."""
    assert not may_become(head)


def zipped(name: str, content: str = "") -> bytes:
    """Write a ZIP archive with one file."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(name, content)
    return target.getvalue()


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (ISO_MEDIA + b"heic", "a HEIC photo"),
        (ISO_MEDIA + b"mif1", "a HEIC photo"),
        (ISO_MEDIA + b"avif", "an AVIF picture"),
        (ISO_MEDIA + b"isom", "a video or sound recording (MP4, QuickTime)"),
        (b"GIF89a", "a GIF picture"),
        (b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", "a BMP picture"),
        (b"RIFF\x24\0\0\0WEBPVP8 ", "a WebP picture"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 picture"),
        (b"\xff\x0a\xfa", "a JPEG XL picture"),
        (b"8BPS\0\1", "a Photoshop picture"),
        (b"AT&TFORM\0\0\1\0DJVM", "a DjVu document"),
        (b"%!PS-Adobe-3.0", "a PostScript document"),
        (b"\x1b%-12345X@PJL\n", "a print job (PJL)"),
        (rb"{\rtf1\ansi", "an RTF document"),
        (zipped("[Content_Types].xml"), "a Word, Excel or PowerPoint document"),
        (
            zipped("mimetype", "application/vnd.oasis.opendocument.text"),
            "an OpenDocument document (LibreOffice)",
        ),
        (zipped("mimetype", "application/epub+zip"), "an EPUB book"),
        (zipped("scan.pdf"), "a ZIP archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document or an Outlook message"),
        (b"\x1f\x8b\x08", "a compressed archive"),
        (b"\x7fELF\2", "a program"),
        (b"\xef\xbb\xbf <!DOCTYPE html><p>", "a web page (HTML)"),
        (b'<?xml version="1.0"?>\n<svg>', "an SVG drawing"),
        (b'<?xml version="1.0"?><Invoice/>', "an XML file"),
        (b"Return-Path: <a@b.example>\r\n", "an e-mail message"),
        ("Účtenka č. 5\r\n".encode(), "plain text"),
        ("Účtenka".encode("utf-16"), "plain text"),
        (b"", None),
        (bytes(4096), None),
        (b"\x01\x02\x03\x04", None),
    ],
)
def test_what_people_drop_by_mistake_is_named_in_plain_language(head, name):
    """The name is for the message that refuses the file; nothing known is None, and so are NUL bytes."""
    assert foreign(head) == name


@given(st.binary(max_size=2048))
def test_no_bytes_make_it_fail(head):
    """At most one of the two has an answer, whatever the bytes."""
    assert sniff(head) is None or foreign(head) is None


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b'{\n  "schema": "hotfolder/sidecar/1",\n', True),
        (b'{"schema": "hotfolder/sidecar/2"', True),
        (b'{"schema": "hotfolder/annotations/1", "fetched_at":', True),
        (b'{"schema": "invoice/1"}', False),
        (b'{"invoice": {"schema": "hotfolder/sidecar/1"}}', False),
        (b"", False),
    ],
)
def test_our_own_records_are_known(head: bytes, expected: bool) -> None:  # noqa: FBT001 — a parameter
    """A sidecar, and what was found in a document, are told by how they begin, of whatever version; other JSON is not."""
    assert is_record(head) is expected
