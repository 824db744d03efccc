"""Look at a file through small windows, with a bound on all looking together."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

PIECE_BYTES = 256 * 1024
"""Size of one look at long data: a 40 MB JPEG took 0.12 s so, and hardly less with larger ones."""
MAX_READS = 300_000
"""A PNG needs three reads per chunk and libpng writes chunks of 8 KiB: 800 MB, and over in half a second."""
SPARE_BYTES = 16 * 1024 * 1024
"""What may be read beyond the file's size: looks at a PDF with a thousand small revisions overlap."""


class Window(Protocol):
    """A file of a known size in bytes of which any part can be read."""

    @property
    def size(self) -> int:
        """Size in bytes."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Give `length` bytes from `offset`, fewer only at the end of the file; may raise OSError."""
        ...


@dataclass(frozen=True, slots=True)
class BytesWindow:
    """A window on content that is in memory already."""

    content: bytes

    @property
    def size(self) -> int:
        """Size in bytes."""
        return len(self.content)

    def read(self, offset: int, length: int) -> bytes:
        """Give `length` bytes from `offset`, fewer only at the end."""
        return self.content[offset : offset + length]


class NotWhole(Exception):  # noqa: N818 — a finding about the file, not a fault of the program
    """The file is not structurally whole; `str()` says in plain language what is missing."""


@dataclass(slots=True)
class Reader:
    """Read through a window and raise `NotWhole` once a file asks for unreasonably much looking.

    Every loop of the walks reads in each round, so this bound is what makes them end.
    """

    window: Window
    size: int = field(init=False)
    _reads_left: int = field(init=False, default=MAX_READS)
    _bytes_left: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = self.window.size
        self._bytes_left = self.size + SPARE_BYTES

    def upto(self, offset: int, length: int) -> bytes:
        """Give at most `length` bytes from `offset`: what the file has of them, maybe nothing."""
        length = min(length, self.size - offset)
        if offset < 0 or length <= 0:
            return b""
        self._reads_left -= 1
        self._bytes_left -= length
        if self._reads_left < 0 or self._bytes_left < 0:
            raise NotWhole("the file's structure is too tangled to be checked")
        return self.window.read(offset, length)

    def exactly(self, offset: int, length: int, thing: str) -> bytes:
        """Give `length` bytes from `offset`; raises `NotWhole` if the file ends before or in that `thing`."""
        content = self.upto(offset, length)
        if len(content) < length:
            raise NotWhole(f"the file ends before or in {thing}")
        return content

    def pieces(self, offset: int, length: int, thing: str) -> Iterator[bytes]:
        """Give `length` bytes from `offset` in pieces of at most `PIECE_BYTES`; raises like `exactly`."""
        self.inside(offset, length, thing)
        for start in range(offset, offset + length, PIECE_BYTES):
            yield self.exactly(start, min(PIECE_BYTES, offset + length - start), thing)

    def inside(self, offset: int, length: int, thing: str) -> None:
        """Raise `NotWhole` unless `length` bytes from `offset` lie in the file."""
        if offset + length > self.size:
            raise NotWhole(f"the file ends before or in {thing}")
