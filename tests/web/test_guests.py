"""Room for everybody: who is let in, and who must go for it."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from hotfolder.web import guests
from hotfolder.web.guests import Entrance, Guest, Guests, address_of, judged
from tests.builders import DEADLINE_S

LOCAL = "127.0.0.1"


def crowd(address: str, number: int, since: float = 0.0, *, busy: bool = False) -> list[Guest]:
    """Return connections of one address, each idle a second less than the one before."""
    return [Guest(address, since + n, busy) for n in range(number)]


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::1"),
        ("", ""),
    ],
)
def test_a_neighbour_is_an_address_or_a_network(peer: str, address: str) -> None:
    """Whoever has a whole network of IPv6 counts as one."""
    assert address_of(peer) == address


def test_there_is_room_below_the_limits() -> None:
    """Nobody goes while it is not needed."""
    found = judged([*crowd("192.0.2.1", guests.MOST_OF_ONE - 1), *crowd("192.0.2.2", 9)], "192.0.2.1")
    assert (found.admitted, found.goes) == (True, None)


def test_an_address_with_too_many_makes_its_own_room() -> None:
    """Its connection that idles longest goes; those of others stay, however long they idle."""
    own = crowd("192.0.2.1", guests.MOST_OF_ONE, since=100)
    own[0].busy = True
    found = judged([*crowd("192.0.2.2", 9), *own], "192.0.2.1")
    assert (found.admitted, found.goes) == (True, own[1])


def test_whoever_has_most_makes_room_for_who_has_fewer() -> None:
    """Where all is full, many neighbours with many connections each do not keep one more out."""
    there = [g for n in range(4) for g in crowd(f"192.0.2.{n}", guests.MOST_OF_ONE, since=10.0 * n)]
    assert len(there) == guests.MOST_CONNECTIONS
    found = judged(there, LOCAL)
    assert (found.admitted, found.goes) == (True, there[0])


def test_whoever_has_one_does_not_go_for_who_has_many() -> None:
    """A newcomer from an address that has many does not drive out one that has few."""
    few = crowd("192.0.2.9", 1)
    many = crowd(LOCAL, guests.MOST_OF_THIS_MACHINE - 1, since=50)
    rest = [g for n in range(100, 164) for g in crowd(f"192.0.2.{n}", 1, since=99)]
    found = judged([*few, *many, *rest], LOCAL)
    assert (found.admitted, found.goes) == (True, many[0])


def test_requests_that_are_answered_are_not_cut_off() -> None:
    """Where all are busy, it is the newcomer who goes."""
    found = judged(crowd("192.0.2.1", guests.MOST_OF_ONE, busy=True), "192.0.2.1")
    assert (found.admitted, found.goes) == (False, None)


@pytest.fixture
def entrance() -> Iterator[Entrance]:
    """A listening socket on loopback."""
    made = Entrance(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    made.bind((LOCAL, 0))
    made.listen()
    made.setblocking(False)
    made.guests = Guests()
    yield made
    made.close()


def test_a_connection_counts_from_its_first_moment_to_its_last(entrance: Entrance) -> None:
    """It is known as soon as it is taken, before any protocol begins, and forgotten when it is closed."""

    async def visit() -> None:
        with socket.create_connection(entrance.getsockname(), timeout=DEADLINE_S):
            taken, peer = entrance.accept()
            assert peer[0] == LOCAL
            guest = entrance.guests.at(taken.fileno())
            assert guest is not None
            assert guest.address == LOCAL
            assert len(entrance.guests) == 1
            taken.close()
            taken.close()
            assert len(entrance.guests) == 0

    asyncio.run(visit())


def test_whoever_says_nothing_is_hung_up_on(entrance: Entrance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where no protocol has begun: a handshake that never comes holds nothing."""
    monkeypatch.setattr(guests, "HEAD_WITHIN_S", 0.05)

    async def visit() -> bytes:
        with socket.create_connection(entrance.getsockname(), timeout=DEADLINE_S) as silent:
            taken, _ = entrance.accept()
            with taken:
                return await asyncio.to_thread(silent.recv, 1)

    assert asyncio.run(visit()) == b""


def test_where_there_is_no_room_the_next_is_closed(
    entrance: Entrance, monkeypatch: pytest.MonkeyPatch, logged: list[str]
) -> None:
    """Whoever is not let in is closed at once, and it is said once."""
    monkeypatch.setattr(guests, "MOST_OF_THIS_MACHINE", 1)

    async def visit() -> None:
        address = entrance.getsockname()
        calls = [socket.create_connection(address, timeout=DEADLINE_S) for _ in range(3)]
        taken, _ = entrance.accept()
        guest = entrance.guests.at(taken.fileno())
        assert guest is not None
        guest.busy = True
        with pytest.raises(BlockingIOError):
            entrance.accept()
        assert [call.recv(1) for call in calls[1:]] == [b"", b""]
        taken.close()
        for call in calls:
            call.close()

    asyncio.run(visit())
    assert len([line for line in logged if "no room for one more" in line]) == 1


def test_who_makes_room_is_hung_up_on(entrance: Entrance, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once: the newcomer has its place, and the one that idled longest reads the end."""
    monkeypatch.setattr(guests, "MOST_OF_THIS_MACHINE", 1)

    async def visit() -> None:
        address = entrance.getsockname()
        calls = [socket.create_connection(address, timeout=DEADLINE_S / 4) for _ in range(2)]
        taken = [entrance.accept()[0] for _ in calls]
        assert calls[0].recv(1) == b""
        newcomer = entrance.guests.at(taken[1].fileno())
        assert newcomer is not None
        assert not newcomer.leaving
        for one in (*taken, *calls):
            one.close()

    asyncio.run(visit())
