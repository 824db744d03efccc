"""What the walk knows of JPEG beyond the samples."""

import pytest

from hotfolder.checks.walk import Wholeness, walk
from hotfolder.checks.window import PIECE_BYTES, BytesWindow
from tests.checks.samples import JPEG

SCAN = b"\xff\xd8\xff\xda\x00\x02"


def look(content: bytes) -> Wholeness:
    """Walk over a JPEG in memory."""
    return walk(JPEG, BytesWindow(content))


@pytest.mark.parametrize("boundary", [512, 512 + 4096, 512 + 4096 + 32768, 512 + 4096 + 32768 + PIECE_BYTES])
def test_the_end_marker_is_found_across_two_looks(boundary):
    """Wherever FF and D9 fall, the picture is whole with both and not with one."""
    for length in range(boundary - 12, boundary + 6):
        content = SCAN + b"\x11" * length + b"\xff\xd9"
        assert look(content).whole
        assert not look(content[:-1]).whole


@pytest.mark.parametrize(
    "coded",
    [
        b"\xff\x00\xd9",
        b"\xff\xd0\xff\xd7",
        b"\xff\xff\xff",
        b"\x11\xff\xfe\x00\x06\xff\xd9\xff\xd9\x11",
        b"\xff\x01",
    ],
    ids=["stuffed", "restarts", "fill bytes", "segment between scans", "marker without length"],
)
def test_what_looks_like_a_marker_in_coded_data_is_passed(coded):
    """Only EOI itself ends the picture."""
    assert not look(SCAN + coded).whole
    assert look(SCAN + coded + b"\xff\xd9").whole


def test_stray_bytes_between_segments_are_passed():
    """Decoders skip them with a warning."""
    assert look(b"\xff\xd8\xff\xe0\x00\x04ab--" + SCAN[2:] + b"\x11\xff\xd9").whole


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff", "the file ends before or in the JPEG's first marker"),
        (b"\x89P", "the file does not begin like a JPEG"),
        (SCAN + bytes(100_000), "the JPEG ends before its end marker (EOI is missing)"),
        (b"\xff\xd8\xff\xe0\x10", "the file ends before or in a segment of the JPEG"),
        (b"\xff\xd8\xff\xe0\x10\x00\xff\xd9", "the JPEG ends before its end marker (EOI is missing)"),
        (b"\xff\xd8\xff\xe0\x00\x01\xff\xd9", "the JPEG is damaged (a segment has an impossible length)"),
        (b"\xff\xd8\xff\xd9", "the JPEG holds no picture (no scan before its end marker)"),
    ],
)
def test_the_reason_names_what_is_missing(content, reason):
    """The sentence tells an unfinished file from a damaged one."""
    assert look(content) == Wholeness(whole=False, reason=reason)
