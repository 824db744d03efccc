"""JSON that passes in pieces is whole exactly when a reader of all of it says so."""

import json
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hotfolder.backends.json_stream import DEEPEST, JsonStream, NotJsonError

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
NEARLY = st.text('{}[]:,"\\ue01.-+tfnruelsa \n\x01é', max_size=12)


def whole(content: bytes, *cuts: int) -> bool:
    """Tell what the stream thinks of a content that comes in pieces."""
    stream = JsonStream()
    ends = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    try:
        for begin, end in pairwise(ends):
            stream.feed(content[begin:end])
        stream.close()
    except NotJsonError:
        return False
    return True


def _no_constant(word: str) -> None:
    raise ValueError(word)


def readable(content: bytes) -> bool:
    """Tell what Python's own reader thinks of it, NaN and infinities left out."""
    try:
        json.loads(content.decode(), parse_constant=_no_constant)
    except ValueError:
        return False
    return True


@given(VALUES, st.booleans(), st.lists(st.integers(0, 10_000), max_size=6))
def test_what_was_written_is_whole(value: object, ascii_only: bool, cuts: list[int]) -> None:  # noqa: FBT001 — a parameter
    """Every JSON text is whole wherever it is cut into pieces, and no beginning of an object or list is."""
    content = json.dumps(value, ensure_ascii=ascii_only).encode("utf-8", "replace")
    assert whole(content, *cuts)
    assert whole(content, *range(len(content)))
    if content[:1] in {b"{", b"["}:
        assert not any(whole(content[:end]) for end in range(len(content)))


@given(NEARLY, st.lists(st.integers(0, 12), max_size=3))
@example("01", [1])
@example("1.e5", [2])
@example('"\\u12', [4])
@example("[1,]", [3])
@example('{"a":1,}', [7])
@example("]", [])
@example("[}", [])
@example("", [])
@example("1 2", [1])
@example("NaN", [])
@example("-", [])
def test_what_a_reader_refuses_is_not_whole(text: str, cuts: list[int]) -> None:
    """Any text is judged as a reader of all of it judges it."""
    content = text.encode()
    assert whole(content, *cuts) == readable(content)


@pytest.mark.parametrize("content", [b'"\xff"', b'"\xc3', b"\xef\xbb\xbf{}", b'{"a": "\xed\xa0\x80"}'])
def test_other_bytes(content: bytes) -> None:
    """What is not UTF-8 is no JSON."""
    assert not whole(content)


def test_depth_is_bounded() -> None:
    """What no reader could take is not called whole."""
    assert whole(b"[" * DEEPEST + b"]" * DEEPEST)
    assert not whole(b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1))


def test_nothing_is_kept_of_a_long_text() -> None:
    """A text of any length passes without being gathered."""
    stream = JsonStream()
    stream.feed(b'["')
    for _ in range(100):
        stream.feed(b"x" * 100_000)
        assert len(stream._left) == 0
    stream.feed(b'"]')
    stream.close()
