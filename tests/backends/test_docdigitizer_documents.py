"""How DocDigitizer's work on a document goes, and what it found, is asked by the document's links, on its own host."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from hotfolder.backends import findings
from hotfolder.backends.base import CannotTell, Parcel, Receipt, Unauthorized, Unavailable
from hotfolder.backends.docdigitizer import DocDigitizer
from hotfolder.model import Remote
from hotfolder.sandbox.options import IdPlace, SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from tests.backends.contract import finished
from tests.backends.fetched import fetched
from tests.backends.parcels import KNOWN, docdigitizer, parcel
from tests.backends.scripted import Line, Scripted

D1 = Receipt(202, final=False, remote=Remote(documents=("https://x.example/api/v1/documents/d1",)))
Rules = Callable[..., None]


@pytest.fixture
def backend(sandbox: SandboxServer) -> Iterator[DocDigitizer]:
    """A backend of the sandbox."""
    with closing(DocDigitizer(docdigitizer(sandbox.docdigitizer_url))) as made:
        yield made


@pytest.fixture
def answer(sandbox: SandboxServer) -> Rules:
    """Let every question be answered so: `answer(body, status=200)`."""

    def play(body: Any, status: int = 200) -> None:
        sandbox.play([{"match": {"method": "GET"}, "do": {"status": status, "body": body}}])

    return play


def waiting(**changes: Any) -> Parcel:
    """Make a parcel of a queue that waits until the service is done."""
    return parcel(**{"queue_id": None, "wait_for": "processed"} | changes)


def asked(sandbox: SandboxServer) -> list[str]:
    """Return the paths of all questions."""
    return [line.path for line in sandbox.ledger.requests if line.method == "GET"]


def linked(**links: Any) -> Receipt:
    """Make a receipt of document d1 with these links."""
    return replace(D1, remote=replace(D1.remote, links={"document": links}))


@pytest.mark.parametrize("place", IdPlace)
def test_from_upload_to_the_end(sandbox: SandboxServer, backend: DocDigitizer, place: IdPlace) -> None:
    """Wherever the id is told, the document is imported first, and done when its own status says so."""
    sandbox.world.options = SandboxOptions(docdigitizer_id=place)
    sent = waiting()
    receipt = backend.upload(sent)
    assert (receipt.final, receipt.imported) == (False, place is not IdPlace.LATER)
    receipt = finished(backend, receipt, sent)
    ids = sandbox.ledger.entries[0].ids
    assert (receipt.document_ids, receipt.remote.status) == ((ids["document"],), "success")
    assert (receipt.imported, receipt.warnings) == (True, ())
    assert receipt.remote.links["document"]["self"].endswith(ids["document"])
    assert asked(sandbox)[-1].endswith(f"/api/v1/documents/{ids['document']}")


def test_nothing_is_asked_that_is_not_waited_for(sandbox: SandboxServer, backend: DocDigitizer) -> None:
    """A queue that waits for the import alone has its last word with the document's id."""
    assert backend.upload(waiting(wait_for="imported")).final
    assert asked(sandbox) == []
    receipt = backend.follow_up(D1, waiting(wait_for="imported"))
    assert (receipt.final, receipt.document_ids) == (True, ("d1",))
    assert asked(sandbox) == []


@pytest.mark.parametrize(
    ("status", "final", "warned"),
    [
        ("success", True, False),
        ("Success", True, False),
        ("reviewed", True, False),
        ("annotated", True, False),
        ("Invalid", True, True),
        ("rejected", True, True),
        ("pending", False, False),
        ("start", False, False),
        ("classified", False, False),
        ("gone_fishing", False, False),
        ("", False, False),
        (None, False, False),
    ],
)
def test_annotation_status(
    backend: DocDigitizer,
    answer: Rules,
    status: str | None,
    final: bool,  # noqa: FBT001 — a parameter
    warned: bool,  # noqa: FBT001
) -> None:
    """Done is done, what was turned down later is done with a warning, and everything else is on its way."""
    answer({"document": {"id": "d1", "annotation_status": status, "links": {"reviews": "/r"}}})
    receipt = backend.follow_up(D1, waiting())
    assert (receipt.final, receipt.imported, receipt.document_ids) == (final, True, ("d1",))
    assert receipt.remote.status == (status or None)
    assert receipt.remote.links == {"document": {"reviews": "/r"}}
    assert [status in one for one in receipt.warnings if status] == [True] * warned


def test_several_documents(sandbox: SandboxServer, backend: DocDigitizer) -> None:
    """A receipt of several documents is final when the last one is."""
    both = replace(D1, remote=Remote(documents=("https://x/d1", "https://x/d2")))
    done, on_its_way = ({"document": {"annotation_status": word}} for word in ("success", "pending"))
    rules = [
        {"match": {"path": "*/d1"}, "do": {"status": 200, "body": done}},
        {"match": {"path": "*/d2"}, "do": {"status": 200, "body": on_its_way}},
    ]
    sandbox.play(rules)
    receipt = backend.follow_up(both, waiting())
    assert (receipt.final, receipt.remote.status) == (False, "success, pending")
    rules[1]["do"]["body"] = done  # type: ignore[index]
    sandbox.play(rules)
    receipt = backend.follow_up(both, waiting())
    assert (receipt.final, receipt.remote.status, receipt.document_ids) == (True, "success", ("d1", "d2"))


def test_a_document_that_is_gone(backend: DocDigitizer) -> None:
    """What was taken and is not there any more was removed by somebody: it is not sent again, and said."""
    receipt = backend.follow_up(D1, waiting())
    assert receipt.final
    (warning,) = receipt.warnings
    assert "d1" in warning


@pytest.mark.parametrize("status", [400, 409, 415, 422, 429, 500, 501, 503])
def test_a_question_that_fails(backend: DocDigitizer, answer: Rules, status: int) -> None:
    """An error to a question about a document changes nothing; it is asked again."""
    answer({"detail": "invented", "status": status}, status)
    with pytest.raises(Unavailable, match="invented"):
        backend.follow_up(D1, waiting())
    with pytest.raises(Unavailable, match="invented"):
        fetched(backend, D1, waiting())


@pytest.mark.parametrize("code", ["WRONG_AUTH", "NO_LICENCE", "EXPIRED_LICENCE", "NOT_ENOUGH_PERMISSIONS"])
def test_a_question_without_the_right(backend: DocDigitizer, answer: Rules, code: str) -> None:
    """Key, licence and rights pause the connection at a question as at an upload."""
    status = 401 if code == "WRONG_AUTH" else 403
    answer({"detail": code, "status": status, "code": code}, status)
    with pytest.raises(Unauthorized, match=code):
        backend.follow_up(D1, waiting())


def test_an_uncertain_document_is_followed_too(sandbox: SandboxServer, backend: DocDigitizer) -> None:
    """A document that was found by its tag is imported, and its status is still to come."""
    sent = waiting()
    backend.upload(sent)
    found = backend.find(sent, 0.0)
    assert found is not None
    assert (found.final, found.imported) == (False, True)
    assert finished(backend, found, sent).remote.status == "success"


@pytest.mark.parametrize(
    ("link", "path"),
    [
        ("/docdigitizer/elsewhere/d1", "/docdigitizer/elsewhere/d1"),
        ("/api/v1/documents/d1", "/api/v1/documents/d1"),
        ("http://127.0.0.1/docdigitizer/elsewhere/d1", "/docdigitizer/elsewhere/d1"),
        ("/docdigitizer/elsewhere/d2", "/docdigitizer/api/v1/documents/d1"),
        ("/docdigitizer/elsewhere/d11", "/docdigitizer/api/v1/documents/d1"),
        ("https://docs.example/api/v1/documents/d1", "/docdigitizer/api/v1/documents/d1"),
        ("//docs.example/elsewhere/d1", "/docdigitizer/api/v1/documents/d1"),
        (None, "/docdigitizer/api/v1/documents/d1"),
    ],
)
def test_the_links_lead_the_way(
    sandbox: SandboxServer, backend: DocDigitizer, answer: Rules, link: Any, path: str
) -> None:
    """A link to this document on this host is asked; any other one is not, and the usual place is asked instead."""
    answer({"document": {"annotation_status": "success"}})
    assert backend.follow_up(linked(self=link), waiting()).final
    assert asked(sandbox) == [path]


def test_a_link_that_leads_nowhere(sandbox: SandboxServer, backend: DocDigitizer) -> None:
    """Where a link is 404, the usual place is asked before the document counts as gone."""
    body = {"document": {"annotation_status": "success"}}
    sandbox.play(
        [{"match": {"path": "/docdigitizer/api/v1/documents/d1"}, "do": {"status": 200, "body": body}}]
    )
    assert backend.follow_up(linked(self="/nowhere/d1"), waiting()).warnings == ()
    assert asked(sandbox) == ["/nowhere/d1", "/docdigitizer/api/v1/documents/d1"]


def test_foreign_links_are_not_followed(sandbox: SandboxServer, backend: DocDigitizer) -> None:
    """Another host that the links name is asked for nothing, neither for the status nor for results."""
    with SandboxServer() as other:
        sent = waiting()
        receipt = finished(backend, backend.upload(sent), sent)
        (number,) = receipt.document_ids
        foreign = {
            name: f"{other.docdigitizer_url}/api/v1/documents/{number}{below}"
            for name, below in (("self", ""), ("annotations", "/annotations"), ("reviews", "/reviews"))
        }
        receipt = replace(receipt, final=False, remote=replace(receipt.remote, links={"document": foreign}))
        assert backend.follow_up(receipt, sent).final
        assert fetched(backend, receipt, sent)
        assert other.ledger.requests == []


def test_results_are_kept_as_they_came(sandbox: SandboxServer, backend: DocDigitizer) -> None:
    """Annotations and reviews stand in the file word for word, whatever their schema is."""
    annotations = {
        "annotations": {"data": {"totál": "7,00", "lines": [{"x": None}]}, "links": {}},
        "odd": [1.5],
    }
    reviews = {"reviews": [{"by": "a curator"}]}
    sandbox.play(
        [
            {"match": {"path": "/docdigitizer/a/d1/latest"}, "do": {"status": 200, "body": annotations}},
            {
                "match": {"path": "/docdigitizer/api/v1/documents/d1/reviews"},
                "do": {"status": 200, "body": reviews},
            },
        ]
    )
    written = fetched(backend, linked(annotations="/docdigitizer/a/d1/latest"), waiting())
    assert written is not None
    read = json.loads(written)
    assert (read["schema"], read["annotations"], read["reviews"]) == (
        "hotfolder/annotations/1",
        annotations,
        reviews,
    )
    assert read["fetched_at"].endswith("Z")


def test_results_of_the_sandbox(sandbox: SandboxServer, backend: DocDigitizer) -> None:
    """The whole chain ends with the document's annotations."""
    sent = waiting()
    receipt = finished(backend, backend.upload(sent), sent)
    read = json.loads(fetched(backend, receipt, sent))
    assert read["annotations"]["annotations"]["links"] == receipt.remote.links["document"]
    assert "reviews" in read["reviews"]


def test_results_without_reviews(sandbox: SandboxServer, backend: DocDigitizer) -> None:
    """An account without reviews has annotations all the same; without these there is nothing to file."""
    rule = {"match": {"path": "*/annotations"}, "do": {"status": 200, "body": {"annotations": {}}}}
    sandbox.play([rule])
    assert json.loads(fetched(backend, D1, waiting()))["reviews"] is None
    sandbox.play([])
    assert fetched(backend, D1, waiting()) == b""


def test_results_of_several_documents(sandbox: SandboxServer, backend: DocDigitizer) -> None:
    """Several documents of one upload stand in their order; without any there is nothing."""
    both = replace(D1, remote=Remote(documents=("https://x/d1", "https://x/d2")))
    sandbox.play(
        [
            {"match": {"path": f"*/d{n}/annotations"}, "do": {"status": 200, "body": {"number": n}}}
            for n in (1, 2)
        ]
    )
    read = json.loads(fetched(backend, both, waiting()))
    assert (read["annotations"], read["reviews"]) == ([{"number": 1}, {"number": 2}], [None, None])
    assert fetched(backend, replace(D1, remote=Remote()), waiting()) == b""


def test_a_result_beyond_all_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """A result that is longer than anything known is given up with the reason, and its beginning is not taken for it."""
    monkeypatch.setattr(findings, "MOST_BYTES", 2_000_000)

    def script(line: Line) -> None:
        while head := line.request():
            reviews = b"/reviews" in head
            line.answer(404 if reviews else 200, b"{}" if reviews else b'{"x": "%s"}' % (b"y" * size))

    with Scripted(script) as server, closing(DocDigitizer(docdigitizer(server.origin))) as backend:
        size = 1_900_000
        assert len(fetched(backend, D1, waiting())) > size
        size = 2_100_000
        with pytest.raises(CannotTell, match="longer than 2000000 bytes"):
            fetched(backend, D1, waiting())


def test_no_secret_in_results(backend: DocDigitizer, answer: Rules) -> None:
    """A key that the service repeats in its results is blotted out."""
    answer({"annotations": KNOWN.docdigitizer_api_key})
    backend.check(())
    assert KNOWN.docdigitizer_api_key.encode() not in fetched(backend, D1, waiting())
