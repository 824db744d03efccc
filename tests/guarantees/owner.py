"""Those who drop documents: what they do in a drop folder, and the count of what they have left there for us."""

import hashlib
import os
import struct
import zlib
from collections import Counter
from pathlib import Path

NAMES = (b"a.png", b"b.png", b"scan", b'\xe9 \n;".png', b"n" * 251 + b".png")
"""Plain ones, one without suffix, one that is not UTF-8, and one of 255 bytes."""
SCRAP = (b"", b"hello, this is no document", b"\x89PNG\r\n\x1a\n\x00\x00")
"""What the daemon refuses: empty, another type, and a picture that never becomes whole."""


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def picture(number: int) -> bytes:
    """Return a whole PNG of one pixel; another number is another content."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    text = b"Comment\0" + str(number).encode() * 20
    parts = ((b"IHDR", header), (b"tEXt", text), (b"IDAT", zlib.compress(b"\0\0")), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(*part) for part in parts)


def digest(content: bytes) -> str:
    """Return the SHA-256 in hex."""
    return hashlib.sha256(content).hexdigest()


class Owner:
    """Somebody with rights on one drop folder and no patience; every act on what is not there is nothing."""

    def __init__(self, drop: Path) -> None:
        self._drop = os.fsencode(drop)
        self._outside = os.path.join(os.path.dirname(self._drop), b"outside")
        self._open: int | None = None
        self.left: Counter[str] = Counter()
        """How often each content was dropped and left as it was."""

    def drop(self, name: bytes, content: bytes) -> None:
        """Drop a document whole, over one of that name."""
        with open(self._outside, "wb") as file:
            file.write(content)
        self.remove(name, unlink=False)
        os.rename(self._outside, self._path(name))
        self.left[digest(content)] += 1

    def append(self, name: bytes) -> None:
        """Write on at a document's end."""
        try:
            fd = os.open(self._path(name), os.O_RDWR | os.O_APPEND)
        except FileNotFoundError:
            return
        self._write_on(fd)
        os.close(fd)

    def rename(self, name: bytes, new: bytes) -> None:
        """Rename a document, over one of that name."""
        if name != new and os.path.exists(self._path(name)):
            self.remove(new, unlink=False)
            os.rename(self._path(name), self._path(new))

    def remove(self, name: bytes, *, unlink: bool = True) -> None:
        """Take a document away again."""
        content = self._content(name)
        if content is None:
            return
        self.left[digest(content)] -= 1
        if unlink:
            os.unlink(self._path(name))

    def begin_writing(self, name: bytes) -> None:
        """Open a document for writing, and keep it open."""
        if self._open is None and self._content(name) is not None:
            self._open = os.open(self._path(name), os.O_RDWR | os.O_APPEND)

    def end_writing(self) -> None:
        """Write on where it was opened, and close it."""
        if self._open is None:
            return
        if os.fstat(self._open).st_nlink:
            self._write_on(self._open)
        os.close(self._open)
        self._open = None

    def _write_on(self, fd: int) -> None:
        before = os.pread(fd, 1 << 20, 0)
        os.write(fd, b"x")
        self.left[digest(before)] -= 1
        self.left[digest(before + b"x")] += 1

    def _content(self, name: bytes) -> bytes | None:
        try:
            with open(self._path(name), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def _path(self, name: bytes) -> bytes:
        return os.path.join(self._drop, name)
