"""Rossum's lists: what recovery asks them."""

import hashlib
import time
from contextlib import closing
from datetime import UTC, datetime

import pytest
from rossum_api import SyncRossumAPIClient
from rossum_api.dtos import UserCredentials


def _names(answer):
    return [item["original_file_name"] for item in answer.json()["results"]]


def _iso(seconds):
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def test_documents_are_found_by_name_creator_and_time(sandbox, rossum, upload):
    """Recovery by name: exact name, one's own uploads, after a moment."""
    for name in ("a.pdf", "b.pdf", "a.pdf"):
        upload(sandbox, name)
    hour_ago, hour_ahead = _iso(time.time() - 3600), _iso(time.time() + 3600)
    query = {
        "original_file_name": "a.pdf",
        "creator": "10775",
        "created_at_after": hour_ago,
        "ordering": "created_at",
    }
    assert _names(rossum(sandbox, "GET", "documents", params=query)) == ["a.pdf", "a.pdf"]
    assert _names(rossum(sandbox, "GET", "documents", params=query | {"creator": "1"})) == []
    assert _names(rossum(sandbox, "GET", "documents", params=query | {"created_at_after": hour_ahead})) == []
    assert _names(rossum(sandbox, "GET", "documents", params={"ordering": "-created_at"})) == [
        "a.pdf",
        "b.pdf",
        "a.pdf",
    ]


def test_bad_moment_is_400(sandbox, rossum):
    """A filter that is no date is refused."""
    assert rossum(sandbox, "GET", "documents?created_at_after=yesterday").status_code == 400


def test_annotations_are_found_by_numbers_queue_and_time(sandbox, rossum, upload):
    """Many imports are polled with one request; recovery reads a queue's annotations since a moment."""
    for name in ("a.pdf", "b.pdf", "c.pdf"):
        upload(sandbox, name)
    by_number = rossum(sandbox, "GET", "annotations?id=104324,104322,9").json()["results"]
    assert [item["id"] for item in by_number] == [104322, 104324]
    since = {"queue": "8236", "arrived_at_after": _iso(time.time() - 60), "ordering": "-created_at"}
    newest = rossum(sandbox, "GET", "annotations", params=since).json()["results"]
    assert [item["id"] for item in newest] == [104324, 104323, 104322]
    assert rossum(sandbox, "GET", "annotations?queue=1").json()["results"] == []
    later = since | {"arrived_at_after": _iso(time.time() + 60)}
    assert rossum(sandbox, "GET", "annotations", params=later).json()["results"] == []


def test_annotations_come_with_their_documents(sandbox, rossum, upload):
    """The list of annotations brings their documents along where it is asked to, as the official client asks."""
    for name in ("a.pdf", "b.pdf"):
        upload(sandbox, name)
    client = SyncRossumAPIClient(
        sandbox.rossum_url, UserCredentials("scanner@sandbox.example", "sandbox-password")
    )
    with closing(client.internal_client.client):
        found = list(client.list_annotations(sideloads=["documents"], id="104322,104323"))
    assert [one.document.original_file_name for one in found] == ["a.pdf", "b.pdf"]
    assert "documents" not in rossum(sandbox, "GET", "annotations").json()


def test_pages(sandbox, rossum, upload):
    """A page knows its neighbours; beyond the last there is nothing."""
    for number in range(5):
        upload(sandbox, f"{number}.pdf")
    page = rossum(sandbox, "GET", "documents?page_size=2&page=2").json()
    assert [item["original_file_name"] for item in page["results"]] == ["2.pdf", "3.pdf"]
    assert (page["pagination"]["total"], page["pagination"]["total_pages"]) == (5, 3)
    following = rossum(
        sandbox, "GET", page["pagination"]["next"].removeprefix(sandbox.rossum_url + "/")
    ).json()
    assert [item["original_file_name"] for item in following["results"]] == ["4.pdf"]
    assert following["pagination"]["next"] is None
    assert rossum(sandbox, "GET", "documents?page_size=2&page=4").status_code == 404


def test_page_size_is_bounded(sandbox, rossum):
    """Without a size there are 20 a page, and never more than 100."""
    files = [("content", (f"{number}.pdf", b"x")) for number in range(101)]
    assert rossum(sandbox, "POST", "uploads?queue=8236", files=files).status_code == 202
    assert len(rossum(sandbox, "GET", "documents").json()["results"]) == 20
    assert len(rossum(sandbox, "GET", "documents?page_size=1000").json()["results"]) == 100


@pytest.mark.parametrize("kind", ["documents", "annotations"])
def test_lag_hides_what_is_young(start, rossum, upload, kind):
    """Where the import lags, lists do not show it yet; the upload itself is there."""
    server = start(rossum_lag_s=3600)
    upload(server)
    assert rossum(server, "GET", kind).json()["results"] == []
    assert rossum(server, "GET", "uploads/314528").status_code == 200


def test_duplicates_get_a_relation(sandbox, rossum, upload):
    """The second import of one content makes a relation whose key is the content's MD5."""
    content = b"%PDF-1.7 twice"
    md5 = hashlib.md5(content).hexdigest()
    upload(sandbox, "a.pdf", content)
    assert rossum(sandbox, "GET", "relations?type=duplicate").json()["results"] == []
    upload(sandbox, "b.pdf", content)
    (relation,) = rossum(sandbox, "GET", f"relations?type=duplicate&key={md5}").json()["results"]
    assert len(relation["annotations"]) == 2
    assert rossum(sandbox, "GET", "relations?key=0").json()["results"] == []
    assert rossum(sandbox, "GET", "relations?type=edit").json()["results"] == []
    related = rossum(sandbox, "GET", f"annotations?relations__key={md5}").json()["results"]
    assert [item["relations"] for item in related] == [[relation["url"]]] * 2
