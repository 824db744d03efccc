import pytest

from hotfolder.settings import (
    DigitooConnection,
    DocDigitizerConnection,
    Limits,
    Retry,
    RossumConnection,
    Settings,
    SettingsError,
    Timeouts,
)


@pytest.fixture
def connect(load, head):
    """Load a connection with these keys."""

    def _connect(keys):
        text = (
            head.replace("queues:\n", f"  x: {{{keys}}}\nqueues:\n") + "  q: {connection: x, queue_id: 1}\n"
        )
        return load(text).connections["x"]

    return _connect


@pytest.fixture
def refuse(connect):
    """Return the texts of the problems of a connection with these keys, by key."""

    def _refuse(keys):
        with pytest.raises(SettingsError) as caught:
            connect(keys)
        return {problem.key.removeprefix("connections.x."): problem.text for problem in caught.value.problems}

    return _refuse


ROSSUM = "backend: rossum, base_url: https://acme.rossum.app/api/v1"


def test_defaults_need_no_thought(connect):
    """A connection has the timeouts, back-off and places of the documentation."""
    made = connect("backend: docdigitizer, api_key: k")
    assert isinstance(made, DocDigitizerConnection)
    assert (made.name, made.base_url, made.api) == ("x", "https://api.docdigitizer.com", "v1")
    assert (made.timeouts, made.retry) == (
        Timeouts(connect_s=10, read_s=60, total_s=900),
        Retry(first_s=2, max_s=600),
    )
    assert (made.ask_after_s, made.limits, made.headers, made.statuses) == (45, None, {}, {})
    assert (made.upload.path, made.upload.encoding, made.login.token_paths, made.errors.key_paths) == (
        None,
    ) * 4


def test_the_newer_generation_has_defaults_of_its_own(connect):
    """`api: v3` has another address, and waits longer for an answer that holds the whole result."""
    made = connect("backend: docdigitizer, api_key: k, api: v3")
    assert made.base_url == "https://api.docdigitizer.com/v3/docingester"
    assert made.timeouts == Timeouts(connect_s=10, read_s=300, total_s=900)
    made = connect("backend: docdigitizer, api_key: k, api: v3, timeouts: {connect: 3s}")
    assert made.timeouts == Timeouts(connect_s=3, read_s=300, total_s=900)
    written = "base_url: https://proxy.example/x, timeouts: {read: 20s}"
    made = connect(f"backend: docdigitizer, api_key: k, api: v3, {written}")
    assert (made.base_url, made.timeouts.read_s) == ("https://proxy.example/x", 20)


def test_a_mistake_beside_the_newer_generation_is_told(refuse):
    """Defaults of a generation hide no mistake."""
    assert set(refuse("backend: docdigitizer, api_key: k, api: v3, timeouts: {conect: 3s}")) == {
        "timeouts.conect"
    }
    assert set(refuse("backend: docdigitizer, api_key: k, api: v4")) == {"api"}
    assert set(refuse("backend: docdigitizer, api_key: k, api: v3, timeouts: 7")) == {"timeouts"}


@pytest.mark.parametrize(
    ("keys", "auth"),
    [
        ("username: u, password: p", "login"),
        ("token: t", "token"),
        ("auth: token, token: t, username: u", "token"),
        ("auth: basic, username: u, password: p", "basic"),
    ],
)
def test_rossum_takes_a_login_a_token_or_basic(connect, keys, auth):
    """`token` alone is enough to say which."""
    made = connect(f"{ROSSUM}, {keys}")
    assert isinstance(made, RossumConnection)
    assert made.auth == auth


@pytest.mark.parametrize(
    ("keys", "missing"),
    [
        ("", {"username", "password"}),
        ("username: u", {"password"}),
        ("token: t, username: u", {"password"}),
        ("auth: basic, token: t", {"username", "password"}),
        ("auth: token", {"token"}),
    ],
)
def test_rossum_names_every_missing_credential(refuse, keys, missing):
    """Each credential that the way of logging in needs is asked for by its key."""
    told = refuse(f"{ROSSUM}, {keys}")
    assert set(told) == missing
    assert all(text.startswith("is needed") for text in told.values())


def test_rossum_needs_its_address(refuse):
    """Every organisation has its own; there is no default."""
    assert refuse("backend: rossum, token: t") == {"base_url": "is missing"}


def test_digitoo_takes_a_login_or_a_token(connect, refuse):
    """One of both, not neither and not both."""
    made = connect("backend: digitoo, email: e, password: p, queue_id_override: 012")
    assert isinstance(made, DigitooConnection)
    assert (made.queue_id_override, made.token) == ("012", None)
    assert connect("backend: digitoo, token: t").token.reveal() == "t"
    assert set(refuse("backend: digitoo")) == {"email", "password"}
    assert refuse("backend: digitoo, token: t, email: e") == {
        "email": "give either `token` or `email` and `password`"
    }


def test_docdigitizer_needs_its_key(refuse):
    """Nothing is sent without."""
    assert refuse("backend: docdigitizer") == {"api_key": "is missing"}


def test_a_bad_token_is_reported_once(refuse):
    """A token that cannot be read does not make email and password look missing."""
    assert set(refuse("backend: digitoo, token: {env: GONE}")) == {"token"}


def test_keys_of_another_service_are_unknown(refuse):
    """Each service has its own credentials, and the nearest valid key is only suggested where it is near."""
    assert refuse("backend: docdigitizer, api_key: k, queue_id_override: 5").keys() == {"queue_id_override"}


def test_every_profile_key_reaches_its_attribute(connect):
    """What is written in the file is what a backend reads."""
    made = connect(
        f"{ROSSUM}, token: t, timeouts: {{connect: 1s, read: 2s, total: 3s}}, retry: {{first: 1s, max: 4s}}, "
        "ask_after: 5s, limits: {concurrency: 1, per_second: 0.5}, headers: {X-A: b}, "
        "upload: {path: up, encoding: body, file_field: f, fields: {a: b}, document_id_paths: [id]}, "
        "login: {path: in, fields: {c: d}, token_paths: [key]}, errors: {message_paths: [m], key_paths: [k]}"
    )
    assert made.timeouts == Timeouts(connect_s=1, read_s=2, total_s=3)
    assert made.retry == Retry(first_s=1, max_s=4)
    assert (made.ask_after_s, made.limits, made.headers) == (
        5,
        Limits(concurrency=1, per_second=0.5),
        {"X-A": "b"},
    )
    assert (made.upload.path, made.upload.encoding, made.upload.file_field) == ("up", "body", "f")
    assert (made.upload.fields, made.upload.document_id_paths) == ({"a": "b"}, ("id",))
    assert (made.login.path, made.login.fields, made.login.token_paths) == ("in", {"c": "d"}, ("key",))
    assert (made.errors.message_paths, made.errors.key_paths) == (("m",), ("k",))


def test_statuses_are_normalised(connect, refuse):
    """A status, or status and code, whatever the spaces between."""
    made = connect("backend: docdigitizer, api_key: k, statuses: {409: done, '403   NO_LICENCE': pause}")
    assert made.statuses == {"409": "done", "403 NO_LICENCE": "pause"}
    told = refuse(
        "backend: docdigitizer, api_key: k, statuses: {99: done, 4xx: fail, 600: retry, 500: again}"
    )
    assert set(told) == {f"statuses.{key}" for key in ("99", "4xx", "600", "500")}
    assert told["statuses.500"] == "expected one of done, fail, retry, pause"


@pytest.mark.parametrize(
    "header", ["Content-Length: '1'", "transfer-encoding: x", "'A B': c", 'A: "b\\r\\nC: d"', "A: ž"]
)
def test_headers_that_break_requests_are_refused(refuse, header):
    """Neither the body's framing nor line breaks can be configured."""
    [key] = refuse(f"backend: docdigitizer, api_key: k, headers: {{{header}}}")
    assert key.startswith("headers.")


def test_the_longest_wait_follows_the_first(connect, refuse):
    """A first wait beyond the default maximum raises it; a maximum below the first is a mistake."""
    assert connect("backend: docdigitizer, api_key: k, retry: {first: 20m}").retry.max_s == 1200
    told = refuse("backend: docdigitizer, api_key: k, retry: {first: 20m, max: 10m}")
    assert told == {"retry.max": "must not be shorter than `first`"}


@pytest.mark.parametrize(
    "limits", ["concurrency: 0", "concurrency: 1.5", "concurrency: true", "per_second: 0", "per_second: '8'"]
)
def test_limits_are_positive_numbers(refuse, limits):
    """No number, no words, nothing below one at a time."""
    [key] = refuse(f"backend: docdigitizer, api_key: k, limits: {{{limits}}}")
    assert key == f"limits.{limits.split(':')[0]}"


def test_attribute_names_are_no_keys(refuse):
    """The file has keys without units; `connect_s` is a mistake there."""
    assert refuse("backend: docdigitizer, api_key: k, timeouts: {connect_s: 4s}").keys() == {
        "timeouts.connect_s"
    }


def test_limits_fall_back_to_the_common_ones(load, head):
    """A connection's own limits win as a whole."""
    text = head.replace("doc: {", "doc: {limits: {concurrency: 1}, ")
    loaded: Settings = load(f"{text}  q: {{connection: doc}}\nlimits: {{concurrency: 2, per_second: 3}}\n")
    assert loaded.limits_of(loaded.connections["doc"]) == Limits(concurrency=1, per_second=8)
    assert loaded.limits_of(loaded.connections["acme"]) == Limits(concurrency=2, per_second=3)
