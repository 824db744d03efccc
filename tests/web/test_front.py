"""The web server as those who call meet it: bounded, answered only when it is written, and harmless to the rest."""

import asyncio
import json
import socket
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hotfolder.journal import Journal, JournalError
from hotfolder.news import News
from hotfolder.settings import Settings, load_settings
from hotfolder.web import Front, guests
from hotfolder.web import receiver as receiving
from hotfolder.web import server as serving
from tests.builders import DEADLINE_S, wait_until
from tests.web.callers import PATH_WEBHOOK, WEBHOOKS, Caller
from tests.web.sights import Seen

CONFIG = f"""
http: {{listen: 127.0.0.1:PORT}}
connections:
  g:
    backend: digitoo
    token: t0ken-of-g{WEBHOOKS}
  z:
    backend: docdigitizer
    api_key: k3y-of-z{PATH_WEBHOOK}
  deaf: {{backend: docdigitizer, api_key: k3y-of-deaf}}
queues: {{q: {{connection: g, queue_id: 1, folder: /srv/q}}}}
"""
RECORD = {"id": "d1", "status": "exported"}


@pytest.fixture
def configured(tmp_path: Path) -> Callable[..., Settings]:
    """Read a configuration that listens on a port."""

    def read(port: int = 0, **changes: str) -> Settings:
        text = CONFIG.replace("PORT", str(port))
        for old, new in changes.items():
            text = text.replace(old, new)
        (tmp_path / "config.yaml").write_text(text)
        return load_settings(tmp_path / "config.yaml", {"HOME": str(tmp_path)})

    return read


class House:
    """A web server beside an event loop that stands for the daemon's."""

    def __init__(self, journal: Journal, settings: Settings) -> None:
        self.journal, self.settings = journal, settings
        self.heard = 0
        self.told: list[tuple[str, str]] = []
        """Connection and document of each call that was heard."""
        self.seen = Seen()
        self.front: Front | None = None

    def visit(self, visitor: Callable[[Caller], None]) -> None:
        """Have a visitor call from a thread."""

        def hear(connection: str, document_id: str) -> None:
            self.heard += 1
            self.told.append((connection, document_id))

        async def host() -> None:
            front = self.front = Front(self.journal, hear, self.seen.views())
            front.apply(self.settings)
            try:
                await asyncio.to_thread(wait_until, lambda: front.port, "it listens")
                await asyncio.to_thread(visitor, Caller(front.port or 0))
            finally:
                await asyncio.to_thread(front.close)

        asyncio.run(host())


@pytest.fixture
def house(journal: Journal, configured: Callable[..., Settings]) -> House:
    """A web server and its journal."""
    return House(journal, configured())


def rows(house: House) -> list[News]:
    """Return everything that was taken, the newest first."""
    return [news for name in ("g", "z") for news in house.journal.reader.newest_orphans(name, 1000)]


def test_what_is_answered_with_202_is_written(house: House) -> None:
    """The row is there when the answer comes; told again it is counted, and whoever waits for news is woken."""

    def visitor(caller: Caller) -> None:
        assert caller.tell(RECORD) == 202
        assert [(r.document_id, r.status, r.times) for r in rows(house)] == [("d1", "exported", 1)]
        assert caller.tell(dict(reversed(RECORD.items()))) == 202
        assert [r.times for r in rows(house)] == [2]
        assert caller.call_back("docid=d1&status=annotated") == 202
        assert len(rows(house)) == 2

    house.visit(visitor)
    assert house.heard == 3
    assert house.told == [("g", "d1"), ("g", "d1"), ("z", "d1")]


def test_who_is_turned_away(house: House, logged: list[str]) -> None:
    """Nothing of it is written, each reason is said once, and no secret with it."""

    def visitor(caller: Caller) -> None:
        for _ in range(3):
            assert caller.tell(RECORD, **{"X-Signature": "sha256=" + "0" * 64}) == 401
            assert caller.tell(RECORD, **{"X-Webhook-Secret": "guess"}) == 401
            assert caller.send("/webhooks/z/guess", b'{"id": "1", "status": "x"}')[0] == 404
            assert caller.send("/webhooks/deaf", b'{"id": "1", "status": "x"}')[0] == 404
            assert caller.send("/webhooks/nobody/x", b'{"id": "1", "status": "x"}')[0] == 404
            assert caller.send("/webhooks/z", b"")[0] == 404
            assert caller.send("/webhooks", b"")[0] == 404
            assert caller.send("/webhooks/g", b"", method="PUT")[0] == 405
            assert caller.tell({"note": "no record"}) == 400

    house.visit(visitor)
    assert rows(house) == []
    assert house.heard == 0
    turned = [line for line in logged if "was turned away" in line]
    assert len(turned) == len(set(turned)) == 5
    assert not any("guess" in line or "s3cret" in line for line in logged)
    answers = {line.partition("(")[2][:3] for line in turned}
    assert answers == {"400", "401", "404"}


def test_a_reason_is_said_again_after_a_call_of_that_connection_was_taken(
    house: House, logged: list[str]
) -> None:
    """What begins to fail anew is news; what goes on failing at another connection is not."""

    def visitor(caller: Caller) -> None:
        for _ in range(2):
            assert caller.tell(RECORD, **{"X-Webhook-Secret": "guess"}) == 401
            assert caller.send("/webhooks/z/guess", b"{}")[0] == 404
            assert caller.tell(RECORD) == 202

    house.visit(visitor)
    turned = [line for line in logged if "was turned away" in line]
    assert [sum(f"connection {name} " in line for line in turned) for name in ("g", "z")] == [2, 1]


def test_a_body_is_read_up_to_the_limit(house: House) -> None:
    """64 KiB are taken, a byte more is not, whether its length is announced or not."""

    def visitor(caller: Caller) -> None:
        frame = len(json.dumps({**RECORD, "padding": ""}))
        for more, status in ((0, 202), (1, 413)):
            padding = "x" * (64 * 1024 - frame + more)
            assert caller.tell({**RECORD, "padding": padding}) == status
        with socket.create_connection(("127.0.0.1", caller.port), timeout=DEADLINE_S) as raw:
            raw.sendall(b"POST /webhooks/g HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n")
            with suppress(ConnectionError):
                for _ in range(9):
                    raw.sendall(b"2000\r\n" + b"x" * 0x2000 + b"\r\n")
            assert raw.recv(100).startswith(b"HTTP/1.1 413")

    house.visit(visitor)
    assert [news.body for news in rows(house)] == [None], "a long record is not kept"


def test_slow_callers_are_cut_off(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A head or a body that does not come to its end holds nothing for long, and disturbs nobody."""
    monkeypatch.setattr(guests, "HEAD_WITHIN_S", 0.3)
    monkeypatch.setattr(receiving, "_BODY_WITHIN_S", 0.3)

    def visitor(caller: Caller) -> None:
        slow = [socket.create_connection(("127.0.0.1", caller.port), timeout=DEADLINE_S) for _ in range(4)]
        slow[1].sendall(b"POST /webhooks/g HTTP/1.1\r\nHost: ")
        slow[2].sendall(b"POST /webhooks/g HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\n{")
        slow[3].sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
        answer = b""
        while b"}" not in answer:  # head and body may come apart
            answer += slow[3].recv(1000)
        assert answer.startswith(b"HTTP/1.1 200")
        slow[3].sendall(b"GET /hea")
        assert caller.tell(RECORD) == 202
        answers = []
        for one in slow:
            with suppress(ConnectionError):
                answers.append(one.recv(1000)[:12])
            one.close()
        assert set(answers) <= {b"", b"HTTP/1.1 408"}
        assert b"HTTP/1.1 408" in answers

    began = time.monotonic()
    house.visit(visitor)
    assert time.monotonic() - began < DEADLINE_S / 2


def test_connections_are_limited(house: House, monkeypatch: pytest.MonkeyPatch, logged: list[str]) -> None:
    """Beyond the limit who idles longest makes room for who comes, so that nobody is kept out; it is said once."""
    monkeypatch.setattr(guests, "MOST_OF_THIS_MACHINE", 3)

    def visitor(caller: Caller) -> None:
        many = [socket.create_connection(("127.0.0.1", caller.port), timeout=DEADLINE_S) for _ in range(6)]
        for one in many[:3]:
            with suppress(ConnectionError):
                assert one.recv(1) == b""
        assert caller.tell(RECORD) == 202, "and three that say nothing are there"
        for one in many:
            one.close()

    house.visit(visitor)
    assert len([line for line in logged if "no room for one more" in line]) == 1


def test_a_journal_in_trouble_puts_callers_off(
    house: House, monkeypatch: pytest.MonkeyPatch, logged: list[str]
) -> None:
    """503 with Retry-After, said once; what was put off is not written, and afterwards it is taken."""
    broken = True
    hear = house.journal.hear

    def refuse(news: News) -> Future[None]:
        if not broken:
            return hear(news)
        failed: Future[None] = Future()
        failed.set_exception(JournalError("the journal cannot be written: disk full"))
        return failed

    monkeypatch.setattr(house.journal, "hear", refuse)

    def visitor(caller: Caller) -> None:
        nonlocal broken
        for _ in range(3):
            assert caller.tell(RECORD) == 503
        broken = False
        assert caller.tell(RECORD) == 202

    house.visit(visitor)
    assert len([line for line in logged if "are put off" in line]) == 1
    assert len([line for line in logged if "are taken again" in line]) == 1
    assert house.heard == 1


def test_a_journal_that_does_not_answer_holds_few(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than a bounded number waits for it; whoever comes then is put off at once."""
    monkeypatch.setattr(receiving, "_MOST_AT_ONCE", 2)
    never: list[Future[None]] = []

    def hang(news: News) -> Future[None]:
        never.append(Future())
        return never[-1]

    monkeypatch.setattr(house.journal, "hear", hang)

    def visitor(caller: Caller) -> None:
        with ThreadPoolExecutor(2) as pool:
            waiting = [pool.submit(Caller(caller.port).tell, RECORD) for _ in range(2)]
            wait_until(lambda: len(never) == 2, "two wait")
            assert caller.tell(RECORD) == 503
            for one in never:
                one.set_result(None)
            assert [one.result(DEADLINE_S) for one in waiting] == [202, 202]

    house.visit(visitor)


def test_a_fault_of_the_program_is_said_once(
    house: House, monkeypatch: pytest.MonkeyPatch, logged: list[str]
) -> None:
    """The caller gets 500, the log one line, and the server goes on."""

    def fail(*_: Any) -> None:
        raise ZeroDivisionError("an invented fault")

    monkeypatch.setattr(receiving, "judged", fail)

    def visitor(caller: Caller) -> None:
        for _ in range(3):
            assert caller.tell(RECORD) == 500
        assert caller.send("/healthz", method="GET")[0] == 200

    house.visit(visitor)
    assert len([line for line in logged if "an invented fault" in line]) == 1


def test_too_many_orphans_are_forgotten(
    house: House, monkeypatch: pytest.MonkeyPatch, logged: list[str]
) -> None:
    """The oldest go, with one warning, and what is old goes too."""
    monkeypatch.setattr(receiving, "_MOST_ORPHANS", 5)
    monkeypatch.setattr(receiving, "_TIDY_EVERY", 4)

    def visitor(caller: Caller) -> None:
        for number in range(16):
            assert caller.tell({"id": f"d{number}", "status": "x"}) == 202
            assert number > 4 or not any("are forgotten" in line for line in logged)
        wait_until(lambda: len(rows(house)) == 5, "forgotten")

    house.visit(visitor)
    assert {news.document_id for news in rows(house)} == {f"d{n}" for n in range(11, 16)}
    assert len([line for line in logged if "the oldest are forgotten" in line]) == 1


def test_health(house: House) -> None:
    """200 while the daemon's loops run, 503 otherwise."""

    def visitor(caller: Caller) -> None:
        assert caller.send("/healthz", method="GET") == (200, {"status": "ok"})
        house.seen.well = False
        assert caller.send("/healthz", method="GET") == (503, {"status": "failing"})

    house.visit(visitor)


def test_an_address_that_is_taken_is_tried_again(
    journal: Journal,
    configured: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
    logged: list[str],
) -> None:
    """The daemon does not end for it; it is said once, and once the address is free it listens there."""
    monkeypatch.setattr(serving, "_AGAIN_S", 0.05)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        house = House(journal, configured(taken.getsockname()[1]))

        def free() -> None:
            wait_until(lambda: [line for line in logged if "cannot listen" in line], "said")
            taken.close()

        with ThreadPoolExecutor(1) as pool:
            freeing = pool.submit(free)
            house.visit(Caller.close)
            freeing.result(DEADLINE_S)
    assert len([line for line in logged if "cannot listen" in line]) == 1


def test_a_secret_that_cannot_be_had_lets_nobody_in(
    journal: Journal, configured: Callable[..., Settings], tmp_path: Path, logged: list[str]
) -> None:
    """The others are heard; the log says which connection is deaf, and why."""
    key = tmp_path / "key"
    key.write_text("k3y-of-the-signature")
    key.chmod(0o600)
    settings = configured(**{"secret: k3y-of-the-signature": f"secret: {{file: {key}}}"})
    key.unlink()

    def visitor(caller: Caller) -> None:
        assert caller.tell(RECORD) == 404
        assert caller.call_back("docid=d1&status=annotated") == 202

    House(journal, settings).visit(visitor)
    assert [line for line in logged if "connection g: nobody may call for it" in line]
