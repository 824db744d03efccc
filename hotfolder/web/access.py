"""Decide who may see figures and states (pure: what was shown and the secrets are arguments)."""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

from hotfolder.settings.addresses import is_loopback

_THROUGH_PROXY = frozenset({"forwarded", "x-forwarded-for", "x-real-ip", "via"})
"""Headers by which a proxy says that somebody else asks; in lower case."""


@dataclass(frozen=True, slots=True)
class Gatekeeper:
    """What those who ask must show: everything that is set; where nothing is, they must be on this machine."""

    token: str | None = field(default=None, repr=False)
    certificate: bool = False
    nobody: bool = False
    """Nobody is let in: the token cannot be had."""

    @property
    def asks(self) -> bool:
        """Tell whether anything must be shown at all."""
        return self.nobody or self.certificate or self.token is not None


@dataclass(frozen=True, slots=True)
class Shown:
    """What a request shows of who sent it; names of headers are in lower case."""

    headers: Mapping[str, str] = field(repr=False)
    certified: bool = False
    """A certificate of a known authority was shown."""


@dataclass(frozen=True, slots=True)
class Denial:
    """Why somebody is not let in: HTTP status, and words that tell a stranger nothing that the address does not."""

    status: int
    why: str


NO_TOKEN = Denial(401, "a token is needed: Authorization: Bearer TOKEN")
NO_CERTIFICATE = Denial(403, "a client certificate is needed")
FOREIGN_NAME = Denial(421, "without `http.token` only localhost, 127.0.0.1 and [::1] are answered as host")
PROXIED = Denial(403, "without `http.token` nothing is answered through a proxy")


def denied(keeper: Gatekeeper, shown: Shown) -> Denial | None:
    """Return why a request is not let in, None where it is."""
    if keeper.certificate and not shown.certified:
        return NO_CERTIFICATE
    if keeper.nobody or (keeper.token is not None and not _bears(keeper.token, shown.headers)):
        return NO_TOKEN
    return None if keeper.asks else _from_elsewhere(shown.headers)


def _bears(token: str, headers: Mapping[str, str]) -> bool:
    scheme, _, given = headers.get("authorization", "").partition(" ")
    given_bytes = given.strip().encode("utf-8", "surrogateescape")
    same = hmac.compare_digest(token.encode("utf-8", "surrogateescape"), given_bytes)
    return same and scheme.lower() == "bearer"


def _from_elsewhere(headers: Mapping[str, str]) -> Denial | None:
    """Keep out web pages that have a browser of this machine ask (DNS rebinding), and whoever a proxy speaks for.

    Such a page is read under its own name, which the browser sends as host; programs without browser may send none.
    """
    if not _THROUGH_PROXY.isdisjoint(headers):
        return PROXIED
    host = headers.get("host")
    return None if host is None or is_loopback(_name(host)) else FOREIGN_NAME


def _name(host: str) -> str:
    """Return a host without its port and, for IPv6, without brackets."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
