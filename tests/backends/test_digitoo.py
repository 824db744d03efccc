"""The Digitoo backend keeps the contract in both encodings, and lives with what is not published."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from hotfolder.backends.base import CannotTell, Refused, Unauthorized, Unavailable, Uncertain
from hotfolder.backends.digitoo import Digitoo
from hotfolder.sandbox.options import DigitooAnswer, SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from hotfolder.settings.secrets import WrittenSecret
from tests.backends.contract import Taken, World
from tests.backends.parcels import KNOWN, digitoo, parcel
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

Connect = Callable[..., Digitoo]
SPECIFIED = [
    (400, Expected(Refused)),
    (401, PAUSED),
    (403, PAUSED),
    (404, PAUSED_QUEUE),
    (413, Expected(Refused)),
    (415, Expected(Refused)),
    (422, Expected(Refused)),
    (429, BUSY),
    (500, ASKED),
    (503, OURS),
]
"""200, 400 and 500 are specified, the others are what an API of this kind gives."""


@pytest.fixture
def connect(sandbox: SandboxServer) -> Iterator[Connect]:
    """Make backends with other settings."""
    opened: list[Digitoo] = []

    def make(now: Callable[[], float] | None = None, **changes: Any) -> Digitoo:
        connection = digitoo(sandbox.digitoo_url, **changes)
        opened.append(Digitoo(connection, now) if now else Digitoo(connection))
        return opened[-1]

    yield make
    for backend in opened:
        backend.close()


class DigitooContract(ServiceContract):
    """The contract, for any encoding."""

    service = "digitoo"
    upload_path = "*/upload"
    secret = KNOWN.digitoo_password
    settings: Mapping[str, Any]

    @pytest.fixture
    def world(self, sandbox: SandboxServer, connect: Connect) -> World:
        """A logged-out backend and the sandbox's ledger."""
        return World(
            connect(upload=dict(self.settings)),
            lambda: [Taken(one.file_name, one.sha256) for one in sandbox.ledger.entries],
            lambda: self.strike(sandbox, reset="after_commit"),
            queue_id="q7",
        )

    @pytest.mark.parametrize(("status", "expected"), SPECIFIED)
    def test_specified_status(
        self, world: World, sandbox: SandboxServer, status: int, expected: Expected
    ) -> None:
        """Every status has the outcome and the record that the product promises."""
        self.strike(sandbox, status=status, body={"message": "invented", "error_key": "odd"})
        with pytest.raises(expected.kind) as raised:
            world.backend.upload(world.parcel())
        check_outcome(raised.value, status, replace(expected, key="odd"))
        assert world.taken() == []

    @pytest.mark.parametrize("body", [{}, [], {"status": "queued"}])
    def test_yes_without_id_is_a_yes(self, world: World, sandbox: SandboxServer, body: Any) -> None:
        """A 2xx in JSON whose id is not found is a success with a warning, not a reason to send again."""
        self.strike(sandbox, status=201, body=body)
        receipt = world.backend.upload(world.parcel())
        assert (receipt.status, receipt.final, receipt.document_ids) == (201, True, ())
        assert receipt.warnings[0].startswith("document_id_not_found")


class TestDigitooMultipart(DigitooContract):
    """The vendor's documented form."""

    settings = MappingProxyType[str, Any]({})


class TestDigitooJson(DigitooContract):
    """The connector's columns as a JSON object."""

    settings = MappingProxyType[str, Any]({"encoding": "json_base64"})


@pytest.mark.parametrize("shape", [one for one in DigitooAnswer if one is not DigitooAnswer.NONE])
def test_id_in_every_shape(sandbox: SandboxServer, connect: Connect, shape: DigitooAnswer) -> None:
    """The document's id is found wherever an answer may hold it."""
    sandbox.world.options = SandboxOptions(digitoo_answer=shape)
    receipt = connect().upload(parcel(queue_id="q7"))
    assert receipt.document_ids == (sandbox.ledger.entries[0].ids["document"],)
    assert receipt.warnings == ()


def test_id_path_setting(sandbox: SandboxServer, connect: Connect) -> None:
    """Where the id stands can be set, and then only that place counts."""
    backend = connect(upload={"document_id_paths": ["data.number"]})
    assert backend.upload(parcel(queue_id="q7")).document_ids == ()
    assert len(sandbox.ledger) == 1


def test_id_in_a_header(sandbox: SandboxServer, connect: Connect) -> None:
    """Where the id is looked for in a header, the answer needs no body, but no web page may bring it."""
    backend = connect(upload={"document_id_paths": ["header:Location"]})
    upload, headers = {"path": "*/upload"}, {"Location": "https://digitoo.example/documents/77"}
    sandbox.play([{"match": upload, "do": {"status": 204, "headers": headers}}])
    assert backend.upload(parcel(queue_id="q7")).document_ids == ("77",)
    sandbox.play([{"match": upload, "do": {"html": 200, "headers": headers}}])
    with pytest.raises(Uncertain, match="web page"):
        backend.upload(parcel(queue_id="q7"))


def test_empty_yes_by_setting(sandbox: SandboxServer, connect: Connect) -> None:
    """A status that the operator counts as done needs no answer."""
    sandbox.play([{"match": {"path": "*/upload"}, "do": {"empty_body": True}}])
    receipt = connect(statuses={"200": "done", "201": "done"}).upload(parcel(queue_id="q7"))
    assert receipt.final
    assert receipt.warnings[0].startswith("document_id_not_found")


def test_numeric_queue_id_is_an_integer_in_json(sandbox: SandboxServer, connect: Connect) -> None:
    """QueueID is an Integer in the connector's schema; an id that is no number stays text."""
    sandbox.world.options = SandboxOptions(digitoo_queues=("42",))
    connect(upload={"encoding": "json_base64", "path": "/api/v2/upload"}).upload(parcel(queue_id="42"))
    assert sandbox.ledger.entries[0].queue == "42"
    backend = connect(upload={"encoding": "json_base64"})
    for queue_id, written in [("42", 42), ("q7", "q7"), ("042", "042")]:
        body = backend._body(parcel(queue_id=queue_id))
        assert json.loads(b"".join(body.pieces()))["QueueID"] == written


def test_form_settings(sandbox: SandboxServer, connect: Connect) -> None:
    """Field name and further fields with templates are sent as configured, the call-back if there is one."""
    sandbox.world.options = SandboxOptions(digitoo_file_field="files")
    backend = connect(upload={"file_field": "files", "fields": {"note": "{queue_id}/{name}"}})
    backend.upload(parcel(queue_id="q7", webhook_url="https://acme.example/hook"))
    assert sandbox.ledger.entries[0].fields == {
        "note": "q7/scan.pdf",
        "notify_webhook_url": "https://acme.example/hook",
    }


def test_token_is_renewed_a_minute_early(sandbox: SandboxServer, connect: Connect) -> None:
    """The end that the log-in names is kept, with a minute in hand."""
    backend = connect()
    backend.upload(parcel(queue_id="q7"))
    lifetime_s = SandboxOptions().digitoo_token_lifetime_s
    began = sandbox.ledger.entries[0].arrived_at
    late = connect(now=lambda: began + lifetime_s - 30.0)
    late.upload(parcel(queue_id="q7"))
    sandbox.ledger.clear()
    sandbox.world.options = SandboxOptions(digitoo_token_lifetime_s=45.0)
    short = connect()
    short.upload(parcel(queue_id="q7"))
    short.upload(parcel(queue_id="q7"))
    assert sum(line.path.endswith("/login") for line in sandbox.ledger.requests) == 2


def test_service_token(sandbox: SandboxServer, connect: Connect) -> None:
    """A service account's token needs no log-in."""
    connect(token=WrittenSecret(KNOWN.digitoo_token)).upload(parcel(queue_id="q7"))
    assert [line.path.rsplit("/", 1)[-1] for line in sandbox.ledger.requests] == ["upload"]


def test_login_settings(sandbox: SandboxServer, connect: Connect) -> None:
    """A log-in whose path is wrong, or whose token is elsewhere, says which setting to change."""
    with pytest.raises(Unauthorized, match="log-in"):
        connect(login={"path": "/api/v2/sign-in"}).upload(parcel(queue_id="q7"))
    with pytest.raises(Unauthorized, match="token_paths"):
        connect(login={"token_paths": ["ticket"]}).upload(parcel(queue_id="q7"))
    connect(login={"token_paths": ["ticket", "data.access_token"]}).upload(parcel(queue_id="q7"))
    assert len(sandbox.ledger) == 1


def test_login_while_the_service_is_down(sandbox: SandboxServer, connect: Connect) -> None:
    """A log-in without an answer is a reason to wait, not to pause."""
    sandbox.play([{"match": {"path": "*/auth/login"}, "do": {"status": 500}}])
    with pytest.raises(Unavailable):
        connect().upload(parcel(queue_id="q7"))


def test_found_behind_later_documents(sandbox: SandboxServer, connect: Connect) -> None:
    """A document on the second page of the queue's list is found, and an older namesake is not."""
    backend = connect()
    backend.upload(parcel(queue_id="q7", name="wanted.pdf"))
    for _ in range(120):
        backend.upload(parcel(queue_id="q7"))
    first = sandbox.ledger.entries[0]
    found = backend.find(parcel(queue_id="q7", name="wanted.pdf"), first.arrived_at)
    assert found is not None
    assert found.document_ids == (first.ids["document"],)
    assert backend.find(parcel(queue_id="q7", name="wanted.pdf"), first.arrived_at + 900.0) is None


def test_namesakes_cannot_be_told(sandbox: SandboxServer, connect: Connect) -> None:
    """Two documents of one name are ambiguous, unless one is known to belong to another upload."""
    backend = connect()
    first = backend.upload(parcel(queue_id="q7"))
    second = backend.upload(parcel(queue_id="q7"))
    since = sandbox.ledger.entries[0].arrived_at
    with pytest.raises(CannotTell, match="2 documents"):
        backend.find(parcel(queue_id="q7"), since)
    found = backend.find(parcel(queue_id="q7"), since, frozenset(first.document_ids))
    assert found is not None
    assert found.document_ids == second.document_ids


@pytest.mark.parametrize(
    "answer",
    [
        {"data": [{"id": "1", "created_at": "2026-11-21T08:00:00Z"}]},
        {"data": [{"id": "1", "file_name": "scan.pdf"}]},
        {"data": {"count": 3}},
        {"rows": []},
    ],
)
def test_list_that_cannot_be_read_is_no_clear_no(
    sandbox: SandboxServer, connect: Connect, answer: Any
) -> None:
    """A list without names or times, or none at all, cannot tell: a no would send the document twice."""
    sandbox.play([{"match": {"path": "*/documents"}, "do": {"status": 200, "body": answer}}])
    with pytest.raises(CannotTell):
        connect().find(parcel(queue_id="q7"), 0.0)


def test_list_that_is_not_there(sandbox: SandboxServer, connect: Connect) -> None:
    """A role that may only upload cannot tell."""
    sandbox.world.options = SandboxOptions(digitoo_lists_documents=False)
    with pytest.raises(CannotTell):
        connect().find(parcel(queue_id="q7"), 0.0)
    sandbox.play([{"match": {"path": "*/documents"}, "do": {"status": 403}}])
    with pytest.raises(CannotTell):
        connect().find(parcel(queue_id="q7"), 0.0)


def test_check_reports_a_missing_queue(connect: Connect) -> None:
    """A queue that is not there is named; a wrong password is an error even without queues."""
    assert [finding.ok for finding in connect().check(("q7", "q8"))] == [True, True, False]
    with pytest.raises(Unauthorized):
        connect(password=WrittenSecret("wrong-password")).check(())


def test_check_of_what_describes_no_queue(sandbox: SandboxServer, connect: Connect) -> None:
    """A list where a queue should be is not the service's answer: the queue is not good."""
    sandbox.play([{"match": {"method": "GET"}, "do": {"status": 200, "body": []}}])
    assert [finding.ok for finding in connect().check(("q7",))] == [True, False]


def test_bare_body_is_a_configuration_mistake(connect: Connect) -> None:
    """An encoding that Digitoo does not take pauses the connection instead of failing documents."""
    with pytest.raises(Unauthorized, match="encoding"):
        connect(upload={"encoding": "body"}).upload(parcel(queue_id="q7"))
