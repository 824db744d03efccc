"""How an accepted document fares at Rossum: every answer that its specification allows, and some that it does not."""

from collections.abc import Iterator
from typing import Any

import pytest

from hotfolder.backends.base import Receipt, Refused, Scope, Unauthorized, Unavailable, Uncertain
from hotfolder.backends.rossum import Rossum
from hotfolder.model import Remote
from hotfolder.sandbox.options import SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from tests.backends.contract import finished
from tests.backends.parcels import parcel, rossum

SENT = parcel()
QUESTIONS = {
    "*/tasks/*": Remote(task="t/1"),
    "*/uploads/*": Remote(task="t/1", upload="u/1"),
    "*/annotations": Remote(task="t/1", upload="u/1", annotations=("a/1",)),
}
"""The three questions of a follow-up, with what is known before each."""


@pytest.fixture
def backend(sandbox: SandboxServer) -> Iterator[Rossum]:
    """A logged-in backend."""
    made = Rossum(rossum(sandbox.rossum_url))
    made.check(())
    yield made
    made.close()


def told(sandbox: SandboxServer, path: str, **do: Any) -> None:
    """Let one kind of question be answered so from now on."""
    sandbox.play([{"match": {"method": "GET", "path": path}, "do": do}])


def asked(backend: Rossum, remote: Remote) -> Receipt:
    """Follow up a document of which so much is known."""
    return backend.follow_up(Receipt(202, final=False, remote=remote), SENT)


def annotations(*found: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Make a list's answer."""
    return {"status": 200, "body": {"pagination": {}, "results": list(found), **more}}


@pytest.mark.parametrize("path", QUESTIONS)
@pytest.mark.parametrize("status", [400, 409, 413, 500, 502, 503, 504])
def test_a_question_that_fails_is_asked_again(
    sandbox: SandboxServer, backend: Rossum, path: str, status: int
) -> None:
    """No error of a question says anything about the document."""
    told(sandbox, path, status=status)
    with pytest.raises(Unavailable) as raised:
        asked(backend, QUESTIONS[path])
    assert (raised.value.status, raised.value.counts) == (status, True)


@pytest.mark.parametrize("path", QUESTIONS)
def test_a_question_too_fast(sandbox: SandboxServer, backend: Rossum, path: str) -> None:
    """Too many questions wait as long as Rossum says, and name the page that explains it."""
    told(sandbox, path, rate_limit=7)
    with pytest.raises(Unavailable, match=r"see https://rossum\.app/[\w/.]+#rate-limiting") as raised:
        asked(backend, QUESTIONS[path])
    assert (raised.value.retry_after_s, raised.value.counts) == (7.0, False)


@pytest.mark.parametrize("path", QUESTIONS)
@pytest.mark.parametrize("status", [401, 403, 302, 303])
def test_a_question_without_right(sandbox: SandboxServer, backend: Rossum, path: str, status: int) -> None:
    """Refused credentials, after one new log-in, and a portal's redirect pause the connection."""
    told(sandbox, path, status=status, headers={"Location": "https://portal.example/uploads/welcome"})
    before = len(sandbox.ledger.requests)
    with pytest.raises(Unauthorized) as raised:
        asked(backend, QUESTIONS[path])
    assert (raised.value.status, raised.value.scope) == (status, Scope.CONNECTION)
    log_ins = [line for line in sandbox.ledger.requests[before:] if line.path.endswith("/auth/login")]
    assert len(log_ins) == (status == 401)


@pytest.mark.parametrize("path", ["*/tasks/*", "*/uploads/*"])
def test_what_is_deleted_is_asked_for(sandbox: SandboxServer, backend: Rossum, path: str) -> None:
    """An object that expired says nothing: the document is neither failed nor sent again, but looked for."""
    told(sandbox, path, status=404)
    with pytest.raises(Uncertain) as raised:
        asked(backend, QUESTIONS[path])
    assert raised.value.status == 404


def test_annotations_that_nobody_finds_are_asked_for_again(sandbox: SandboxServer, backend: Rossum) -> None:
    """A list without the annotations, or a 404, leaves the document where it is."""
    known = QUESTIONS["*/annotations"]
    for do in ({"status": 404}, annotations()):
        told(sandbox, "*/annotations", **do)
        assert not asked(backend, known).final


@pytest.mark.parametrize(
    "location",
    ["{}/uploads/314528", "/api/v1/uploads/314528/", "https://elsewhere.example/uploads/314528?a=b"],
)
def test_a_task_that_redirects_has_succeeded(sandbox: SandboxServer, backend: Rossum, location: str) -> None:
    """Where `no_redirect` gets lost on the way, a 303 names the upload; its host is not asked."""
    receipt = backend.upload(SENT)
    told(sandbox, "*/tasks/*", status=303, headers={"Location": location.format(sandbox.rossum_url)}, body={})
    done = finished(backend, receipt, SENT)
    assert done.document_ids == (sandbox.ledger.entries[0].ids["document"],)


def test_no_redirect_is_asked_for(sandbox: SandboxServer, backend: Rossum) -> None:
    """The task is asked to answer itself."""
    finished(backend, backend.upload(SENT), SENT)
    tasks = [line for line in sandbox.ledger.requests if "/tasks/" in line.path]
    assert {(line.query, line.status) for line in tasks} == {("no_redirect=true", 200)}


@pytest.mark.parametrize("status", ["to_review", "in_workflow", "exported", "rejected", "gone_fishing"])
def test_every_later_status_is_imported(sandbox: SandboxServer, backend: Rossum, status: str) -> None:
    """Any annotation status but the three of the import, known today or not, comes after it."""
    told(sandbox, "*/annotations", **annotations({"id": 1, "status": status}))
    receipt = asked(backend, QUESTIONS["*/annotations"])
    assert receipt.final
    assert receipt.remote.status == status


@pytest.mark.parametrize("status", ["created", "importing"])
def test_an_import_takes_its_time(sandbox: SandboxServer, backend: Rossum, status: str) -> None:
    """One annotation that is not imported yet keeps the document waiting."""
    told(
        sandbox, "*/annotations", **annotations({"id": 1, "status": "to_review"}, {"id": 2, "status": status})
    )
    assert not asked(backend, QUESTIONS["*/annotations"]).final


def test_the_objects_are_kept(sandbox: SandboxServer, backend: Rossum) -> None:
    """Task and upload are kept with all their fields, documents and annotations with what tells of the import."""
    receipt = finished(backend, backend.upload(SENT), SENT)
    url, kept = sandbox.rossum_url, receipt.remote.objects
    assert list(kept) == ["task", "upload", "annotations", "documents"]
    assert kept["task"]["status"] == "succeeded"
    assert kept["task"]["expires_at"].endswith("Z")
    assert {**kept["upload"], "created_at": "."} == {
        "id": 314528,
        "url": f"{url}/uploads/314528",
        "queue": f"{url}/queues/8236",
        "organization": f"{url}/organizations/406",
        "creator": f"{url}/users/10775",
        "created_at": ".",
        "email": None,
        "documents": [f"{url}/documents/254322"],
        "additional_documents": [],
        "annotations": [f"{url}/annotations/104322"],
    }
    assert kept["documents"] == [
        {
            "id": 254322,
            "url": f"{url}/documents/254322",
            "original_file_name": "scan.pdf",
            "mime_type": "application/pdf",
            "attachment_status": None,
            "parent": None,
        }
    ]
    assert kept["annotations"] == [
        {
            "id": 104322,
            "url": f"{url}/annotations/104322",
            "status": "to_review",
            "messages": None,
            "document": f"{url}/documents/254322",
        }
    ]


@pytest.mark.parametrize("value", [None, {}, "text", [], [None, 7, {"a": 1}]])
def test_fields_that_are_null_or_odd(sandbox: SandboxServer, backend: Rossum, value: Any) -> None:
    """An upload may hold null, nothing or nonsense where lists and addresses are promised."""
    keys = ("queue", "organization", "creator", "email", "documents", "additional_documents", "annotations")
    sandbox.play(
        [
            {"match": {"path": "*/uploads/*"}, "do": {"status": 200, "body": dict.fromkeys(keys, value)}},
            {"match": {"path": "*/annotations"}, "do": annotations({"status": value, "messages": value})},
            {"match": {"path": "*/documents"}, "do": annotations({"attachment_status": value})},
        ]
    )
    assert not asked(backend, QUESTIONS["*/uploads/*"]).final
    assert asked(backend, QUESTIONS["*/annotations"]).final == (value == "text"), "a text may be a new status"


def test_a_task_with_null_content(sandbox: SandboxServer, backend: Rossum) -> None:
    """`content` may be null: then `result_url` names the upload, and without both the service is asked."""
    known = QUESTIONS["*/tasks/*"]
    running = {"status": "running", "content": None, "detail": None}
    told(sandbox, "*/tasks/*", status=200, body=running)
    assert asked(backend, known).remote.status == "running"
    told(sandbox, "*/tasks/*", status=200, body={**running, "status": "succeeded"})
    with pytest.raises(Uncertain):
        asked(backend, known)


@pytest.mark.parametrize(
    ("fate", "key", "where"),
    [("failed_task", "error", "task"), ("failed_import", "failed_import", "annotations")],
)
def test_a_refusal_keeps_the_objects(
    sandbox: SandboxServer, backend: Rossum, fate: str, key: str, where: str
) -> None:
    """What Rossum said of a document that it could not import stands in its record."""
    sandbox.play([{"match": {"path": "*/uploads"}, "do": {"fate": fate}}])
    with pytest.raises(Refused) as raised:
        finished(backend, backend.upload(SENT), SENT)
    assert raised.value.remote is not None
    assert where in raised.value.remote.objects
    assert raised.value.answer.error_key == key


def test_the_words_of_a_failed_import(sandbox: SandboxServer, backend: Rossum) -> None:
    """The messages of the annotation are the document's, whatever their shape."""
    messages = [{"type": "error", "content": "Bad page."}, {"error": "No text."}, "Odd.", None, {}]
    told(sandbox, "*/annotations", **annotations({"status": "failed_import", "messages": messages}))
    with pytest.raises(Refused) as raised:
        asked(backend, QUESTIONS["*/annotations"])
    assert (raised.value.answer.messages or ())[:3] == ("Bad page.", "No text.", "Odd.")


@pytest.mark.parametrize("reason", ["filtered_by_queue_mime_type", "broken_image", "failed_to_extract"])
def test_a_document_left_out_is_refused(sandbox: SandboxServer, backend: Rossum, reason: str) -> None:
    """A document that Rossum filters out gets no annotation, ever: it fails with Rossum's own reason."""
    receipt = backend.upload(SENT)
    sandbox.play(
        [
            {"match": {"path": "*/uploads/*"}, "do": {"status": 200, "body": {"documents": ["d/7", "d/8"]}}},
            {"match": {"path": "*/documents"}, "do": annotations({"id": 7, "attachment_status": reason})},
        ]
    )
    with pytest.raises(Refused, match="accepted_mime_types") as raised:
        finished(backend, receipt, SENT)
    assert (raised.value.status, raised.value.answer.error_key) == (422, reason)
    assert raised.value.remote is not None
    assert raised.value.remote.objects["documents"][0]["attachment_status"] == reason


def test_a_filter_of_the_queue(sandbox: SandboxServer, backend: Rossum) -> None:
    """A type that the queue does not accept is found out with one more question."""
    sandbox.world.options = SandboxOptions(rossum_accepted_mime_types=("image/*",))
    with pytest.raises(Refused) as raised:
        finished(backend, backend.upload(SENT), SENT)
    assert raised.value.answer.error_key == "filtered_by_queue_mime_type"


@pytest.mark.parametrize("other", [None, "processed", "extracted_archive"])
def test_a_document_that_may_still_get_its_annotation(
    sandbox: SandboxServer, backend: Rossum, other: str | None
) -> None:
    """While one document of the upload may still be imported, the document waits."""
    sandbox.play(
        [
            {"match": {"path": "*/uploads/*"}, "do": {"status": 200, "body": {"documents": ["d/7", "d/8"]}}},
            {
                "match": {"path": "*/documents"},
                "do": annotations({"attachment_status": "broken_image"}, {"attachment_status": other}),
            },
        ]
    )
    assert not asked(backend, QUESTIONS["*/uploads/*"]).final


def test_additional_documents_stand_apart(sandbox: SandboxServer, backend: Rossum) -> None:
    """What a hook added is no document of ours: not by its id, not by its import, but it is told."""
    upload = {
        "documents": ["https://x/documents/7"],
        "additional_documents": ["https://x/documents/8"],
        "annotations": ["https://x/annotations/1", "https://x/annotations/2"],
    }
    mine = {"id": 1, "status": "to_review", "document": "https://x/documents/7"}
    added = {"id": 2, "status": "failed_import", "document": "https://x/documents/8"}
    sandbox.play(
        [
            {"match": {"path": "*/uploads/*"}, "do": {"status": 200, "body": upload}},
            {"match": {"path": "*/annotations"}, "do": annotations(mine, added)},
        ]
    )
    receipt = asked(backend, asked(backend, QUESTIONS["*/uploads/*"]).remote)
    assert (receipt.final, receipt.document_ids, receipt.remote.status) == (True, ("7",), "to_review")
    assert receipt.remote.objects["upload"]["additional_documents"] == ["https://x/documents/8"]
    assert [one["status"] for one in receipt.remote.objects["annotations"]] == ["to_review", "failed_import"]
    assert "additional document" in receipt.warnings[0]


def test_a_document_in_another_queue(sandbox: SandboxServer, backend: Rossum) -> None:
    """A queue that is not the one of the upload is a warning."""
    body = {"queue": "https://x/queues/9", "documents": None, "annotations": None}
    told(sandbox, "*/uploads/*", status=200, body=body)
    assert asked(backend, QUESTIONS["*/uploads/*"]).warnings == (
        "Rossum has it in queue 9, it was sent to 8236",
    )


def test_many_are_asked_about_with_one_request(sandbox: SandboxServer, backend: Rossum) -> None:
    """The annotations of three documents are one question, and each document gets its own answer."""
    sandbox.play(
        [{"match": {"method": "POST", "path": "*/uploads*", "every": 2}, "do": {"failed_import": True}}]
    )
    sent = [parcel(b"%d" % number, name=f"{number}.pdf") for number in range(3)]
    receipts = [backend.upload(one) for one in sent]
    while not all(backend.shares_questions(receipt.remote) for receipt in receipts):
        receipts = [backend.follow_up(r, p) for r, p in zip(receipts, sent, strict=True)]
    sandbox.ledger.clear()
    pairs = list(zip(receipts, sent, strict=True))
    backend.follow_up_many(pairs)
    first, failed, last = backend.follow_up_many(pairs)
    assert [line.path.rsplit("/", 1)[-1] for line in sandbox.ledger.requests] == ["annotations"] * 2
    assert isinstance(failed, Refused)
    assert failed.answer.error_key == "failed_import"
    for told, number in ((first, 0), (last, 2)):
        assert isinstance(told, Receipt)
        assert told.final
        assert told.document_ids == receipts[number].document_ids
        assert len(told.remote.objects["annotations"]) == 1


def test_a_failed_question_for_many_is_one_error(sandbox: SandboxServer, backend: Rossum) -> None:
    """What a question for many comes to is one error, the same for all."""
    told(sandbox, "*/annotations", status=503)
    remotes = [Remote(annotations=(f"a/{number}",)) for number in range(3)]
    answers = backend.follow_up_many([(Receipt(202, final=False, remote=one), SENT) for one in remotes])
    assert isinstance(answers[0], Unavailable)
    assert len(answers) == 3
    assert len({id(one) for one in answers}) == 1


def test_basic_cannot_watch_many_either(sandbox: SandboxServer) -> None:
    """Where the log-in may not ask, the import of none of them is waited for."""
    backend = Rossum(rossum(sandbox.rossum_url, auth="basic"))
    remotes = [Remote(annotations=(f"a/{number}",)) for number in range(2)]
    answers = backend.follow_up_many([(Receipt(202, final=False, remote=one), SENT) for one in remotes])
    backend.close()
    assert [isinstance(one, Receipt) and one.final for one in answers] == [True, True]
