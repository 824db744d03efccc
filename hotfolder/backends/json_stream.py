"""Watch JSON pass by in pieces: is it one whole value, however long; nothing of it is kept (RFC 8259)."""

import codecs
import re

DEEPEST = 500
"""Deeper than any result of a service, and below what JSON readers take (Python's own: some 1,000)."""
_LONGEST_WORD = 1000
"""Digits of a number; a longer one is none that anybody reads."""
_SPACE = re.compile(rb"[ \t\n\r]*")
_TEXT = re.compile(rb'[^"\\\x00-\x1f]*')
_ESCAPE = re.compile(rb'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
_ESCAPE_BYTES = 6
_WORD = re.compile(rb"[-+.0-9A-Za-z]+")
_WHOLE_WORD = re.compile(rb"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null")
_VALUE, _VALUE_OR_END, _KEY, _KEY_OR_END, _COLON, _COMMA, _NOTHING = range(7)
"""What may come next."""
_CLOSES = {b"}": b"{", b"]": b"["}


class NotJsonError(ValueError):
    """What passed is no JSON, or not all of it; `str()` says where."""


class JsonStream:
    """Reads one value; memory does not grow with its length."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._left = b""
        """The beginning of a token whose end is still to come."""
        self._open: list[bytes] = []
        self._next = _VALUE
        self._in_text = False
        self._passed = 0

    def feed(self, piece: bytes) -> None:
        """Take the next piece; raises `NotJsonError` as soon as nothing that follows can make it JSON."""
        self._decode(piece, final=False)
        found = self._left + piece
        at = self._read(found, final=False)
        self._left = found[at:]
        self._passed += at

    def close(self) -> None:
        """Raise `NotJsonError` where the value is not whole."""
        self._decode(b"", final=True)
        at = self._read(self._left, final=True)
        self._passed += at
        self._left = b""
        if self._next != _NOTHING or self._in_text:
            raise NotJsonError(f"it ends after {self._passed} bytes, in the middle")

    def _decode(self, piece: bytes, *, final: bool) -> None:
        try:
            self._decoder.decode(piece, final)
        except UnicodeDecodeError:
            raise NotJsonError(f"it is not UTF-8 after byte {self._passed}") from None

    def _read(self, found: bytes, *, final: bool) -> int:
        """Go through what is there and return how far it was understood: a cut token is left for the next piece."""
        at = 0
        while True:
            if not self._in_text:
                at = self._end_of(_SPACE, found, at)
            if at == len(found):
                return at
            step = self._text if self._in_text else self._token
            following = step(found, at, final=final)
            if following == at:
                return at
            at = following

    def _end_of(self, pattern: re.Pattern[bytes], found: bytes, at: int) -> int:
        hit = pattern.match(found, at)
        return hit.end() if hit else at

    def _text(self, found: bytes, at: int, *, final: bool) -> int:
        """Read on in a text."""
        at = self._end_of(_TEXT, found, at)
        if at == len(found):
            return at
        if found[at : at + 1] == b'"':
            self._in_text = False
            return at + 1
        end = self._end_of(_ESCAPE, found, at)
        if end == at and (final or found[at : at + 1] != b"\\" or len(found) - at >= _ESCAPE_BYTES):
            raise self._wrong(at)
        return end

    def _token(self, found: bytes, at: int, *, final: bool) -> int:
        """Read a sign, a word, or the beginning of a text."""
        sign = found[at : at + 1]
        if sign == b'"':
            self._begin_text(at)
            return at + 1
        if sign in b"{}[],:":
            self._sign(sign, at)
            return at + 1
        end = self._end_of(_WORD, found, at)
        if end == at or end - at > _LONGEST_WORD:
            raise self._wrong(at)
        if end == len(found) and not final:
            return at
        if self._next not in {_VALUE, _VALUE_OR_END} or not _WHOLE_WORD.fullmatch(found, at, end):
            raise self._wrong(at)
        self._value_over()
        return end

    def _begin_text(self, at: int) -> None:
        self._in_text = True
        if self._next in {_KEY, _KEY_OR_END}:
            self._next = _COLON
        elif self._next in {_VALUE, _VALUE_OR_END}:
            self._value_over()
        else:
            raise self._wrong(at)

    def _sign(self, sign: bytes, at: int) -> None:
        if sign in {b"{", b"["} and self._next in {_VALUE, _VALUE_OR_END} and len(self._open) < DEEPEST:
            self._open.append(sign)
            self._next = _KEY_OR_END if sign == b"{" else _VALUE_OR_END
        elif sign == b":" and self._next == _COLON:
            self._next = _VALUE
        elif sign == b"," and self._next == _COMMA:
            self._next = _KEY if self._open[-1] == b"{" else _VALUE
        elif self._may_close(sign):
            self._open.pop()
            self._value_over()
        else:
            raise self._wrong(at)

    def _may_close(self, sign: bytes) -> bool:
        if not self._open or _CLOSES.get(sign) != self._open[-1]:
            return False
        return self._next in {_COMMA, _KEY_OR_END if sign == b"}" else _VALUE_OR_END}

    def _value_over(self) -> None:
        self._next = _COMMA if self._open else _NOTHING

    def _wrong(self, at: int) -> NotJsonError:
        return NotJsonError(f"it is no JSON at byte {self._passed + at}")
