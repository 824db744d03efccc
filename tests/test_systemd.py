"""Telling systemd how the service fares."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotfolder.systemd import Notifier


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[socket.socket]:
    """A datagram socket as systemd has one."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as opened:
        opened.settimeout(20)
        opened.bind(str(tmp_path / "notify"))
        yield opened


def test_assignments_arrive(receiver: socket.socket) -> None:
    """Each call is one datagram with one assignment a line."""
    notifier = Notifier({"NOTIFY_SOCKET": receiver.getsockname()})
    notifier.tell("READY=1", "STATUS=2 queues, ž waiting")
    notifier.tell("STOPPING=1")
    assert receiver.recv(4096) == "READY=1\nSTATUS=2 queues, ž waiting".encode()
    assert receiver.recv(4096) == b"STOPPING=1"


def test_abstract_addresses() -> None:
    """An address that begins with @ is in the abstract name space, as in a container."""
    name = f"hotfolder-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.settimeout(20)
        receiver.bind(f"\0{name}")
        Notifier({"NOTIFY_SOCKET": f"@{name}"}).tell("READY=1")
        assert receiver.recv(4096) == b"READY=1"


@pytest.mark.parametrize("address", ["", "/nowhere/notify", "@nobody-listens-here", "/" + "x" * 300])
def test_nobody_listens(address: str) -> None:
    """Without systemd, or with a socket that is gone, nothing happens."""
    Notifier({"NOTIFY_SOCKET": address} if address else {}).tell("READY=1")


@pytest.mark.parametrize(
    ("environ", "interval_s"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 10.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 10.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "often"}, None),
        ({}, None),
    ],
)
def test_the_watchdogs_interval(environ: dict[str, str], interval_s: float | None) -> None:
    """A sign of life is due three times in the watchdog's limit, where the watchdog is meant for us."""
    assert Notifier({"NOTIFY_SOCKET": "/run/notify", **environ}).watchdog_s == interval_s


def test_no_socket_no_watchdog() -> None:
    """Without a socket nobody waits for signs of life."""
    assert Notifier({"WATCHDOG_USEC": "30000000"}).watchdog_s is None
