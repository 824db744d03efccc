"""Tell from its first bytes what a file is: one of the four media types, or something else known."""

import re
from collections.abc import Sequence

PDF, JPEG, PNG, TIFF = "application/pdf", "image/jpeg", "image/png", "image/tiff"

HEAD_BYTES = 4096
"""How much of a file's beginning is worth giving to `foreign`; `sniff` needs the first 1,029 bytes."""
_PDF_WITHIN = 1024 + len(b"%PDF-")
"""Readers look for %PDF- in the first 1,024 bytes (PDF Reference 1.7, appendix H, note 13)."""

_AT_THE_START = (
    (b"\xff\xd8\xff", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"II+\0", TIFF),
    (b"MM\0+", TIFF),
)

_FOREIGN: Sequence[tuple[bytes, str]] = (
    (rb"....ftyp(?:hei|hev|mif1|msf1)", "a HEIC photo"),
    (rb"....ftypavi[fs]", "an AVIF picture"),
    (rb"....ftyp", "a video or sound recording (MP4, QuickTime)"),
    (rb"GIF8[79]a", "a GIF picture"),
    (rb"BM.{4}\0\0\0\0.{4}[\x0c\x28\x40\x6c\x7c]\0\0\0", "a BMP picture"),
    (rb"RIFF....WEBP", "a WebP picture"),
    (rb"RIFF....(?:AVI |WAVE)", "a video or sound recording (AVI, WAV)"),
    (rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (rb"8BPS", "a Photoshop picture"),
    (rb"AT&TFORM....DJV", "a DjVu document"),
    (rb"%!PS|\xc5\xd0\xd3\xc6", "a PostScript document"),
    (rb"\x1b%-12345X|@PJL", "a print job (PJL)"),
    (rb"\{\\rtf", "an RTF document"),
    (rb"PK\x03\x04.*(?:\[Content_Types\]\.xml|word/|xl/|ppt/)", "a Word, Excel or PowerPoint document"),
    (rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis", "an OpenDocument document (LibreOffice)"),
    (rb"PK\x03\x04.{26}mimetypeapplication/epub", "an EPUB book"),
    (rb"PK\x03\x04|PK\x05\x06", "a ZIP archive"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document or an Outlook message"),
    (
        rb"\x1f\x8b|BZh[1-9]|\xfd7zXZ\0|\x28\xb5\x2f\xfd|7z\xbc\xaf\x27\x1c|Rar!\x1a\x07",
        "a compressed archive",
    ),
    (rb"MZ.{56}|\x7fELF", "a program"),
    (rb"(?i:(?:\xef\xbb\xbf)?\s*(?:<!doctype\s+html|<html|<head|<body))", "a web page (HTML)"),
    (rb"(?i:(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!doctype\s+svg|<svg))", "an SVG drawing"),
    (rb"(?:\xef\xbb\xbf)?\s*<\?xml", "an XML file"),
    (rb"(?:From |Return-Path:|Received:|Delivered-To:|MIME-Version:)", "an e-mail message"),
)
"""Pattern at the start → name; the first match wins, so special cases stand before general ones."""

_RECORD = re.compile(rb"\{\s*\"schema\":\s*\"hotfolder/(?:sidecar|batch|annotations)/\d")

_CONTROLS = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
"""Bytes that no text holds; ESC is left out, since terminals' logs have it."""


def sniff(head: bytes) -> str | None:
    """Give the media type by a file's first 1,029 bytes (or all it has), None if it is none of the four."""
    for signature, media_type in _AT_THE_START:
        if head.startswith(signature):
            return media_type
    return PDF if b"%PDF-" in head[:_PDF_WITHIN] else None


def may_become(head: bytes) -> bool:
    """Tell whether a file that ends after `head` could still become a document: its signature is cut off.

    A print job's header counts too: the PDF behind it may begin anywhere in the first kilobyte.
    """
    if not head or len(head) >= _PDF_WITHIN:
        return False
    cut = any(signature.startswith(head) for signature, _ in (*_AT_THE_START, (b"%PDF-", PDF)))
    return cut or head.startswith((b"\x1b%-12345X", b"@PJL"))


PLACARD = "STATUS OF THIS FOLDER, WRITTEN BY HOTFOLDER"
"""How a status file of ours begins, after the mark of UTF-8."""


def is_placard(head: bytes) -> bool:
    """Tell whether a file begins as a status file of ours does."""
    return head.removeprefix(b"\xef\xbb\xbf").startswith(PLACARD.encode())


def is_record(head: bytes) -> bool:
    """Tell whether a file begins as what this program lays beside documents does, of whatever version."""
    return _RECORD.match(head) is not None


def foreign(head: bytes) -> str | None:
    """Name in plain language ("a HEIC photo") what a file of none of the four types is, else None.

    Judge a settled file only: what begins as a print job may still become a PDF.
    """
    if sniff(head):
        return None
    for pattern, name in _FOREIGN:
        if re.match(pattern, head, re.DOTALL):
            return name
    return "plain text" if _textual(head) else None


def _textual(head: bytes) -> bool:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):  # UTF-16 with its byte order mark
        return True
    return bool(head.strip()) and not _CONTROLS.search(head)
