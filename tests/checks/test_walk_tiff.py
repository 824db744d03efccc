"""What the walk knows of TIFF beyond the samples."""

import struct

import pytest

from hotfolder.checks.walk import Wholeness, walk
from hotfolder.checks.window import BytesWindow
from tests.checks.samples import TIFF

SHORT, LONG = 3, 4
HEADER = b"II*\0\x08\0\0\0"
DATA_AT = 200
PIXELS = {
    256: (LONG, 10),
    257: (LONG, 10),
    258: (SHORT, 8),
    259: (SHORT, 1),
    273: (LONG, DATA_AT),
    279: (LONG, 100),
}
DAMAGED = "the TIFF is damaged (something else stands where a directory should be)"


def look(content: bytes) -> Wholeness:
    """Walk over a TIFF in memory."""
    return walk(TIFF, BytesWindow(content))


def directory(fields: dict[int, tuple[int, int]], following: int = 0) -> bytes:
    """Write a little-endian directory of fields with one value each."""
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, (kind, value) in fields.items())
    return struct.pack("<H", len(fields)) + entries + struct.pack("<I", following)


def in_front(fields: dict[int, tuple[int, int]], length: int = 100, following: int = 0) -> bytes:
    """Write a file with its directory before so many bytes of pixels."""
    return (HEADER + directory(fields, following)).ljust(DATA_AT, b"\0") + bytes(length)


def without(*tags: int) -> dict[int, tuple[int, int]]:
    """Give the usual fields without some of them."""
    return {tag: value for tag, value in PIXELS.items() if tag not in tags}


def test_a_picture_must_lie_in_the_file():
    """The last byte of the last strip counts."""
    assert look(in_front(PIXELS)).whole
    found = look(in_front(PIXELS, length=99))
    assert found == Wholeness(whole=False, reason="the file ends before or in the TIFF's picture data")


@pytest.mark.parametrize(("length", "whole"), [(100, True), (99, False)])
def test_one_uncompressed_strip_without_a_length_is_computed(length, whole):
    """Old scanners leave StripByteCounts out: width, height and bits tell as much."""
    assert look(in_front(without(279), length)).whole == whole


@pytest.mark.parametrize(("length", "whole"), [(100, True), (99, False)])
def test_an_absurd_length_of_one_uncompressed_strip_is_computed_instead(length, whole):
    """Some writers state more than there can be."""
    assert look(in_front(PIXELS | {279: (LONG, 10**9)}, length)).whole == whole


def test_compressed_data_without_a_length_are_taken_only_before_their_directory():
    """A directory that was written after the data shows that they are there."""
    fields = without(279) | {259: (SHORT, 4)}
    assert look(in_front(fields)).reason == "the TIFF does not say how long its picture data are"
    behind = struct.pack("<4sI", b"II*\0", 308) + bytes(300) + directory(fields)
    assert look(behind).whole
    assert not look(behind[:-1]).whole


@pytest.mark.parametrize("tag", [330, 34665, 34853])
def test_directories_beside_the_chain_must_lie_in_the_file(tag):
    """A reduced picture or camera data that are cut off make the file incomplete."""
    content = in_front(PIXELS | {tag: (LONG, DATA_AT + 100)}) + directory({256: (LONG, 1)})
    assert look(content).whole
    assert not look(content[:-1]).whole


def test_a_second_page_must_lie_in_the_file():
    """The chain is followed to its end."""
    content = in_front(PIXELS, following=DATA_AT + 100) + directory(PIXELS)
    assert look(content).whole
    assert not look(content[:-1]).whole


def test_directories_in_a_circle_are_walked_once():
    """A wrong last pointer is no sign of a cut."""
    assert look(in_front(PIXELS, following=8)).whole


def test_types_that_nobody_knows_are_skipped():
    """A reader ignores them, so their values need not be there."""
    assert look(in_front(PIXELS | {60000: (99, 10**9)})).whole


def test_long_values_must_lie_in_the_file():
    """A field of many values points to them."""
    fields = directory(PIXELS)[2:-4] + struct.pack("<HHII", 270, 2, 50, DATA_AT + 100)
    content = (HEADER + struct.pack("<H", 7) + fields + bytes(4)).ljust(DATA_AT + 100, b"\0") + b"x" * 50
    assert look(content).whole
    assert look(content[:-1]).reason == "the file ends before or in the values of a tag of the TIFF"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"II*\0\x08", "the file ends before or in the TIFF's header"),
        (b"II*\0\0\0\0\0", "the TIFF has no directory yet (many programs write it last)"),
        (b"MM*\0\0\0\0\x08", "the file does not begin like a TIFF"),
        (b"II+\0\x04\0\0\0" + bytes(8), "the file does not begin like a TIFF"),
        (HEADER, "the file ends before or in a directory of the TIFF"),
        (HEADER + bytes(100), DAMAGED),
        (HEADER + b"\xff\xff" + bytes(100), DAMAGED),
        (
            HEADER + directory({256: (LONG, 1)}),
            "the TIFF holds no picture (no directory names strips or tiles)",
        ),
    ],
)
def test_the_reason_names_what_is_missing(content, reason):
    """The sentence tells an unfinished file from a damaged one."""
    assert look(content) == Wholeness(whole=False, reason=reason)
