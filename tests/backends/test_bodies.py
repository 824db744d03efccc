"""Request bodies are what somebody else's parsers read back, of the length that was announced."""

import json
from base64 import b64decode, b64encode
from email import message_from_bytes
from email.message import Message
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_multipart.multipart import MultipartParser, parse_options_header

from hotfolder.backends.base import ContentChanged
from hotfolder.backends.bodies import (
    Body,
    Field,
    File,
    base64_length,
    base64_pieces,
    disposition,
    exact,
    filled,
    json_base64,
    multipart,
    raw,
)
from tests.backends.contract import NAMES
from tests.backends.parcels import parcel


def file(content: bytes = b"content", name: str = "scan.pdf") -> File:
    """Make a document's part."""
    return File(name, "application/pdf", len(content), lambda: iter((content[:3], content[3:])))


def written(body: Body) -> bytes:
    """Join a body and check its announced length."""
    content = b"".join(body.pieces())
    assert len(content) == body.length
    return content


def parsed(body: Body) -> list[tuple[dict[str, str], bytes]]:
    """Read a form with python-multipart: headers and content of each part."""
    parts: list[tuple[dict[str, str], bytes]] = []
    field: list[bytes] = [b"", b""]

    def end_header() -> None:
        parts[-1][0][field[0].decode().lower()] = field[1].decode()
        field[:] = [b"", b""]

    def name(data: bytes, start: int, end: int) -> None:
        field[0] += data[start:end]

    def value(data: bytes, start: int, end: int) -> None:
        field[1] += data[start:end]

    def content(data: bytes, start: int, end: int) -> None:
        parts[-1] = (parts[-1][0], parts[-1][1] + data[start:end])

    callbacks: dict[str, Any] = {
        "on_part_begin": lambda: parts.append(({}, b"")),
        "on_header_field": name,
        "on_header_value": value,
        "on_header_end": end_header,
        "on_part_data": content,
    }
    boundary = parse_options_header(body.content_type)[1][b"boundary"]
    parser = MultipartParser(boundary, callbacks)
    parser.write(written(body))
    parser.finalize()
    return parts


def test_golden_form() -> None:
    """The bytes of a form, to the letter."""
    body = multipart("content", file(), [Field("metadata", '{"a":1}', "application/json")], "BOUNDARY")
    assert body.content_type == "multipart/form-data; boundary=BOUNDARY"
    assert written(body) == (
        b"--BOUNDARY\r\n"
        b'Content-Disposition: form-data; name="metadata"\r\n'
        b"Content-Type: application/json\r\n\r\n"
        b'{"a":1}\r\n'
        b"--BOUNDARY\r\n"
        b'Content-Disposition: form-data; name="content"; filename="scan.pdf"\r\n'
        b"Content-Type: application/pdf\r\n\r\n"
        b"content\r\n"
        b"--BOUNDARY--\r\n"
    )


@pytest.mark.parametrize("name", [*NAMES, "line\r\nbreak.pdf"])
def test_form_read_by_python_multipart(name: str) -> None:
    """A form of any file name has the parts that were put in, and no header was smuggled in."""
    fields = [Field("note", "čau\r\n--not-the-boundary"), Field("plain", "")]
    parts = parsed(multipart("content", file(name=name), fields, "b" * 32))
    assert [content for _, content in parts] == ["čau\r\n--not-the-boundary".encode(), b"", b"content"]
    assert [set(headers) for headers, _ in parts] == [
        {"content-disposition"},
        {"content-disposition"},
        {"content-disposition", "content-type"},
    ]
    escaped = name.replace("\r", "%0D").replace("\n", "%0A").replace('"', "%22")
    assert f'filename="{escaped}"' in parts[2][0]["content-disposition"]


@pytest.mark.parametrize("name", NAMES)
def test_form_read_by_the_standard_library(name: str) -> None:
    """The email package reads the same form: two parts, only one with a file name."""
    body = multipart("files", file(name=name), [Field("note", "x")], "b" * 32)
    message = message_from_bytes(f"Content-Type: {body.content_type}\r\n\r\n".encode() + written(body))
    parts = [part for part in message.walk() if not part.is_multipart()]
    assert [isinstance(part, Message) and bool(part.get_filename()) for part in parts] == [False, True]
    assert parts[1].get_payload(decode=True) == b"content"


def test_json() -> None:
    """The JSON object holds the keys as they are and the content in base64."""
    body = json_base64(file(name='a "b".pdf'), {"FileName": 'a "b".pdf', "QueueID": 42}, "FileContent")
    document = json.loads(written(body))
    assert document == {
        "FileName": 'a "b".pdf',
        "QueueID": 42,
        "FileContent": b64encode(b"content").decode(),
    }
    assert json.loads(written(json_base64(file(), {}, "c"))) == {"c": b64encode(b"content").decode()}


@pytest.mark.parametrize("name", NAMES)
def test_a_bodys_name(name: str) -> None:
    """The name beside a body is ASCII on the wire and the same text again for whoever reads it."""
    header = disposition(name)["Content-Disposition"]
    assert header.isascii()
    assert header.isprintable()
    read = message_from_bytes(f"Content-Disposition: {header}\n\n".encode())
    assert read.get_filename() == name


def test_a_bodys_name_as_in_the_specification() -> None:
    """The name is encoded as in Rossum's own example."""
    told = disposition("document \N{WRAPPED PRESENT}.pdf")["Content-Disposition"]
    assert told == "attachment; filename*=utf-8''document%20%F0%9F%8E%81.pdf"
    assert "filename*=utf-8''a%3Fb.pdf" in disposition("a\ud800b.pdf")["Content-Disposition"]


def test_raw() -> None:
    """A bare body is the document, with its type."""
    assert (written(raw(file())), raw(file()).content_type) == (b"content", "application/pdf")


@given(st.lists(st.binary(max_size=9)))
def test_base64_of_any_pieces(pieces: list[bytes]) -> None:
    """Pieces of any sizes give one base64 text of the announced length."""
    text = b"".join(base64_pieces(pieces))
    assert b64decode(text, validate=True) == b"".join(pieces)
    assert len(text) == base64_length(len(b"".join(pieces)))


def test_base64_of_a_large_piece() -> None:
    """A piece larger than a block is encoded block by block."""
    content = bytes(range(256)) * 4096
    assert b"".join(base64_pieces([content[:5], content[5:]])) == b64encode(content)


@pytest.mark.parametrize("size", [6, 8])
def test_changed_size(size: int) -> None:
    """Content of another length is a change, and never more than announced goes out."""
    changed = File("scan.pdf", "application/pdf", size, lambda: iter((b"con", b"tent")))
    sent: list[bytes] = []
    with pytest.raises(ContentChanged, match=r"scan\.pdf"):
        sent.extend(exact(changed))
    assert len(b"".join(sent)) <= size


def test_name_that_is_no_text_does_not_stop_the_document() -> None:
    """A lone surrogate in a name is replaced instead of raising in the middle of an upload."""
    assert b'filename="?.pdf"' in written(multipart("f", file(name="\udcff.pdf"), [], "b"))


def test_templates() -> None:
    """Configured fields know the queue's id and the name."""
    fields = {"a": "{queue_id}-{name}-{other}"}
    assert filled(fields, parcel(queue_id=None)) == {"a": "-scan.pdf-{other}"}
