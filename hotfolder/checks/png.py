"""Walk a PNG: the chain of chunks from IHDR to IEND, with the checksums of those a decoder needs.

Source of the format: PNG Specification, Third Edition, sections 5.3 to 5.6.
"""

import struct
import zlib

from hotfolder.checks.window import NotWhole, Reader

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEAD = struct.Struct(">I4s")
_CHECKSUM_BYTES = 4
_MAX_LENGTH = 2**31 - 1
_ANCILLARY = 0x20
"""Bit of the type's first letter: decoders may do without this chunk."""


def walk(reader: Reader) -> None:
    """Raise `NotWhole` unless every chunk up to IEND is there and the critical ones have a true checksum.

    What follows IEND is not looked at. A damaged ancillary chunk is no sign of a cut: decoders skip it.
    """
    if reader.exactly(0, len(_SIGNATURE), "the PNG's signature") != _SIGNATURE:
        raise NotWhole("the file does not begin like a PNG")
    position, kinds = len(_SIGNATURE), set[bytes]()
    while b"IEND" not in kinds:
        length, kind = _HEAD.unpack(
            reader.exactly(position, _HEAD.size, "the PNG's chunks (IEND is missing)")
        )
        if length > _MAX_LENGTH or not kind.isalpha() or not (kinds or kind == b"IHDR"):
            raise NotWhole("the PNG is damaged (something else stands where a chunk should begin)")
        _chunk(reader, position + _HEAD.size, length, kind)
        position += _HEAD.size + length + _CHECKSUM_BYTES
        kinds.add(kind)
    if b"IDAT" not in kinds:
        raise NotWhole("the PNG holds no picture (no IDAT chunk)")


def _chunk(reader: Reader, position: int, length: int, kind: bytes) -> None:
    name = f"the PNG's {kind.decode('ascii')} chunk"
    reader.inside(position, length + _CHECKSUM_BYTES, name)
    if kind[0] & _ANCILLARY:
        return
    checksum = zlib.crc32(kind)
    for piece in reader.pieces(position, length, name):
        checksum = zlib.crc32(piece, checksum)
    stored = reader.exactly(position + length, _CHECKSUM_BYTES, name)
    if stored != checksum.to_bytes(_CHECKSUM_BYTES, "big"):
        raise NotWhole(f"{name} is damaged (its checksum is wrong)")
