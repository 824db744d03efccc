"""Walk a TIFF or BigTIFF: the chain of directories, their values, and where strips and tiles lie.

Sources of the format: TIFF 6.0, sections 2, 3, 15, 22; its Technical Note 1 (SubIFDs); the BigTIFF design.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from operator import add

from hotfolder.checks.window import NotWhole, Reader

_MAX_FIELDS = 4096
"""More fields in one directory are a sign of a wrong offset: libtiff's own limit (`TIFFFetchDirectory`)."""
_MAX_CHILDREN = 1024
"""Pyramids have a dozen levels beside the picture; further ones of a hostile file are not followed."""
_VALUES_BYTES = 64 * 1024
"""Strip tables are unpacked in pieces, so that a hostile one takes no memory."""

_TYPE_BYTES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_WHOLE_NUMBERS = {3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}

_WIDTH, _HEIGHT, _BITS, _COMPRESSION = 256, 257, 258, 259
_STRIPS, _SAMPLES, _STRIP_BYTES = 273, 277, 279
_TILES, _TILE_BYTES = 324, 325
_JPEG, _JPEG_BYTES = 513, 514
_DATA = ((_STRIPS, _STRIP_BYTES), (_TILES, _TILE_BYTES), (_JPEG, _JPEG_BYTES))
_POINTERS = (330, 34665, 34853)
"""SubIFDs, Exif and GPS: directories beside the chain."""

_CLASSIC = (b"II*\0", b"MM\0*")
_BIG = (b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0")

_DIRECTORY, _PICTURE = "a directory of the TIFF", "the TIFF's picture data"


@dataclass(frozen=True, slots=True)
class _Layout:
    """How numbers stand in the file: byte order, and the widths that differ between TIFF and BigTIFF."""

    order: str
    count: struct.Struct
    field: struct.Struct
    pointer: struct.Struct


@dataclass(frozen=True, slots=True)
class _Values:
    """The values of one field: their TIFF type, how many, and the offset of the first."""

    kind: int
    count: int
    offset: int


@dataclass(frozen=True, slots=True)
class _Directory:
    """One directory: its offset, its fields by tag, the offset of the next one in the chain or 0."""

    offset: int
    fields: dict[int, _Values]
    following: int


def walk(reader: Reader) -> None:
    """Raise `NotWhole` unless every directory, value, strip and tile lies inside the file.

    Directories that point in a circle are read once: it is no sign of a cut.
    A strip that was never written but lies inside the file (NUL bytes) cannot be seen.
    """
    layout, first = _header(reader)
    pending, seen, pictures = [(first, True)], {0}, 0
    while pending:
        offset, chained = pending.pop()
        if offset in seen:
            continue
        seen.add(offset)
        directory = _directory(reader, layout, offset)
        pictures += _pictures(reader, layout, directory)
        pending += [(child, False) for child in _children(reader, layout, directory)]
        if chained:
            pending.append((directory.following, True))
    if not pictures:
        raise NotWhole("the TIFF holds no picture (no directory names strips or tiles)")


def _header(reader: Reader) -> tuple[_Layout, int]:
    head = reader.exactly(0, 8, "the TIFF's header")
    big = head in _BIG
    if not big and head[:4] not in _CLASSIC:
        raise NotWhole("the file does not begin like a TIFF")
    order, codes = (
        ("<" if head.startswith(b"II") else ">"),
        (("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")),
    )
    layout = _Layout(order, *(struct.Struct(order + code) for code in codes))
    (first,) = layout.pointer.unpack(
        reader.exactly(8 if big else 4, layout.pointer.size, "the TIFF's header")
    )
    if not first:
        raise NotWhole("the TIFF has no directory yet (many programs write it last)")
    return layout, first


def _directory(reader: Reader, layout: _Layout, offset: int) -> _Directory:
    (count,) = layout.count.unpack(reader.exactly(offset, layout.count.size, _DIRECTORY))
    if not 0 < count <= _MAX_FIELDS:
        raise NotWhole("the TIFF is damaged (something else stands where a directory should be)")
    start, size = offset + layout.count.size, count * layout.field.size
    block = reader.exactly(start, size + layout.pointer.size, _DIRECTORY)
    fields = {}
    for index, (tag, kind, length, raw) in enumerate(layout.field.iter_unpack(block[:size])):
        if kind in _TYPE_BYTES:  # readers skip types they do not know (TIFF 6.0, section 2)
            inline = start + (index + 1) * layout.field.size - len(raw)
            fields[tag] = _placed(reader, layout, _Values(kind, length, inline), raw)
    (following,) = layout.pointer.unpack_from(block, size)
    return _Directory(offset, fields, following)


def _placed(reader: Reader, layout: _Layout, inline: _Values, raw: bytes) -> _Values:
    """Follow the pointer of values that are too long to stand in the field itself."""
    length = inline.count * _TYPE_BYTES[inline.kind]
    if length <= len(raw):
        return inline
    (offset,) = layout.pointer.unpack(raw)
    reader.inside(offset, length, "the values of a tag of the TIFF")
    return _Values(inline.kind, inline.count, offset)


def _numbers(reader: Reader, layout: _Layout, values: _Values | None) -> Iterator[int]:
    """Give the values if they are whole numbers, else nothing."""
    if values is None or values.kind not in _WHOLE_NUMBERS:
        return iter(())
    code, width = _WHOLE_NUMBERS[values.kind], _TYPE_BYTES[values.kind]
    end = values.offset + values.count * width
    blocks = (
        reader.exactly(start, min(_VALUES_BYTES, end - start), "the TIFF's values")
        for start in range(values.offset, end, _VALUES_BYTES)
    )
    return chain.from_iterable(
        struct.unpack(f"{layout.order}{len(block) // width}{code}", block) for block in blocks
    )


def _children(reader: Reader, layout: _Layout, directory: _Directory) -> Iterator[int]:
    every = chain.from_iterable(_numbers(reader, layout, directory.fields.get(tag)) for tag in _POINTERS)
    return islice(every, _MAX_CHILDREN)


def _pictures(reader: Reader, layout: _Layout, directory: _Directory) -> int:
    """Count the directory's pictures after checking that their data lie in the file."""
    named = [pair for pair in _DATA if any(_numbers(reader, layout, directory.fields.get(pair[0])))]
    measured = [pair for pair in named if pair[1] in directory.fields]
    for where, how_long in measured:
        starts, lengths = (_numbers(reader, layout, directory.fields[tag]) for tag in (where, how_long))
        end = max(map(add, starts, lengths), default=0)
        if end > reader.size and where == _STRIPS:
            end = _end_of_single_strip(reader, layout, directory) or end  # some writers state absurd lengths
        reader.inside(end, 0, _PICTURE)
    if named and not measured:
        _unmeasured(reader, layout, directory, named[0][0])
    return len(named)


def _unmeasured(reader: Reader, layout: _Layout, directory: _Directory, where: int) -> None:
    """Bound picture data whose byte counts are missing, as old scanners leave them."""
    last = max(_numbers(reader, layout, directory.fields[where]), default=0)
    if last < directory.offset:
        return  # the directory was written after the data, and it is here
    end = _end_of_single_strip(reader, layout, directory) if where == _STRIPS else None
    if end is None:
        raise NotWhole("the TIFF does not say how long its picture data are")
    reader.inside(end, 0, _PICTURE)


def _end_of_single_strip(reader: Reader, layout: _Layout, directory: _Directory) -> int | None:
    """Compute from the picture's dimensions where its data end, None unless it is one uncompressed strip."""
    wanted = (_WIDTH, _HEIGHT, _BITS, _SAMPLES, _COMPRESSION)
    width, height, bits, samples, compression = (
        next(_numbers(reader, layout, directory.fields.get(tag)), 1) for tag in wanted
    )
    if compression != 1 or directory.fields[_STRIPS].count != 1:
        return None
    start = next(_numbers(reader, layout, directory.fields[_STRIPS]), 0)
    return start + (width * bits * samples + 7) // 8 * height
