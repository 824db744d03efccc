"""The streaming reader of JSON with base64: any cut, any order of keys, and what is refused."""

import asyncio
import base64
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfolder.sandbox.base64_json import read_base64_json
from hotfolder.sandbox.multipart import MalformedForm, TooLarge


def _read(body, size=1 << 16, limit=None):
    async def pieces():
        for start in range(0, len(body), size):
            yield body[start : start + size]

    return asyncio.run(read_base64_json(pieces(), limit))


@given(content=st.binary(max_size=300), size=st.integers(1, 50), slashes=st.booleans(), last=st.booleans())
def test_any_cut_and_any_order(content, size, slashes, last):
    """Content and values come out whole, however the body is cut, ordered and escaped."""
    values = {"FileName": 'a "FileContent": "x.pdf', "QueueID": 7}
    text = base64.b64encode(content).decode()
    body = json.dumps({**values, "FileContent": text} if last else {"FileContent": text, **values})
    if slashes:
        body = body.replace("/", "\\/")
    found, digest = _read(body.encode(), size)
    assert found == {**values, "FileContent": ""}
    assert (digest.size, digest.sha256) == (len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize("size", [7, 1000])
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"FileContent": 7}',
        b'{"FileContent": "YQ=="',
        b'{"FileContent": "YQ==',
        b'{"FileContent": "YQ"}',
        b'{"FileContent": "YQ=a"}',
        b'{"FileContent": "YQ==YQ=="}',
        b'{"FileContent": "Y*=="}',
        b'{"FileContent": "YQ\\u003d="}',
        b'{"FileContent": "YQ==\\n"}',
        b'{"FileContent": "' + b"=" * 100_000 + b'"}',
        b'{"Other": "' + b"x" * 100_000 + b'"}',
        b'{"a": {"FileContent": "YQ=="}}',
    ],
)
def test_malformed_bodies_are_refused(body, size):
    """What is no such JSON, or no such base64, is no document."""
    with pytest.raises(MalformedForm):
        _read(body, size)


def test_limit_is_on_the_decoded_content():
    """One byte over the limit is too large."""
    body = json.dumps({"FileContent": base64.b64encode(b"x" * 10).decode()}).encode()
    assert _read(body, limit=10)[1].size == 10
    with pytest.raises(TooLarge):
        _read(body, limit=9)
