"""What monitoring is told, over real sockets: to whom, how much, and nothing more."""

import http.client
import json
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_plain

from hotfolder.journal import Journal, JournalError
from hotfolder.metrics import Facts
from hotfolder.settings.secrets import EnvironmentSecret
from hotfolder.web import guests
from hotfolder.web import monitoring as module
from hotfolder.web import server as serving
from hotfolder.web.guests import Guests
from tests.builders import DEADLINE_S, wait_until
from tests.web.sights import Seen, queue_facts
from tests.web.watchmen import PATHS, TOKEN, Daemon, told


@pytest.fixture
def daemon(tmp_path: Path, journal: Journal) -> Iterator[Daemon]:
    """A daemon that does not listen yet."""
    made = Daemon(tmp_path, journal, Seen())
    yield made
    made.close()


# What is told ------------------------------------------------------------------------------------


def test_who_is_on_this_machine_is_told_everything(daemon: Daemon) -> None:
    """Each address answers, HEAD alike without a body, and nothing may be kept or read as something else."""
    daemon.apply()
    for path in PATHS:
        status, headers, content = daemon.ask(path)
        assert (status, bool(content)) == (200, True)
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert not [name for name in headers if name.startswith("access-control") or name == "server"]
        assert int(headers["content-length"]) == len(content)
        head_status, head, nothing = daemon.ask(path, method="HEAD")
        assert (head_status, nothing) == (200, b"")
        assert head["content-length"] == headers["content-length"] or path == "/metrics"
    assert told(daemon.ask("/api/status")) == daemon.seen.report


@pytest.mark.parametrize("ready", [True, False])
def test_readiness(daemon: Daemon, ready) -> None:
    """503 while one queue delivers nothing, with the queue and every cause in fixed words."""
    causes = ("off_hours",) if ready else ("offline", "off_hours")
    ill = queue_facts("ill", causes=causes, state="active" if ready else "offline")
    daemon.seen.facts = Facts((queue_facts("q"), ill))
    daemon.apply()
    status, _, content = daemon.ask("/readyz")
    assert status == (200 if ready else 503)
    found = json.loads(content)
    assert found["status"] == ("ready" if ready else "not ready")
    queues = {queue["name"]: queue for queue in found["queues"]}
    assert queues["q"] == {"name": "q", "ready": True, "state": "active", "causes": []}
    assert queues["ill"]["ready"] is ready
    assert [one["cause"] for one in queues["ill"]["causes"]] == list(causes)
    daemon.seen.facts = Facts((queue_facts("q"),), stalled_s={"journal": 61.0})
    wait_until(lambda: told(daemon.ask("/readyz"))["hung"] == ["journal"], "told")
    assert daemon.ask("/readyz")[0] == 503


def test_figures_come_in_the_format_that_is_asked_for(daemon: Daemon) -> None:
    """Prometheus' text, or OpenMetrics where that is named; both are well-formed and say the same."""
    daemon.apply()
    status, headers, content = daemon.ask("/metrics")
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    plain = {
        sample.name: sample.value for family in read_plain(content.decode()) for sample in family.samples
    }
    accept = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=0.3"
    _, headers, content = daemon.ask("/metrics", Accept=accept)
    assert headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    families = read_openmetrics(content.decode())  # type: ignore[no-untyped-call]
    opened = {sample.name: sample.value for family in families for sample in family.samples}
    assert opened.keys() == plain.keys()
    assert plain["hotfolder_loop_answers"] == plain["hotfolder_ready"] == 1
    for accept in ("application/openmetrics-text;version=garbage", "*/*;version=1e999999", ";;,=,"):
        assert daemon.ask("/metrics", Accept=accept)[0] == 200


# To whom -----------------------------------------------------------------------------------------


def test_a_stranger_is_told_whether_it_works_and_no_more(daemon: Daemon, logged: list[str]) -> None:
    """Without the token: 401, no figures, no names; said once; with it everything, under any host."""
    daemon.seen.facts = Facts((queue_facts("ill", causes=("by_hand",), state="paused"),))
    daemon.apply(token=TOKEN)
    wrong = [{}, {"Authorization": "Bearer guess"}, {"Authorization": f"Basic {TOKEN}"}, {"Cookie": TOKEN}]
    for headers in wrong:
        for path in ("/metrics", "/api/status"):
            status, answered, content = daemon.ask(path, **headers)
            assert (status, answered["www-authenticate"]) == (401, "Bearer")
            assert b"ill" not in content
            assert b"/srv" not in content
        assert told(daemon.ask("/readyz", **headers)) == {"status": "not ready"}
        assert daemon.ask("/readyz", **headers)[0] == 503
        assert daemon.ask("/healthz", **headers)[0] == 200
    right = {"Authorization": f"Bearer {TOKEN}", "Host": "metrics.acme.example", "X_Forwarded_For": "::1"}
    assert b'queue="ill"' in daemon.ask("/metrics", **right)[2]
    assert told(daemon.ask("/api/status", **right)) == daemon.seen.report
    assert told(daemon.ask("/readyz", **right))["queues"]
    refusals = [line for line in logged if "somebody was not told" in line]
    assert len(refusals) == 1
    assert not [line for line in logged if TOKEN in line or "guess" in line]


def test_a_web_page_reads_nothing(daemon: Daemon) -> None:
    """A page under its own name, and whoever a proxy speaks for, are refused, and none of it is repeated to them."""
    daemon.apply()
    for headers in ({"Host": "rebound.evil.example:8642"}, {"X_Forwarded_For": "203.0.113.7"}):
        for path in ("/metrics", "/api/status"):
            status, answered, content = daemon.ask(path, **headers, Origin="http://rebound.evil.example")
            assert status in {421, 403}
            assert b"evil" not in content
            assert "access-control-allow-origin" not in answered
        assert told(daemon.ask("/readyz", **headers)) == {"status": "ready"}
        assert daemon.ask("/healthz", **headers)[0] == 200


def test_a_token_is_taken_at_a_reload(daemon: Daemon, logged: list[str]) -> None:
    """The old one is good no more, and nobody was cut off for it; one that cannot be had lets nobody in."""
    daemon.apply(token=TOKEN)
    port = daemon.front.port
    daemon.apply(token="another-token-than-before")
    assert daemon.front.port == port
    assert daemon.ask("/metrics", Authorization=f"Bearer {TOKEN}")[0] == 401
    assert daemon.ask("/metrics", Authorization="Bearer another-token-than-before")[0] == 200
    gone = EnvironmentSecret("NOT_SET", {})
    daemon.apply(token=gone)
    assert daemon.ask("/metrics")[0] == 401
    assert daemon.ask("/healthz")[0] == 200
    assert [line for line in logged if "nobody may ask" in line and "NOT_SET" in line]


# Limits ------------------------------------------------------------------------------------------


def test_what_is_not_taken(daemon: Daemon) -> None:
    """Other methods, bodies, other paths and long heads are refused without a word of what was asked."""
    daemon.apply()
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
        for path in PATHS:
            status, headers, _ = daemon.ask(path, method=method)
            assert status == 405
            assert set(headers["allow"].split(", ")) == {"GET", "HEAD"}
    for path in ("/", "/metrics/", "/api", "/api/status/x", "/se%63ret-of-mine", "//evil.example/", "/..%2f"):
        status, headers, content = daemon.ask(path, Host="evil.example")
        assert (status, content) == (404, b'{"error":"not found"}')
        assert "location" not in headers
    for path in PATHS:
        assert daemon.ask(path, Content_Length="1")[0] == 413
        assert daemon.ask(path, Transfer_Encoding="chunked")[0] == 413
    with socket.create_connection(("127.0.0.1", daemon.front.port or 0), timeout=DEADLINE_S) as long:
        long.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"secret" * 4000)
        answer = long.recv(1000)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"secret" not in answer


class Watched(Guests):
    """The connections, as the test sees them."""

    made: ClassVar[list["Watched"]] = []

    def __init__(self) -> None:
        super().__init__()
        self.made.append(self)


@pytest.fixture
def there(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Tell how many connections the web server has."""
    monkeypatch.setattr(Watched, "made", [])
    monkeypatch.setattr(serving, "Guests", Watched)
    return lambda: sum(map(len, Watched.made))


def test_an_answer_that_is_not_taken_is_given_up(
    daemon: Daemon, there: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asks and does not read holds a connection for a while, and no longer."""
    monkeypatch.setattr(guests, "HEAD_WITHIN_S", 0.3)
    daemon.seen.report = {"queues": [], "padding": "x" * (32 << 20)}
    daemon.apply()
    with socket.create_connection(("127.0.0.1", daemon.front.port or 0), timeout=DEADLINE_S) as deaf:
        deaf.sendall(b"GET /api/status HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert deaf.recv(1000).startswith(b"HTTP/1.1 200")
        wait_until(lambda: there() == 0, "it is hung up on")


def test_an_answer_that_does_not_come_is_given_up(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever keeps it, nobody waits for ever."""
    monkeypatch.setattr(serving, "_ANSWER_WITHIN_S", 0.3)
    monkeypatch.setattr(module, "_WELL_WITHIN_S", DEADLINE_S)
    daemon.apply()
    release = threading.Event()
    daemon.loop.call_soon_threadsafe(release.wait, DEADLINE_S)
    try:
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            daemon.ask("/readyz")
    finally:
        release.set()


# Trouble -----------------------------------------------------------------------------------------


def test_a_loop_that_hangs_is_told(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer comes all the same: 503, or the figures that the loop is not needed for."""
    monkeypatch.setattr(module, "_WELL_WITHIN_S", 0.1)
    daemon.apply()
    release = threading.Event()
    daemon.loop.call_soon_threadsafe(release.wait, DEADLINE_S)
    try:
        assert told(daemon.ask("/healthz")) == {"status": "failing"}
        assert [daemon.ask(path)[0] for path in PATHS] == [503, 503, 200, 503]
        text = daemon.ask("/metrics")[2].decode()
    finally:
        release.set()
    assert "hotfolder_loop_answers 0.0" in text
    assert 'hotfolder_filed_documents_total{outcome="done",queue="q"} 7.0' in text
    assert "hotfolder_ready" not in text
    assert "process_resident_memory_bytes" in text
    wait_until(lambda: daemon.ask("/healthz")[0] == 200, "it is well again")


def test_many_who_ask_at_once_ask_the_loop_once(daemon: Daemon) -> None:
    """What they cost the documents' loop does not grow with their number."""
    daemon.apply()
    release = threading.Event()
    daemon.loop.call_soon_threadsafe(release.wait, DEADLINE_S)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(daemon.ask, path) for path in ["/readyz", "/metrics"] * 4]
        release.set()
        assert [answer.result(DEADLINE_S)[0] for answer in answers] == [200] * 8
    assert daemon.seen.asked <= 2


def test_a_fault_of_the_program_tells_a_stranger_nothing(daemon: Daemon, logged: list[str]) -> None:
    """500 without a word of it; the log has it once, and everything else goes on."""
    daemon.seen.broken = ZeroDivisionError("an invented fault in /srv/secret")
    daemon.apply()
    for _ in range(3):
        status, _, content = daemon.ask("/api/status")
        assert (status, content) == (500, b'{"error":"the program failed"}')
    assert len([line for line in logged if "an invented fault" in line]) == 1
    assert daemon.ask("/metrics")[0] == 200


def test_a_journal_in_trouble_leaves_the_rest(
    daemon: Daemon, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it would have told is left out, and said once."""

    def fail() -> Any:
        raise JournalError("the journal cannot be read: disk on fire")

    daemon.front._monitoring._store = fail
    daemon.apply()
    for _ in range(2):
        text = daemon.ask("/metrics")[2].decode()
        assert "hotfolder_filed_documents_total" not in text
        assert "hotfolder_ready 1.0" in text
    assert len([line for line in logged if "disk on fire" in line]) == 1
