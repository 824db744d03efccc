"""Every `links` node is kept by its place, and none of them leads the program, or its key, to another host."""

import json
from contextlib import closing
from typing import Any

import pytest

from hotfolder.backends.answers import Secrets
from hotfolder.backends.docdigitizer import DocDigitizer
from hotfolder.backends.docdigitizer_links import LINKS_BYTES, NODES_MAX, kept, path_of, strangers
from hotfolder.sandbox.options import IdPlace, SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from tests.backends.contract import finished
from tests.backends.parcels import KNOWN, docdigitizer, parcel

BASE = "https://api.docdigitizer.example/of/us"
ANSWER = {
    "links": {"self": "/a"},
    "task": {
        "id": "t1",
        "links": {"self": "/t", "collection": "/ts"},
        "document": {"links": {"self": "/td"}},
    },
    "documents": [{"links": {"self": "/d0"}}, {"id": "d1"}, {"links": {"self": "/d2"}}],
    "annotations": {"data": {"total": 7, "links": "no node"}, "links": {"self": "/an"}},
}


def test_nodes_by_their_place() -> None:
    """Nodes in objects and lists, however deep, are kept as they came under the way to them."""
    assert kept({}, ANSWER, Secrets()) == {
        "answer": {"self": "/a"},
        "task": {"self": "/t", "collection": "/ts"},
        "task.document": {"self": "/td"},
        "documents[0]": {"self": "/d0"},
        "documents[2]": {"self": "/d2"},
        "annotations": {"self": "/an"},
    }
    assert kept({}, [{"links": {"self": "/x"}}], Secrets()) == {"[0]": {"self": "/x"}}
    assert kept({}, "no object", Secrets()) == {}


def test_a_later_answer_adds_and_replaces() -> None:
    """What an earlier answer gave stays until a later one says otherwise."""
    before = {"task": {"self": "/t"}, "answer": {"self": "/a"}}
    assert kept(before, {"task": {"links": {"self": "/T"}}}, Secrets()) == before | {"task": {"self": "/T"}}


def test_nodes_are_bounded() -> None:
    """No answer makes a document's row large: so many nodes, so much text, so deep."""
    many = {"documents": [{"links": {"self": f"/{n}"}} for n in range(5_000)]}
    assert list(kept({}, many, Secrets())) == [f"documents[{n}]" for n in range(NODES_MAX)]
    large = {"a": {"links": {"self": "/" + "x" * LINKS_BYTES}}, "b": {"links": {"self": "/b"}}}
    assert kept({}, large, Secrets()) == {"b": {"self": "/b"}}
    halves = {name: {"links": {"self": "/" + "x" * (LINKS_BYTES // 2)}} for name in ("a", "b")}
    assert list(kept({}, halves, Secrets())) == ["a"]
    deep: dict[str, Any] = {"links": {"self": "/deep"}}
    for _ in range(500):
        deep = {"in": deep}
    assert kept({}, deep, Secrets()) == {}
    node: dict[str, Any] = {}
    for _ in range(500):
        node = {"in": node}
    assert len(json.dumps(kept({}, {"links": node}, Secrets()))) < 200


def test_no_secret_is_kept() -> None:
    """A key that the service puts into a link reaches no sidecar."""
    secrets = Secrets()
    secrets.remember("s3cret-key")
    assert kept({}, {"links": {"self": ["/a?key=s3cret-key"]}}, secrets) == {
        "answer": {"self": ["/a?key=***"]}
    }


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("/api/v1/documents/d1/annotations", "/api/v1/documents/d1/annotations"),
        (" /a?b=c#d ", "/a?b=c"),
        ("https://api.docdigitizer.example/a", "/a"),
        ("https://API.docdigitizer.example:443/a", "/a"),
        ("http://api.docdigitizer.example/a", "/a"),
        ("http://api.docdigitizer.example:80/a", "/a"),
        ("//api.docdigitizer.example/a", "/a"),
        ("https://user:word@api.docdigitizer.example/a", "/a"),
        ("https://docs.example/a", None),
        ("//docs.example/a", None),
        ("https://api.docdigitizer.example:8443/a", None),
        ("https://api.docdigitizer.example.evil.example/a", None),
        ("https://api.docdigitizer.example@evil.example/a", None),
        ("ftp://api.docdigitizer.example/a", None),
        ("javascript:/a", None),
        ("file:///etc/passwd", None),
        ("documents/d1", None),
        ("", None),
        ("/line\r\nbreak", "/linebreak"),
        ("/a b", None),
        ("/é", None),
        ("https://[::1/a", None),
        ("https://api.docdigitizer.example:port/a", None),
        (7, None),
        (None, None),
    ],
)
def test_only_paths_on_our_host(link: Any, path: str | None) -> None:
    """Of a link only path and query are used, and only where it names our host or none."""
    assert path_of(link, BASE) == path


def test_a_port_of_our_own() -> None:
    """Where the configured address has a port, a link may name it, and no other."""
    base = "http://127.0.0.1:8650/docdigitizer"
    assert path_of("http://127.0.0.1:8650/a", base) == "/a"
    assert path_of("http://127.0.0.1:8651/a", base) is None


def test_other_hosts_are_told_once_each() -> None:
    """Each other host is named once; paths and our own host are nothing to tell."""
    nodes = {
        "answer": {"self": "/a", "collection": "https://docs.example/all", "odd": 7},
        "task": {
            "self": "https://user:word@docs.example/t",
            "reviews": f"{BASE}/r",
            "assets": "https://[bad",
        },
    }
    (warning,) = strangers(nodes, BASE, Secrets())
    assert "(docs.example)" in warning
    assert "word" not in warning


def test_foreign_links_stay_unasked(sandbox: SandboxServer) -> None:
    """Links to another host are kept and warned about; that host is asked for nothing and shown no key."""
    sandbox.world.options = SandboxOptions(docdigitizer_id=IdPlace.LATER)
    with SandboxServer() as other, closing(DocDigitizer(docdigitizer(sandbox.docdigitizer_url))) as backend:
        sent = parcel(queue_id=None)
        receipt = backend.upload(sent)
        assert receipt.warnings == ()
        links = {"self": f"{other.docdigitizer_url}/api/v1/documents/d1", "annotations": "/api/v1/x"}
        body = {"task": {"id": "t1", "links": {"self": "/t"}}, "document": {"id": "d1", "links": links}}
        sandbox.play([{"match": {"method": "GET"}, "do": {"status": 200, "body": body}}])
        receipt = finished(backend, receipt, sent)
        assert receipt.remote.links["document"] == links
        (warning,) = receipt.warnings
        assert other.origin.removeprefix("http://") in warning
        assert other.ledger.requests == []


def test_echoed_key_in_a_link(sandbox: SandboxServer) -> None:
    """A link that repeats our key is kept without it."""
    links = {"self": f"/api/v1/tasks/t1?key={KNOWN.docdigitizer_api_key}"}
    body = {"task": {"id": "t1", "links": links}}
    sandbox.play([{"match": {"method": "POST"}, "do": {"status": 202, "body": body}}])
    with closing(DocDigitizer(docdigitizer(sandbox.docdigitizer_url))) as backend:
        receipt = backend.upload(parcel(queue_id=None))
    assert receipt.remote.links == {"task": {"self": "/api/v1/tasks/t1?key=***"}}
