"""Certificates of the web server, as their files are."""

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from hotfolder.certificates import TlsError, context_of, examined, mark_of
from hotfolder.settings import Http, Tls


def laid_out(top: Path, authority: trustme.CA, *, together: bool = False) -> Tls:
    """Write a certificate for localhost with its key, and the authority, into files."""
    made = authority.issue_cert("localhost", "127.0.0.1")
    certificate, key, ca = (top / name for name in ("tls.crt", "tls.key", "ca.pem"))
    certificate.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
    if together:
        certificate.write_bytes(made.private_key_and_cert_chain_pem.bytes())
    key.write_bytes(made.private_key_pem.bytes())
    key.chmod(0o600)
    ca.write_bytes(authority.cert_pem.bytes())
    return Tls(certificate=certificate, key=None if together else key, client_ca=ca)


@pytest.mark.parametrize("together", [False, True])
def test_a_certificate_with_its_key(tmp_path: Path, together) -> None:
    """TLS 1.2 at least, clients' certificates looked at where authorities are given; the key may stand with it."""
    tls = laid_out(tmp_path, trustme.CA(), together=together)
    context = context_of(tls)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_OPTIONAL
    alone = tls.model_copy(update={"client_ca": None})
    assert context_of(alone).verify_mode is ssl.CERT_NONE


def test_what_is_no_certificate_is_named(tmp_path: Path) -> None:
    """Another key, half a file, no file, an authority that is none: each is told with the file, none of its content."""
    authority = trustme.CA()
    tls = laid_out(tmp_path, authority)
    assert tls.key is not None
    assert tls.client_ca is not None
    whole = tls.key.read_bytes()
    for content in (authority.issue_cert("b").private_key_pem.bytes(), whole[: len(whole) // 2], b"", None):
        tls.key.unlink() if content is None else tls.key.write_bytes(content)
        with pytest.raises(
            TlsError, match=r"tls.key are no certificate with its key.*put the right ones"
        ) as told:
            context_of(tls)
        assert "PRIVATE KEY" not in str(told.value)
    tls.key.write_bytes(whole)
    tls.client_ca.write_text("nothing")
    with pytest.raises(TlsError, match=r"ca.pem holds no certificate of an authority"):
        context_of(tls)


def test_a_key_with_a_passphrase_asks_nobody(tmp_path: Path) -> None:
    """It is refused, instead of waiting for somebody at a terminal."""
    tls = laid_out(tmp_path, trustme.CA())
    assert tls.key is not None
    locked = BestAvailableEncryption(b"invented")
    made = load_pem_private_key(tls.key.read_bytes(), None)
    tls.key.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked))
    with pytest.raises(TlsError, match="the key has a passphrase"):
        context_of(tls)


def test_the_mark_changes_with_the_files(tmp_path: Path) -> None:
    """Whether anything was renewed is told from the content alone."""
    tls = laid_out(tmp_path, trustme.CA())
    mark = mark_of(tls)
    assert mark_of(tls) == mark
    assert mark_of(tls.model_copy(update={"client_ca": None})) != mark
    assert tls.client_ca is not None
    tls.client_ca.write_bytes(tls.client_ca.read_bytes() + b"\n")
    assert mark_of(tls) != mark
    tls.client_ca.unlink()
    with pytest.raises(OSError, match="No such file"):
        mark_of(tls)


def test_what_check_says(tmp_path: Path) -> None:
    """Who is told, whether the way there is safe, and whether the certificate is good."""

    def said(**http: Any) -> list[str]:
        return [f"{one.ok}: {one.text}" for one in examined(Http(**http))]

    token = "t0ken-that-nobody-guesses"
    [whom] = said(listen="127.0.0.1:1")
    assert whom == "True: web server on 127.0.0.1:1: figures and states for every program of this machine"
    [whom, warning] = said(listen="0.0.0.0:1", token=token)
    assert whom.endswith("for whoever shows a token")
    assert warning.startswith("True: web server: plain HTTP")
    tls = laid_out(tmp_path, trustme.CA())
    [whom, good] = said(listen="0.0.0.0:1", token=token, tls=tls)
    assert whom.endswith("for whoever shows a token and a client's certificate")
    assert good.endswith("tls.crt has its key")
    tls.certificate.write_text("nothing")
    [_, bad] = said(listen="0.0.0.0:1", token=token, tls=tls)
    assert bad.startswith("False: web server: ")
    assert "are no certificate with its key" in bad
