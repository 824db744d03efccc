"""DocDigitizer's pages are walked by their cursor, and a walk that goes wrong is never a clear end."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest

from hotfolder.backends.base import CannotTell
from hotfolder.backends.docdigitizer import DocDigitizer
from hotfolder.backends.docdigitizer_list import PAGES_MAX, documents, objects, pages, tags_of
from hotfolder.sandbox.server import SandboxServer
from tests.backends.parcels import docdigitizer, parcel
from tests.backends.scripted import Line, Scripted

Walk = Callable[[], Iterator[Any]]


def paged(*answers: tuple[str, str]) -> tuple[list[str], Callable[[Line], object]]:
    """Return the paths that are asked for, and a script that gives each answer's headers and one document in turn."""
    asked: list[str] = []

    def script(line: Line) -> None:
        while head := line.request():
            asked.append(head.split()[1].decode())
            more, cursor = answers[min(len(asked), len(answers)) - 1]
            headers = f"X-More-Results-Available: {more}\r\nX-Cursor-ID: {cursor}\r\n"
            line.answer(200, b'{"documents": [{"id": "d%d"}]}' % len(asked), headers)

    return asked, script


def test_five_pages(sandbox: SandboxServer) -> None:
    """The same request goes out again with each new cursor, until no more is announced."""
    with closing(DocDigitizer(docdigitizer(sandbox.docdigitizer_url))) as backend:
        for number in range(9):
            backend.upload(parcel(queue_id=None, name=f"{number}.pdf"))
        found = [one["name"] for one in documents(backend._channel, 2)]
    assert found == [f"{number}.pdf" for number in range(9)]
    asked = [line.query for line in sandbox.ledger.requests if line.method == "GET"]
    assert asked == ["maxRetrieve=2", *(f"maxRetrieve=2&cursorId=c{n}" for n in (2, 4, 6, 8))]


@pytest.mark.parametrize(
    ("answers", "kept", "says"),
    [
        ([("true", "c1"), ("true", "c1")], 2, "broke off"),
        ([("true", "c1"), ("true", "c2"), ("true", "c1")], 3, "broke off"),
        ([("true", "")], 1, "broke off"),
        ([("false", "c1\r\nX-Cursor-Was-Broken: True")], 1, "broke off"),
    ],
)
def test_a_walk_that_goes_wrong(answers: list[tuple[str, str]], kept: int, says: str) -> None:
    """A circle, a missing cursor and a broken one give what was seen, and then no end but `CannotTell`."""
    _, script = paged(*answers)
    with Scripted(script) as server, closing(DocDigitizer(docdigitizer(server.origin))) as backend:
        walk, found = documents(backend._channel), []
        with pytest.raises(CannotTell, match=says):
            found.extend(walk)
    assert len(found) == kept


@pytest.mark.parametrize("last", ["", "c1"])
def test_a_last_page_needs_no_cursor_of_its_own(last: str) -> None:
    """Where no more is announced the list has ended, whatever the cursor is."""
    asked, script = paged(("true", "c1"), ("false", last))
    with Scripted(script) as server, closing(DocDigitizer(docdigitizer(server.origin))) as backend:
        assert [one["id"] for one in documents(backend._channel)] == ["d1", "d2"]
    assert len(asked) == 2


def test_a_list_without_end() -> None:
    """A list that always announces more is left after a hundred pages."""
    asked, script = paged(*(("true", f"c{n}") for n in range(PAGES_MAX + 5)))
    with (
        Scripted(script) as server,
        closing(DocDigitizer(docdigitizer(server.origin))) as backend,
        pytest.raises(CannotTell, match="100 pages"),
    ):
        list(pages(backend._channel, "/api/v1/documents", {"maxRetrieve": 7}))
    assert len(asked) == PAGES_MAX
    assert asked[0] == "/api/v1/documents?maxRetrieve=7"


@pytest.mark.parametrize(
    "body", [[{"id": 1}], {"documents": [{"id": 1}]}, {"data": [{"id": 1}, 7]}, {"results": [{"id": 1}]}]
)
def test_a_list_in_any_place(body: Any) -> None:
    """The documents may be the answer itself or stand under one of several keys; what is none is left out."""
    assert list(objects(body)) == [{"id": 1}]


def test_no_list() -> None:
    """An answer without a list is none, not an empty one."""
    with pytest.raises(CannotTell):
        objects({"rows": []})


@pytest.mark.parametrize(
    ("document", "tags"),
    [({"tags": ["a", 7]}, {"a", "7"}), ({"tag": "a , b"}, {"a", "b"}), ({"name": "x"}, None)],
)
def test_tags_in_any_shape(document: dict[str, Any], tags: set[str] | None) -> None:
    """Tags are a list or one text with commas; a document that shows none is not one without tags."""
    assert tags_of(document) == tags


def test_listing_takes_no_more_than_asked_for(sandbox: SandboxServer) -> None:
    """A list that is cut at a limit asks for a page of that size, and for no further one."""
    with closing(DocDigitizer(docdigitizer(sandbox.docdigitizer_url))) as backend:
        sent = [parcel(queue_id=None, name=f"{number}.pdf") for number in range(5)]
        for one in sent:
            backend.upload(one)
        listed = list(backend.documents(None, 3))
    assert [(one.name, one.status) for one in listed] == [(f"{n}.pdf", "success") for n in range(3)]
    assert [one.upload_id for one in listed] == [one.upload_id for one in sent[:3]]
    assert all(one.created_at for one in listed)
    assert [line.query for line in sandbox.ledger.requests if line.method == "GET"] == ["maxRetrieve=3"]
