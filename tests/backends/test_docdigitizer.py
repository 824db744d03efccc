"""The DocDigitizer backend keeps the contract, and every specified message code has its outcome."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from hotfolder.backends.base import CannotTell, Refused, Unauthorized, Unavailable, Uncertain
from hotfolder.backends.docdigitizer import DocDigitizer
from hotfolder.sandbox.options import IdPlace, KeyHeader, SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from tests.backends.contract import Taken, World, finished
from tests.backends.parcels import KNOWN, docdigitizer, parcel
from tests.backends.service_contract import (
    ASKED,
    BUSY,
    OURS,
    PAUSED,
    PAUSED_QUEUE,
    Expected,
    ServiceContract,
    check_outcome,
)

Connect = Callable[..., DocDigitizer]
SPECIFIED = [
    (400, Expected(Refused, code="BAD_REQUEST")),
    (401, replace(PAUSED, code="WRONG_AUTH")),
    (403, replace(PAUSED, code="NOT_ENOUGH_PERMISSIONS")),
    (403, replace(PAUSED, code="NO_LICENCE")),
    (403, replace(PAUSED, code="EXPIRED_LICENCE")),
    (404, replace(PAUSED_QUEUE, code="NOT_FOUND")),
    (404, Expected(Refused, code="INVALID_OUTPUT_FORMAT")),
    (409, Expected(Refused, code="CONFLICT")),
    (415, Expected(Refused, code="FILE_TYPE_NOT_SUPPORTED")),
    (422, Expected(Refused, code="INCOHERENT_DATA")),
    (500, replace(ASKED, code="UNEXPECTED_ERROR")),
    (501, replace(PAUSED, code="NOT_IMPLEMENTED")),
    (429, BUSY),
    (503, OURS),
]


@pytest.fixture
def connect(sandbox: SandboxServer) -> Iterator[Connect]:
    """Make backends with other settings."""
    opened: list[DocDigitizer] = []

    def make(**changes: Any) -> DocDigitizer:
        opened.append(DocDigitizer(docdigitizer(**{"base_url": sandbox.docdigitizer_url} | changes)))
        return opened[-1]

    yield make
    for backend in opened:
        backend.close()


class TestDocDigitizer(ServiceContract):
    """The contract against the sandbox's DocDigitizer."""

    service = "docdigitizer"
    upload_path = "*/annotate*"
    secret = KNOWN.docdigitizer_api_key

    @pytest.fixture
    def world(self, sandbox: SandboxServer, connect: Connect) -> World:
        """A backend and the sandbox's ledger."""
        return World(
            connect(),
            lambda: [Taken(one.file_name, one.sha256) for one in sandbox.ledger.entries],
            lambda: self.strike(sandbox, reset="after_commit"),
            queue_id=None,
        )

    @pytest.mark.parametrize(("status", "expected"), SPECIFIED)
    def test_specified_code(
        self, world: World, sandbox: SandboxServer, status: int, expected: Expected
    ) -> None:
        """Every specified message code has the outcome and the record that the product promises."""
        body = {"detail": "invented", "status": status, "title": "Invented"}
        self.strike(sandbox, status=status, body={**body, "code": expected.code} if expected.code else body)
        with pytest.raises(expected.kind) as raised:
            world.backend.upload(world.parcel())
        check_outcome(raised.value, status, replace(expected, key=expected.code))
        assert world.taken() == []

    @pytest.mark.parametrize("status", [200, 201, 202, 299])
    def test_every_2xx_is_a_yes(self, world: World, sandbox: SandboxServer, status: int) -> None:
        """Any 2xx is a success if it names the task or, in the body or a header, the document."""
        for body, headers, final in (
            ({"task": {"id": "t1"}}, {}, False),
            ({"document": {"id": "d1"}}, {}, True),
            ({}, {"X-Document-Location": "https://docs.example/d1"}, True),
        ):
            self.strike(sandbox, status=status, body=body, headers=headers)
            receipt = world.backend.upload(world.parcel())
            assert (receipt.status, receipt.final, receipt.warnings) == (status, final, ())
            assert receipt.document_ids == (("d1",) if final else ())

    @pytest.mark.parametrize("body", [{}, [], {"task": {"status": "CREATED"}}])
    def test_yes_that_names_nothing_is_uncertain(
        self, world: World, sandbox: SandboxServer, body: Any
    ) -> None:
        """The task comes back from every upload (specification): JSON without it or a document is no yes."""
        self.strike(sandbox, status=202, body=body)
        with pytest.raises(Uncertain) as raised:
            world.backend.upload(world.parcel())
        check_outcome(raised.value, 202, ASKED)


@pytest.mark.parametrize("place", IdPlace)
def test_id_in_every_place(sandbox: SandboxServer, connect: Connect, place: IdPlace) -> None:
    """The document's id is found in the body, in a header with a foreign address, or later in the task."""
    sandbox.world.options = SandboxOptions(docdigitizer_id=place)
    backend, sent = connect(), parcel(queue_id=None)
    receipt = backend.upload(sent)
    assert receipt.final is (place is not IdPlace.LATER)
    receipt = finished(backend, receipt, sent)
    entry = sandbox.ledger.entries[0]
    assert receipt.document_ids == (entry.ids["document"],)
    assert receipt.remote.task == f"{sandbox.docdigitizer_url}/api/v1/tasks/{entry.ids['task']}"
    assert receipt.remote.sla_at is not None
    assert receipt.remote.sla_at.endswith("Z")
    assert receipt.remote.links["task"]["self"].endswith(entry.ids["task"])


def test_forgotten_task(sandbox: SandboxServer, connect: Connect) -> None:
    """A task that is gone before it told the document's id leaves the document uncertain."""
    sandbox.world.options = SandboxOptions(docdigitizer_id=IdPlace.LATER)
    backend, sent = connect(), parcel(queue_id=None)
    receipt = backend.upload(sent)
    sandbox.world.expire_tasks()
    with pytest.raises(Uncertain):
        backend.follow_up(receipt, sent)


def test_location_without_body(sandbox: SandboxServer, connect: Connect) -> None:
    """A header that names the document is enough where there is no body."""
    headers = {"X-Document-Location": "https://docs.example/documents/d1"}
    sandbox.play([{"match": {"method": "POST"}, "do": {"status": 204, "headers": headers}}])
    receipt = connect().upload(parcel(queue_id=None))
    assert (receipt.final, receipt.document_ids) == (True, ("d1",))


def test_web_page_instead_of_a_task(sandbox: SandboxServer, connect: Connect) -> None:
    """A portal's page that answers for the task names no document, whatever its headers say."""
    sandbox.world.options = SandboxOptions(docdigitizer_id=IdPlace.LATER)
    backend, sent = connect(), parcel(queue_id=None)
    receipt = backend.upload(sent)
    page = {"html": 200, "headers": {"Location": "https://portal.example/welcome"}}
    sandbox.play([{"match": {"method": "GET"}, "do": page}])
    with pytest.raises(Unavailable, match="not DocDigitizer's own answer"):
        backend.follow_up(receipt, sent)


def test_empty_yes_by_setting(sandbox: SandboxServer, connect: Connect) -> None:
    """A status that the operator counts as done needs no answer."""
    sandbox.play([{"match": {"method": "POST"}, "do": {"status": 202, "body": {}}}])
    receipt = connect(statuses={"202": "done"}).upload(parcel(queue_id=None))
    assert (receipt.final, receipt.document_ids) == (True, ())
    assert receipt.warnings[0].startswith("document_id_not_found")


@pytest.mark.parametrize("header", KeyHeader)
def test_key_in_either_header(sandbox: SandboxServer, connect: Connect, header: KeyHeader) -> None:
    """The key is shown in the specification's header and in the guides' one."""
    sandbox.world.options = SandboxOptions(docdigitizer_key_header=header)
    connect().upload(parcel(queue_id=None))
    assert len(sandbox.ledger) == 1


def test_key_headers_can_be_replaced(sandbox: SandboxServer, connect: Connect) -> None:
    """A configured header replaces the built-in one of that name in any case, with the key filled in."""
    sandbox.world.options = SandboxOptions(docdigitizer_key_header=KeyHeader.AUTHORIZATION)
    with pytest.raises(Unauthorized):
        connect(headers={"authorization": "none"}).upload(parcel(queue_id=None))
    connect(headers={"AUTHORIZATION": "API_KEY {key}"}).upload(parcel(queue_id=None))
    assert len(sandbox.ledger) == 1


def test_one_typed_file_with_tags(sandbox: SandboxServer, connect: Connect) -> None:
    """Exactly one part is sent, with the content's type, class in the path and tags without stray commas."""
    sent = parcel(queue_id=None, queue="bills, č", media_type="image/png", document_class="bank-card")
    connect().upload(sent)
    entry = sandbox.ledger.entries[0]
    assert (entry.media_type, entry.queue, entry.dropped) == ("image/png", "bank-card", ())
    assert entry.tags == ("bills___", f"hotfolder-{sent.upload_id}")


def test_found_by_tag_over_pages(sandbox: SandboxServer, connect: Connect) -> None:
    """The tag is found over several pages of the cursor, among documents of one name."""
    backend = connect()
    sent = [parcel(queue_id=None) for _ in range(130)]
    for one in sent:
        backend.upload(one)
    found = backend.find(sent[-1], 0.0)
    assert found is not None
    assert found.document_ids == (sandbox.ledger.entries[-1].ids["document"],)
    assert backend.find(parcel(queue_id=None), 0.0) is None


def test_list_without_tags_cannot_tell(sandbox: SandboxServer, connect: Connect) -> None:
    """A list that hides the tags is no clear no; an empty one is."""
    sandbox.world.options = SandboxOptions(docdigitizer_lists_tags=False)
    backend = connect()
    assert backend.find(parcel(queue_id=None), 0.0) is None
    sent = parcel(queue_id=None)
    backend.upload(sent)
    with pytest.raises(CannotTell):
        backend.find(sent, 0.0)


@pytest.mark.parametrize(
    "do",
    [
        {"status": 403},
        {"status": 404},
        {"status": 200, "body": {"detail": "OK"}},
        {
            "status": 200,
            "body": {"documents": []},
            "headers": {
                "X-More-Results-Available": "true",
                "X-Cursor-Was-Broken": "true",
                "X-Cursor-ID": "c",
            },
        },
        {
            "status": 200,
            "body": {"documents": []},
            "headers": {"X-More-Results-Available": "false", "X-Cursor-Was-Broken": "true"},
        },
    ],
)
def test_no_list_cannot_tell(sandbox: SandboxServer, connect: Connect, do: dict[str, Any]) -> None:
    """No right, no list, a broken cursor: none of them is a no."""
    sandbox.play([{"match": {"method": "GET"}, "do": do}])
    with pytest.raises(CannotTell):
        connect().find(parcel(queue_id=None), 0.0)


def test_error_code_without_field(sandbox: SandboxServer, connect: Connect) -> None:
    """A code is found as a known word of the body, and implied by a status that has only one."""
    for body, status, key in [
        ({"detail": "x", "title": "NO_LICENCE"}, 403, "NO_LICENCE"),
        ({"detail": "nothing"}, 415, "FILE_TYPE_NOT_SUPPORTED"),
        ({"detail": "nothing"}, 413, None),
    ]:
        sandbox.play([{"match": {"method": "POST"}, "do": {"status": status, "body": body}}])
        backend = connect(statuses={"403 NO_LICENCE": "fail"})
        with pytest.raises(Refused) as raised:
            backend.upload(parcel(queue_id=None))
        assert raised.value.answer.error_key == key


def test_check_without_the_interface(sandbox: SandboxServer, connect: Connect) -> None:
    """A host that is not DocDigitizer's is a finding."""
    assert connect().check(())[0].ok
    assert not connect(base_url=f"{sandbox.docdigitizer_url}/elsewhere").check(())[0].ok


def test_encoding_is_multipart_only(connect: Connect) -> None:
    """Another encoding pauses the connection: the service would not understand it."""
    with pytest.raises(Unauthorized, match="encoding"):
        connect(upload={"encoding": "json_base64"}).upload(parcel(queue_id=None))


def test_check_says_what_cannot_be_looked_up(sandbox: SandboxServer, connect: Connect) -> None:
    """A list of another shape lets documents go out, but one whose answer was lost cannot be found there."""
    sandbox.play([{"match": {"method": "GET"}, "do": {"status": 200, "body": {"rows": []}}}])
    (finding,) = connect().check(())
    assert finding.ok
    assert "cannot be looked up" in finding.text


def test_whom_to_call_is_sent_and_kept_quiet(sandbox: SandboxServer, connect: Connect) -> None:
    """The call-back goes along in the form; an answer that echoes its secret does not show it."""
    backend = connect()
    backend.upload(parcel(webhook_url="https://hooks.acme.example/webhooks/z/s3cret-of-acme"))
    assert sandbox.ledger.entries[0].fields == {
        "callback_url": "https://hooks.acme.example/webhooks/z/s3cret-of-acme",
        "callback_method": "POST",
    }
    for address in ("https://hooks.acme.example/webhooks/z/s3cret-of-acme", "s3cret-of-acme"):
        body = {"detail": f"cannot call {address}", "code": "BAD_REQUEST"}
        sandbox.play([{"match": {"path": "*/annotate"}, "do": {"status": 400, "body": body}}])
        with pytest.raises(Refused) as caught:
            backend.upload(parcel(webhook_url="https://hooks.acme.example/webhooks/z/s3cret-of-acme"))
        assert "cannot call ***" in str(caught.value)
