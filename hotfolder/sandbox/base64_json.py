"""Reads `{"FileName": …, "FileContent": base64, "QueueID": …}` as it streams in, the content unseen."""

import binascii
import json
import re
from collections.abc import AsyncIterator
from typing import Any

from hotfolder.sandbox.multipart import Digest, MalformedForm, TooLarge

FRAME_MAX_BYTES = 64 * 1024
"""Everything but the content: three short values."""

_CONTENT = re.compile(rb'"FileContent"\s*:\s*"')


class _Scanner:
    """Cuts the content's string out of the JSON; what is left, the frame, is parsed at the end."""

    def __init__(self, limit: int | None) -> None:
        self.digest = Digest()
        self.frame = bytearray()
        self._limit = limit
        self._inside = False
        self._seen = False
        self._rest = b""

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the body."""
        while piece:
            piece = self._content(piece) if self._inside else self._framing(piece)

    def _framing(self, piece: bytes) -> bytes:
        self.frame += piece
        start = None if self._seen else _CONTENT.search(self.frame)
        if start is None:
            if len(self.frame) > FRAME_MAX_BYTES:
                raise MalformedForm("the JSON is too long for what it should hold")
            return b""
        self._inside = self._seen = True
        after = bytes(self.frame[start.end() :])
        del self.frame[start.end() :]
        return after

    def _content(self, piece: bytes) -> bytes:
        end = piece.find(b'"')
        text = piece if end < 0 else piece[:end]
        self._decode(text, last=end >= 0)
        if end < 0:
            return b""
        self._inside = False
        return piece[end:]

    def _decode(self, text: bytes, *, last: bool) -> None:
        """Decode whole groups of four; the only escape in base64 is that of the slash, as PHP writes it."""
        text = self._rest + text
        if b"\\" in text:
            text = self._unescaped(text, last=last)
        whole = len(text) if last else len(text) & ~3 if not text.endswith(b"\\") else (len(text) - 1) & ~3
        self._rest = text[whole:]
        if b"=" in text[:whole] and not last:
            # padding may only end the content: keep it back until the closing quote has been seen
            cut = text.index(b"=") & ~3
            self._rest, whole = text[cut:], cut
        try:
            self.digest.update(binascii.a2b_base64(text[:whole], strict_mode=True))
        except binascii.Error as error:
            raise MalformedForm(f"FileContent is not valid Base64: {error}") from None
        if len(self._rest) > FRAME_MAX_BYTES:
            raise MalformedForm("FileContent is not valid Base64: text after the padding")
        if self._limit is not None and self.digest.size > self._limit:
            raise TooLarge

    @staticmethod
    def _unescaped(text: bytes, *, last: bool) -> bytes:
        plain = text.replace(b"\\/", b"/")
        if b"\\" in (plain if last else plain[:-1]):
            raise MalformedForm("FileContent is not valid Base64: an escape other than of a slash")
        return plain


async def read_base64_json(body: AsyncIterator[bytes], limit: int | None) -> tuple[dict[str, Any], Digest]:
    """Return the values of the JSON, its content emptied, and the digest of the content.

    Raises `MalformedForm` or `TooLarge`.
    """
    scanner = _Scanner(limit)
    async for piece in body:
        scanner.feed(piece)
    try:
        values = json.loads(scanner.frame)
    except ValueError as error:
        raise MalformedForm(f"the body is not valid JSON: {error}") from None
    if not isinstance(values, dict) or not isinstance(values.get("FileContent"), str):
        raise MalformedForm("FileContent is missing")
    return values, scanner.digest
