from collections.abc import Callable

import pytest

OPEN = "give `token`, or `tls` with `client_ca`, or listen on 127.0.0.1"
TOKEN = "t0ken-of-32-characters-or-more-x"


@pytest.fixture
def http(load, head, tmp_path):
    """Load a configuration with a web server, beside which certificates lie."""
    for name in ("tls.crt", "tls.key", "ca.pem"):
        (tmp_path / name).write_text("invented")
        (tmp_path / name).chmod(0o600)
    return lambda keys: load(f"{head}  q: {{connection: doc}}\nhttp: {{{keys}}}\n").http


@pytest.fixture
def http_complaints(complaints, head, tmp_path) -> Callable[[str], list[str]]:
    """Return the problems of a web server, beside which certificates lie."""
    (tmp_path / "tls.crt").write_text("invented")
    return lambda keys: complaints(f"{head}  q: {{connection: doc}}\nhttp: {{{keys}}}\n")


@pytest.mark.parametrize("listen", ["127.0.0.1:8642", "'[::1]:0'", "localhost:1", "127.3.4.5:1"])
def test_within_the_machine_nothing_is_asked_for(http, listen):
    """Loopback, by name or number, needs no proof."""
    found = http(f"listen: {listen}")
    assert found.within_machine
    assert not found.asks_for_certificates


@pytest.mark.parametrize("listen", ["0.0.0.0:8642", "'[::]:8642'", "192.0.2.1:1", "scanner.example:1"])
def test_other_machines_must_prove_themselves(http, http_complaints, listen):
    """An address that others reach needs a token or clients' certificates; TLS alone proves nothing of them."""
    for keys in (f"listen: {listen}", f"listen: {listen}, tls: {{certificate: tls.crt}}"):
        [line] = http_complaints(keys)
        assert "http: other machines could reach" in line
        assert OPEN in line
    assert not http(f"listen: {listen}, token: {TOKEN}").within_machine
    tls = "{certificate: tls.crt, key: tls.key, client_ca: ca.pem}"
    assert http(f"listen: {listen}, tls: {tls}").asks_for_certificates


def test_a_token_that_can_be_guessed_is_refused(http_complaints, tmp_path):
    """It is told how to make a better one, and the bad one is not repeated; nor is one that cannot be had told twice."""
    [line] = http_complaints("listen: 127.0.0.1:1, token: hunter2")
    assert "http.token: the token is shorter than 16 characters" in line
    assert "openssl rand -hex 32" in line
    assert "hunter2" not in line
    [line] = http_complaints("listen: 127.0.0.1:1, token: {file: nowhere}")
    assert "nowhere cannot be read" in line


def test_certificates_must_be_there_and_keys_private(http, http_complaints, tmp_path):
    """A missing file, and a key that everybody can read, are problems when the configuration is read."""
    [line] = http_complaints("listen: 127.0.0.1:1, tls: {certificate: nowhere.crt}")
    assert "http.tls.certificate: there is no readable file" in line
    (tmp_path / "tls.key").write_text("invented")
    (tmp_path / "tls.key").chmod(0o644)
    [line] = http_complaints("listen: 127.0.0.1:1, tls: {certificate: tls.crt, key: tls.key}")
    assert "http.tls.key: the key" in line
    assert "open to everybody; run: chmod o-rwx" in line
    (tmp_path / "tls.key").chmod(0o600)
    assert http("listen: 127.0.0.1:1, tls: {certificate: tls.crt, key: tls.key}").tls.client_ca is None
