"""The Rossum backend keeps the contract, and every status of the Upload API has its outcome."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import pytest

from hotfolder.backends.base import (
    Receipt,
    Refused,
    Scope,
    Unauthorized,
    Unavailable,
    Uncertain,
)
from hotfolder.backends.rossum import TOKEN_RENEWED_S, Rossum
from hotfolder.model import ErrorSource, Remote
from hotfolder.sandbox.options import SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from hotfolder.settings.secrets import WrittenSecret
from tests.backends.contract import Taken, World, finished
from tests.backends.parcels import CONTENT, KNOWN, parcel, rossum
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

Connect = Callable[..., Rossum]
SPECIFIED = [
    (400, Expected(Refused, "bad_request")),
    (401, PAUSED),
    (403, PAUSED),
    (404, PAUSED_QUEUE),
    (409, Expected(Refused, "conflict_status")),
    (413, Expected(Refused, "payload_too_large")),
    (429, BUSY),
    (500, ASKED),
    (502, ASKED),
    (503, OURS),
    (504, ASKED),
]


@pytest.fixture
def connect(sandbox: SandboxServer) -> Iterator[Connect]:
    """Make backends with other settings."""
    opened: list[Rossum] = []

    def make(now: Callable[[], float] | None = None, **changes: Any) -> Rossum:
        connection = rossum(sandbox.rossum_url, **changes)
        opened.append(Rossum(connection, now) if now else Rossum(connection))
        return opened[-1]

    yield make
    for backend in opened:
        backend.close()


def logins(sandbox: SandboxServer) -> int:
    """Count the log-ins that the sandbox saw."""
    return sum(line.path.endswith("/auth/login") for line in sandbox.ledger.requests)


class TestRossum(ServiceContract):
    """The contract against the sandbox's Rossum."""

    service = "rossum"
    upload_path = "*/uploads*"
    secret = KNOWN.rossum_password

    @pytest.fixture
    def world(self, sandbox: SandboxServer, connect: Connect) -> World:
        """A logged-out backend and the sandbox's ledger."""
        return World(
            connect(),
            lambda: [Taken(one.file_name, one.sha256) for one in sandbox.ledger.entries],
            lambda: self.strike(sandbox, reset="after_commit"),
            queue_id="8236",
        )

    @pytest.mark.parametrize(("status", "expected"), SPECIFIED)
    def test_specified_status(
        self, world: World, sandbox: SandboxServer, status: int, expected: Expected
    ) -> None:
        """Every status of the Upload API has the outcome and the record that the product promises."""
        self.strike(sandbox, status=status)
        with pytest.raises(expected.kind) as raised:
            world.backend.upload(world.parcel())
        check_outcome(raised.value, status, expected)
        assert world.taken() == []


def test_one_login_for_all_threads(sandbox: SandboxServer, connect: Connect) -> None:
    """Sixteen threads that start together log in once."""
    backend = connect()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: backend.upload(parcel()), range(32)))
    assert logins(sandbox) == 1


def test_one_new_login_after_expiry(sandbox: SandboxServer, connect: Connect) -> None:
    """When the token expires for all threads, one of them logs in and no document is lost or doubled."""
    backend = connect()
    backend.upload(parcel())
    sandbox.world.expire_tokens()
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda _: backend.upload(parcel()), range(16)))
    assert logins(sandbox) == 2
    assert len(sandbox.ledger) == 17


def test_wrong_password_is_tried_once(sandbox: SandboxServer, connect: Connect) -> None:
    """Threads that wait for a log-in share its failure, so that no account is locked."""
    backend = connect(password=WrittenSecret("wrong-password"))
    sandbox.play([{"match": {"path": "*/auth/login"}, "do": {"delay_s": 0.3}}])

    def refused(_: int) -> bool:
        with pytest.raises(Unauthorized, match="password"):
            backend.upload(parcel())
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(refused, range(8)))
    assert logins(sandbox) == 1


def test_token_is_renewed_before_its_end(sandbox: SandboxServer, connect: Connect) -> None:
    """A token is not used to its last hour."""
    clock = [1_000_000.0]
    backend = connect(now=lambda: clock[0])
    backend.upload(parcel())
    clock[0] += TOKEN_RENEWED_S - 1
    backend.upload(parcel())
    assert logins(sandbox) == 1
    clock[0] += 2
    backend.upload(parcel())
    assert logins(sandbox) == 2


def test_token_needs_no_login(sandbox: SandboxServer, connect: Connect) -> None:
    """A configured token is used as it is."""
    sent = parcel()
    backend = connect(auth="token", token=WrittenSecret(KNOWN.rossum_token))
    assert finished(backend, backend.upload(sent), sent).document_ids
    assert logins(sandbox) == 0


def test_basic_uploads_and_admits_that_it_cannot_watch(sandbox: SandboxServer, connect: Connect) -> None:
    """Basic credentials upload; where questions are refused the receipt is final with a warning."""
    backend = connect(auth="basic")
    receipt = backend.follow_up(backend.upload(parcel()), parcel())
    assert receipt.final
    assert "auth: basic" in receipt.warnings[0]
    assert [finding.ok for finding in backend.check(("8236",))] == [True]
    assert len(sandbox.ledger) == 1


def test_form(sandbox: SandboxServer, connect: Connect) -> None:
    """The mark is added to the metadata, values are sent, the part has the content's type."""
    sent = parcel(metadata={"site": "Prague"}, values={"upload:unit": "7"})
    connect().upload(sent)
    entry = sandbox.ledger.entries[0]
    assert entry.metadata == {
        "site": "Prague",
        "hotfolder": {"upload_id": sent.upload_id, "sha256": sent.sha256},
    }
    assert entry.values == {"upload:unit": "7"}
    assert entry.media_type == "application/pdf"


def test_too_much_metadata_is_refused_before_it_is_sent(sandbox: SandboxServer, connect: Connect) -> None:
    """Metadata that Rossum cannot hold refuses the document instead of losing the user's part."""
    with pytest.raises(Refused, match="4096") as raised:
        connect().upload(parcel(metadata={"note": "n" * 4096}))
    assert raised.value.source is ErrorSource.LOCAL
    assert raised.value.answer.status_code == 400
    assert len(sandbox.ledger) == 0


def test_raw_body(sandbox: SandboxServer, connect: Connect) -> None:
    """With `encoding: body` the name stands in the path, whatever is in it."""
    backend = connect(upload={"encoding": "body"})
    backend.upload(parcel(name="50 % č?#&.pdf"))
    entry = sandbox.ledger.entries[0]
    assert (entry.encoding, entry.file_name) == ("body", "50 % č?#&.pdf")
    with pytest.raises(Unauthorized, match="metadata") as raised:
        backend.upload(parcel(metadata={"a": 1}))
    assert raised.value.scope is Scope.QUEUE


def test_reject_identical(sandbox: SandboxServer, connect: Connect) -> None:
    """A second upload that asks for it is refused, since Rossum has that document."""
    backend = connect()
    backend.upload(parcel())
    with pytest.raises(Refused) as raised:
        backend.upload(parcel(reject_identical=True))
    assert raised.value.status == 409
    assert len(sandbox.ledger) == 1


def test_path_and_field_settings(sandbox: SandboxServer, connect: Connect) -> None:
    """The address and the field can be set; a wrong one is a refusal that says so."""
    connect(upload={"path": "/uploads?queue={queue_id}&origin=x"}).upload(parcel())
    with pytest.raises(Refused, match="No file was submitted"):
        connect(upload={"file_field": "contents"}).upload(parcel())
    assert len(sandbox.ledger) == 1


@pytest.mark.parametrize(("fate", "key"), [("failed_import", "failed_import"), ("failed_task", "error")])
def test_failed_import_is_a_refusal(sandbox: SandboxServer, connect: Connect, fate: str, key: str) -> None:
    """A document that Rossum accepts and cannot import is refused, with what is known of it."""
    sandbox.play([{"match": {"path": "*/uploads"}, "do": {"fate": fate}}])
    backend, sent = connect(), parcel()
    with pytest.raises(Refused) as raised:
        finished(backend, backend.upload(sent), sent)
    assert raised.value.answer.status_code == 422
    assert raised.value.answer.error_key == key
    assert raised.value.remote is not None
    assert raised.value.remote.task


def test_expired_task(sandbox: SandboxServer, connect: Connect) -> None:
    """A task that Rossum has deleted says nothing; once its upload is known it is not needed."""
    backend, sent = connect(), parcel()
    receipt = backend.upload(sent)
    sandbox.world.expire_tasks()
    with pytest.raises(Uncertain):
        backend.follow_up(receipt, sent)
    upload = f"{sandbox.rossum_url}/uploads/{sandbox.ledger.entries[0].ids['upload']}"
    known = Receipt(202, final=False, remote=Remote(task=receipt.remote.task, upload=upload))
    assert finished(backend, known, sent).document_ids == (sandbox.ledger.entries[0].ids["document"],)


def test_follow_up_asks_little(sandbox: SandboxServer, connect: Connect) -> None:
    """Once the annotations are known, a follow-up is one question."""
    backend, sent = connect(), parcel()
    receipt = backend.upload(sent)
    while not receipt.remote.annotations:
        receipt = backend.follow_up(receipt, sent)
    sandbox.ledger.clear()
    for _ in range(3):
        receipt = backend.follow_up(receipt, sent)
    assert receipt.final
    assert [line.path.rsplit("/", 1)[-1] for line in sandbox.ledger.requests] == ["annotations"] * 3


def test_addresses_of_another_host_are_not_followed(connect: Connect, sandbox: SandboxServer) -> None:
    """Objects' addresses may name another host; the token goes only to the configured one."""
    with SandboxServer() as other:
        sandbox.world.options = SandboxOptions(rossum_origin=other.origin)
        backend, sent = connect(), parcel()
        receipt = finished(backend, backend.upload(sent), sent)
        assert receipt.remote.documents[0].startswith(other.origin)
        assert other.ledger.requests == []


def test_check(sandbox: SandboxServer, connect: Connect) -> None:
    """A missing queue and one that is being deleted are told from a good one."""
    backend = connect()
    assert [finding.ok for finding in backend.check(("8236", "1"))] == [True, True, False]
    sandbox.world.options = SandboxOptions(
        rossum_queue_status="deletion_requested", rossum_accepted_mime_types=("image/*",)
    )
    assert "deletion_requested" in backend.check(("8236",))[1].text
    sandbox.world.options = SandboxOptions(rossum_accepted_mime_types=("image/*",))
    assert "image/*" in backend.check(("8236",))[1].text


def test_check_of_what_describes_no_queue(sandbox: SandboxServer, connect: Connect) -> None:
    """A list where a queue should be is not the service's answer: the queue is not good."""
    sandbox.play([{"match": {"method": "GET", "path": "*/queues/*"}, "do": {"status": 200, "body": []}}])
    assert [finding.ok for finding in connect().check(("8236",))] == [True, False]


def test_check_with_wrong_password(connect: Connect) -> None:
    """Wrong credentials are no finding but an error, as for a document."""
    with pytest.raises(Unauthorized, match="check user name, password") as raised:
        connect(password=WrittenSecret("wrong-password")).check(("8236",))
    assert "wrong-password" not in str(raised.value)


def test_missing_secret(connect: Connect) -> None:
    """A password that cannot be had pauses the connection and says where it was looked for."""
    with pytest.raises(Unauthorized, match="empty"):
        connect(password=WrittenSecret("\n")).upload(parcel())


def test_password_that_is_no_header(connect: Connect) -> None:
    """A token with a line break is refused before anything is sent, and not shown."""
    with pytest.raises(Unauthorized, match="line breaks") as raised:
        connect(auth="token", token=WrittenSecret("top\nsecret")).upload(parcel())
    assert "secret" not in str(raised.value)


def test_rotated_token_is_read_anew(sandbox: SandboxServer) -> None:
    """After a 401 a fixed token is read again from where it is kept, and the document goes through."""

    class Rotating(WrittenSecret):
        __slots__ = ()

        def reveal(self) -> str:
            return stored[0]

    stored = ["an-old-token"]
    connection = rossum(sandbox.rossum_url, auth="token", token=Rotating("x"))
    with closing(Rossum(connection)) as backend:
        with pytest.raises(Unauthorized):
            backend.upload(parcel())
        stored[0] = KNOWN.rossum_token
        backend.upload(parcel())
    assert len(sandbox.ledger) == 1


def test_follow_up_while_the_service_is_down(sandbox: SandboxServer, connect: Connect) -> None:
    """A question that gets no answer is asked again later; nothing about the document changes."""
    backend, sent = connect(), parcel()
    receipt = backend.upload(sent)
    sandbox.play([{"match": {"method": "GET"}, "do": {"status": 503}}])
    with pytest.raises(Unavailable):
        backend.follow_up(receipt, sent)
    sandbox.play([{"match": {"method": "GET"}, "do": {"rate_limit": 5}}])
    with pytest.raises(Unavailable) as raised:
        backend.follow_up(receipt, sent)
    assert (raised.value.counts, raised.value.retry_after_s) == (False, 5.0)


def test_metadata_is_measured_in_bytes(connect: Connect) -> None:
    """Accents count as the bytes that are sent."""
    room = 4096 - len(
        json.dumps({"n": "", "hotfolder": {"upload_id": "u", "sha256": "s"}}, separators=(",", ":"))
    )
    facts: dict[str, Any] = {"upload_id": "u", "sha256": "s"}
    connect().upload(parcel(CONTENT, metadata={"n": "č" * (room // 2)}, **facts))
    with pytest.raises(Refused):
        connect().upload(parcel(CONTENT, metadata={"n": "č" * (room // 2 + 1)}, **facts))
