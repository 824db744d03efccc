"""No file, however broken or hostile, makes the walk fail, hang, or read more than it may."""

import struct
import time
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotfolder.checks.walk import WALKS, walk
from hotfolder.checks.window import PIECE_BYTES, SPARE_BYTES, BytesWindow, NotWhole, Reader
from tests.checks.samples import JPEG, PDF, PNG, TIFF, Sample, all_samples

BEGINNINGS = {
    PDF: [b"%PDF-1.7\n"],
    JPEG: [b"\xff\xd8\xff"],
    PNG: [b"\x89PNG\r\n\x1a\n"],
    TIFF: [b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0"],
}
MEGABYTE = 1_000_000


class CountingWindow:
    """A window that keeps the lengths that were asked of it and refuses to look outside the file."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.size = len(content)
        self.lengths: list[int] = []

    def read(self, offset, length):
        """Give what is asked for."""
        assert offset >= 0
        assert 0 < length <= self.size - offset
        self.lengths.append(length)
        return self.content[offset : offset + length]


class ShrinkingWindow(CountingWindow):
    """A file that lost its second half after its size was asked."""

    def read(self, offset, length):
        """Give what is left of what is asked for."""
        return super().read(offset, length)[: max(self.size // 2 - offset, 0)]


class SparseWindow:
    """A huge file of NUL bytes with a few written places."""

    def __init__(self, size: int, places: dict[int, bytes]) -> None:
        self.size = size
        self.places = places

    def read(self, offset, length):
        """Give what is asked for."""
        content = bytearray(min(length, self.size - offset))
        for start, written in self.places.items():
            low, high = max(offset, start), min(offset + len(content), start + len(written))
            if low < high:
                content[low - offset : high - offset] = written[low - start : high - start]
        return bytes(content)


@given(st.sampled_from([(kind, head) for kind, heads in BEGINNINGS.items() for head in heads]), st.binary())
def test_random_bytes_get_an_answer(beginning, rest):
    """Whatever follows a signature, the walk answers."""
    media_type, head = beginning
    assert walk(media_type, BytesWindow(head + rest)).whole in (True, False)


@pytest.mark.parametrize("name", all_samples())
@settings(deadline=None, max_examples=30)
@given(data=st.data())
def test_damaged_documents_get_an_answer(name, data):
    """Bytes that were changed, lost or doubled anywhere lead to an answer, within the bounds of reading."""
    sample = all_samples()[name]
    content = bytearray(sample.content)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, max(len(content) - 1, 0)))
        piece = data.draw(st.binary(max_size=8))
        content[at : at + data.draw(st.integers(0, 8))] = piece
    window = CountingWindow(bytes(content))
    assert walk(sample.media_type, window).whole in (True, False)
    assert sum(window.lengths) <= window.size + SPARE_BYTES


def chunk(kind: bytes, content: bytes = b"") -> bytes:
    """Write one PNG chunk."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def tiff_directories(count: int) -> bytes:
    """Chain so many directories of one field."""
    chain = b"".join(
        struct.pack("<HHHIII", 1, 256, 4, 1, 0, 8 + 18 * number) for number in range(1, count + 1)
    )
    return b"II*\0\x08\0\0\0" + chain


def revisions(count: int) -> bytes:
    """Chain so many cross-reference tables."""
    content, previous = bytearray(b"%PDF-1.5\n"), 0
    for _ in range(count):
        at = len(content)
        content += b"xref\n0 0\ntrailer<</Prev %d>>startxref " % previous
        previous = at
    return bytes(content) + b"%d\n%%%%EOF" % previous


HOSTILE = {
    "JPEG, empty segments": (JPEG, b"\xff\xd8" + b"\xff\xe0\0\2" * MEGABYTE),
    "JPEG, only fill bytes": (JPEG, b"\xff\xd8" + b"\xff" * 4 * MEGABYTE),
    "JPEG, only SOI": (JPEG, b"\xff\xd8" * 2 * MEGABYTE),
    "PNG, empty chunks": (
        PNG,
        BEGINNINGS[PNG][0] + chunk(b"IHDR", bytes(13)) + chunk(b"IDAT") * (MEGABYTE // 8),
    ),
    "PDF, table without end": (PDF, b"%PDF-1.5\nxref" + b" " * 4 * MEGABYTE + b"\nstartxref 9\n%%EOF"),
    "PDF, dictionary without end": (
        PDF,
        b"%PDF-1.5\n1 0 obj<<" + b">" * 4 * MEGABYTE + b"\nstartxref 9\n%%EOF",
    ),
    "PDF, revisions without end": (PDF, revisions(100_000)),
    "PDF, spaces": (PDF, b"%PDF-1.5\nstartxref 9 %%EOF 1" + b" " * 16_000 + b"1" + b" " * 300 + b"x"),
    "PDF, percent signs": (PDF, b"%PDF-1.5\nstartxref 9 %%EOF" + b"%" * 16_000),
    "PDF, many /Prev": (PDF, b"%PDF-1.5\nxref trailer" + b"/Prev 9 " * 100_000 + b"startxref 9 %%EOF"),
    "PDF, linearised in vain": (PDF, b"%PDF-1.5\n" + b"<<" * 400 + b"/Linearized " * 80),
    "TIFF, directories without end": (TIFF, tiff_directories(60_000)),
    "TIFF, pointers to everywhere": (
        TIFF,
        b"II*\0\x08\0\0\0"
        + struct.pack("<HHHIII", 1, 330, 4, MEGABYTE, 26, 0)
        + struct.pack("<I", 8) * MEGABYTE,
    ),
    "TIFF, strips everywhere": (
        TIFF,
        b"II*\0\x08\0\0\0"
        + struct.pack("<HHHIIHHIII", 2, 273, 3, 2 * MEGABYTE, 38, 279, 3, 2 * MEGABYTE, 38, 0)
        + b"\1\0" * 2 * MEGABYTE,
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_answered_soon(name):
    """Four megabytes made to keep the walk busy take it less than five seconds of processor time."""
    media_type, content = HOSTILE[name]
    start = time.process_time()
    walk(media_type, BytesWindow(content))
    assert time.process_time() - start < 5


@pytest.mark.parametrize("name", [*HOSTILE, *all_samples()])
def test_reading_is_bounded(name):
    """No read is larger than a megabyte, none leaves the file, and all together stay near the file's size."""
    sample = all_samples().get(name) or Sample(*HOSTILE[name])
    window = CountingWindow(sample.content)
    walk(sample.media_type, window)
    assert max(window.lengths, default=0) <= 4 * PIECE_BYTES
    assert sum(window.lengths) <= window.size + SPARE_BYTES


@pytest.mark.parametrize("name", ["PDF: reportlab", "JPEG: baseline", "PNG: RGB", "TIFF: tiff_lzw"])
def test_a_file_that_shrinks_meanwhile_is_not_whole(name):
    """A window that gives less than its size promised is a file that ends there."""
    sample = all_samples()[name]
    assert not walk(sample.media_type, ShrinkingWindow(sample.content)).whole


def test_of_ten_gigabytes_only_the_structure_is_read():
    """A huge document takes no longer than a small one where the format leads from place to place."""
    far = 10 * 1024**3
    table = b"xref\n0 1\n0000000000 65535 f \ntrailer<</Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % far
    directory = struct.pack("<QHHQQHHQQQ", 2, 273, 4, 1, 16, 279, 16, 1, far - 16, 0)
    start = time.process_time()
    assert walk(PDF, SparseWindow(far + len(table), {0: b"%PDF-1.5\n", far: table})).whole
    head = b"II+\0\x08\0\0\0" + struct.pack("<Q", far)
    assert walk(TIFF, SparseWindow(far + len(directory), {0: head, far: directory})).whole
    assert time.process_time() - start < 1


def test_every_media_type_has_its_walk_and_says_no_by_not_whole():
    """A walk gives nothing back, it raises."""
    for media_type, follow in WALKS.items():
        with pytest.raises(NotWhole):
            follow(Reader(BytesWindow(media_type.encode())))
