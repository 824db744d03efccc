"""Digitoo on loopback."""

import base64
import hashlib
from datetime import UTC, datetime

import pytest

from hotfolder.sandbox.answers import DIGITOO_ERRORS
from hotfolder.sandbox.options import DigitooAnswer

PDF = b"%PDF-1.7 sandbox\n%%EOF\n"
FILE = {"file": ("faktura č.pdf", PDF, "application/pdf")}


def test_login_gives_a_token_that_uploads(sandbox, http, digitoo):
    """A log-in answers with a bearer and the moment of its expiry."""
    fields = {"email": "scanner@sandbox.example", "password": "sandbox-password"}
    tokens = http.post(sandbox.digitoo_url + "/api/v2/auth/login", json=fields).json()["data"]
    assert datetime.fromisoformat(tokens["expires_at"]) > datetime.now(UTC)
    headers = {"Authorization": f"Bearer {tokens['access_token']}"}
    assert digitoo(sandbox, "POST", "queues/q7/upload", files=FILE, headers=headers).status_code == 200
    (entry,) = sandbox.ledger.entries
    assert (entry.service, entry.queue, entry.file_name) == ("digitoo", "q7", "faktura č.pdf")
    assert (entry.media_type, entry.sha256) == ("application/pdf", hashlib.sha256(PDF).hexdigest())


@pytest.mark.parametrize(
    ("fields", "status"),
    [({"email": "scanner@sandbox.example", "password": "x"}, 401), ({"email": "a"}, 400), ([], 400)],
)
def test_bad_logins_are_refused(sandbox, http, fields, status):
    """A wrong password is 401, an incomplete request 400."""
    assert http.post(sandbox.digitoo_url + "/api/v2/auth/login", json=fields).status_code == status


@pytest.mark.parametrize("header", ["", "Bearer x", "Token sandbox-service-token"])
@pytest.mark.parametrize(
    "path", ["queues/q7/upload", "upload", "queues/q7", "queues/q7/documents", "documents/1"]
)
def test_every_call_needs_the_bearer(sandbox, digitoo, path, header):
    """Without a valid bearer everything is 401."""
    method = "POST" if path.endswith("upload") else "GET"
    assert digitoo(sandbox, method, path, headers={"Authorization": header}).status_code == 401


def test_expired_tokens_are_401_until_the_next_login(sandbox, http, digitoo):
    """Tokens can be made to expire while somebody uses them; the service account's never does."""
    fields = {"email": "scanner@sandbox.example", "password": "sandbox-password"}
    token = http.post(sandbox.digitoo_url + "/api/v2/auth/login", json=fields).json()["data"]["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert digitoo(sandbox, "GET", "queues/q7", headers=headers).status_code == 200
    http.post(sandbox.origin + "/admin/expire", json={"tokens": True})
    assert digitoo(sandbox, "GET", "queues/q7", headers=headers).status_code == 401
    assert digitoo(sandbox, "GET", "queues/q7").status_code == 200


@pytest.mark.parametrize(
    ("files", "status"),
    [
        (FILE, 200),
        ({"files": FILE["file"]}, 400),
        ([("file", FILE["file"]), ("file", FILE["file"])], 400),
        ([("file", FILE["file"]), ("other", FILE["file"])], 400),
        ({"file": (None, PDF)}, 400),
        ({"file": ("empty.pdf", b"")}, 400),
    ],
)
def test_exactly_one_file_under_the_right_name(sandbox, digitoo, files, status):
    """An upload is one file in the field `file`."""
    assert digitoo(sandbox, "POST", "queues/q7/upload", files=files).status_code == status
    assert len(sandbox.ledger) == (status == 200)


def test_field_name_can_be_files(start, digitoo):
    """The other field name that clients use can be demanded."""
    server = start(digitoo_file_field="files")
    assert digitoo(server, "POST", "queues/q7/upload", files={"files": FILE["file"]}).status_code == 200
    assert digitoo(server, "POST", "queues/q7/upload", files=FILE).status_code == 400


def test_webhook_address_is_kept(sandbox, digitoo):
    """The address for call-backs stands in the ledger."""
    data = {"notify_webhook_url": "https://hooks.example/digitoo"}
    digitoo(sandbox, "POST", "queues/q7/upload", files=FILE, data=data)
    assert sandbox.ledger.entries[0].fields == data


@pytest.mark.parametrize("path", ["queues/q7/upload", "upload"])
def test_base64_json_is_taken(sandbox, digitoo, path):
    """The connector's columns as JSON are an upload too."""
    content = bytes(range(256)) * 4000
    body = {"FileName": "š.pdf", "FileContent": base64.b64encode(content).decode(), "QueueID": "q7"}
    assert digitoo(sandbox, "POST", path, json=body).status_code == 200
    (entry,) = sandbox.ledger.entries
    assert (entry.encoding, entry.file_name, entry.queue) == ("json_base64", "š.pdf", "q7")
    assert (entry.size, entry.sha256) == (len(content), hashlib.sha256(content).hexdigest())


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("upload", {"FileName": "a.pdf", "FileContent": "YQ=="}, 400),
        ("upload", {"FileContent": "YQ==", "QueueID": "q7"}, 400),
        ("upload", {"FileName": "a.pdf", "QueueID": "q7"}, 400),
        ("upload", {"FileName": "a.pdf", "FileContent": "?", "QueueID": "q7"}, 400),
        ("upload", {"FileName": "a.pdf", "FileContent": "YQ==", "QueueID": 9}, 404),
        ("queues/q7/upload", {"FileName": "a.pdf", "FileContent": "YQ==", "QueueID": "q8"}, 400),
        ("queues/q9/upload", {"FileName": "a.pdf", "FileContent": "YQ=="}, 404),
        ("queues/q7/upload", {"FileName": "a.pdf", "FileContent": "YQ=="}, 200),
    ],
)
def test_incomplete_json_is_refused(sandbox, digitoo, path, body, status):
    """Name, content and queue are needed, and the queue must exist."""
    assert digitoo(sandbox, "POST", path, json=body).status_code == status


def test_integer_queue_ids_match(start, digitoo):
    """The connector sends the queue as an integer; it is the same queue."""
    server = start(digitoo_queues=("7",))
    body = {"FileName": "a.pdf", "FileContent": "YQ==", "QueueID": 7}
    assert digitoo(server, "POST", "upload", json=body).status_code == 200


def test_limits_hold_for_both_encodings(start, digitoo):
    """Where a limit is set, one byte more is 413."""
    server = start(digitoo_max_bytes=3)
    assert digitoo(server, "POST", "queues/q7/upload", files={"file": ("a", b"abc")}).status_code == 200
    assert digitoo(server, "POST", "queues/q7/upload", files={"file": ("a", b"abcd")}).status_code == 413
    body = {"FileName": "a", "FileContent": base64.b64encode(b"abcd").decode()}
    assert digitoo(server, "POST", "queues/q7/upload", json=body).status_code == 413


def test_other_content_types_are_refused(sandbox, digitoo):
    """A raw body is no upload at Digitoo."""
    assert digitoo(sandbox, "POST", "queues/q7/upload", content=PDF).status_code == 400


@pytest.mark.parametrize("shape", DigitooAnswer)
def test_answers_in_each_shape(start, digitoo, shape):
    """The id stands where the chosen shape says, or nowhere."""
    server = start(digitoo_answer=shape)
    answer = digitoo(server, "POST", "queues/q7/upload", files=FILE)
    document_id = server.ledger.entries[0].ids["document"]
    assert (document_id in answer.text) == (shape is not DigitooAnswer.NONE)


def test_documents_are_listed_newest_first(sandbox, digitoo):
    """A queue's documents come in pages with name, time and status."""
    for number in range(3):
        digitoo(sandbox, "POST", "queues/q7/upload", files={"file": (f"{number}.pdf", PDF)})
    first = digitoo(sandbox, "GET", "queues/q7/documents?per_page=2").json()
    second = digitoo(sandbox, "GET", "queues/q7/documents?per_page=2&page=2").json()
    assert [d["file_name"] for d in first["data"] + second["data"]] == ["2.pdf", "1.pdf", "0.pdf"]
    assert first["meta"] == {"current_page": 1, "last_page": 2, "per_page": 2, "total": 3}
    shown = digitoo(sandbox, "GET", f"documents/{first['data'][0]['id']}").json()["data"]
    assert shown == first["data"][0]


def test_failed_extraction_shows_in_the_list(start, digitoo):
    """A document whose fate is bad is taken and errors later."""
    server = start([{"match": {"file": "bad*"}, "do": {"failed_import": True}}])
    for name in ("bad.pdf", "good.pdf"):
        digitoo(server, "POST", "queues/q7/upload", files={"file": (name, PDF)})
    errored = digitoo(server, "GET", "queues/q7/documents?filters[status]=extraction-errored").json()["data"]
    assert [document["file_name"] for document in errored] == ["bad.pdf"]


def test_list_can_be_missing(start, digitoo):
    """A service that cannot be asked is simulated by an option."""
    assert digitoo(start(digitoo_lists_documents=False), "GET", "queues/q7/documents").status_code == 404


@pytest.mark.parametrize("status", sorted(DIGITOO_ERRORS))
def test_every_status_is_reachable(start, digitoo, status):
    """Each error comes with a message and a key."""
    server = start([{"match": {"service": "digitoo"}, "do": {"status": status}}])
    answer = digitoo(server, "POST", "queues/q7/upload", files=FILE)
    assert answer.status_code == status
    assert (answer.json()["message"], answer.json()["error_key"]) == DIGITOO_ERRORS[status]
    assert len(server.ledger) == 0
