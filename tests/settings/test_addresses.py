import pytest

from hotfolder.settings.addresses import is_loopback


@pytest.fixture
def base_url(load, head):
    """Load a DocDigitizer connection with these keys and return its base_url."""

    def _base_url(keys):
        connection = f"  other: {{backend: docdigitizer, api_key: k, {keys}}}\n"
        text = head.replace("queues:\n", f"{connection}queues:\n") + "  q: {connection: other}\n"
        return load(text).connections["other"].base_url

    return _base_url


@pytest.fixture
def base_url_complaints(complaints, head):
    """Return the problems of a DocDigitizer connection with these keys."""

    def _complaints(keys):
        connection = f"  other: {{backend: docdigitizer, api_key: k, {keys}}}\n"
        return complaints(head.replace("queues:\n", f"{connection}queues:\n") + "  q: {connection: other}\n")

    return _complaints


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("https://api.example.com/", "https://api.example.com"),
        ("https://api.example.com/v1//", "https://api.example.com/v1"),
        ("HTTPS://api.example.com:8443/a", "https://api.example.com:8443/a"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://localhost:1", "http://localhost:1"),
        ("'http://[::1]:1/x'", "http://[::1]:1/x"),
    ],
)
def test_addresses_that_are_accepted(base_url, written, url):
    """TLS everywhere, plain HTTP on this machine; the trailing slash goes."""
    assert base_url(f"base_url: {written}") == url


@pytest.mark.parametrize(
    "host", ["api.example.com", "10.0.0.1", "localhost.example.com", "127.0.0.1.example.com"]
)
def test_plain_http_is_refused_unless_allowed(base_url, base_url_complaints, host):
    """Documents travel over TLS, whatever the host's name resembles, unless the operator says otherwise."""
    [line] = base_url_complaints(f"base_url: http://{host}")
    assert line.startswith("5:56: connections.other.base_url: documents travel over TLS")
    assert base_url(f"base_url: http://{host}, allow_insecure_http: true") == f"http://{host}"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("api.example.com", "expected an address such as"),
        ("ftp://api.example.com", "expected an address such as"),
        ("https://", "expected an address such as"),
        ("https://api.example.com:99999", "expected an address such as"),
        ("https://api.example.com:0", "expected an address such as"),
        ("'https://api.example.com/a b'", "expected an address such as"),
        ("'https://[::1/'", "expected an address such as"),
        ("5", "expected an address such as"),
        ("'https://api.example.com?a=b'", "without ? and #"),
        ("'https://api.example.com#a'", "without ? and #"),
        ("https://me:zQ9x@api.example.com", "credentials do not belong into the address"),
    ],
)
def test_addresses_that_are_refused(base_url_complaints, written, message):
    """What is no address of a service is told at its place, without repeating it."""
    [line] = base_url_complaints(f"base_url: {written}")
    assert message in line
    assert "zQ9x" not in line


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("a.localhost", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("a", False),
    ],
)
def test_loopback_is_known_by_name_and_number(host, loopback):
    """Only what can be nothing but this machine counts."""
    assert is_loopback(host) is loopback


@pytest.mark.parametrize(
    ("written", "message"),
    [("~/x", "~ is not expanded"), ("''", "a path"), ('"a\\0b"', "a path"), ("5", "a path")],
)
def test_what_is_no_path_is_refused(queue_complaints, written, message):
    """A home folder's sign, nothing, NUL and numbers are no paths."""
    assert message in queue_complaints(f"folder: {written}")[0]


def test_relative_paths_start_at_the_configuration(load_queue, tmp_path):
    """A relative folder does not depend on where the program was started; `..` is resolved."""
    queue = load_queue("folder: a/../b\ndone: ../c")
    assert queue.folder == tmp_path / "b"
    assert queue.done == tmp_path.parent / "c"


@pytest.mark.parametrize("path", ["https://evil.example/upload", "//evil.example/upload"])
def test_a_request_path_cannot_lead_to_another_host(base_url_complaints, path):
    """Credentials go to base_url alone."""
    [line] = base_url_complaints(f"upload: {{path: '{path}'}}")
    assert "connections.other.upload.path: expected a path below `base_url`" in line


def test_a_certificate_file_must_be_there(base_url, base_url_complaints, tmp_path):
    """A missing ca_file is a problem when the configuration is read."""
    assert "no readable file" in base_url_complaints("ca_file: ca.pem")[0]
    (tmp_path / "ca.pem").write_text("x")
    assert base_url("ca_file: ca.pem") == "https://api.docdigitizer.com"


@pytest.mark.parametrize("written", ["8642", "127.0.0.1", "a:99999", "':1'", "a:b", "'::1:80'"])
def test_a_place_to_listen_is_host_and_port(complaints, head, written):
    """What is no HOST:PORT is told as such."""
    [line] = complaints(f"{head}  q: {{connection: doc}}\nhttp: {{listen: {written}}}\n")
    assert "http.listen: expected HOST:PORT" in line
