"""Walk a JPEG: segments by their lengths, coded data up to the EOI marker that ends the picture.

Source of the format: ITU-T T.81, annex B.
"""

import re

from hotfolder.checks.window import PIECE_BYTES, NotWhole, Reader

_SOI = b"\xff\xd8"
_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])")
"""Not a marker for us: stuffed FF 00, fill bytes FF FF, restarts D0 to D7 (T.81, B.1.1)."""
_EOI, _SOS = 0xD9, 0xDA
_ALONE = frozenset({0x01, 0xD8})
"""TEM and SOI carry no length (T.81, table B.1)."""
_FIRST_LOOK_BYTES = 512
"""Between segments the next marker follows at once; only coded data is long."""


def walk(reader: Reader) -> None:
    """Raise `NotWhole` unless the picture begins with SOI, has coded data and ends with EOI.

    What follows EOI is not looked at: MPO pictures, phone trailers, padding.
    """
    if reader.exactly(0, len(_SOI), "the JPEG's first marker") != _SOI:
        raise NotWhole("the file does not begin like a JPEG")
    position, scans = len(_SOI), 0
    while True:
        marker, position = _next_marker(reader, position)
        if marker == _EOI:
            break
        if marker not in _ALONE:
            position += _length(reader, position)
            scans += marker == _SOS
    if not scans:
        raise NotWhole("the JPEG holds no picture (no scan before its end marker)")


def _next_marker(reader: Reader, position: int) -> tuple[int, int]:
    """Find the next marker as decoders do, skipping what is none; also tell where it ends."""
    look = _FIRST_LOOK_BYTES
    while piece := reader.upto(position, look):
        if found := _MARKER.search(piece):
            return found[1][0], position + found.end()
        position += max(len(piece) - 1, 1)  # the last byte may be the FF of a marker
        look = min(look * 8, PIECE_BYTES)
    raise NotWhole("the JPEG ends before its end marker (EOI is missing)")


def _length(reader: Reader, position: int) -> int:
    length = int.from_bytes(reader.exactly(position, 2, "a segment of the JPEG"), "big")
    if length < 2:  # noqa: PLR2004 — the length counts its own two bytes (T.81, B.1.1.4)
        raise NotWhole("the JPEG is damaged (a segment has an impossible length)")
    return length
