"""The same over TLS: certificates of both sides, renewed ones, broken ones."""

import http.client
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import trustme

from hotfolder.journal import Journal
from hotfolder.web import guests
from hotfolder.web import server as serving
from tests.builders import DEADLINE_S, wait_until
from tests.test_certificates import laid_out
from tests.web.sights import Seen
from tests.web.watchmen import PATHS, TOKEN, Daemon, told


@pytest.fixture
def daemon(tmp_path: Path, journal: Journal) -> Iterator[Daemon]:
    """A daemon that does not listen yet."""
    made = Daemon(tmp_path, journal, Seen())
    yield made
    made.close()


def client(authority: trustme.CA, own: trustme.CA | None = None) -> ssl.SSLContext:
    """Return what a client trusts, with a certificate of `own` to show."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if own is not None:
        own.issue_cert("prometheus").configure_cert(context)
    return context


def test_mutual_tls(daemon: Daemon, tmp_path: Path) -> None:
    """A certificate of the right authority opens everything; none opens the little; another one not even the door."""
    authority, stranger = trustme.CA(), trustme.CA()
    daemon.apply(tls=laid_out(tmp_path, authority))
    shows, shows_none = client(authority, authority), client(authority)
    for path in PATHS:
        assert daemon.ask(path, tls=shows)[0] == 200
    assert daemon.ask("/healthz", tls=shows_none)[0] == 200
    assert told(daemon.ask("/readyz", tls=shows_none)) == {"status": "ready"}
    assert daemon.ask("/metrics", tls=shows_none)[0] == 403
    assert daemon.ask("/api/status", tls=shows_none)[0] == 403
    with pytest.raises((ssl.SSLError, ConnectionError)):
        daemon.ask("/healthz", tls=client(authority, stranger))
    with pytest.raises((http.client.HTTPException, ConnectionError)):
        daemon.ask("/healthz")


def test_nothing_older_than_tls_1_2(daemon: Daemon, tmp_path: Path) -> None:
    """A client that knows only what is broken gets no connection; one that knows 1.2 does."""
    authority = trustme.CA()
    daemon.apply(tls=laid_out(tmp_path, authority), token=TOKEN)
    context = client(authority)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert daemon.ask("/healthz", tls=context)[0] == 200
    context = client(authority)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match=r"TLSv1_1"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        daemon.ask("/healthz", tls=context)


def test_certificate_and_token_are_both_asked_for(daemon: Daemon, tmp_path: Path) -> None:
    """One of them alone does not do."""
    authority = trustme.CA()
    daemon.apply(tls=laid_out(tmp_path, authority), token=TOKEN)
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert daemon.ask("/metrics", tls=client(authority, authority))[0] == 401
    assert daemon.ask("/metrics", tls=client(authority), **bearer)[0] == 403
    assert daemon.ask("/metrics", tls=client(authority, authority), **bearer)[0] == 200


def test_certificates_are_renewed_at_a_reload(daemon: Daemon, tmp_path: Path, logged: list[str]) -> None:
    """New files are taken, the same ones cut nobody off, broken ones leave the old in force and are said."""
    old, new = trustme.CA(), trustme.CA()
    tls = laid_out(tmp_path, old)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    daemon.apply(tls=tls, listen=listen)
    shows = client(old, old)
    kept = http.client.HTTPSConnection("127.0.0.1", daemon.front.port or 0, context=shows, timeout=DEADLINE_S)
    kept.request("GET", "/healthz")
    assert kept.getresponse().read()
    daemon.apply(tls=tls, listen=listen)
    kept.request("GET", "/healthz")
    assert kept.getresponse().read(), "the same files cut nobody off"
    kept.close()
    whole = tls.certificate.read_bytes()
    tls.certificate.write_bytes(whole[:100])
    daemon.apply(tls=tls, listen=listen)
    assert [line for line in logged if "keeps its old certificate" in line and "tls.crt" in line]
    assert daemon.ask("/metrics", tls=shows)[0] == 200
    laid_out(tmp_path, new)
    daemon.apply(tls=tls, listen=listen)
    assert daemon.ask("/metrics", tls=client(new, new))[0] == 200
    with pytest.raises((ssl.SSLError, ConnectionError)):
        daemon.ask("/metrics", tls=client(new, old))


def test_a_broken_certificate_at_the_start_is_waited_for(
    daemon: Daemon, tmp_path: Path, logged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The daemon goes on without its web server, says why once, and listens as soon as the files are good."""
    monkeypatch.setattr(serving, "_AGAIN_S", 0.05)
    authority = trustme.CA()
    tls = laid_out(tmp_path, authority)
    whole = tls.certificate.read_bytes()
    tls.certificate.write_bytes(b"")
    daemon.front.apply(daemon.settings(tls=tls))
    wait_until(lambda: [line for line in logged if "cannot listen" in line], "said")
    tls.certificate.write_bytes(whole)
    wait_until(lambda: daemon.front.port, "it listens")
    assert daemon.ask("/healthz", tls=client(authority))[0] == 200
    assert len([line for line in logged if "cannot listen" in line]) == 1


def test_a_handshake_that_never_comes_holds_nothing(
    daemon: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many open a connection and say nothing, Prometheus is answered, and they are hung up on."""
    monkeypatch.setattr(guests, "MOST_OF_THIS_MACHINE", 4)
    authority = trustme.CA()
    daemon.apply(tls=laid_out(tmp_path, authority))
    shows = client(authority, authority)
    address = ("127.0.0.1", daemon.front.port or 0)
    silent = [socket.create_connection(address, timeout=DEADLINE_S) for _ in range(12)]
    assert daemon.ask("/metrics", tls=shows)[0] == 200
    monkeypatch.setattr(guests, "HEAD_WITHIN_S", 0.05)
    late = socket.create_connection(address, timeout=DEADLINE_S)
    for one in (*silent[:8], late):
        with suppress(ConnectionError):
            assert one.recv(1) == b""
    for one in (*silent, late):
        one.close()
