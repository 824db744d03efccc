"""The requests of a connection go out no faster than its limit, whatever they are and whoever sends them."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import pytest

from hotfolder.backends import open_backend
from hotfolder.backends import pace as pace_module
from hotfolder.backends.base import CannotTell, Unavailable
from hotfolder.backends.pace import NoTurnError, Pace
from hotfolder.backends.rossum import Rossum
from hotfolder.backends.wire import Request
from hotfolder.sandbox.server import SandboxServer
from hotfolder.settings import Limits
from tests.backends import parcels
from tests.backends.contract import finished
from tests.backends.parcels import parcel, rossum
from tests.backends.scripted import Line, Scripted, timeouts, wire

LIMIT, SERVICE_LIMIT = 8, 10
"""What we ask for by default, and what Rossum takes (API docs, rate limiting)."""


def test_a_service_that_counts_is_never_annoyed(sandbox: SandboxServer) -> None:
    """Log-in, uploads and every question of four threads stay below ten requests a second together."""
    rule = {"match": {"service": "rossum", "over_per_second": SERVICE_LIMIT}, "do": {"rate_limit": 1}}
    sandbox.play([rule])
    with closing(Rossum(rossum(sandbox.rossum_url, limits=Limits(per_second=LIMIT)))) as backend:
        sent = [parcel(b"%d" % number, name=f"{number}.pdf") for number in range(8)]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda one: finished(backend, backend.upload(one), one), sent))
    moments = [line.at for line in sandbox.ledger.requests]
    assert len(moments) >= 3 * LIMIT
    assert {line.status for line in sandbox.ledger.requests} <= {200, 202}
    busiest = max(sum(began <= at < began + 1.0 for at in moments) for began in moments)
    assert busiest <= SERVICE_LIMIT


@pytest.mark.parametrize("service", ["rossum", "digitoo", "docdigitizer", "docdigitizer_v3"])
def test_every_request_of_every_backend_counts(
    sandbox: SandboxServer, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Log-in, check, the hour, an upload, looks and a search: as many turns are taken as requests arrive."""
    turns: list[bool] = []
    went = Pace.went
    monkeypatch.setattr(Pace, "went", lambda self, *, asks: (turns.append(asks), went(self, asks=asks)))
    connection = getattr(parcels, service)(getattr(sandbox, f"{service}_url"), limits=Limits(per_second=1000))
    with closing(open_backend(connection)) as backend:
        backend.check(("8236",) if service == "rossum" else ("q7",))
        backend.learn_time()
        one = parcel(queue_id="8236" if service == "rossum" else "q7")
        finished(backend, backend.upload(one), one)
        with suppress(CannotTell):
            backend.find(one, 0.0)
            assert list(backend.documents(one.queue_id, 10))
        asked = [line.method == "GET" for line in sandbox.ledger.requests]
        assert turns == asked
        assert len(turns) >= 2
        assert backend.pace.quota is not None


def test_every_page_takes_its_turn(sandbox: SandboxServer) -> None:
    """A question of many pages is many requests."""
    with closing(Rossum(rossum(sandbox.rossum_url))) as backend:
        for number in range(101):
            backend.upload(parcel(b"%d" % number))
    sandbox.ledger.clear()
    with closing(Rossum(rossum(sandbox.rossum_url, limits=Limits(per_second=40)))) as backend:
        began = time.monotonic()
        assert backend.find(parcel(), 0.0) is None
        took_s = time.monotonic() - began
    asked = len(sandbox.ledger.requests)
    assert asked > 40
    assert took_s > (asked - 1) // 20 - 0.5  # half of the rate


def test_without_a_limit_nobody_waits() -> None:
    """A connection that is used once, as by a test, has no rate."""
    pace = Pace(None)
    for _ in range(1000):
        pace.wait(0.0, asks=True).gone()
    assert pace.ready_in(asks=True) == 0


def test_a_turn_that_does_not_come_is_no_attempt() -> None:
    """A request whose turn comes too late is not sent, and it is nobody's trouble."""

    def script(line: Line) -> None:
        line.request()
        line.answer(200, b"{}")

    limits = Limits(per_second=0.001)
    with Scripted(script) as server, closing(wire(server.origin, limits=limits, timeouts=timeouts())) as way:
        way.send(Request("GET", "/"))
        assert way.pace.ready_in(asks=False) > 900
        assert way.pace.ready_in(asks=True) > 1900
        way.pace.end()
        with pytest.raises(Unavailable, match="per_second") as raised:
            way.send(Request("GET", "/"))
    assert raised.value.counts is False
    assert server.connections == 1


def test_nobody_waits_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn that is further away than a request waits is told at once."""
    monkeypatch.setattr(pace_module, "PATIENCE", 0.5)
    pace = Pace(0.01)
    pace.wait(0.0, asks=False).gone()
    with pytest.raises(NoTurnError, match="in time"):
        pace.wait(1.0, asks=False)


def test_a_request_that_fails_gives_its_place_back() -> None:
    """A host that refuses connections does not fill the window for ever."""
    with closing(wire("http://127.0.0.1:9", limits=Limits(per_second=4), timeouts=timeouts())) as way:
        for _ in range(4):
            with pytest.raises(Unavailable):
                way.send(Request("POST", "/"))
        assert 0 < way.pace.ready_in(asks=False) <= 1.0
        assert way.pace.quota is not None
        assert way.pace.quota.all.going == 0


def test_whoever_waits_ends_at_once() -> None:
    """A request that waits for its turn while the program ends goes nowhere."""
    pace = Pace(0.01)
    pace.wait(1000.0, asks=False).gone()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(pace.wait, 1000.0, asks=False)
        pace.end()
        with pytest.raises(NoTurnError):
            waiting.result(timeout=10)
