"""Extraction paths find what they name, and nothing else."""

from typing import Any

import pytest

from hotfolder.backends.paths import ids, last_segment, text, texts

HEADERS = {"x-document-location": "http://elsewhere.example/api/v1/documents/77?x=1"}


@pytest.mark.parametrize(
    ("path", "document", "found"),
    [
        ("id", {"id": 7}, ("7",)),
        ("id", {"id": " a "}, ("a",)),
        ("data.id", {"data": {"id": "a"}}, ("a",)),
        ("data[].id", {"data": [{"id": "a"}, {"id": "b"}, {}, 3]}, ("a", "b")),
        ("data.documents[].id", {"data": {"documents": [{"id": 1}]}}, ("1",)),
        ("data.ids[]", {"data": {"ids": ["a", None, True, "", "b"]}}, ("a", "b")),
        ("a[].b[].c", {"a": [{"b": [{"c": 1}, {"c": 2}]}, {"b": [{"c": 3}]}]}, ("1", "2", "3")),
        ("[].id", [{"id": "x"}], ("x",)),
        ("[]", ["x", "y"], ("x", "y")),
        ("id", ["x"], ()),
        ("id", None, ()),
        ("id[]", {"id": "text"}, ()),
        ("id", {"id": {"deep": 1}}, ()),
        ("id", {"id": False}, ()),
        ("header:X-Document-Location", {}, (HEADERS["x-document-location"],)),
        ("header:Location", {}, ()),
    ],
)
def test_one_path(path: str, document: Any, found: tuple[str, ...]) -> None:
    """Each form of a path finds texts and numbers, and survives every other shape."""
    assert texts([path], document, HEADERS) == found


def test_first_hit_wins() -> None:
    """Paths are tried in order, and one with an empty value is no hit."""
    document = {"a": "", "b": ["x", "y"], "c": "z"}
    assert texts(("a", "b[]", "c"), document, {}) == ("x", "y")
    assert text(("a", "b[]", "c"), document, {}) == "x"
    assert text(("a", "d"), document, {}) is None


def test_ids_are_cut_from_addresses() -> None:
    """Of an address only the last segment is an id, and each id counts once."""
    assert ids(["header:X-Document-Location"], None, HEADERS) == ("77",)
    assert ids(["[]"], ["a", "https://h/documents/a/", "b"], {}) == ("a", "b")


@pytest.mark.parametrize(
    ("address", "segment"),
    [
        ("315509", "315509"),
        ("https://h/api/v1/tasks/315509", "315509"),
        ("https://h/api/v1/tasks/315509/?x=/y#/z", "315509"),
        ("/api/v1/tasks/a%2Fb", "a/b"),
        ("http://[broken/tasks/9", "9"),
        ("https://h/", ""),
    ],
)
def test_last_segment(address: str, segment: str) -> None:
    """The id at the end of an address, whatever the address."""
    assert last_segment(address) == segment
