"""What systemd is told, and when."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hotfolder.service.herald import Herald, summary
from hotfolder.systemd import Notifier


class Receiver:
    """The receiving end of a notification socket, and a clock."""

    def __init__(self, path: Path) -> None:
        self.now = 0.0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(path))
        notifier = Notifier({"NOTIFY_SOCKET": str(path), "WATCHDOG_USEC": "90000000"})
        self.herald = Herald(notifier, lambda: self.now)

    def heard(self) -> list[str]:
        """Return the assignments since the last time."""
        lines = []
        while True:
            try:
                lines += self._socket.recv(8192).decode().split("\n")
            except BlockingIOError:
                return lines

    def pass_time(self, seconds: int, hung: dict[str, float] | None = None) -> list[str]:
        """Let seconds go by, with a tick in each; returns what was heard."""
        lines = []
        for _ in range(seconds):
            self.now += 1
            self.herald.tick(hung or {}, lambda: "counts")
            lines += self.heard()
        return lines

    def close(self) -> None:
        """End it."""
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[Receiver]:
    """A manager that wants a sign of life within 90 s."""
    made = Receiver(tmp_path / "notify")
    yield made
    made.close()


def more(lines: list[str]) -> list[float]:
    """Return the seconds that were asked for."""
    return [int(line.partition("=")[2]) / 1e6 for line in lines if line.startswith("EXTEND_TIMEOUT_USEC=")]


def test_a_long_start_asks_for_time(manager: Receiver) -> None:
    """While folders are looked at, more time is asked for again and again, and never after READY."""
    assert len(more(manager.pass_time(60))) == 12
    manager.herald.ready("2 queues")
    assert manager.heard() == ["READY=1", "STATUS=2 queues"]
    assert more(manager.pass_time(60)) == []


def test_a_start_that_hangs_asks_for_nothing(manager: Receiver) -> None:
    """A loop that hangs before READY lets systemd's time limit end the start."""
    manager.pass_time(10)
    assert more(manager.pass_time(60, {"arrivals of invoices": 31.0})) == []


def test_the_watchdog_is_fed_while_every_loop_moves(manager: Receiver) -> None:
    """A sign of life is given three times in the limit, and none while any loop is hung."""
    manager.herald.ready("")
    assert manager.pass_time(300).count("WATCHDOG=1") == 10
    hung = manager.pass_time(300, {"filing of invoices": 31.0})
    assert "WATCHDOG=1" not in hung
    assert hung.count("STATUS=filing of invoices: no progress") == 1
    assert "WATCHDOG=1" in manager.pass_time(30)


def test_a_hung_loop_is_logged_once(manager: Receiver, logged: list[str]) -> None:
    """The log names it once, and says once that it goes on."""
    manager.pass_time(100, {"filing of invoices": 31.0})
    manager.pass_time(100)
    assert [line.partition(" ")[0] for line in logged] == ["ERROR", "WARNING"]
    assert "filing of invoices has not come any further for 31 s" in logged[0]


def test_a_long_end_asks_for_time_and_no_longer_than_grace(manager: Receiver) -> None:
    """With a grace of two minutes more time is asked for until then, and never beyond it."""
    manager.herald.ready("")
    manager.pass_time(10)
    manager.herald.stopping(120)
    first = manager.heard()
    assert first[0] == "STOPPING=1"
    end = 10 + 120 + 10
    times = more(first)
    while manager.now < end - 1:
        asked = more(manager.pass_time(1))
        assert all(manager.now + seconds <= end for seconds in asked)
        times += asked
    assert len(times) > 20


def test_reloads_are_told(manager: Receiver) -> None:
    """A reload is told with the moment at which it began, and its end with the counts."""
    manager.herald.ready("")
    manager.heard()
    manager.herald.reloading()
    begun = manager.heard()
    assert begun[0] == "RELOADING=1"
    assert begun[1].startswith("MONOTONIC_USEC=")
    manager.herald.ready("3 queues")
    assert manager.heard() == ["READY=1", "STATUS=3 queues"]


def test_a_long_reload_asks_for_time(manager: Receiver) -> None:
    """Requests may take minutes to finish, and new folders to be looked at; then nothing more is asked for."""
    manager.herald.ready("")
    manager.herald.reloading()
    assert len(more(manager.pass_time(60))) == 12
    manager.herald.ready("")
    assert more(manager.pass_time(60)) == []


def test_a_configuration_that_comes_before_the_first_is_ready_is_no_reload(manager: Receiver) -> None:
    """Only what runs is reloaded, as systemd sees it; the start goes on, and ends with one READY."""
    manager.herald.reloading()
    assert manager.heard() == []
    assert len(more(manager.pass_time(60))) == 12
    manager.herald.ready("")
    assert manager.heard() == ["READY=1", "STATUS="]


def queue(name: str, state: str = "active", reason: str | None = None, **counts: int) -> dict[str, Any]:
    """A queue as `status --json` shows it."""
    zero = dict.fromkeys(("waiting", "claimed", "uncertain", "done", "failed"), 0)
    return {"name": name, "state": state, "reason": reason, "counts": zero | counts}


def test_the_summary_has_trouble_first() -> None:
    """One line tells how many queues need somebody, which and why, and then the sums."""
    queues = [queue("a", waiting=2, done=5), queue("b", "paused", "wrong\npassword", failed=1)]
    assert summary(queues, None) == (
        "1 of 2 queues needs attention: b is paused: wrong password; "
        "2 queues, 2 waiting, 0 claimed, 0 uncertain, 5 done, 1 failed"
    )
    assert summary(queues[:1], None).startswith("1 queue, 2 waiting")
    assert summary(queues[:1], "line 3: x" * 100).startswith("the last reload was refused: line 3: x")
    assert len(summary(queues[:1], "line 3: x" * 100)) < 400
