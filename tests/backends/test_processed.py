"""How each service's statuses end the work on a document, and what it found in it."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Any

import pytest

from hotfolder.backends import findings
from hotfolder.backends.base import Backend, CannotTell, Parcel, Receipt, Refused, Unavailable
from hotfolder.backends.digitoo import Digitoo
from hotfolder.backends.docdigitizer import DocDigitizer
from hotfolder.backends.rossum import Rossum
from hotfolder.model import Remote
from hotfolder.sandbox.options import SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from tests.backends.contract import finished
from tests.backends.fetched import fetched
from tests.backends.parcels import KNOWN, digitoo, docdigitizer, parcel, rossum
from tests.backends.scripted import Line, Scripted

Rules = Callable[..., None]
BASE = "https://x.example"
KNOWN_AT = {
    "rossum": Remote(
        task=f"{BASE}/tasks/1", documents=(f"{BASE}/documents/2",), annotations=(f"{BASE}/annotations/3",)
    ),
    "digitoo": Remote(documents=(f"{BASE}/api/v2/documents/d1",)),
}


@pytest.fixture
def backends(sandbox: SandboxServer) -> Iterator[dict[str, Backend]]:
    """A backend of each service that can be asked."""
    with ExitStack() as stack:
        yield {
            "rossum": stack.enter_context(closing(Rossum(rossum(sandbox.rossum_url)))),
            "digitoo": stack.enter_context(closing(Digitoo(digitoo(sandbox.digitoo_url)))),
            "docdigitizer": stack.enter_context(
                closing(DocDigitizer(docdigitizer(sandbox.docdigitizer_url)))
            ),
        }


@pytest.fixture
def answer(sandbox: SandboxServer) -> Rules:
    """Let questions below a path be answered so: `answer(path, body, status=200)`."""

    def play(path: str, body: Any, status: int = 200) -> None:
        sandbox.play([{"match": {"method": "GET", "path": path}, "do": {"status": status, "body": body}}])

    return play


def waiting(service: str, **changes: Any) -> Parcel:
    """Make a parcel of a queue that waits until the service is done, and wants what it found."""
    queue_id = {"rossum": "8236", "digitoo": "q7", "docdigitizer": None}[service]
    return parcel(**{"queue_id": queue_id, "wait_for": "processed", "results": True} | changes)


def known(service: str, **changes: Any) -> Receipt:
    """Make the receipt of a document that a service has imported."""
    return Receipt(**{"status": 202, "final": False, "remote": KNOWN_AT[service], "imported": True} | changes)


def one(status: str | None, number: int = 3) -> dict[str, Any]:
    """Make an annotation of Rossum."""
    address = f"{BASE}/annotations/{number}"
    return {
        "id": number,
        "url": address,
        "status": status,
        "document": f"{BASE}/documents/2",
        "messages": None,
    }


ROSSUM = [
    *(
        (status, False, False)
        for status in ("to_review", "reviewing", "in_workflow", "postponed", "exporting")
    ),
    *((status, False, False) for status in ("created", "importing", "invented_tomorrow", "CONFIRMED")),
    *((status, True, False) for status in ("confirmed", "exported", "split")),
    *((status, True, True) for status in ("rejected", "deleted", "purged", "failed_export")),
]
"""Every status of the guide "Annotation lifecycle" but `failed_import`: whether it is the last word, and a bad one."""


@pytest.mark.parametrize(("status", "final", "against"), ROSSUM)
def test_statuses_of_rossum(
    backends: dict[str, Backend],
    answer: Rules,
    status: str,
    final: bool,  # noqa: FBT001 — a parameter
    against: bool,  # noqa: FBT001
) -> None:
    """Settled is settled, also against the document: that is a warning; every other status is on its way."""
    answer("*/annotations", {"pagination": {}, "results": [one(status)]})
    told = backends["rossum"].follow_up(known("rossum"), waiting("rossum"))
    assert (told.final, told.rejected, told.imported, told.remote.status) == (final, against, True, status)
    assert [status in said for said in told.warnings] == [True] * against
    imported = backends["rossum"].follow_up(
        known("rossum", imported=False), waiting("rossum", wait_for="imported")
    )
    assert imported.final == (status not in {"created", "importing"})
    assert (imported.rejected, imported.warnings) == (False, ())


def test_a_failed_import_is_still_a_refusal(backends: dict[str, Backend], answer: Rules) -> None:
    """Waiting for more does not make an import good that failed."""
    answer("*/annotations", {"pagination": {}, "results": [one("failed_import")]})
    with pytest.raises(Refused):
        backends["rossum"].follow_up(known("rossum", imported=False), waiting("rossum"))


def test_the_last_annotation_counts(backends: dict[str, Backend], answer: Rules) -> None:
    """A document of several annotations is done when all of them are, and many are asked about with one question."""
    both = replace(KNOWN_AT["rossum"], annotations=(f"{BASE}/annotations/3", f"{BASE}/annotations/4"))
    pairs = [(known("rossum", remote=both), waiting("rossum")), (known("rossum"), waiting("rossum"))]
    answer("*/annotations", {"pagination": {}, "results": [one("exported"), one("to_review", 4)]})
    told = backends["rossum"].follow_up_many(pairs)
    assert [isinstance(receipt, Receipt) and receipt.final for receipt in told] == [False, True]
    answer("*/annotations", {"pagination": {}, "results": [one("exported"), one("deleted", 4)]})
    told = backends["rossum"].follow_up_many(pairs)
    assert [isinstance(receipt, Receipt) and (receipt.final, receipt.rejected) for receipt in told] == [
        (True, True),
        (True, False),
    ]


def test_an_annotation_that_is_gone(backends: dict[str, Backend], sandbox: SandboxServer) -> None:
    """What was imported and is 404 by itself was removed; a list that only leaves it out says nothing."""
    nothing = {
        "match": {"path": "*/annotations"},
        "do": {"status": 200, "body": {"pagination": {}, "results": []}},
    }
    sandbox.play([nothing])
    told = backends["rossum"].follow_up(known("rossum"), waiting("rossum"))
    assert (told.final, told.rejected, len(told.warnings)) == (True, True, 1)
    assert not backends["rossum"].follow_up(known("rossum", imported=False), waiting("rossum")).final
    sandbox.play(
        [nothing, {"match": {"path": "*/annotations/3"}, "do": {"status": 200, "body": one("to_review")}}]
    )
    assert not backends["rossum"].follow_up(known("rossum"), waiting("rossum")).final


DIGITOO = [
    *((status, False, False) for status in ("received", "enqueued-for-extraction", "postponed", "", None)),
    *(
        (status, False, False)
        for status in ("waiting-for-human-validation", "waiting-for-human-approval", "new")
    ),
    *((status, True, False) for status in ("ready-to-export", "Ready to export", "exporting", "exported")),
    *((status, True, True) for status in ("extraction-rejected", "extraction-errored", "export-errored")),
    *((status, True, True) for status in ("deleted", "EXTRACTION_REJECTED")),
]


@pytest.mark.parametrize(("status", "final", "against"), DIGITOO)
def test_statuses_of_digitoo(
    backends: dict[str, Backend],
    answer: Rules,
    status: str | None,
    final: bool,  # noqa: FBT001 — a parameter
    against: bool,  # noqa: FBT001
) -> None:
    """Ready to export is done, what came to nothing is done with a warning, every other status is on its way."""
    answer("*/documents/d1", {"data": {"id": "d1", "status": status}})
    told = backends["digitoo"].follow_up(known("digitoo"), waiting("digitoo"))
    assert (told.final, told.rejected, told.document_ids) == (final, against, ("d1",))
    assert [str(status) in said for said in told.warnings] == [True] * against


def test_a_document_of_digitoo_that_is_gone(backends: dict[str, Backend], sandbox: SandboxServer) -> None:
    """What was taken and is 404 was removed: done, with a warning; an error is no answer."""
    told = backends["digitoo"].follow_up(known("digitoo"), waiting("digitoo"))
    assert (told.final, told.rejected, len(told.warnings)) == (True, True, 1)
    sandbox.play([{"match": {"path": "*/documents/d1"}, "do": {"status": 500}}])
    with pytest.raises(Unavailable):
        backends["digitoo"].follow_up(known("digitoo"), waiting("digitoo"))


def test_digitoo_is_final_at_once_where_nothing_is_waited_for(
    backends: dict[str, Backend], sandbox: SandboxServer
) -> None:
    """Without `processed` the yes to the upload is the last word, also of a document that waited for more until now."""
    backend = backends["digitoo"]
    assert backend.upload(waiting("digitoo", wait_for="imported")).final
    before = len(sandbox.ledger.requests)
    told = backend.follow_up(known("digitoo"), waiting("digitoo", wait_for="imported"))
    assert (told.final, told.document_ids, len(sandbox.ledger.requests)) == (True, ("d1",), before)


LIFE = {
    "rossum": {"rossum_statuses": ("to_review", "in_workflow", "exported")},
    "digitoo": {"digitoo_statuses": ("received", "waiting-for-human-validation", "ready-to-export")},
    "docdigitizer": {"docdigitizer_statuses": ("pending", "reviewed")},
}


@pytest.mark.parametrize("service", LIFE)
def test_from_upload_to_the_results(
    sandbox: SandboxServer, backends: dict[str, Backend], service: str
) -> None:
    """The whole way at each service ends with its own words about the document, as it gave them."""
    sandbox.world.options = SandboxOptions(**LIFE[service])  # type: ignore[arg-type]
    backend, sent = backends[service], waiting(service)
    receipt = backend.upload(sent)
    assert not receipt.final
    receipt = finished(backend, receipt, sent)
    assert (receipt.rejected, receipt.warnings) == (False, ())
    assert receipt.document_ids == (sandbox.ledger.entries[0].ids["document"],)
    read = json.loads(fetched(backend, receipt, sent))
    assert set(read) == {"schema", "fetched_at", "source", "annotations", "reviews"}
    assert read["schema"] == "hotfolder/annotations/1"
    key = {"rossum": "content", "digitoo": "data", "docdigitizer": "annotations"}[service]
    assert read["annotations"][key]
    found = backend.find(sent, 0.0)
    assert found is not None
    assert not found.final
    assert finished(backend, found, sent).document_ids == receipt.document_ids


WHERE = {"rossum": "*/annotations/3/content", "digitoo": "*/documents/d1/annotations"}


@pytest.mark.parametrize("service", WHERE)
def test_results_word_for_word(sandbox: SandboxServer, backends: dict[str, Backend], service: str) -> None:
    """Not a byte of the service's JSON is changed: no number is rounded, no letter is written otherwise."""
    body = '{ "totál":1.10, "e" : "\\u00e9é",\n"big":12345678901234567890.0}'
    sandbox.play([{"match": {"path": WHERE[service]}, "do": {"status": 200, "body": body}}])
    assert body.encode() in fetched(backends[service], known(service), waiting(service))
    sandbox.play([{"match": {"path": WHERE[service]}, "do": {"status": 404}}])
    assert fetched(backends[service], known(service), waiting(service)) == b""


@pytest.mark.parametrize("service", WHERE)
@pytest.mark.parametrize("body", ["<html>a portal</html>", '{"half": ', "", '{"a": 1} {"b": 2}'])
def test_results_that_are_none(
    sandbox: SandboxServer, backends: dict[str, Backend], service: str, body: str
) -> None:
    """A page of a portal, half an answer or none is not filed as what the service found; it is asked again."""
    sandbox.play([{"match": {"path": WHERE[service]}, "do": {"status": 200, "body": body}}])
    with pytest.raises(Unavailable, match="whole"):
        fetched(backends[service], known(service), waiting(service))


def test_several_annotations_stand_in_their_order(
    backends: dict[str, Backend], sandbox: SandboxServer
) -> None:
    """Several annotations are a list; one that has no content is null; one of a document that a hook added is left out."""
    added = {**one("exported", 6), "document": f"{BASE}/documents/9"}
    remote = replace(
        KNOWN_AT["rossum"],
        annotations=tuple(f"{BASE}/annotations/{number}" for number in (3, 4, 6)),
        objects={
            "upload": {"additional_documents": [f"{BASE}/documents/9"]},
            "annotations": [one("exported"), added],
        },
    )
    sandbox.play([{"match": {"path": WHERE["rossum"]}, "do": {"status": 200, "body": {"content": [1]}}}])
    read = json.loads(fetched(backends["rossum"], known("rossum", remote=remote), waiting("rossum")))
    assert (read["annotations"], read["reviews"]) == ([{"content": [1]}, None], None)


def test_long_results_are_not_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too long is given up, and no more of it is read than that."""
    monkeypatch.setattr(findings, "MOST_BYTES", 3_000_000)

    def script(line: Line) -> None:
        while line.request():
            line.answer(200, b'["%s"]' % (b"y" * size))

    with (
        Scripted(script) as server,
        closing(Digitoo(digitoo(server.origin, token=KNOWN.digitoo_token))) as backend,
    ):
        size = 2_900_000
        assert len(fetched(backend, known("digitoo"), waiting("digitoo"))) > size
        size = 3_100_000
        with pytest.raises(CannotTell, match="longer than 3000000 bytes"):
            fetched(backend, known("digitoo"), waiting("digitoo"))


def test_a_secret_that_a_service_repeats(backends: dict[str, Backend], answer: Rules) -> None:
    """A token is blotted out of results wherever the pieces end, and what is left is JSON."""
    backend = backends["rossum"]
    backend.check(("8236",))
    answer("*/content", {"token": "x" * 65_500 + KNOWN.rossum_password * 3})
    written = fetched(backend, known("rossum"), waiting("rossum"))
    assert KNOWN.rossum_password.encode() not in written
    assert json.loads(written)["annotations"]["token"] == "x" * 65_500 + "***" * 3
