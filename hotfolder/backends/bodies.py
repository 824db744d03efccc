"""Encode documents as a request body of known length, piece by piece (pure: it opens nothing itself)."""

import json
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from hotfolder.backends.base import ContentChanged, Parcel

BASE64_BYTES = 192 * 1024
"""How much is encoded at a time: 256 KiB of text, so that several uploads at once stay small."""
Pieces = Callable[[], Iterator[bytes]]
"""Opens the content afresh at each call, so that a request can be repeated."""


@dataclass(frozen=True, slots=True)
class Body:
    """A request body: its type, its exact length in bytes and a way to produce it again and again."""

    content_type: str
    length: int
    pieces: Pieces
    headers: Mapping[str, str] = field(default_factory=dict)
    """Further headers that belong to the encoding."""


@dataclass(frozen=True, slots=True)
class File:
    """The document's part of a body; `name` is the file name as text, `size` counts bytes."""

    name: str
    media_type: str
    size: int
    pieces: Pieces


Spoiled = dict[str, ContentChanged | OSError]
"""Why documents among several could not be sent, by upload id."""


@dataclass(frozen=True, slots=True)
class Field:
    """A form field beside the document; it never has a file name, or Rossum would take it for a file."""

    name: str
    value: str
    media_type: str | None = None


def escape_name(name: str) -> str:
    """Escape a name for a form part's header: quotes and line breaks percent-encoded, nothing else.

    HTML standard, "multipart/form-data encoding algorithm", which is what servers are tested with.
    """
    return name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")


def multipart(file_field: str, file: File, fields: Iterable[Field], boundary: str) -> Body:
    """Encode the fields and then the document as multipart/form-data (RFC 7578).

    `boundary` must not occur in the document: 128 random bits do.
    """
    return multipart_of(file_field, (file,), fields, boundary)


def multipart_of(file_field: str, files: Sequence[File], fields: Iterable[Field], boundary: str) -> Body:
    """Encode the fields and then several documents, each as a part of the same name, as `multipart` does."""
    before = b"".join(_part(boundary, one) for one in fields)
    heads = [_part_head(boundary, file_field, file.name, file.media_type) for file in files]
    openings = [before + heads[0], *(b"\r\n" + head for head in heads[1:])]
    tail = f"\r\n--{boundary}--\r\n".encode()

    def pieces() -> Iterator[bytes]:
        for opening, file in zip(openings, files, strict=True):
            yield opening
            yield from exact(file)
        yield tail

    length = sum(map(len, openings)) + sum(file.size for file in files) + len(tail)
    return Body(f"multipart/form-data; boundary={boundary}", length, pieces)


def raw(file: File, headers: Mapping[str, str] | None = None) -> Body:
    """Encode the document as the body itself; its name, if at all, travels in further `headers`."""
    return Body(file.media_type, file.size, lambda: exact(file), headers or {})


def disposition(name: str) -> dict[str, str]:
    """Return the header that names a body's file in ASCII, whatever the name is (RFC 6266 §4.1, RFC 8187 §3.2)."""
    told = quote(name, safe="", errors="replace")
    return {"Content-Disposition": f"attachment; filename*=utf-8''{told}"}


def json_base64(file: File, keys: Mapping[str, Any], content_key: str) -> Body:
    """Encode the document as a JSON object: `keys` as they are, then the content in base64."""
    opening = json.dumps(dict(keys))[:-1]
    head = f'{opening}{", " if keys else ""}{json.dumps(content_key)}: "'.encode()
    tail = b'"}'

    def pieces() -> Iterator[bytes]:
        yield head
        yield from base64_pieces(exact(file))
        yield tail

    return Body("application/json", len(head) + base64_length(file.size) + len(tail), pieces)


def filled(fields: Mapping[str, str], parcel: Parcel) -> dict[str, str]:
    """Fill the templates {queue_id} and {name} of configured form fields."""
    return {
        key: value.replace("{queue_id}", parcel.queue_id or "").replace("{name}", parcel.name)
        for key, value in fields.items()
    }


def base64_length(size: int) -> int:
    """Return the length in base64 of `size` bytes (RFC 4648 §4: four for each three begun)."""
    return (size + 2) // 3 * 4


def base64_pieces(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Encode pieces of any sizes as one base64 text: what is left of a group of three is carried over."""
    rest = b""
    for piece in pieces:
        for start in range(0, len(piece), BASE64_BYTES):
            block = rest + memoryview(piece)[start : start + BASE64_BYTES]
            whole = len(block) - len(block) % 3
            rest = block[whole:]
            if whole:
                yield b2a_base64(memoryview(block)[:whole], newline=False)
    if rest:
        yield b2a_base64(rest, newline=False)


def exact(file: File) -> Iterator[bytes]:
    """Yield the document's pieces; raises `ContentChanged` where they do not add up to its size."""
    left = file.size
    for piece in file.pieces():
        left -= len(piece)
        if left < 0:
            break
        if piece:
            yield piece
    if left:
        raise ContentChanged(f"{file.name!r} is not {file.size} bytes long any more")


def noting(parcel: Parcel, spoiled: Spoiled) -> File:
    """Return a document's part; where its pieces fail, `spoiled` tells which document it was."""
    file = File(parcel.name, parcel.media_type, parcel.size_bytes, parcel.pieces)

    def pieces() -> Iterator[bytes]:
        try:
            yield from exact(file)
        except (ContentChanged, OSError) as problem:
            spoiled[parcel.upload_id] = problem
            raise

    return replace(file, pieces=pieces)


def _part(boundary: str, one: Field) -> bytes:
    return _part_head(boundary, one.name, None, one.media_type) + one.value.encode() + b"\r\n"


def _part_head(boundary: str, name: str, file_name: str | None, media_type: str | None) -> bytes:
    lines = [f'--{boundary}\r\nContent-Disposition: form-data; name="{escape_name(name)}"']
    if file_name is not None:
        lines.append(f'; filename="{escape_name(file_name)}"')
    if media_type is not None:
        lines.append(f"\r\nContent-Type: {media_type}")
    lines.append("\r\n\r\n")
    # A name that is no valid text must not stop its document; parcels should not hold one.
    return "".join(lines).encode("utf-8", "replace")
