"""Make TLS contexts for the web server of certificates and keys as their files are now."""

import hashlib
import ssl
from collections.abc import Iterator

from hotfolder.backends.base import Finding
from hotfolder.settings import Http, Tls


class TlsError(OSError):
    """The files are no certificate with its key; `str()` says which, and what to do."""


def context_of(tls: Tls) -> ssl.SSLContext:
    """Return a server's context: TLS 1.2 or later, callers' certificates known where authorities are given.

    Whoever shows none is let through: webhooks have a proof of their own. Raises `TlsError`.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    key = tls.key or tls.certificate
    try:
        context.load_cert_chain(tls.certificate, key, password=_refuse)
    except (OSError, ValueError) as problem:  # a fault of OpenSSL is an OSError
        text = f"{tls.certificate} and {key} are no certificate with its key in PEM ({_reason(problem)})"
        raise TlsError(f"{text}; put the right ones there") from None
    if tls.client_ca is not None:
        try:
            context.load_verify_locations(tls.client_ca)
        except (OSError, ValueError) as problem:
            text = f"{tls.client_ca} holds no certificate of an authority in PEM ({_reason(problem)})"
            raise TlsError(f"{text}; put it there") from None
        context.verify_mode = ssl.CERT_OPTIONAL
    return context


def mark_of(tls: Tls) -> str:
    """Return what changes with the content of the files; raises OSError."""
    digest = hashlib.sha256()
    for path in (tls.certificate, tls.key, tls.client_ca):
        digest.update(b"\0" if path is None else path.read_bytes() + b"\1")
    return digest.hexdigest()


def examined(http: Http) -> Iterator[Finding]:
    """Yield what `check` says of the web server: who is told how the service fares, and whether its files are good."""
    asked = [
        words
        for words, needed in (("a token", http.token), ("a client's certificate", http.asks_for_certificates))
        if needed
    ]
    whom = f"whoever shows {' and '.join(asked)}" if asked else "every program of this machine"
    yield Finding(True, f"web server on {http.listen}: figures and states for {whom}")
    if http.tls is None:
        if not http.within_machine:
            yield Finding(
                True, "web server: plain HTTP, whoever is in between reads the token; give `http.tls`"
            )
        return
    try:
        context_of(http.tls)
    except TlsError as problem:
        yield Finding(False, f"web server: {problem}")
    else:
        yield Finding(True, f"web server: the certificate {http.tls.certificate} has its key")


def _refuse() -> str:
    raise ValueError("the key has a passphrase, and nobody is there to type it")


def _reason(problem: Exception) -> str:
    return getattr(problem, "reason", None) or getattr(problem, "strerror", None) or str(problem)
