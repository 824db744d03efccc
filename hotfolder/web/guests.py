"""Bound the connections of the web server, from the moment they are taken: so many in all, so many of one address.

Where there is no room, whoever idles longest among those of whom most are there makes some. So neither a neighbour
who opens many nor one who never says anything keeps others out.
"""

import asyncio
import ipaddress
import socket
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from loguru import logger

MOST_CONNECTIONS = 256
"""A service opens a handful; the program's documents need descriptors too, of 1,024 by default."""
MOST_OF_ONE = 64
"""From one address, or one network of IPv6 (/64), as a single machine may have."""
MOST_OF_THIS_MACHINE = 192
"""From this machine: a proxy may speak for many."""
HEAD_WITHIN_S = 10.0
"""For a connection to bring the whole head of its next request, and for TLS to begin."""

_TOLD_AGAIN_S = 3600.0


@dataclass(eq=False, slots=True)
class Guest:
    """One connection: where it comes from, since when it waits for a request (monotonic), whether one is answered."""

    address: str
    idle_since: float
    busy: bool = False
    line: socket.socket | None = field(default=None, repr=False)
    leaving: bool = False
    patience: asyncio.TimerHandle | None = field(default=None, repr=False)

    def hang_up(self) -> None:
        """End it; what is left is done when its own side notices."""
        self.leaving = True
        if self.line is not None:
            with suppress(OSError):
                self.line.shutdown(socket.SHUT_RDWR)


def address_of(peer: str) -> str:
    """Return what stands for one neighbour: the address, of IPv6 its network."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return peer
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        if not address.is_loopback:
            return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether somebody new is let in, and who must go for it."""

    admitted: bool
    goes: Guest | None = None


def judged(guests: Sequence[Guest], address: str) -> Verdict:
    """Decide whether one more connection from an address is taken (pure)."""
    numbers = Counter(guest.address for guest in guests)
    if numbers[address] >= _most_of(address):
        pool = [guest for guest in guests if guest.address == address]
    elif len(guests) >= MOST_CONNECTIONS:
        pool = [guest for guest in guests if numbers[guest.address] >= numbers[address]]
    else:
        return Verdict(admitted=True)
    idle = [guest for guest in pool if not guest.busy]
    goes = min(idle, key=lambda guest: (-numbers[guest.address], guest.idle_since), default=None)
    return Verdict(goes is not None, goes)


def _most_of(address: str) -> int:
    try:
        inside = ipaddress.ip_address(address).is_loopback
    except ValueError:
        inside = False
    return MOST_OF_THIS_MACHINE if inside else MOST_OF_ONE


class Guests:
    """The connections of one listening socket."""

    def __init__(self) -> None:
        self._there: dict[int, Guest] = {}
        """By file descriptor."""
        self._told_at: float | None = None

    def __len__(self) -> int:
        return len(self._there)

    def at(self, descriptor: int) -> Guest | None:
        """Return the guest on a descriptor, None where nobody was admitted there."""
        return self._there.get(descriptor)

    def admit(self, taken: socket.socket, peer: str) -> bool:
        """Take a fresh connection in, or tell that there is no room for it; on the server's event loop."""
        loop, address = asyncio.get_running_loop(), address_of(peer)
        verdict = judged([guest for guest in self._there.values() if not guest.leaving], address)
        if not verdict.admitted or verdict.goes is not None:
            self._tell(address, loop.time())
        if verdict.goes is not None:
            verdict.goes.hang_up()
        if verdict.admitted:
            guest = self._there[taken.fileno()] = Guest(address, loop.time(), line=taken)
            # Until its protocol begins, which with TLS is after the handshake.
            guest.patience = loop.call_later(HEAD_WITHIN_S, guest.hang_up)
        return verdict.admitted

    def leave(self, descriptor: int) -> None:
        """Forget the guest on a descriptor that is about to be closed."""
        guest = self._there.pop(descriptor, None)
        if guest is not None and guest.patience is not None:
            guest.patience.cancel()

    def _tell(self, address: str, now: float) -> None:
        """Say that there is no room, once an hour however many come."""
        if self._told_at is None or now - self._told_at >= _TOLD_AGAIN_S:
            text = "the web server has no room for one more connection from {} ({} in all); who idles longest goes"
            logger.warning(text, address, len(self._there))
            self._told_at = now


class Entrance(socket.socket):
    """A listening socket at which every connection is admitted, or closed at once."""

    guests: Guests

    def accept(self) -> tuple[socket.socket, Any]:
        """Take the next connection that there is room for; raises BlockingIOError where none is left."""
        while True:
            descriptor, peer = self._accept()  # type: ignore[attr-defined]  # what `socket.accept` is made of
            taken = _Taken(self.family, self.type, self.proto, fileno=descriptor)
            taken.guests = self.guests
            if self.guests.admit(taken, str(peer[0])):
                return taken, peer
            taken.close()


class _Taken(socket.socket):
    guests: Guests

    def close(self) -> None:
        """Close, and make room."""
        self.guests.leave(self.fileno())
        super().close()
