"""Every kind of answer is read into words for people, without secrets."""

import json
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfolder.backends.answers import MESSAGE_CHARS, Reply, Secrets, clean, error_key, messages, parse
from hotfolder.checks.foreign import nests_too_deeply

PATHS = ("detail", "messages[].text", "messages[]")


def reply(content: bytes | str, status: int = 400, content_type: str = "application/json") -> Reply:
    """Make an answer as the wire does."""
    raw = content.encode() if isinstance(content, str) else content
    return Reply(status, {"content-type": content_type}, raw, parse(raw))


@pytest.mark.parametrize(
    ("content", "foreign"),
    [
        ("", False),
        (" \r\n", False),
        ("{}", False),
        ("[]", False),
        ('{"id": 1', True),
        ("<html></html>", True),
        ('"OK"', True),
        ("null", True),
        ("1", True),
    ],
)
def test_foreign_body(content: str, foreign: bool) -> None:  # noqa: FBT001 — a parameter of the table
    """A body that is no JSON object or list is nothing that a service wrote; no body says nothing."""
    assert reply(content, 200).foreign is foreign


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"detail": "Bad Request."}', ("Bad Request.",)),
        ('{"messages": [{"text": "a"}, {"text": "b"}]}', ("a", "b")),
        ('{"messages": ["a", "a", "b"]}', ("a", "b")),
        ('{"queue": ["required"], "file": {"name": ["too long"]}}', ("queue: required", "name: too long")),
        ('["one", {"two": 2}]', ("one", "two: 2")),
        ('{"detail": null, "x": []}', ()),
        ('{"detail": "cut off', ('{"detail": "cut off',)),
        ("", ()),
        ("null", ("null",)),
        ("\x00\x07 beep \r\n new line\u202e", ("beep new line",)),
        (b"\xff\xfe broken", ("\ufffd\ufffd broken",)),
    ],
)
def test_words_of_any_shape(content: bytes | str, said: tuple[str, ...]) -> None:
    """By path, else from a field map, a list, plain or broken text."""
    assert messages(reply(content), PATHS, Secrets()) == said


@pytest.mark.parametrize(
    ("page", "said"),
    [
        (
            "<html><title>502 Bad\nGateway</title><p>nginx</html>",
            "a web page instead of an answer: 502 Bad Gateway",
        ),
        ("<h1>Blocked</h1><script>x()</script>", "a web page instead of an answer: Blocked"),
        ("<html>", "a web page instead of an answer"),
    ],
)
def test_web_page(page: str, said: str) -> None:
    """A web page is told by its title or its text, without markup."""
    assert messages(reply(page, content_type="text/html"), PATHS, Secrets()) == (said,)


def test_messages_are_short() -> None:
    """A message is cut to 500 characters and an endless field map to ten of them."""
    long = messages(reply(json.dumps({"detail": "x" * 9000})), PATHS, Secrets())
    assert [len(one) for one in long] == [MESSAGE_CHARS]
    assert len(messages(reply(json.dumps({str(n): "x" for n in range(99)})), PATHS, Secrets())) == 10


@given(st.binary(max_size=200), st.integers(200, 599))
def test_no_answer_breaks_the_reading(content: bytes, status: int) -> None:
    """Whatever bytes come, reading them raises nothing and gives one-line messages."""
    answer = reply(content, status, "")
    words = "".join(messages(answer, PATHS, Secrets()))
    assert not any(ord(one) < 32 or 127 <= ord(one) < 160 for one in words)
    error_key(answer, ("code",), {400: ("BAD",)}, Secrets())


@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 50_000, "9" * 5000])
def test_hostile_json(content: str) -> None:
    """Endless nesting and endless numbers are no JSON for us."""
    assert parse(content.encode()) is None


def test_json_that_could_not_be_written_or_read_again() -> None:
    """What nests deeper than a row is read back, and what would become an infinity, is null; the rest is kept."""
    deep = b'{"a": [1, ' + b"[" * 300 + b"]" * 300 + b'], "b": 2}'
    document = parse(deep)
    assert (document["a"][0], document["b"]) == (1, 2)
    assert not nests_too_deeply(document)
    assert parse(b"[" * 40 + b"]" * 40) == json.loads("[" * 40 + "]" * 40)
    assert parse(b'{"a": 1e999, "b": -1e999, "c": NaN, "d": 0.5}') == {
        "a": None,
        "b": None,
        "c": None,
        "d": 0.5,
    }


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({"code": "bad_request"}, "bad_request"),
        ({"code": "A whole sentence."}, None),
        ({"code": 400}, None),
        ({"code": 7001}, "7001"),
        ({"code": "hunter2-secret"}, None),
        ({"title": "see GONE_FISHING here"}, "GONE_FISHING"),
        ({"title": "NOT_GONE_FISHING_YET"}, None),
        ({}, None),
    ],
)
def test_error_key(document: Any, key: str | None) -> None:
    """A key is one word: by path, or a known word of the body; never a secret, a sentence or the status."""
    secrets = Secrets()
    secrets.remember("hunter2-secret")
    assert error_key(reply(json.dumps(document)), ("code",), {403: ("GONE_FISHING", "X_Y")}, secrets) == key


def test_error_key_implied_by_the_status() -> None:
    """A status that has one key in the specification implies it."""
    known = {415: ("FILE_TYPE_NOT_SUPPORTED",), 403: ("A_B", "C_D")}
    assert error_key(reply("", 415), (), known, Secrets()) == "FILE_TYPE_NOT_SUPPORTED"
    assert error_key(reply("", 403), (), known, Secrets()) is None


@given(st.text(min_size=1, max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_secrets_are_blotted(secret: str, before: str, after: str) -> None:
    """No form in which a secret is sent survives: plain, escaped as JSON."""
    secrets = Secrets()
    secrets.remember(secret)
    blotted = secrets.blot(f"{before}\n{secret}\n{json.dumps(secret)}\n{after}")
    assert secret not in blotted.replace("***", "") or secret in before + after + '"\n'


def test_secret_in_other_forms_is_blotted() -> None:
    """A password is known as it stands in JSON and in Basic credentials, too."""
    secrets = Secrets()
    password = secrets.remember('pass"word\u010d')
    blotted = secrets.blot(f"{json.dumps(password)} {b64encode(password.encode()).decode()}")
    assert blotted == '"***" ***'


def test_clean_keeps_language() -> None:
    """Accents, quotes and emoji stay, lines are joined."""
    assert clean("Žluťoučký „kůň“\n\t🐎", Secrets()) == "Žluťoučký „kůň“ 🐎"
