"""What every backend that speaks HTTP must do besides the contract."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import pytest

from hotfolder.backends.base import Backend, Refused, Scope, Unauthorized, Unavailable, Uncertain
from hotfolder.model import Answer
from hotfolder.sandbox.server import SandboxServer
from tests.backends.contract import BackendContract, World
from tests.backends.parcels import zeros

HIGHEST_GROWTH_KB = 24 * 1024
"""Far below the 160 MB that are sent; what the sandbox in the same process holds is included."""


@dataclass(frozen=True)
class Expected:
    """What an answer's status must become."""

    kind: type[Exception]
    key: str | None = None
    scope: Scope = Scope.CONNECTION
    counts: bool = True
    probably_not_taken: bool = False
    code: str | None = None
    """Which of several codes of one status the sandbox shall give."""


PAUSED, PAUSED_QUEUE = Expected(Unauthorized), Expected(Unauthorized, scope=Scope.QUEUE)
BUSY = Expected(Unavailable, counts=False)
ASKED, OURS = Expected(Uncertain), Expected(Uncertain, probably_not_taken=True)
EVERYWHERE = [
    (300, PAUSED),
    (302, PAUSED),
    (308, PAUSED),
    (402, PAUSED),
    (405, PAUSED),
    (408, ASKED),
    (410, PAUSED_QUEUE),
    (418, Expected(Refused)),
    (421, Expected(Unavailable)),
    (425, BUSY),
    (507, ASKED),
    (520, ASKED),
]
"""Statuses that no specification names."""
FOREIGN: list[dict[str, Any]] = [
    {"html": 200},
    {"status": 200, "body": "OK"},
    {"status": 200, "body": 7},
]
"""What somebody else answers, such as a captive portal."""


def check_outcome(error: Exception, status: int, expected: Expected) -> None:
    """Compare one of the four ways to fail with the table."""
    assert type(error) is expected.kind
    assert str(error)
    if isinstance(error, Refused):
        answer = error.answer
        assert answer.messages
        assert all(answer.messages)
        assert answer == Answer(status, expected.key, answer.messages, None)
    if isinstance(error, Unauthorized):
        assert (error.status, error.scope) == (status, expected.scope)
    if isinstance(error, Unavailable):
        assert (error.status, error.counts) == (status, expected.counts)
    if isinstance(error, Uncertain):
        assert (error.status, error.probably_not_taken) == (status, expected.probably_not_taken)


class ServiceContract(BackendContract):
    """Inherit, and give the fixtures `world`, `connect` and `sandbox`, and the names below."""

    service: str
    upload_path: str
    """Glob of the path that documents are sent to."""
    secret: str

    def strike(self, sandbox: SandboxServer, **do: Any) -> None:
        """Let every upload from now on go wrong."""
        match = {"service": self.service, "method": "POST", "path": self.upload_path}
        sandbox.play([{"match": match, "do": do}])

    def test_a_list_comes_through_though_its_pages_fail_now_and_then(
        self, world: World, sandbox: SandboxServer
    ) -> None:
        """A page that does not come is asked for again: else a long list would never be read to its end."""
        sent = [world.parcel(b"%d" % number, name=f"{number}.pdf") for number in range(101)]
        for one in sent:
            world.backend.upload(one)
        sandbox.play([{"match": {"method": "GET", "skip": 1, "first": 2}, "do": {"status": 500}}])
        found = world.backend.find(sent[-1], time.time() - 600.0)
        assert found is not None
        sandbox.play([{"match": {"method": "GET", "skip": 1, "first": 3}, "do": {"status": 500}}])
        with pytest.raises(Unavailable):
            world.backend.find(world.parcel(), time.time() - 600.0)

    @pytest.mark.parametrize(("status", "expected"), EVERYWHERE)
    def test_unspecified_status(
        self, world: World, sandbox: SandboxServer, status: int, expected: Expected
    ) -> None:
        """A status that the service's specification does not name has a fixed meaning all the same."""
        self.strike(sandbox, status=status, body={"text": "invented"})
        with pytest.raises(expected.kind) as raised:
            world.backend.upload(world.parcel())
        check_outcome(raised.value, status, expected)

    def test_retry_after(self, world: World, sandbox: SandboxServer) -> None:
        """A rate limit says how long to wait, is no attempt and takes nothing."""
        self.strike(sandbox, rate_limit={"retry_after_s": 17})
        with pytest.raises(Unavailable) as raised:
            world.backend.upload(world.parcel())
        assert (raised.value.retry_after_s, raised.value.counts) == (17.0, False)
        assert world.taken() == []

    @pytest.mark.parametrize(
        ("when", "kind", "count"),
        [
            ("before_body", Unavailable, 0),
            ("mid_body", Unavailable, 0),
            ("after_body", Uncertain, 0),
            ("after_commit", Uncertain, 1),
        ],
    )
    def test_reset(
        self, world: World, sandbox: SandboxServer, when: str, kind: type[Exception], count: int
    ) -> None:
        """A reset while the document goes out is certain, one after its last byte is not."""
        # Half of the large document is more than the sockets' buffers hold.
        size = 100_000_000 if kind is Unavailable else 2_000_000
        unlimited = dict.fromkeys((f"{self.service}_max_bytes",))
        sandbox.world.options = sandbox.world.options.model_copy(update=unlimited)
        self.strike(sandbox, reset=when)
        with pytest.raises(kind):
            world.backend.upload(world.parcel(pieces=zeros(size), size_bytes=size))
        assert len(world.taken()) == count

    @pytest.mark.parametrize("status", [413, 502, 503])
    def test_web_page(self, world: World, sandbox: SandboxServer, status: int) -> None:
        """A proxy's web page is told in one line, and its 503 is not the service's own word."""
        self.strike(sandbox, html=status)
        with pytest.raises((Refused, Uncertain), match="web page") as raised:
            world.backend.upload(world.parcel())
        assert "<" not in str(raised.value)
        assert not getattr(raised.value, "probably_not_taken", False)

    def test_redirect_is_not_followed(self, world: World, sandbox: SandboxServer) -> None:
        """A redirect stops the connection and names the other host, which gets nothing."""
        with SandboxServer() as other:
            self.strike(sandbox, status=307, headers={"Location": f"{other.origin}/elsewhere"})
            with pytest.raises(Unauthorized, match=r"redirect to 127\.0\.0\.1.*base_url"):
                world.backend.upload(world.parcel())
            assert other.ledger.requests == []

    def test_changed_credentials(self, world: World, sandbox: SandboxServer) -> None:
        """Credentials that are refused twice pause the connection; no document is taken."""
        world.backend.upload(world.parcel())
        sandbox.world.accept_only(
            replace(
                sandbox.world.credentials,
                rossum_password="new",
                digitoo_password="new",
                docdigitizer_api_key="new",
                rossum_token="new",
                digitoo_token="new",
            )
        )
        with pytest.raises(Unauthorized) as raised:
            world.backend.upload(world.parcel(b"second"))
        assert (raised.value.status, raised.value.scope) == (401, Scope.CONNECTION)
        assert len(world.taken()) == 1

    @pytest.mark.parametrize("status", [400, 403, 429, 500, 503])
    def test_echoed_secret_is_blotted_out(self, world: World, sandbox: SandboxServer, status: int) -> None:
        """A secret that the service repeats in its error reaches nobody."""
        told = f'no "{self.secret}" here, {self.secret}'
        self.strike(sandbox, status=status, body={"detail": told, "message": told, "code": self.secret})
        with pytest.raises(Exception, match=r"\*\*\*") as raised:
            world.backend.upload(world.parcel())
        assert self.secret not in repr(raised.value.__dict__) + str(raised.value)

    @pytest.mark.parametrize(
        ("word", "kind"), [("fail", Refused), ("retry", Unavailable), ("pause", Unauthorized), ("done", None)]
    )
    def test_statuses_setting(
        self,
        connect: Callable[..., Backend],
        world: World,
        sandbox: SandboxServer,
        word: str,
        kind: type[Exception] | None,
    ) -> None:
        """The operator's table wins over ours, for 4xx and 5xx alike."""
        backend = connect(statuses={"409": word, "500": word})
        for status in (409, 500):
            self.strike(sandbox, status=status)
            if kind is None:
                assert backend.upload(world.parcel()).final
            else:
                with pytest.raises(kind):
                    backend.upload(world.parcel())

    @pytest.mark.parametrize("do", [{"truncated_json": True}, {"empty_body": True}])
    def test_yes_without_answer_is_uncertain(
        self, world: World, sandbox: SandboxServer, do: dict[str, Any]
    ) -> None:
        """A 2xx without what the service must answer is no yes: the document was taken and must be asked for."""
        self.strike(sandbox, **do)
        with pytest.raises(Uncertain) as raised:
            world.backend.upload(world.parcel())
        assert raised.value.status in {200, 201, 202}
        assert len(world.taken()) == 1

    @pytest.mark.parametrize(
        "do", [*FOREIGN, {"html": 200, "headers": {"Location": "https://portal.example/welcome"}}]
    )
    def test_foreign_yes_is_uncertain(self, world: World, sandbox: SandboxServer, do: dict[str, Any]) -> None:
        """A 200 of somebody else, such as a captive portal, delivers nothing."""
        self.strike(sandbox, **do)
        with pytest.raises(Uncertain) as raised:
            world.backend.upload(world.parcel())
        check_outcome(raised.value, 200, ASKED)
        assert world.taken() == []

    @pytest.mark.parametrize("do", FOREIGN)
    def test_foreign_answer_to_a_question(
        self, world: World, sandbox: SandboxServer, do: dict[str, Any]
    ) -> None:
        """A portal does not say where a document is, nor that all is well: it is asked again later."""
        sent = world.parcel()
        world.backend.upload(sent)
        sandbox.play([{"match": {"service": self.service, "method": "GET"}, "do": do}])
        with pytest.raises(Unavailable) as raised:
            world.backend.find(sent, 0.0)
        assert raised.value.retry_after_s is None
        with pytest.raises(Unavailable):
            world.backend.check((world.queue_id,) if world.queue_id else ())

    def test_specific_status_wins(
        self, connect: Callable[..., Backend], world: World, sandbox: SandboxServer
    ) -> None:
        """A status with a code beats the bare status."""
        backend = connect(statuses={"409": "fail", "409 SAME": "done"})
        self.strike(sandbox, status=409, body={"code": "SAME"})
        assert backend.upload(world.parcel()).status == 409
        self.strike(sandbox, status=409, body={"code": "OTHER"})
        with pytest.raises(Refused):
            backend.upload(world.parcel())

    def test_error_paths_setting(
        self, connect: Callable[..., Backend], world: World, sandbox: SandboxServer
    ) -> None:
        """Where an error's words and key stand can be set."""
        backend = connect(errors={"message_paths": ["fault.words[]"], "key_paths": ["fault.kind"]})
        self.strike(
            sandbox, status=400, body={"fault": {"words": ["one", "two"], "kind": "odd"}, "code": "x"}
        )
        with pytest.raises(Refused) as raised:
            backend.upload(world.parcel())
        assert raised.value.answer.error_key == "odd"
        assert (raised.value.answer.messages or ())[:2] == ("one", "two")

    def test_bounded_memory(self, world: World) -> None:
        """Four documents of 20 MB at once do not pass through memory as a whole."""
        size = 20 * 1024 * 1024
        sent = world.parcel(pieces=zeros(size), size_bytes=size, sha256=_zeros_sha256(size))
        world.backend.upload(world.parcel())
        before = _resident_kb()
        peak = [before]
        done = threading.Event()
        watcher = threading.Thread(target=_watch, args=(peak, done))
        watcher.start()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(world.backend.upload, [sent] * 4))
        done.set()
        watcher.join()
        assert peak[0] - before < HIGHEST_GROWTH_KB
        assert [one.sha256 for one in world.taken()][1:] == [sent.sha256] * 4


def _watch(peak: list[int], done: threading.Event) -> None:
    while not done.wait(0.005):
        peak[0] = max(peak[0], _resident_kb())


def _resident_kb() -> int:
    with open("/proc/self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


def _zeros_sha256(size: int) -> str:
    digest = sha256()
    for piece in zeros(size)():
        digest.update(piece)
    return digest.hexdigest()
