"""The streaming form reader: names, limits, malformed bodies, any cut into pieces."""

import asyncio
import hashlib

import pytest

from hotfolder.sandbox.multipart import MalformedForm, TooLarge, file_name_of, read_form

TYPE = "multipart/form-data; boundary=B"


def _read(body, size=1 << 16, limit=None, content_type=TYPE):
    names = []

    async def pieces():
        for start in range(0, len(body), size):
            yield body[start : start + size]

    async def named(name):
        names.append(name)

    parts = asyncio.run(read_form(content_type, pieces(), limit, named))
    assert names == [part.file_name for part in parts if part.file_name is not None]
    return parts


def _file(disposition, content=b"x"):
    return b"--B\r\nContent-Disposition: " + disposition + b"\r\n\r\n" + content + b"\r\n"


@pytest.mark.parametrize("size", [1, 2, 7, 64, 100_000])
def test_any_cut_gives_the_same_parts(size):
    """Content full of near-boundaries arrives whole, however it is cut."""
    content = b"\r\n--\r\n--A\r\n-B\r\r\n--" + bytes(range(256)) * 3
    body = (
        _file(b'form-data; name="metadata"', b'{"a": 1}')
        + _file(b'form-data; name="content"; filename="a.pdf"\r\nContent-Type: application/pdf', content)
        + b"--B--\r\n"
    )
    field, file = _read(body, size)
    assert (field.name, bytes(field.text), field.file_name) == ("metadata", b'{"a": 1}', None)
    assert (file.name, file.file_name, file.media_type) == ("content", "a.pdf", "application/pdf")
    assert (file.digest.size, file.digest.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert file.digest.head == content[:16]


@pytest.mark.parametrize(
    ("disposition", "name"),
    [
        (b'form-data; name="f"; filename="a.pdf"', "a.pdf"),
        ('form-data; name="f"; filename="fakturač 🎁.pdf"'.encode(), "fakturač 🎁.pdf"),
        (b'form-data; name="f"; filename="a;b=c.pdf"', "a;b=c.pdf"),
        (b'form-data; name="f"; filename="a%22b.pdf"', "a%22b.pdf"),
        (b'form-data; name="f"; filename="a\\"b.pdf"', 'a"b.pdf'),
        (b"form-data; name=f; filename=a.pdf", "a.pdf"),
        (b'form-data; name="f"; filename="x"; filename*=utf-8\'\'%C4%8D.pdf', "č.pdf"),
        (b'form-data; name="f"; filename="a; filename*=utf-8\'\'b.pdf"', "a; filename*=utf-8''b.pdf"),
        (b'form-data; filename="a; filename*=utf-8\'\'b.pdf"; name="f"', "a; filename*=utf-8''b.pdf"),
        (b'form-data; name="f"; filename="\xff.pdf"', "�.pdf"),
        (b'form-data; name="f"; filename=""', None),
        (b'form-data; name="f"', None),
    ],
)
def test_file_names(disposition, name):
    """Names are read as servers read them; an empty name makes a field."""
    (part,) = _read(_file(disposition) + b"--B--\r\n")
    assert (part.name, part.file_name) == ("f", name)


def test_disposition_of_a_raw_body():
    """Content-Disposition of a request is read in the same way."""
    assert file_name_of(b"attachment; filename=a.pdf") == "a.pdf"
    assert file_name_of(b"attachment; filename*=utf-8''a%20b.pdf") == "a b.pdf"
    assert file_name_of(b"attachment") is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no form at all",
        _file(b'form-data; name="f"; filename="a"'),
        _file(b'form-data; name="f"; filename="a"') + b"--B",
        _file(b"form-data") + b"--B--\r\n",
        b"--B\r\n\r\nx\r\n--B--\r\n",
        b"--C\r\nContent-Disposition: form-data; name=f\r\n\r\nx\r\n--C--\r\n",
    ],
)
def test_malformed_bodies_are_refused(body):
    """Cut short, nameless, or with another boundary: no document comes of it."""
    with pytest.raises(MalformedForm):
        _read(body)


def test_boundary_is_needed():
    """A multipart type without its boundary says so."""
    with pytest.raises(MalformedForm, match="boundary"):
        _read(b"x", content_type="multipart/form-data")


def test_limit_is_for_all_files_together():
    """Files count together, fields and framing do not."""
    two = _file(b'form-data; name="f"; filename="a"', b"x" * 5) + _file(
        b'form-data; name="f"; filename="b"', b"x" * 5
    )
    text = _file(b'form-data; name="g"', b"x" * 100)
    assert len(_read(two + text + b"--B--\r\n", limit=10)) == 3
    with pytest.raises(TooLarge):
        _read(two + b"--B--\r\n", limit=9)


def test_fields_are_bounded():
    """A field is kept in memory and so may not be long."""
    with pytest.raises(MalformedForm, match="longer"):
        _read(_file(b'form-data; name="f"', b"x" * 2_000_000) + b"--B--\r\n")
