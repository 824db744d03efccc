"""The calls that Digitoo and DocDigitizer make by themselves."""

import base64
import hashlib
import hmac
import json
import time
from collections import Counter
from urllib.parse import parse_qsl, urlsplit

import pytest

PDF = b"%PDF-1.7 sandbox\n%%EOF\n"
FILE = {"file": ("a.pdf", PDF, "application/pdf")}
FILES = {"files": ("a.pdf", PDF, "application/pdf")}


def wait_for(condition, within_s=10.0):
    """Wait until something is true, and return it."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)
    return found


def made(server, number=1):
    """Wait until so many calls came to their end, and return all."""

    def ended():
        calls = list(server.ledger.calls)
        return calls if sum(bool(call.status or call.error) for call in calls) >= number else None

    return wait_for(ended)


@pytest.fixture
def sent(digitoo):
    """Upload a document to Digitoo that shall be told of, and return its id."""

    def send(server, url):
        digitoo(server, "POST", "queues/q7/upload", files=FILE, data={"notify_webhook_url": url})
        return server.ledger.entries[-1].ids["document"]

    return send


@pytest.mark.parametrize(
    ("shape", "names", "event"),
    [
        ("connector", {"webhook_event", "id", "status", "queue_id"}, "document_status_changed"),
        ("document", {"document_id", "status", "queue_id"}, None),
        ("subscription", {"document_id", "status", "queue_id", "webhook_event"}, "document_status_change"),
    ],
)
def test_a_change_is_told_in_each_shape(start, ear, sent, order, shape, names, event):
    """Whoever asked for it is told a document's new status; nobody is called before it changes."""
    server = start(digitoo_webhook_shape=shape)
    number = sent(server, ear.url + "/hook/secret")
    assert not server.ledger.calls
    order(server, "documents", id=number, status="exported")
    (call,) = made(server)
    (got,) = ear.got
    told = json.loads(got.body)
    assert (call.status, call.tries, call.error) == (202, 1, None)
    assert (got.method, got.target, got.headers["Content-Type"]) == (
        "POST",
        "/hook/secret",
        "application/json",
    )
    assert set(told) == names
    assert (told.get("id", told.get("document_id")), told["status"], told["queue_id"]) == (
        number,
        "exported",
        "q7",
    )
    assert told.get("webhook_event") == event
    assert "X-Signature" not in got.headers


@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_a_call_can_be_signed(start, ear, sent, order, algorithm, encoding):
    """The signature is the HMAC of the body as it is sent, in the header and the form that were chosen."""
    server = start(
        digitoo_webhook_secret="hush",
        digitoo_webhook_header="X-Sum",
        digitoo_webhook_algorithm=algorithm,
        digitoo_webhook_encoding=encoding,
        digitoo_webhook_prefix=f"{algorithm}=",
    )
    order(server, "documents", id=sent(server, ear.url), status="exported")
    made(server)
    digest = hmac.new(b"hush", ear.got[0].body, getattr(hashlib, algorithm)).digest()
    written = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    assert ear.got[0].headers["X-Sum"] == f"{algorithm}={written}"


def test_statuses_come_by_time(start, ear, sent):
    """With an interval a document goes through its statuses, and each change is told, in order."""
    server = start(digitoo_statuses=("received", "enqueued", "exported"), digitoo_status_every_s=0.05)
    sent(server, ear.url)
    made(server, 2)
    assert [json.loads(got.body)["status"] for got in ear.got] == ["enqueued", "exported"]


def test_statuses_come_by_looks(start, ear, digitoo, sent):
    """Without one each look at a document brings the next; a list does not."""
    server = start(digitoo_statuses=("received", "exported"))
    number = sent(server, ear.url)
    digitoo(server, "GET", "queues/q7/documents")
    seen = [digitoo(server, "GET", f"documents/{number}").json()["data"]["status"] for _ in range(3)]
    assert seen == ["received", "exported", "exported"]
    assert [call.status for call in made(server)] == [202]


def test_calls_are_repeated_and_overtake_each_other(start, ear, sent, order):
    """On request each call is made several times, and later ones may come first."""
    server = start(webhook_repeats=3, webhook_spread_s=0.3)
    number = sent(server, ear.url)
    for turn in range(6):
        order(server, "documents", id=number, status=f"s{turn}")
    made(server, 18)
    came = [json.loads(got.body)["status"] for got in ear.got]
    assert Counter(came) == {f"s{turn}": 3 for turn in range(6)}
    assert came != sorted(came)


def test_a_refused_call_is_tried_again(start, ear, sent, order):
    """A call is tried until it is taken, as often as the option says."""
    ear.statuses = [503, 500, 200]
    server = start(webhook_tries=3)
    order(server, "documents", id=sent(server, ear.url), status="exported")
    wait_for(lambda: len(ear.got) == 3)
    assert wait_for(lambda: [call for call in server.ledger.calls if call.status == 200])[0].tries == 3


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1/hook",
        "http://hooks.example/",
        "https://127.0.0.1/hook",
        "ftp://127.0.0.1/",
        "http://[::1/",
        "http://127.0.0.1:99999/",
        "nonsense",
    ],
)
def test_only_loopback_is_called(sandbox, http, sent, order, url):
    """An address that others listen on is never called, and the ledger says why."""
    order(sandbox, "documents", id=sent(sandbox, url), status="exported")
    (call,) = made(sandbox)
    assert (call.status, call.tries) == (None, 1)
    assert call.error.startswith("not called: ")
    assert http.get(sandbox.origin + "/admin/calls").json()[0]["url"] == url


def test_nobody_there_is_noted(sandbox, sent, order, ear):
    """A refused connection harms nobody but the call."""
    order(sandbox, "documents", id=sent(sandbox, "http://127.0.0.1:1/"), status="exported")
    (call,) = made(sandbox)
    assert (call.status, bool(call.error)) == (None, True)


def test_digitoo_shows_annotations(sandbox, digitoo, sent):
    """What was read from a document, in the two forms that the vendor names."""
    number = sent(sandbox, "")
    whole = digitoo(sandbox, "GET", f"documents/{number}/annotations").json()["data"]
    values = digitoo(sandbox, "GET", f"documents/{number}/annotations-values").json()["data"]
    assert {one["key"]: one["value"] for one in whole} == values
    assert digitoo(sandbox, "GET", "documents/x/annotations").status_code == 404


@pytest.mark.parametrize(
    ("method", "header"), [(None, None), ("get", None), ("POST", "hush"), ("post", "hush")]
)
@pytest.mark.parametrize("name", ["document_id", "docid"])
def test_docdigitizer_calls_back_by_the_query(start, ear, docdigitizer, order, method, header, name):
    """GET, or POST where asked for; the values stand in the query, headers go with POST alone."""
    server = start(docdigitizer_statuses=("pending",), docdigitizer_callback_id=name)
    fields = {"callback_url": ear.url + "/back?a=b", "callback_headers[X-Secret]": "hush"}
    fields |= {"callback_method": method} if method else {}
    docdigitizer(server, "POST", "documents/annotate", files=FILES, data=fields)
    made(server)
    number = server.ledger.entries[0].ids["document"]
    order(server, "documents", id=number, status="Invalid")
    made(server, 2)
    queries = [dict(parse_qsl(urlsplit(got.target).query)) for got in ear.got]
    assert queries == [{"a": "b", name: number, "status": word} for word in ("start", "rejected")]
    assert {got.method for got in ear.got} == {method.upper() if method else "GET"}
    assert {got.headers["X-Secret"] for got in ear.got} == {header}
