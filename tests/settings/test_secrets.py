import json
import os
import traceback

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from hotfolder.settings import DigitooConnection, SecretUnavailable, SettingsError
from hotfolder.settings.secrets import CredentialSecret, EnvironmentSecret, FileSecret, WrittenSecret

TEMPLATE = """\
connections:
  acme: {{backend: rossum, base_url: https://acme.example, username: me, password: {password}}}
queues:
  q: {{connection: acme, queue_id: 1, folder: /srv/q}}
"""
SECRETS = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=3).map("zQ9x".__add__)
"""Texts that occur in no message by chance."""
ASCII_SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=3).map("zQ9x".__add__)
"""The same, of what a header may hold too."""


def password_of(load, written, environ=None, **options):
    """Load a connection whose password is written like this, and return it."""
    return load(TEMPLATE.format(password=written), environ, **options).connections["acme"].password


def private(path, content):
    """Write a file for its owner alone."""
    path.write_bytes(content)
    path.chmod(0o600)
    return path


def test_a_secret_in_a_file_is_read_anew(load, tmp_path):
    """A rotated file is noticed at the next use; a relative path starts at the configuration's folder."""
    file = private(tmp_path / "password", b"first\n")
    password = password_of(load, "{file: password}")
    assert password.reveal() == "first"
    file.write_text("second")
    assert password.reveal() == "second"


@pytest.mark.parametrize(
    ("content", "secret"),
    [(b"a\n", "a"), (b"a\r\n", "a"), (b"a\n\n", "a\n"), (b" a ", " a "), ("ä".encode(), "ä")],
)
def test_one_trailing_newline_is_no_part_of_the_secret(tmp_path, content, secret):
    """Editors add a newline; everything else belongs to the secret."""
    assert FileSecret(private(tmp_path / "f", content)).reveal() == secret


def test_a_secret_in_the_environment_is_read_anew(load):
    """The variable is looked up at each use."""
    environ = {"PASSWORD": "first"}
    password = password_of(load, "{env: PASSWORD}", environ)
    environ["PASSWORD"] = "second"
    assert password.reveal() == "second"


def test_a_credential_comes_from_its_directory(load, tmp_path):
    """{credential: NAME} is the file of that name where systemd put it."""
    private(tmp_path / "rossum", b"from systemd")
    assert password_of(load, "{credential: rossum}", {"CREDENTIALS_DIRECTORY": str(tmp_path)}).reveal() == (
        "from systemd"
    )


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602, 0o666])
def test_a_file_open_to_everybody_is_refused_with_the_remedy(tmp_path, mode):
    """The message holds the command that repairs it."""
    file = private(tmp_path / "f", b"x")
    file.chmod(mode)
    with pytest.raises(SecretUnavailable, match=f"run: chmod o-rwx {file}"):
        FileSecret(file).reveal()


def test_a_file_for_owner_and_group_is_accepted(tmp_path):
    """root:hotfolder 0640 is a usual way to hand a secret to a service."""
    file = private(tmp_path / "f", b"x")
    file.chmod(0o640)
    assert FileSecret(file).reveal() == "x"


@pytest.mark.timeout(20)
def test_what_is_no_small_text_file_is_refused(tmp_path):
    """Pipes, folders, huge, binary and empty files are told apart, and a pipe does not block."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    cases = {
        tmp_path / "pipe": "no regular file",
        tmp_path / "folder": "no regular file|cannot be read",
        private(tmp_path / "huge", b"x" * 70_000): "larger than 64 KiB",
        private(tmp_path / "binary", b"\xff\xfe"): "not UTF-8",
        private(tmp_path / "empty", b"\n"): "is empty",
        tmp_path / "missing": "cannot be read .No such file or directory.; create it",
    }
    for path, message in cases.items():
        with pytest.raises(SecretUnavailable, match=message):
            FileSecret(path).reveal()


def test_missing_secrets_are_problems_of_the_configuration(complaints):
    """File, variable and credential are looked for when the configuration is read, each at its line."""
    for written, text in {
        "{file: gone}": "gone cannot be read (No such file or directory); create it, readable by this",
        "{env: GONE}": "the environment variable GONE is not set; set it for this program",
        "{credential: gone}": "the credential gone is not there: CREDENTIALS_DIRECTORY is not set; start",
    }.items():
        [line] = complaints(TEMPLATE.format(password=written))
        assert line.startswith("2:83: connections.acme.password: ")
        assert text in line


def test_commands_that_send_nothing_need_no_secrets(load):
    """Without looking, a missing secret is a problem only when it is used."""
    password = password_of(load, "{env: GONE}", look=False)
    with pytest.raises(SecretUnavailable, match="GONE is not set"):
        password.reveal()


@pytest.mark.parametrize(
    "written",
    [
        "5",
        "1.5",
        "true",
        "null",
        "[x]",
        "{}",
        "{zQ9x}",
        "{zQ9x: a}",
        "{file: a, env: B}",
        "{file: 5}",
        "{file: ''}",
        "''",
    ],
)
def test_other_shapes_are_refused_at_the_secret_itself(complaints, written):
    """What is no secret is answered with the four ways to write one, and nothing of it is repeated."""
    [line] = complaints(TEMPLATE.format(password=written))
    assert line.startswith(("2:83: connections.acme.password: ", "2:3: connections.acme.password: "))
    assert "{file: PATH}, {env: NAME}, {credential: NAME}" in line or "is needed" in line
    assert "zQ9x" not in line


@pytest.mark.parametrize(
    "written", ["{env: 'zQ9x!'}", "{env: 9zQ9x}", "{credential: ../zQ9x}", "{file: ~/zQ9x}"]
)
def test_a_reference_that_cannot_be_one_is_not_repeated(complaints, written):
    """A secret typed where its name belongs stays out of the message."""
    [line] = complaints(TEMPLATE.format(password=written))
    assert "zQ9x" not in line
    assert "takes the name" in line or "~ is not expanded" in line


def test_secrets_compare_and_hash_by_where_they_are():
    """A reloaded configuration with the same references is the same configuration."""
    assert EnvironmentSecret("A", {"A": "1"}) == EnvironmentSecret("A", {})
    assert CredentialSecret("A", {}) != EnvironmentSecret("A", {})
    assert WrittenSecret("a") != WrittenSecret("b")
    assert len({WrittenSecret("a"), WrittenSecret("a")}) == 1


def test_a_model_made_by_a_program_takes_text_as_a_secret():
    """Where no file is read, plain text is enough."""
    connection = DigitooConnection(name="acme", token="zQ9x")
    assert connection.token.reveal() == "zQ9x"
    assert "zQ9x" not in repr(connection)
    with pytest.raises(ValidationError) as caught:
        DigitooConnection(name="acme", tokn="zQ9x")
    assert "zQ9x" not in str(caught.value)


def everything_said_by(error):
    """Yield all texts in which an exception and those behind it could show a value."""
    yield "".join(traceback.format_exception(error))
    while error is not None:
        yield from (str(error), repr(error), repr(error.args), repr(vars(error)))
        error = error.__context__ or error.__cause__


FIELDS = [
    "password: {}",
    "token: {}\n    auth: token",
    "headers: {{X-Key: {}}}",
    "login: {{fields: {{a: {}}}}}",
]


@given(secret=ASCII_SECRETS, field=st.sampled_from(FIELDS))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_a_loaded_secret_is_never_shown(load, secret, field):
    """Neither str, repr nor any dump of the settings holds what was in a secret's place."""
    keys = field.format(json.dumps(secret)) + (
        "" if field.startswith("password") else "\n    password: other"
    )
    loaded = load(
        "connections:\n  acme:\n    backend: rossum\n    base_url: https://acme.example\n    username: me\n"
        f"    {keys}\nqueues:\n  q: {{connection: acme, queue_id: 1, folder: /srv/q}}\n"
    )
    shown = [str(loaded), repr(loaded), repr(loaded.model_dump()), loaded.model_dump_json(), f"{loaded!s}"]
    assert not [text for text in shown if secret in text or json.dumps(secret)[1:-1] in text]


WRONG_PLACES = [
    "  acme: {{backend: rossum, base_url: https://a.example, username: me, password: {}, usernme: x}}",
    "  acme: {{backend: rossum, base_url: https://me:{}@a.example, token: x}}",
    "  acme: {{backend: {}, token: x}}",
    "  acme: {{backend: rossum, base_url: {}, token: x}}",
    "  acme: {{backend: digitoo, token: {{env: {}, file: x}}}}",
    "  acme: {{backend: digitoo, token: {{{}: x}}}}",
    "  acme: {{backend: digitoo, token: [{}]}}",
    "  acme: {{backend: digitoo, token: x, timeouts: {}}}",
    "  acme: {{backend: digitoo, token: x, timeouts: {{read: {}}}}}",
    "  acme: {{backend: digitoo, token: x, retry: [{}]}}",
    "  acme: {{backend: digitoo, token: x, statuses: {{409: {}}}}}",
    "  acme: {{backend: digitoo, token: x, upload: {{encoding: {}}}}}",
    "  acme: {{backend: digitoo, token: x, allow_insecure_http: {}}}",
    "  acme: {}",
    "  acme: {{backend: digitoo, token: x, headers: {{Content-Length: {}}}}}",
]


@given(secret=SECRETS, place=st.sampled_from(WRONG_PLACES))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
def test_no_error_repeats_a_value(load, secret, place):
    """Wherever in a connection a secret was typed, the errors keep it to themselves."""
    text = (
        "connections:\n"
        + place.format(json.dumps(secret))
        + "\nqueues: {q: {connection: acme, folder: /q}}\n"
    )
    with pytest.raises(SettingsError) as caught:
        load(text)
    assert not [said for said in everything_said_by(caught.value) if secret in said]


SYNTAX = [
    "{}",
    "*{}",
    "!{} x",
    "!{}!x y",
    "&{} a: &{} b",
    "@{}",
    "%{}",
    "'{}",
    '"{}',
    "[{}",
    "{{{}",
    "a\n{}",
    "'\\t{}",
]


@given(secret=st.from_regex(r"zQ9x[a-z0-9]{3,12}", fullmatch=True), shape=st.sampled_from(SYNTAX))
@example(secret="zQ9xhunter2", shape="*{}")
@example(secret="zQ9xhunter2", shape="!{}!x y")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None)
def test_no_syntax_error_repeats_a_value(load, secret, shape):
    """A password that YAML takes for syntax stays out of the message about it."""
    with pytest.raises(SettingsError) as caught:
        load(f"connections:\n  acme:\n    token: {shape.format(secret, secret)}\n")
    assert not [said for said in everything_said_by(caught.value) if secret in said]
