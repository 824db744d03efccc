"""What the walk knows of PNG beyond the samples."""

import struct
import zlib

import pytest

from hotfolder.checks.walk import Wholeness, walk
from hotfolder.checks.window import PIECE_BYTES, BytesWindow
from tests.checks.samples import PNG

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def chunk(kind: bytes, content: bytes = b"", *, checksum: int | None = None) -> bytes:
    """Write one chunk, with a wrong checksum if one is given."""
    true = zlib.crc32(kind + content)
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", true if checksum is None else checksum)
    )


HEADER, END = SIGNATURE + chunk(b"IHDR", bytes(13)), chunk(b"IEND")


def look(content: bytes) -> Wholeness:
    """Walk over a PNG in memory."""
    return walk(PNG, BytesWindow(content))


@pytest.mark.parametrize("length", [0, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES])
def test_checksums_hold_for_chunks_of_any_length(length):
    """A chunk longer than one look is summed up piece by piece, and every byte counts."""
    content = bytes(range(256)) * (length // 256 + 1)
    pixels = chunk(b"IDAT", content[:length])
    assert look(HEADER + pixels + END).whole
    if length:
        changed = bytearray(pixels)
        changed[-5] ^= 1
        assert not look(HEADER + bytes(changed) + END).whole


def test_a_wrong_checksum_counts_in_critical_chunks_only():
    """Decoders do without a damaged text or profile, not without pixels."""
    pixels = chunk(b"IDAT", b"pixels")
    assert look(HEADER + chunk(b"tEXt", b"a\0b", checksum=1) + pixels + END).whole
    found = look(HEADER + chunk(b"IDAT", b"pixels", checksum=1) + END)
    assert found.reason == "the PNG's IDAT chunk is damaged (its checksum is wrong)"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (SIGNATURE[:5], "the file ends before or in the PNG's signature"),
        (b"\x89PNG\n\x1a\n...", "the file does not begin like a PNG"),
        (HEADER, "the file ends before or in the PNG's chunks (IEND is missing)"),
        (HEADER + chunk(b"IDAT", b"pixels")[:-1], "the file ends before or in the PNG's IDAT chunk"),
        (HEADER + bytes(1000), "the PNG is damaged (something else stands where a chunk should begin)"),
        (
            SIGNATURE + chunk(b"IDAT", b"pixels") + END,
            "the PNG is damaged (something else stands where a chunk should begin)",
        ),
        (
            HEADER + b"\xff\xff\xff\xffIDAT",
            "the PNG is damaged (something else stands where a chunk should begin)",
        ),
        (HEADER + END, "the PNG holds no picture (no IDAT chunk)"),
    ],
)
def test_the_reason_names_what_is_missing(content, reason):
    """The sentence tells an unfinished file from a damaged one."""
    assert look(content) == Wholeness(whole=False, reason=reason)
