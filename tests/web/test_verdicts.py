"""Who may call, and what a record says."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfolder.news import News
from hotfolder.settings import Signature, Webhook
from hotfolder.settings.secrets import WrittenSecret
from hotfolder.web.verdicts import STRANGER, Call, Door, Rejection, judged
from tests.builders import NOW

SECRET, KEY = "s3cret-of-acme", "k3y-of-acme"
RECORD = {"webhook_event": "changed", "id": "d1", "status": "exported", "queue_id": "q7"}
PLAIN = Door("acme", Webhook(secret=WrittenSecret(SECRET)), by_get=False, secret=SECRET)
SHOWN = replace(PLAIN, webhook=Webhook(secret=WrittenSecret(SECRET), header="X-Proof"))


def signing(**changes: Any) -> Door:
    """Return a door that asks for a signature alone."""
    signature = Signature(**{"header": "X-Signature", "secret": WrittenSecret(KEY), **changes})
    return Door("acme", Webhook(signature=signature), by_get=True, key=KEY)


def call(record: Any = RECORD, word: str | None = SECRET, **changes: Any) -> Call:
    """Make a call whose body is a record in JSON."""
    facts = {"method": "POST", "word": word, "headers": {}, "query": "", "body": json.dumps(record).encode()}
    return Call(**{**facts, **changes})


def told(door: Door, made: Call) -> News:
    """Return what a call tells; fails where it is not taken."""
    found = judged(door, made, NOW)
    assert isinstance(found, News), found
    return found


def status(door: Door | None, made: Call) -> int:
    """Return the status with which a call is turned away."""
    found = judged(door, made, NOW)
    assert isinstance(found, Rejection), found
    return found.status


@pytest.mark.parametrize(
    "record",
    [
        {"document_id": "d1", "queue_id": "q7", "status": "exported"},
        {"document_id": "d1", "queue_id": "q7", "status": "exported", "webhook_event": "changed"},
        {"webhook_event": "changed", "id": "d1", "status": "exported", "queue_id": "q7"},
        {"id": "of the call", "document_id": "d1", "status": "exported", "queue_id": "q7"},
        {"data": {"id": "d1"}, "status": "exported", "queueId": "q7"},
    ],
)
def test_the_shapes_that_are_known(record: dict[str, Any]) -> None:
    """Digitoo's two webhooks and the connector's schema say the same thing, with or without an event."""
    news = told(PLAIN, call(record))
    assert (news.connection, news.document_id, news.status, news.queue_id) == ("acme", "d1", "exported", "q7")
    assert news.event == record.get("webhook_event")
    assert json.loads(news.body or "") == record
    assert (news.received_at, news.last_at, news.times, news.upload_id) == (NOW, NOW, 1, None)


@pytest.mark.parametrize(
    ("query", "body"),
    [
        ({"docid": "d1", "status": "annotated"}, b""),
        ({"document_id": "d1", "status": "annotated"}, b"ignored"),
        ({"documentId": "d1", "state": "91", "stateText": "annotated"}, b"{}"),
        ({}, b"doc_id=d1&status=annotated"),
    ],
)
def test_callbacks_with_their_values_elsewhere(query: dict[str, str], body: bytes) -> None:
    """DocDigitizer's values stand in the query, also of a POST; a form is read too."""
    door = replace(PLAIN, by_get=True)
    for method in ("GET", "POST"):
        news = told(door, call(method=method, query=urlencode(query), body=body))
        assert (news.document_id, news.status) == ("d1", "annotated")


def test_get_is_taken_where_the_service_may_call_so() -> None:
    """Elsewhere it is refused, and so is any other method."""
    query = "docid=d1&status=annotated"
    assert status(PLAIN, call(method="GET", query=query)) == 405
    assert status(replace(PLAIN, by_get=True), call(method="HEAD", query=query)) == 405
    assert status(replace(PLAIN, by_get=True), call(method="PUT")) == 405


@pytest.mark.parametrize("word", [None, "", "guessed", SECRET[:-1], SECRET + "x", SECRET.upper(), "ž"])
def test_a_wrong_word_in_the_path_is_no_address(word: str | None) -> None:
    """It is answered as a connection is that does not exist."""
    assert judged(PLAIN, call(word=word), NOW) is STRANGER
    assert judged(None, call(word=word), NOW) is STRANGER


def test_a_word_in_a_header() -> None:
    """It must be the whole word, and the path must have none."""
    told(SHOWN, call(word=None, headers={"x-proof": SECRET}))
    for headers in (
        {},
        {"x-proof": ""},
        {"x-proof": SECRET + " "},
        {"x-other": SECRET},
        {"x-proof": "\udcff"},
    ):
        assert status(SHOWN, call(word=None, headers=headers)) == 401
    assert judged(SHOWN, call(word=SECRET, headers={"x-proof": SECRET}), NOW) is STRANGER


@pytest.mark.parametrize("algorithm", ["sha256", "sha1", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
@pytest.mark.parametrize("prefix", ["", "sha=", "Ab"])
def test_a_signature(algorithm: Any, encoding: Any, prefix: str) -> None:
    """The digest of the very bytes of the body, by the algorithm, the encoding and the prefix that are set."""
    door = signing(algorithm=algorithm, encoding=encoding, prefix=prefix)
    body = call().body
    digest = hmac.new(KEY.encode(), body, algorithm).digest()
    text = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    told(door, call(word=None, headers={"x-signature": prefix + text}))
    if encoding == "hex":
        told(door, call(word=None, headers={"x-signature": prefix + text.upper()}))
    other = hmac.new(KEY.encode(), body, "md5").hexdigest()
    wrong = ["", prefix, prefix + text[:-1], "x" + prefix + text, prefix + other, prefix + text + "0"]
    wrong += [text] if prefix else [f"sha256={text}"]
    for given_text in wrong:
        assert status(door, call(word=None, headers={"x-signature": given_text})) == 401, given_text
    changed = call(word=None, body=body + b" ", headers={"x-signature": prefix + text})
    assert status(door, changed) == 401


def test_what_is_not_signed_is_not_read() -> None:
    """A signature covers the body alone, so neither query nor GET says anything beside it."""
    door = signing()
    for body in (b"", b"{}"):
        headers = {"x-signature": hmac.new(KEY.encode(), body, hashlib.sha256).hexdigest()}
        query = "docid=d1&status=annotated"
        assert status(door, call(word=None, body=body, query=query, headers=headers)) == 400
    headers = {"x-signature": hmac.new(KEY.encode(), b"", hashlib.sha256).hexdigest()}
    assert status(door, call(word=None, method="GET", body=b"", query=query, headers=headers)) == 405


def test_a_key_that_is_not_there_signs_nothing() -> None:
    """An empty key would be everybody's."""
    body = call().body
    headers = {"x-signature": hmac.new(b"", body, hashlib.sha256).hexdigest()}
    assert status(replace(signing(), key=None), call(word=None, headers=headers)) == 401


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{}", b"[]", b"null", b"7", b'"d1"', b'{"id": "d1"}', b'{"status": "x"}', b"\xff\xfe", b"{"),
        b'{"id": null, "status": "x"}',
        b'{"id": true, "status": "x"}',
        b'{"id": {"a": 1}, "status": ["x"]}',
        b'{"id": "d1", "status": " "}',
        b"[" * 60_000,
        b'{"id": ' + b"1" * 5000 + b', "status": "x"}',
        json.dumps({"id": "x" * 257, "status": "x"}).encode(),
        "&".join(f"k{n}=1" for n in range(200)).encode(),
    ],
)
def test_no_record_is_no_record(body: bytes) -> None:
    """Whatever comes, it is refused and does not raise."""
    assert status(PLAIN, call(body=body)) == 400


@given(st.binary(max_size=200) | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(repr))
def test_any_body_has_its_answer(body: bytes | str) -> None:
    """Random bytes never raise."""
    content = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
    assert isinstance(judged(PLAIN, call(body=content), NOW), News | Rejection)


def test_an_event_without_a_document_is_kept() -> None:
    """`queue_created` names no document; it is no mistake of the service's."""
    news = told(PLAIN, call({"webhook_event": "queue_created", "queue_id": "q9"}))
    assert (news.document_id, news.status, news.event) == ("", None, "queue_created")


def test_what_is_told_twice_is_known_by_its_content() -> None:
    """Order of keys and spaces do not matter, any value does."""
    first = told(PLAIN, call(RECORD)).key
    turned = json.dumps(dict(reversed(RECORD.items())), indent=3).encode()
    assert told(PLAIN, call(body=turned)).key == first
    assert told(PLAIN, call({**RECORD, "more": 1})).key != first


@pytest.mark.parametrize(
    "said", ["extraction-rejected", "Extraction-Rejected", "REJECTED", "92", 92, "ERROR"]
)
def test_a_rejection_is_known(said: Any) -> None:
    """By the words of both services, in any case, as text or number."""
    assert told(PLAIN, call({"id": "d1", "status": said})).rejected
    assert not told(PLAIN, call({"id": "d1", "status": "exported"})).rejected


def test_paths_and_words_are_settings() -> None:
    """A service with other keys is read by its own."""
    webhook = Webhook(
        secret=WrittenSecret(SECRET),
        document_id_paths=("payload.doc[].no",),
        status_paths=("payload.phase",),
        event_paths=("kind",),
        queue_id_paths=("payload.box",),
        rejections=("binned",),
    )
    record = {"kind": "k", "payload": {"doc": [{"no": 7}], "phase": "Binned", "box": 3}}
    news = told(replace(PLAIN, webhook=webhook), call(record))
    assert (news.document_id, news.status, news.event, news.queue_id) == ("7", "Binned", "k", "3")
    assert news.rejected


def test_secrets_and_controls_do_not_come_through() -> None:
    """What an echo holds is blotted out; line breaks and broken text are spelt out; a long record is not kept."""
    news = told(PLAIN, call({"id": "a\nb\udc80", "status": f"x {SECRET}", "url": f"/webhooks/acme/{SECRET}"}))
    assert SECRET not in repr(news)
    assert news.document_id == "a\\nb\\udc80"
    json.dumps(json.loads(news.body or "")).encode("utf-8", "strict")
    assert told(PLAIN, call({**RECORD, "note": "x" * 3000})).body is None
    assert SECRET not in repr(PLAIN) + repr(call())


def test_a_record_leaves_the_sidecar_readable() -> None:
    """An infinity is null, and a record that nests deeper than a sidecar is read back is taken without its body."""
    endless = told(PLAIN, call(body=b'{"id": "d1", "status": "x", "n": 1e999}'))
    assert json.loads(endless.body or "") == {"id": "d1", "status": "x", "n": None}
    deep = told(PLAIN, call(body=b'{"id": "d1", "status": "x", "n": ' + b"[" * 300 + b"]" * 300 + b"}"))
    assert (deep.document_id, deep.body) == ("d1", None)
