"""The official client's models parse every answer that the sandbox gives as Rossum."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
from rossum_api import SyncRossumAPIClient
from rossum_api.dtos import UserCredentials

from hotfolder.sandbox.rossum import RossumService
from hotfolder.sandbox.server import SandboxServer
from hotfolder.sandbox.world import World
from tests.sandbox.oracle import complaints, objects_of

PDF = b"%PDF-1.7 sandbox\n%%EOF\n"
PNG = b"\x89PNG\r\n\x1a\n"
CREDENTIALS = UserCredentials("scanner@sandbox.example", "sandbox-password")

ASKED = (
    *("auth/user", "queues/8236", "queues", "tasks/315509?no_redirect=true", "uploads/314528"),
    *("documents/254322", "documents", "annotations/104322", "annotations", "relations"),
    *("annotations?id=104322&page_size=1", "documents?page_size=1", "annotations?queue=9"),
)
"""Every question whose answer is an object or a page of objects."""

FATES = ("imported", "failed_import", "failed_task", "no_annotation")
"""What becomes of an upload."""

Ask = Callable[..., httpx.Response]


def answered(rossum: Ask, server: SandboxServer, path: str) -> Mapping[str, Any]:
    """Return an answer's body; the question must not be refused."""
    reply = rossum(server, "GET", path)
    assert reply.status_code == 200, (path, reply.text)
    body: Mapping[str, Any] = reply.json()
    return body


APART = {"annotations/*/content"}
"""Not an object of its own kind: `test_rossum_life.py` reads it with the client."""


def test_no_question_is_left_out() -> None:
    """Each route that is read from is asked here, or named as one that is judged elsewhere."""
    routes = {
        re.sub(r"{.*?}", "*", route.path.strip("/"))
        for route in RossumService(World()).routes()
        if "GET" in (route.methods or ())
    }
    assert routes - APART == {re.sub(r"\?.*", "", re.sub(r"/\d+", "/*", path)) for path in ASKED}


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("looks", [0, 1])
def test_every_answer_is_understood(start, rossum: Ask, upload: Ask, fate: str, looks: int) -> None:
    """Whatever becomes of a document, before and after it did, the client understands all it is told."""
    rules = [] if fate == "imported" else [{"match": {"file": "*.pdf"}, "do": {fate: True}}]
    server = start(rules, rossum_task_polls=looks, rossum_annotation_polls=looks)
    upload(server, "scan.pdf", PDF)
    upload(server, "twin.png", PNG)
    upload(server, "again.png", PNG)  # a duplicate, so that there is a relation
    for path in (*ASKED, *ASKED):  # the second look is a later one
        assert not complaints(path, answered(rossum, server, path))


STATUSES = (
    *("created", "importing", "failed_import", "split", "to_review", "reviewing", "in_workflow"),
    *("confirmed", "rejected", "exporting", "exported", "failed_export", "postponed", "deleted"),
    *("purged", "gone_fishing"),
)
"""Every status of the life cycle, and one that is still to be invented."""


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_is_understood(start, rossum: Ask, upload: Ask, order: Ask, status: str) -> None:
    """An annotation in any status, come to by itself or by order, with messages and a hook's documents."""
    server = start(rossum_statuses=(status,), rossum_annotation_polls=0, rossum_hook_documents=2)
    upload(server, "scan.pdf", PDF)
    assert answered(rossum, server, "annotations/104322")["status"] == status
    for path in ("annotations/104322", "annotations", "uploads/314528", "documents"):
        assert not complaints(path, answered(rossum, server, path))
    order(server, "annotations", status=status, messages=[{"type": "info", "content": "x"}])
    assert not complaints("annotations", answered(rossum, server, "annotations"))


@pytest.mark.parametrize("status", ["active", "deletion_requested"])
def test_every_queue_is_understood(start, rossum: Ask, status: str) -> None:
    """Queues of any status, with and without a choice of media types."""
    server = start(rossum_queue_status=status, rossum_accepted_mime_types=("image/*",))
    assert not complaints("queues/8236", answered(rossum, server, "queues/8236"))


def test_filtered_documents_are_understood(start, rossum: Ask, upload: Ask) -> None:
    """A document that the queue does not take has a reason and no annotation."""
    server = start(rossum_accepted_mime_types=("image/*",))
    upload(server, "scan.pdf", PDF)
    for path in ("documents/254322", "uploads/314528"):
        assert not complaints(path, answered(rossum, server, path))


@pytest.mark.parametrize("looks", [0, 1])
def test_several_files_of_a_request_are_understood(start, rossum: Ask, looks: int) -> None:
    """One task and one upload of several documents, in another order, one of which fails, with a mark for all of them."""
    rules = [{"match": {"file": "bad*"}, "do": {"failed_import": True}}]
    server = start(rules, rossum_shuffle=True, rossum_task_polls=looks, rossum_annotation_polls=looks)
    files = [("content", (name, PDF + name.encode())) for name in ("a.pdf", "bad.pdf", "c.pdf")]
    mark = json.dumps(
        {"hotfolder": {"batch_id": "b", "uploads": {"a.pdf": "1", "bad.pdf": "2", "c.pdf": "3"}}}
    )
    sent = rossum(server, "POST", "uploads?queue=8236", files=files, data={"metadata": mark})
    assert sent.status_code == 202
    paths = ("tasks/315509?no_redirect=true", "uploads/314528", "documents?id=254322,254323", "annotations")
    for path in (*paths, *paths):
        assert not complaints(path, answered(rossum, server, path))
    assert len(answered(rossum, server, "uploads/314528")["documents"]) == 3


def test_the_client_itself_logs_in_and_reads_all(sandbox: SandboxServer, upload: Ask) -> None:
    """Its own log-in, pages, tasks and objects, through its own methods."""
    for number in range(3):
        upload(sandbox, f"{number}.pdf", PDF)
    client = SyncRossumAPIClient(sandbox.rossum_url, CREDENTIALS)
    try:
        assert client.poll_task_until_succeeded(315509, sleep_s=0).result_url
        assert len(client.retrieve_upload(314528).documents) == 1
        assert client.retrieve_document(254322).original_file_name == "0.pdf"
        assert client.poll_annotation_until_imported(104322, sleep_s=0).status == "to_review"
        assert len(list(client.list_annotations())) == 3
        assert [queue.id for queue in client.list_queues()] == [8236]
        assert len(list(client.list_relations())) == 1
        assert client.retrieve_queue(8236).status == "active"
    finally:
        client.internal_client.client.close()


@pytest.mark.parametrize("path", [path for path in ASKED if "?queue=9" not in path])
def test_every_dropped_field_is_seen(sandbox: SandboxServer, rossum: Ask, upload: Ask, path: str) -> None:
    """An answer that lacks any one of its fields is complained about, and so is one with a new field."""
    for _ in range(2):
        upload(sandbox, "scan.pdf", PDF)
    answer = dict(answered(rossum, sandbox, path))
    assert not complaints(path, answer)
    (shown, *_) = objects_of(answer)
    for name in list(shown):
        value = shown.pop(name)
        assert complaints(path, answer), f"{name} of {path} can be dropped unseen"
        shown[name] = value
    shown["invented"] = None
    assert complaints(path, answer)


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("tasks/315509?no_redirect=true", "status", "gone_fishing"),
        ("tasks/315509?no_redirect=true", "id", "315509"),
        ("uploads/314528", "documents", None),
        ("documents/254322", "annotations", "x"),
        ("annotations/104322", "status", 7),
        ("relations", "type", "cousin"),
    ],
)
def test_every_wrong_value_is_seen(
    sandbox: SandboxServer, rossum: Ask, upload: Ask, path: str, name: str, value: Any
) -> None:
    """A value of another type, or one that the client's enumerations lack, is complained about."""
    for _ in range(2):
        upload(sandbox, "scan.pdf", PDF)
    answer = answered(rossum, sandbox, path)
    objects_of(answer)[0][name] = value
    assert complaints(path, answer)
