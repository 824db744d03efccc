"""Rossum on loopback, proven with the official client and probed for its strictness."""

import asyncio
import base64
import hashlib
import json
from contextlib import closing

import pytest
from rossum_api import AsyncRossumAPIClient, SyncRossumAPIClient
from rossum_api.dtos import UserCredentials
from rossum_api.models.task import TaskStatus

from hotfolder.sandbox.answers import ROSSUM_ERRORS

PDF = b"%PDF-1.7 sandbox\n%%EOF\n"
CREDENTIALS = UserCredentials("scanner@sandbox.example", "sandbox-password")


async def _upload_with_official_client(url, path, name):
    client = AsyncRossumAPIClient(url, CREDENTIALS)
    try:
        tasks = await client.upload_document(
            8236, [(path, name)], metadata={"site": "Prague"}, values={"upload:x": "1"}
        )
    finally:
        await client._http_client.client.aclose()
    return tasks[0]


def test_official_client_uploads_and_reads_everything_back(sandbox, tmp_path):
    """The official client logs in, uploads, follows the task, and parses every object it is given."""
    path = tmp_path / "scan.pdf"
    path.write_bytes(PDF)
    task = asyncio.run(_upload_with_official_client(sandbox.rossum_url, path, "fakturač 🎁.pdf"))
    client = SyncRossumAPIClient(sandbox.rossum_url, CREDENTIALS)
    with closing(client.internal_client.client):
        assert task.status is TaskStatus.RUNNING
        done = client.poll_task_until_succeeded(task.id, sleep_s=0)
        upload = client.retrieve_upload(int(done.content["upload"].rpartition("/")[2]))
        document = client.retrieve_document(int(upload.documents[0].rpartition("/")[2]))
        annotation = client.poll_annotation_until_imported(
            int(upload.annotations[0].rpartition("/")[2]), sleep_s=0
        )
        listed = list(client.list_annotations(queue=8236))
        queue = client.retrieve_queue(8236)
        relations = list(client.list_relations(type="duplicate"))
    (entry,) = sandbox.ledger.entries
    assert document.original_file_name == entry.file_name == "fakturač 🎁.pdf"
    assert document.mime_type == "application/pdf"
    assert annotation.status == "to_review"
    assert annotation.metadata == entry.metadata == {"site": "Prague"}
    assert entry.values == {"upload:x": "1"}
    assert entry.sha256 == hashlib.sha256(PDF).hexdigest()
    assert [item.id for item in listed] == [annotation.id]
    assert (queue.id, queue.status, relations) == (8236, "active", [])


@pytest.mark.parametrize("how", ["json", "data"])
def test_login_takes_json_and_forms(sandbox, http, how):
    """A log-in answers with a key that opens everything else, and a log-out closes it."""
    fields = {"username": "scanner@sandbox.example", "password": "sandbox-password"}
    answer = http.post(sandbox.rossum_url + "/auth/login", **{how: fields})
    assert answer.status_code == 200
    headers = {"Authorization": f"Token {answer.json()['key']}"}
    assert http.get(sandbox.rossum_url + "/auth/user", headers=headers).json()["id"] == 10775
    assert http.post(sandbox.rossum_url + "/auth/logout", headers=headers).status_code == 200
    assert http.get(sandbox.rossum_url + "/auth/user", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("fields", "status", "body"),
    [
        ({"username": "scanner@sandbox.example", "password": "wrong"}, 401, "authentication_failed"),
        ({"username": "scanner@sandbox.example"}, 400, "required"),
    ],
)
def test_bad_logins_are_refused(sandbox, http, fields, status, body):
    """A wrong password is 401, a missing one 400 with a map of fields."""
    answer = http.post(sandbox.rossum_url + "/auth/login", json=fields)
    assert answer.status_code == status
    assert body in answer.text


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (None, 403),
        ("Bearer nonsense", 401),
        ("Nonsense sandbox-rossum-token", 403),
        ("Basic " + base64.b64encode(b"scanner@sandbox.example:sandbox-password").decode(), 202),
        ("Basic " + base64.b64encode(b"scanner@sandbox.example:wrong").decode(), 401),
        ("Basic ***", 401),
    ],
)
def test_upload_needs_credentials(sandbox, http, header, status):
    """Without credentials an upload is 403, with wrong ones 401; Basic is good for uploads."""
    headers = {"Authorization": header} if header else {}
    files = {"content": ("a.pdf", PDF)}
    assert (
        http.post(sandbox.rossum_url + "/uploads?queue=8236", files=files, headers=headers).status_code
        == status
    )
    assert len(sandbox.ledger) == (status == 202)


def test_basic_does_not_read(sandbox, http):
    """Basic authentication is for creating uploads alone."""
    answer = http.get(
        sandbox.rossum_url + "/queues/8236", auth=("scanner@sandbox.example", "sandbox-password")
    )
    assert answer.status_code == 403


@pytest.mark.parametrize("part", ["metadata", "values"])
def test_json_parts_with_a_file_name_are_refused(sandbox, rossum, part):
    """A `metadata` or `values` part that has a file name is taken for a file, and refused."""
    files = {"content": ("a.pdf", PDF), part: ("x.json", b"{}", "application/json")}
    answer = rossum(sandbox, "POST", "uploads?queue=8236", files=files)
    assert answer.status_code == 400
    assert "Value must be valid JSON." in answer.text
    assert len(sandbox.ledger) == 0


@pytest.mark.parametrize(
    ("metadata", "status"),
    [
        ("not json", 400),
        ("[1]", 400),
        (json.dumps({"a": "x" * 4090}), 400),
        (json.dumps({"a": "x" * 4080}), 202),
    ],
)
def test_metadata_is_checked(sandbox, upload, metadata, status):
    """Metadata must be a JSON object of at most 4 kB."""
    assert upload(sandbox, data={"metadata": metadata}).status_code == status


@pytest.mark.parametrize(
    ("path", "files", "status"),
    [
        ("uploads", {"content": ("a.pdf", PDF)}, 400),
        ("uploads?queue=9", {"content": ("a.pdf", PDF)}, 404),
        ("uploads?queue=x", {"content": ("a.pdf", PDF)}, 404),
        ("uploads?queue=8236", {"file": ("a.pdf", PDF)}, 400),
        ("uploads?queue=8236", {"content": (None, PDF)}, 400),
    ],
)
def test_incomplete_uploads_are_refused(sandbox, rossum, path, files, status):
    """A queue and a part named `content` with a file name are needed."""
    assert rossum(sandbox, "POST", path, files=files).status_code == status
    assert len(sandbox.ledger) == 0


def test_several_files_share_one_task(sandbox, rossum):
    """Several `content` parts become several documents of one upload."""
    files = [("content", ("a.pdf", PDF)), ("content", ("b.png", b"\x89PNG\r\n\x1a\n"))]
    assert rossum(sandbox, "POST", "uploads?queue=8236", files=files).status_code == 202
    first, second = sandbox.ledger.entries
    assert first.number == second.number
    assert first.ids["task"] == second.ids["task"]
    upload = rossum(sandbox, "GET", f"uploads/{first.ids['upload']}").json()
    assert len(upload["documents"]) == len(upload["annotations"]) == 2


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("uploads?queue=8236", {"Content-Disposition": "attachment; filename*=utf-8''b%C3%A1%20%22x%22.pdf"}),
        ("uploads/b%C3%A1%20%22x%22.pdf?queue=8236", {}),
    ],
)
def test_raw_bodies_are_taken(sandbox, rossum, path, headers):
    """A body that is no form is the document, its name in Content-Disposition or in the path."""
    assert rossum(sandbox, "POST", path, content=PDF, headers=headers).status_code == 202
    (entry,) = sandbox.ledger.entries
    assert (entry.file_name, entry.encoding, entry.size) == ('bá "x".pdf', "body", len(PDF))


def test_raw_body_without_a_name_is_refused(sandbox, rossum):
    """Nothing says what the document is called: 400."""
    assert rossum(sandbox, "POST", "uploads?queue=8236", content=PDF).json()["code"] == "parse_error"


def test_too_large_is_413_and_the_connection_lives(start, upload):
    """More than the limit in one request is refused; the next request on the connection is not."""
    server = start(rossum_max_bytes=100_000)
    assert upload(server, content=b"x" * 100_000).status_code == 202
    assert upload(server, content=b"x" * 100_001).status_code == 413
    assert upload(server, content=b"y").status_code == 202
    assert len(server.ledger) == 2


def test_two_files_over_the_limit_together_are_413(start, rossum):
    """The limit is on the request, not on the file."""
    server = start(rossum_max_bytes=100_000)
    files = [("content", (name, b"x" * 60_000)) for name in ("a.pdf", "b.pdf")]
    answer = rossum(server, "POST", "uploads?queue=8236", files=files)
    assert (answer.status_code, answer.json()["code"]) == (413, "payload_too_large")


def test_raw_body_over_the_limit_is_413(start, rossum):
    """The limit holds for raw bodies too."""
    server = start(rossum_max_bytes=1000)
    assert rossum(server, "POST", "uploads/a.pdf?queue=8236", content=b"x" * 1001).status_code == 413


def test_reject_identical_looks_at_name_and_content(sandbox, rossum, upload):
    """An identical document is a conflict; another name or content is none; two files may not ask."""
    assert upload(sandbox, "a.pdf").status_code == 202
    path = "uploads?queue=8236&reject_identical=true"
    again = rossum(sandbox, "POST", path, files={"content": ("a.pdf", PDF)})
    assert (again.status_code, again.json()["code"]) == (409, "conflict_status")
    assert rossum(sandbox, "POST", path, files={"content": ("b.pdf", PDF)}).status_code == 202
    assert rossum(sandbox, "POST", path, files={"content": ("a.pdf", PDF + b"x")}).status_code == 202
    two = [("content", ("x.pdf", PDF)), ("content", ("y.pdf", PDF))]
    assert rossum(sandbox, "POST", path, files=two).status_code == 400
    assert upload(sandbox, "a.pdf").status_code == 202


def test_task_redirects_once_it_succeeded(sandbox, rossum, upload):
    """A task runs, then redirects to its upload unless asked not to."""
    task = upload(sandbox).json()["url"].rpartition("/")[2]
    assert rossum(sandbox, "GET", f"tasks/{task}").json()["status"] == "running"
    redirect = rossum(sandbox, "GET", f"tasks/{task}")
    assert redirect.status_code == 303
    assert redirect.headers["location"] == f"{sandbox.rossum_url}/uploads/314528"
    assert rossum(sandbox, "GET", f"tasks/{task}?no_redirect=True").json()["status"] == "succeeded"


def test_expired_task_is_404(sandbox, http, rossum, upload):
    """An expired task is unknown, its upload is not."""
    task = upload(sandbox).json()["url"].rpartition("/")[2]
    assert http.post(sandbox.origin + "/admin/expire", json={"tasks": True}).status_code == 200
    assert rossum(sandbox, "GET", f"tasks/{task}?no_redirect=true").status_code == 404
    assert rossum(sandbox, "GET", "uploads/314528").status_code == 200


@pytest.mark.parametrize("polls", [0, 1, 3])
def test_polls_decide_how_long_an_import_takes(start, rossum, upload, polls):
    """A task runs and an annotation imports for as many looks as the options say."""
    server = start(rossum_task_polls=polls, rossum_annotation_polls=polls)
    task = upload(server).json()["url"].rpartition("/")[2]
    tasks = [
        rossum(server, "GET", f"tasks/{task}?no_redirect=true").json()["status"] for _ in range(polls + 1)
    ]
    notes = [rossum(server, "GET", "annotations/104322").json()["status"] for _ in range(polls + 1)]
    assert tasks == ["running"] * polls + ["succeeded"]
    assert notes == ["importing"] * polls + ["to_review"]


@pytest.mark.parametrize(
    ("fate", "task", "annotations"),
    [
        ("failed_import", "succeeded", ["failed_import"]),
        ("failed_task", "failed", []),
        ("no_annotation", "succeeded", []),
    ],
)
def test_fates_by_file_name(start, rossum, upload, fate, task, annotations):
    """A rule decides by the file's name what becomes of its import."""
    rules = [{"match": {"file": "bad*.pdf"}, "do": {fate: True}}]
    server = start(rules, rossum_task_polls=0, rossum_annotation_polls=0)
    number = upload(server, "bad1.pdf").json()["url"].rpartition("/")[2]
    assert rossum(server, "GET", f"tasks/{number}?no_redirect=true").json()["status"] == task
    listed = rossum(server, "GET", "annotations").json()["results"]
    assert [item["status"] for item in listed] == annotations


def test_queue_filters_media_types(start, rossum, upload):
    """What the queue does not accept becomes a document without an annotation."""
    server = start(rossum_accepted_mime_types=("image/*",))
    upload(server, "a.pdf")
    upload(server, "a.png", b"\x89PNG\r\n\x1a\n")
    pdf, png = rossum(server, "GET", "documents").json()["results"]
    assert (pdf["attachment_status"], pdf["annotations"]) == ("filtered_by_queue_mime_type", [])
    assert (png["attachment_status"], len(png["annotations"])) == (None, 1)
    assert rossum(server, "GET", "queues/8236").json()["settings"]["accepted_mime_types"] == ["image/*"]


def test_name_in_the_path_is_ignored_for_forms(sandbox, rossum):
    """In a form the name comes from the part; the one in the path counts for raw bodies alone."""
    files = {"content": ("part.pdf", PDF)}
    assert rossum(sandbox, "POST", "uploads/path.pdf?queue=8236", files=files).status_code == 202
    assert rossum(sandbox, "POST", "uploads/path.pdf?queue=8236", content=PDF).status_code == 202
    assert [one.file_name for one in sandbox.ledger.entries] == ["part.pdf", "path.pdf"]


def test_inactive_queue_takes_nothing(start, upload):
    """A queue that is being deleted disables the import."""
    assert upload(start(rossum_queue_status="deletion_requested")).status_code == 400


def test_names_are_stored_as_django_does(sandbox, rossum, upload):
    """The document's name may differ from the one sent; the ledger keeps what was sent."""
    upload(sandbox, "dir\\a&amp;b.pdf")
    (document,) = rossum(sandbox, "GET", "documents").json()["results"]
    assert document["original_file_name"] == "a&b.pdf"
    assert sandbox.ledger.entries[0].file_name == "dir\\a&amp;b.pdf"


def test_foreign_addresses_on_request(start, upload):
    """Object URLs can carry another host than the one called."""
    server = start(rossum_origin="https://elsewhere.example")
    assert upload(server).json()["url"].startswith("https://elsewhere.example/rossum/api/v1/tasks/")


@pytest.mark.parametrize("status", sorted(ROSSUM_ERRORS))
def test_every_status_of_the_specification_is_reachable(start, upload, status):
    """Each error of the specification comes with its body, and commits nothing."""
    server = start([{"match": {"path": "*/uploads"}, "do": {"status": status}}])
    answer = upload(server)
    assert answer.status_code == status
    assert (answer.json()["detail"], answer.json()["code"]) == ROSSUM_ERRORS[status]
    assert len(server.ledger) == 0


@pytest.mark.parametrize(
    "path", ["nothing", "tasks/1", "uploads/1", "documents/1", "annotations/1", "queues/1"]
)
def test_unknown_objects_are_404(sandbox, rossum, path):
    """What is not there is 404 with the standard body."""
    answer = rossum(sandbox, "GET", path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_document_content_is_404(sandbox, rossum, upload):
    """The sandbox keeps no content."""
    upload(sandbox)
    assert rossum(sandbox, "GET", "documents/254322/content").status_code == 404


def test_multipart_without_boundary_is_a_parse_error(sandbox, rossum):
    """A Content-Type set by hand without its boundary is refused the way Rossum does."""
    answer = rossum(
        sandbox, "POST", "uploads?queue=8236", content=b"x", headers={"Content-Type": "multipart/form-data"}
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "parse_error")
