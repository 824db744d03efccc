"""DocDigitizer's v3 keeps the contract as far as it can: no 200 counts without its state, and nothing can be asked."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from hotfolder.backends.base import CannotTell, Refused, Unauthorized, Unavailable, Uncertain
from hotfolder.backends.docdigitizer_v3 import RESULTS_MAX, DocDigitizerV3
from hotfolder.model import Answer
from hotfolder.sandbox.options import ExtractError, SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from tests.backends.contract import Taken, World
from tests.backends.fetched import fetched
from tests.backends.parcels import KNOWN, docdigitizer_v3, parcel
from tests.backends.scripted import Line, Scripted
from tests.backends.service_contract import (
    ASKED,
    BUSY,
    FOREIGN,
    OURS,
    PAUSED,
    PAUSED_QUEUE,
    Expected,
    ServiceContract,
    check_outcome,
)

Connect = Callable[..., DocDigitizerV3]
REFUSED = Expected(Refused)
DOCUMENTED = [
    (400, REFUSED),
    (401, PAUSED),
    (403, PAUSED),
    (404, PAUSED_QUEUE),
    (413, REFUSED),
    (415, REFUSED),
    (422, REFUSED),
    (429, BUSY),
    (500, ASKED),
    (503, OURS),
    (504, ASKED),
]


@pytest.fixture
def connect(sandbox: SandboxServer) -> Iterator[Connect]:
    """Make backends with other settings."""
    opened: list[DocDigitizerV3] = []

    def make(**changes: Any) -> DocDigitizerV3:
        opened.append(DocDigitizerV3(docdigitizer_v3(**{"base_url": sandbox.docdigitizer_v3_url} | changes)))
        return opened[-1]

    yield make
    for backend in opened:
        backend.close()


class TestDocDigitizerV3(ServiceContract):
    """The contract against the sandbox's v3, without what needs a question."""

    service = "docdigitizer"
    upload_path = "*/extract"
    secret = KNOWN.docdigitizer_api_key

    @pytest.fixture
    def world(self, sandbox: SandboxServer, connect: Connect) -> World:
        """A backend and the sandbox's ledger."""
        sandbox.world.options = SandboxOptions(extract_max_bytes=None)
        return World(
            connect(),
            lambda: [Taken(one.file_name, one.sha256) for one in sandbox.ledger.entries],
            lambda: self.strike(sandbox, reset="after_commit"),
            queue_id=None,
        )

    @pytest.mark.parametrize("shape", ExtractError)
    @pytest.mark.parametrize(("status", "expected"), DOCUMENTED)
    def test_documented_status(
        self, world: World, sandbox: SandboxServer, status: int, expected: Expected, shape: ExtractError
    ) -> None:
        """Each documented status has its outcome in each of the three shapes, with the service's own words."""
        body: dict[str, Any] = {
            ExtractError.SERVICE: {"StateText": "ERROR", "TraceId": "t", "Messages": ["invented words"]},
            ExtractError.GATEWAY: {"error": "Bad", "message": "invented words", "statusCode": status},
            ExtractError.FAILED: {"state": "Failed", "error": {"code": "E7", "message": "invented words"}},
        }[shape]
        self.strike(sandbox, status=status, body=body)
        with pytest.raises(expected.kind, match="invented words") as raised:
            world.backend.upload(world.parcel())
        check_outcome(
            raised.value, status, replace(expected, key="E7" if shape is ExtractError.FAILED else None)
        )
        assert world.taken() == []

    def test_lost_answer_is_found(self, world: World) -> None:
        """A document whose answer was lost is uncertain, and nobody can tell whether it arrived."""
        world.lose_answer()
        with pytest.raises(Uncertain):
            world.backend.upload(world.parcel())
        with pytest.raises(CannotTell, match="no list"):
            world.backend.find(world.parcel(), 0.0)

    def test_a_list_comes_through_though_its_pages_fail_now_and_then(
        self, world: World, sandbox: SandboxServer
    ) -> None:
        """There is no list, so nothing is asked."""
        del sandbox
        with pytest.raises(CannotTell):
            world.backend.find(world.parcel(), 0.0)

    def test_unsent_document_is_not_found(self, world: World) -> None:
        """Of a document that was never sent there is no clear no either."""
        with pytest.raises(CannotTell):
            world.backend.find(world.parcel(), 0.0)

    def test_namesake_is_no_hit(self, world: World) -> None:
        """Another upload's document of the same name is not taken for this one."""
        with pytest.raises(CannotTell):
            world.backend.find(world.parcel(), 0.0, frozenset({"d1"}))

    def test_lists_what_it_took(self, world: World) -> None:
        """This generation lists nothing."""
        with pytest.raises(CannotTell):
            world.backend.documents(None, 10)

    @pytest.mark.parametrize("do", FOREIGN)
    def test_foreign_answer_to_a_question(
        self, world: World, sandbox: SandboxServer, do: dict[str, Any]
    ) -> None:
        """A portal does not say that all is well."""
        self.strike(sandbox, **do)
        with pytest.raises(Unavailable):
            world.backend.check(())

    @pytest.mark.parametrize("status", [200, 201, 202, 299])
    @pytest.mark.parametrize(
        ("state", "key"),
        [("COMPLETED", "stateText"), ("completed", "StateText"), ("PROCESSING", "StateText")],
    )
    def test_a_good_state_is_a_yes(
        self, world: World, sandbox: SandboxServer, status: int, state: str, key: str
    ) -> None:
        """A 2xx with a good state, however it is spelt, is final and names the document."""
        self.strike(sandbox, status=status, body={key: state, "DocumentId": "d1", "TraceId": "t1"})
        receipt = world.backend.upload(world.parcel())
        assert (receipt.status, receipt.final, receipt.document_ids) == (status, True, ("d1",))
        assert (receipt.remote.status, receipt.remote.objects) == (state, {"trace": "t1"})
        assert receipt.warnings == ()

    @pytest.mark.parametrize(
        ("body", "key", "words"),
        [
            ({"stateText": "ERROR", "messages": ["too dark"]}, "ERROR", "too dark"),
            ({"StateText": "Error", "Messages": ["too dark"]}, "ERROR", "too dark"),
            ({"state": "Failed", "error": {"code": "E7", "message": "too dark"}}, "E7", "too dark"),
            ({"stateText": "ERROR"}, "ERROR", "stateText: ERROR"),
        ],
    )
    def test_a_bad_state_is_a_refusal(
        self, world: World, sandbox: SandboxServer, body: Any, key: str, words: str
    ) -> None:
        """A 200 whose state is an error fails the document, with the service's words and what to do."""
        self.strike(sandbox, status=200, body=body | {"traceId": "t1"})
        with pytest.raises(Refused) as raised:
            world.backend.upload(world.parcel())
        answer = raised.value.answer
        assert answer == Answer(422, key, answer.messages, None)
        assert answer.messages
        assert answer.messages[0] == words
        assert "damaged" in answer.messages[-1]
        assert raised.value.remote
        assert raised.value.remote.objects == {"trace": "t1"}

    @pytest.mark.parametrize("body", [{}, [], {"stateText": "QUEUED"}, {"stateText": 7}, {"stateText": None}])
    def test_no_state_is_uncertain(self, world: World, sandbox: SandboxServer, body: Any) -> None:
        """A 2xx without a state that is known says neither yes nor no."""
        self.strike(sandbox, status=200, body=body)
        with pytest.raises(Uncertain, match="a state") as raised:
            world.backend.upload(world.parcel())
        check_outcome(raised.value, 200, ASKED)


def test_what_is_sent(sandbox: SandboxServer, connect: Connect) -> None:
    """One file goes out with our upload's id, the same context for all of a queue, and what is configured."""
    backend = connect(upload={"fields": {"pipelineIdentifier": "p1", "requestToken": "{name}", "id": "mine"}})
    first, second = parcel(queue_id=None, name="a.pdf"), parcel(queue_id=None, name="b.pdf")
    other = parcel(queue_id=None, name="c.pdf", queue="other")
    for one in (first, second, other):
        backend.upload(one)
    sent = [entry.fields for entry in sandbox.ledger.entries]
    assert [fields["id"] for fields in sent] == [one.upload_id for one in (first, second, other)]
    assert sent[0]["contextID"] == sent[1]["contextID"] != sent[2]["contextID"]
    assert uuid.UUID(sent[0]["contextID"])
    assert [(f["pipelineIdentifier"], f["requestToken"]) for f in sent] == [
        ("p1", name) for name in ("a.pdf", "b.pdf", "c.pdf")
    ]


def test_the_context_can_be_set(sandbox: SandboxServer, connect: Connect) -> None:
    """A context of the account's own replaces ours."""
    context = str(uuid.uuid4())
    connect(upload={"fields": {"contextID": context}}).upload(parcel(queue_id=None))
    assert sandbox.ledger.entries[0].fields["contextID"] == context


def test_the_answer_is_the_result(sandbox: SandboxServer, connect: Connect) -> None:
    """A queue that wants results gets the answer word for word; one that does not leaves nothing behind."""
    backend = connect()
    wanted, unwanted = parcel(queue_id=None, results=True), parcel(queue_id=None)
    receipts = [backend.upload(one) for one in (wanted, unwanted)]
    read = json.loads(fetched(backend, receipts[0], wanted))
    assert (read["schema"], read["source"]) == ("hotfolder/annotations/1", "answer")
    assert read["annotations"]["documentId"] == sandbox.ledger.entries[0].ids["document"]
    assert read["annotations"]["output"]["extractions"]
    with pytest.raises(CannotTell, match="gone since the restart"):
        fetched(backend, receipts[1], unwanted)
    with pytest.raises(CannotTell, match="gone since the restart"):
        fetched(connect(), receipts[0], wanted)


def test_results_that_nobody_asks_for(connect: Connect) -> None:
    """The oldest results make room: what is held stays bounded."""
    backend = connect()
    sent = [parcel(queue_id=None, results=True) for _ in range(RESULTS_MAX + 1)]
    receipts = [backend.upload(one) for one in sent]
    assert fetched(backend, receipts[1], sent[1])
    with pytest.raises(CannotTell):
        fetched(backend, receipts[0], sent[0])


def test_large_results_that_nobody_asks_for() -> None:
    """The room for results is counted in bytes too."""
    body = b'{"output": "%s", "stateText": "COMPLETED"}' % (b"x" * 7_000_000)

    def script(line: Line) -> None:
        while line.request():
            line.answer(200, body)

    with Scripted(script) as server, closing(DocDigitizerV3(docdigitizer_v3(server.origin))) as backend:
        sent = [parcel(queue_id=None, results=True) for _ in range(3)]
        receipts = [backend.upload(one) for one in sent]
        with pytest.raises(CannotTell):
            fetched(backend, receipts[0], sent[0])
        assert all(
            fetched(backend, receipt, one) for receipt, one in zip(receipts[1:], sent[1:], strict=True)
        )


def test_our_id_where_the_service_names_none(sandbox: SandboxServer, connect: Connect) -> None:
    """Where the answer holds no id, the one that we gave is the document's."""
    sandbox.world.options = SandboxOptions(extract_names_document=False, extract_pascal=True)
    sent = parcel(queue_id=None)
    assert connect().upload(sent).document_ids == (sent.upload_id,)


def test_a_failed_document(sandbox: SandboxServer, connect: Connect) -> None:
    """A document that the service cannot read is refused, although it answers 200."""
    sandbox.play([{"match": {"path": "*/extract"}, "do": {"failed_import": True}}])
    with pytest.raises(Refused, match="could not be read"):
        connect().upload(parcel(queue_id=None))
    assert [line.status for line in sandbox.ledger.requests] == [200]


def test_empty_yes_by_setting(sandbox: SandboxServer, connect: Connect) -> None:
    """A status that the operator counts as done needs no state."""
    sandbox.play([{"match": {"method": "POST"}, "do": {"status": 200, "body": {}}}])
    receipt = connect(statuses={"200": "done"}).upload(parcel(queue_id=None))
    assert (receipt.final, receipt.document_ids) == (True, ())
    assert receipt.warnings[0].startswith("document_id_not_found")


def test_a_large_result() -> None:
    """An answer that holds the result of many pages is read to its end."""
    body = b'{"output": "%s", "stateText": "COMPLETED", "documentId": "d1"}' % (b"x" * 3_000_000)

    def script(line: Line) -> None:
        line.request()
        line.answer(200, body)

    with Scripted(script) as server, closing(DocDigitizerV3(docdigitizer_v3(server.origin))) as backend:
        assert backend.upload(parcel(queue_id=None)).document_ids == ("d1",)


def test_the_key_is_shown_without_a_document(sandbox: SandboxServer, connect: Connect) -> None:
    """A check sends a form without a document: nothing is taken, and a wrong key or address is told."""
    (finding,) = connect().check(())
    assert finding.ok
    assert "cannot be looked up" in finding.text
    (finding,) = connect(base_url=f"{sandbox.docdigitizer_v3_url}/elsewhere").check(())
    assert not finding.ok
    sandbox.world.accept_only(replace(sandbox.world.credentials, docdigitizer_api_key="new"))
    with pytest.raises(Unauthorized):
        connect().check(())
    sandbox.play([{"match": {"method": "POST"}, "do": {"status": 500}}])
    with pytest.raises(Unavailable):
        connect().check(())
    assert len(sandbox.ledger) == 0


def test_encoding_is_multipart_only(connect: Connect) -> None:
    """Another encoding pauses the connection: the service would not understand it."""
    with pytest.raises(Unauthorized, match="encoding"):
        connect(upload={"encoding": "body"}).upload(parcel(queue_id=None))
