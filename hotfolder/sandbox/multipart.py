"""Reads a multipart body as it streams in: files are hashed and forgotten, fields are kept."""

import hashlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header

FIELD_MAX_BYTES = 1024 * 1024
"""Text fields are kept in memory; none that a service knows comes near this."""

HEAD_BYTES = 16
"""How much of a file is kept to tell its type: the longest signature looked for has eight bytes."""

_PLAIN = re.compile(rb'form-data; name="([^"\\]*)"(?:; filename="([^"\\]*)")?')
"""What clients nearly always send; anything else goes to the whole parser."""

_QUOTED = re.compile(rb'"(?:[^"\\]|\\.)*"')
_EXTENDED = re.compile(rb";\s*filename\*\s*=\s*utf-8'[^']*'([^;\s]*)", re.IGNORECASE)


class MalformedForm(ValueError):  # noqa: N818 — a fact about the request
    """The body is no well-formed multipart; `str()` says what is wrong."""


class TooLarge(Exception):  # noqa: N818 — a fact about the request
    """The files of the request are larger together than the limit."""


class Digest:
    """Size, SHA-256 and first bytes of content that passes by, optionally its MD5."""

    def __init__(self, *, md5: bool = False) -> None:
        self.size = 0
        self.head = b""
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False) if md5 else None

    def update(self, piece: bytes | memoryview) -> None:
        """Take the next piece."""
        if self.size < HEAD_BYTES:
            self.head += bytes(piece[: HEAD_BYTES - self.size])
        self.size += len(piece)
        self._sha256.update(piece)
        if self._md5 is not None:
            self._md5.update(piece)

    @property
    def sha256(self) -> str:
        """SHA-256 in hexadecimal."""
        return self._sha256.hexdigest()

    @property
    def md5(self) -> str | None:
        """MD5 in hexadecimal, None where it was not asked for."""
        return self._md5.hexdigest() if self._md5 is not None else None


@dataclass(slots=True)
class Part:
    """One part of a form: a file has a name and a digest, a field has text."""

    name: str
    file_name: str | None
    media_type: str | None
    digest: Digest
    text: bytearray


def file_name_of(disposition: bytes) -> str | None:
    """Return the file name in a Content-Disposition; `filename*` wins (RFC 6266), empty is none."""
    extended = _EXTENDED.search(_QUOTED.sub(b'""', disposition)) if b"*" in disposition else None
    plain = parse_options_header(disposition)[1].get(b"filename", b"")
    raw = unquote_to_bytes(extended.group(1)) if extended else plain
    return raw.decode("utf-8", "replace") or None


def _names_of(disposition: bytes) -> tuple[str, str | None]:
    """Return field and file name of a part; raises `MalformedForm`."""
    plain = _PLAIN.fullmatch(disposition)
    if plain:
        name, file_name = plain.groups()
        return name.decode("utf-8", "replace"), (file_name or b"").decode("utf-8", "replace") or None
    kind, options = parse_options_header(disposition)
    if kind != b"form-data" or b"name" not in options:
        raise MalformedForm("a part has no Content-Disposition: form-data with a name")
    return options[b"name"].decode("utf-8", "replace"), file_name_of(disposition)


class _Reader:
    """Callbacks of the parser; `limit` bounds the files together, in bytes."""

    def __init__(self, boundary: bytes, limit: int | None, *, md5: bool) -> None:
        self.parts: list[Part] = []
        self._limit = limit
        self._md5 = md5
        self._room = limit if limit is not None else 0
        self._headers: dict[bytes, bytes] = {}
        self._field = self._value = b""
        self.parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._part_begin,
                "on_header_field": self._header_field,
                "on_header_value": self._header_value,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._part_data,
            },
        )

    def _part_begin(self) -> None:
        self._headers = {}

    def _header_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        self._headers[self._field.lower()] = self._value
        self._field = self._value = b""

    def _headers_finished(self) -> None:
        name, file_name = _names_of(self._headers.get(b"content-disposition", b""))
        media_type = self._headers.get(b"content-type")
        text = media_type.decode("latin-1").strip() if media_type else None
        self.parts.append(Part(name, file_name, text, Digest(md5=self._md5), bytearray()))

    def _part_data(self, data: bytes, start: int, end: int) -> None:
        part = self.parts[-1]
        if part.file_name is None:
            part.text += data[start:end]
            if len(part.text) > FIELD_MAX_BYTES:
                raise MalformedForm(f"the field {part.name!r} is longer than {FIELD_MAX_BYTES} bytes")
            return
        self._room -= end - start
        if self._limit is not None and self._room < 0:
            raise TooLarge
        part.digest.update(memoryview(data)[start:end])


def boundary_of(content_type: str) -> bytes:
    """Return the boundary of a multipart/form-data Content-Type; raises `MalformedForm`."""
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise MalformedForm("Invalid boundary in multipart: None")
    return boundary


async def read_form(
    content_type: str,
    body: AsyncIterator[bytes],
    limit: int | None,
    named: Callable[[str], Awaitable[None]],
    *,
    md5: bool = False,
) -> list[Part]:
    """Read a whole form; `named` is told each file name as soon as it is known.

    Raises `MalformedForm`, `TooLarge`, and whatever `named` and `body` raise.
    """
    known = 0
    try:
        reader = _Reader(boundary_of(content_type), limit, md5=md5)
        async for piece in body:
            reader.parser.write(piece)
            for part in reader.parts[known:]:
                known += 1
                if part.file_name is not None:
                    await named(part.file_name)
    except FormParserError as error:
        raise MalformedForm(str(error)) from None
    if reader.parser.state != MultipartState.END:
        raise MalformedForm("the closing boundary is missing")
    return reader.parts
