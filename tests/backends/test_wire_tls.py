"""Documents go to a host only if its certificate proves the name."""

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme

from hotfolder.backends.base import Unauthorized, Unavailable
from tests.backends.scripted import Line, Scripted, send


@pytest.fixture
def authority(tmp_path: Path) -> tuple[trustme.CA, Path]:
    """A certificate authority of the company's own, and its file."""
    made = trustme.CA()
    path = tmp_path / "ca.pem"
    made.cert_pem.write_to_path(str(path))
    return made, path


def secure(authority: trustme.CA, name: str) -> Callable[[Line], None]:
    """Speak TLS with a certificate for a name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)

    def script(line: Line) -> None:
        with context.wrap_socket(line.sock, server_side=True) as wrapped:
            inner = Line(wrapped)
            inner.request()
            inner.answer(200)

    return script


def test_company_authority(authority: tuple[trustme.CA, Path]) -> None:
    """A certificate of the company's own authority is trusted with `ca_file`."""
    with Scripted(secure(authority[0], "127.0.0.1")) as server:
        origin = server.origin.replace("http:", "https:")
        assert send(origin, ca_file=authority[1]).status == 200


@pytest.mark.parametrize(("name", "setting"), [("127.0.0.1", "none"), ("other.example", "ca_file")])
def test_untrusted_certificate(authority: tuple[trustme.CA, Path], name: str, setting: str) -> None:
    """A certificate of an unknown authority or for another name gets nothing, and we say what to set."""
    ca_file = authority[1] if setting == "ca_file" else None
    with Scripted(secure(authority[0], name)) as server:
        origin = server.origin.replace("http:", "https:")
        with pytest.raises(Unavailable, match=r"certificate.*ca_file"):
            send(origin, ca_file=ca_file)


def test_bad_ca_file(tmp_path: Path) -> None:
    """A `ca_file` that cannot be used is a configuration mistake, told when it is first needed."""
    with pytest.raises(Unauthorized, match="ca_file"):
        send("https://127.0.0.1:9", ca_file=tmp_path / "missing.pem")
    (tmp_path / "odd.pem").write_text("no certificate")
    with pytest.raises(Unauthorized, match="ca_file"):
        send("https://127.0.0.1:9", ca_file=tmp_path / "odd.pem")
