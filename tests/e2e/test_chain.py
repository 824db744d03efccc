"""The whole chain at each service: dropped, sent, followed up, filed, and the record compared with what the service has."""

import hashlib
import json
import socket
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from hotfolder.sandbox.ledger import Entry, RequestLine
from hotfolder.sandbox.options import SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from tests.e2e.harness import CONFIG, QUICK, Site, filed, site, wait_for
from tests.e2e.producers import reportlab_pdf
from tests.sandbox.oracle import complaints
from tests.web.callers import WORD

NAME = "faktura č 🎁 {}.pdf"
"""What a document is called, by its queue: with letters beyond ASCII, as in the specification's example."""
TEXT = (
    CONFIG.replace(
        "queue_id: 8236,", 'queue_id: 8236, metadata: {{site: Prague}}, values: {{"upload:unit": a}},'
    )
    .replace("queue_id: q7,", "queue_id: q7, wait_for: accepted,")
    .replace("{{connection: z,", "{{connection: z, document_class: invoice,")
)
TIMES = ("seen", "ready", "claimed", "accepted", "filed")
NEXT = {"objects"}
"""Keys of `remote` that hold what the service said in its own words: not compared word by word."""


@pytest.fixture(scope="module")
def sandbox() -> Iterator[SandboxServer]:
    """Services that take several looks, and find some documents damaged."""
    options = SandboxOptions(rossum_task_polls=2, rossum_annotation_polls=2, docdigitizer_id="later")
    rules = [{"match": {"file": "damaged*"}, "do": {"failed_import": True}}]
    with SandboxServer(options, scenario=rules) as server:
        yield server


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, sandbox: SandboxServer) -> Iterator[Site]:
    """One daemon at work for all tests, with what each service can be told beside a document."""
    with site(tmp_path_factory.mktemp("chain"), sandbox, keys=QUICK, text=TEXT) as found:
        found.start(ready=False)
        yield found


def asked(sandbox: SandboxServer, service: str) -> list[RequestLine]:
    """Return what was asked of one service, the oldest first."""
    return [line for line in sandbox.ledger.requests if line.path.startswith(f"/{service}/")]


def sent(place: Site, sandbox: SandboxServer, queue: str, name: str = NAME, area: str = "done") -> Any:
    """Drop a document; return its record, its content, and what the service wrote down."""
    content, name = reportlab_pdf(2), name.format(queue)
    place.drop(queue).joinpath(name).write_bytes(content)
    record = place.sidecar(filed(place, area, name, 120))
    assert place.drop(queue).joinpath(area, name).read_bytes() == content
    found = [one for one in sandbox.ledger.entries if one.file_name == name and one.service in queue]
    (entry,) = found
    return record, content, entry


def compare(record: dict[str, Any], content: bytes, entry: Entry, expected: dict[str, Any]) -> None:
    """Compare a record field by field: with the file, the service's book, and what this service is expected to add."""
    seen = dict(record)
    moments = seen.pop("times")
    times = [datetime.fromisoformat(moments[one]) for one in TIMES]
    (attempt,) = seen.pop("attempts")
    remote = {key: value for key, value in seen.pop("remote").items() if key not in NEXT}
    assert times == sorted(times)
    assert set(moments) == set(TIMES)
    assert attempt["error"] is None
    assert attempt["duration_ms"] >= 0
    assert seen["file"].pop("modified_at")
    assert seen["upload_id"] in repr(entry) or entry.service == "digitoo"  # which keeps no mark
    digest = hashlib.sha256(content).hexdigest()
    assert (entry.sha256, entry.size, entry.media_type) == (digest, len(content), "application/pdf")
    assert entry.dropped == ()
    file = {
        "name": NAME.format(seen["queue"]["name"]),
        "name_bytes": None,
        "size": len(content),
        "sha256": digest,
        "media_type": entry.media_type,
    }
    assert remote == expected.pop("remote")
    assert seen == {
        "schema": "hotfolder/sidecar/1",
        "outcome": "done",
        "error_source": None,
        "file": file,
        "upload_id": seen["upload_id"],
        "sent_name": entry.file_name,
        "backend": entry.service,
        "possible_duplicate": False,
        "duplicate_of": None,
        "recovered": False,
        "warnings": [],
        "events": [],
        **expected,
    }
    assert attempt["status"] == seen["response"]["StatusCode"]


def success(status: int, document_id: str) -> dict[str, Any]:
    """Return the connector's response of a success."""
    return {
        "StatusCode": status,
        "ErrorKey": None,
        "Messages": None,
        "DocumentIDs": [{"DocumentID": document_id}],
    }


NOTHING = {
    "task": None,
    "upload": None,
    "documents": [],
    "annotations": [],
    "status": None,
    "sla_at": None,
    "links": {},
}


def test_rossum(place: Site, sandbox: SandboxServer) -> None:
    """Log-in, upload, task, upload object, annotation; then done, with every address in the record."""
    record, content, entry = sent(place, sandbox, "to-rossum")
    base, ids = sandbox.rossum_url, entry.ids
    expected = {
        "response": success(202, ids["document"]),
        "queue": {"name": "to-rossum", "id": "8236", "id_source": "queue"},
        "connection": "r",
        "remote": NOTHING
        | {
            "task": f"{base}/tasks/{ids['task']}",
            "upload": f"{base}/uploads/{ids['upload']}",
            "documents": [f"{base}/documents/{ids['document']}"],
            "annotations": [f"{base}/annotations/{ids['annotation']}"],
            "status": "to_review",
        },
    }
    compare(record, content, entry, expected)
    mark = {"upload_id": record["upload_id"], "sha256": entry.sha256}
    assert (entry.metadata, entry.values) == ({"site": "Prague", "hotfolder": mark}, {"upload:unit": "a"})
    lines = asked(sandbox, "rossum")
    steps = [line.path.removeprefix("/rossum/api/v1/").partition("/")[0] for line in lines]
    assert list(dict.fromkeys(steps)) == ["auth", "uploads", "tasks", "annotations"]
    sends = [line for line in lines if line.method == "POST" and "/uploads" in line.path]
    assert len(sends) == len([one for one in sandbox.ledger.entries if one.service == "rossum"])


def test_the_official_client_understands_all_that_was_read(place: Site, sandbox: SandboxServer) -> None:
    """Whatever hotfolder asked Rossum, the answer is one that the official client's models parse."""
    sent(place, sandbox, "to-rossum", "another.pdf")
    read = {(line.path, line.query) for line in asked(sandbox, "rossum") if line.method == "GET"}
    assert {path.removeprefix("/rossum/api/v1/").partition("/")[0] for path, _ in read} == {
        "auth",
        "tasks",
        "uploads",
        "annotations",
    }
    with httpx.Client(trust_env=False, headers={"Authorization": "Bearer sandbox-rossum-token"}) as client:
        for path, query in read:
            answer = client.get(f"{sandbox.origin}{path}?{query}").json()
            assert not complaints(f"{path.removeprefix('/rossum/api/v1/')}?{query}", answer)


def test_rossum_finds_a_document_damaged(place: Site, sandbox: SandboxServer) -> None:
    """The upload is accepted, the import fails: failed/, with the service's word and both addresses."""
    record, _, entry = sent(place, sandbox, "to-rossum", "damaged.pdf", "failed")
    assert (record["outcome"], record["error_source"]) == ("failed", "server")
    assert record["response"]["ErrorKey"] == "failed_import"
    assert record["response"]["Messages"]
    assert record["remote"]["annotations"] == [f"{sandbox.rossum_url}/annotations/{entry.ids['annotation']}"]
    assert [one["status"] for one in record["attempts"]] == [202]


def test_digitoo(place: Site, sandbox: SandboxServer) -> None:
    """Log-in and upload; the yes is the last word."""
    record, content, entry = sent(place, sandbox, "to-digitoo")
    expected = {
        "response": success(200, entry.ids["document"]),
        "queue": {"name": "to-digitoo", "id": "q7", "id_source": "queue"},
        "connection": "g",
        "remote": NOTHING,
    }
    compare(record, content, entry, expected)
    assert [(line.method, line.path) for line in asked(sandbox, "digitoo")] == [
        ("POST", "/digitoo/api/v2/auth/login"),
        ("POST", "/digitoo/api/v2/queues/q7/upload"),
    ]


def test_docdigitizer(place: Site, sandbox: SandboxServer) -> None:
    """Upload, then the task until it names the document; class, tags, promise and links are there."""
    record, content, entry = sent(place, sandbox, "to-docdigitizer")
    base, ids = f"{sandbox.docdigitizer_url}/api/v1", entry.ids
    task = httpx.get(
        f"{base}/tasks/{ids['task']}", headers={"Authorization": "API_KEY sandbox-api-key"}, trust_env=False
    ).json()
    remote = record["remote"]
    expected = {
        "response": success(202, ids["document"]),
        "queue": {"name": "to-docdigitizer", "id": None, "id_source": "queue"},
        "connection": "z",
        "remote": NOTHING
        | {
            "task": f"{base}/tasks/{ids['task']}",
            "documents": [f"{base}/documents/{ids['document']}"],
            "status": "DONE",
            "sla_at": task["task"]["sla_moment"] + "Z",
            "links": remote["links"],
        },
    }
    assert remote["links"]["task"] == task["task"]["links"]
    assert remote["links"]["document"] == task["document"]["links"]
    compare(record, content, entry, expected)
    assert (entry.queue, entry.tags) == ("invoice", ("to-docdigitizer", f"hotfolder-{record['upload_id']}"))
    assert [line.method for line in asked(sandbox, "docdigitizer")[:2]] == ["POST", "GET"]


# To the last word --------------------------------------------------------------------------------

TO_THE_END = "wait_for: processed, results: true, "
HEADERS = {
    "rossum": {"Authorization": "Bearer sandbox-rossum-token"},
    "digitoo": {"Authorization": "Bearer sandbox-service-token"},
    "docdigitizer": {"Authorization": "API_KEY sandbox-api-key"},
}


@pytest.fixture
def patient(tmp_path: Path) -> Iterator[tuple[Site, SandboxServer]]:
    """A daemon that waits for people, files what was found, and is called by those services that call."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    called = 'webhook_url: "http://127.0.0.1:{}/webhooks/{}/{{{{secret}}}}", '
    secret = f"\n    webhook: {{{{secret: {WORD}}}}}\n"
    text = f"http: {{{{listen: 127.0.0.1:{port}}}}}\n" + CONFIG
    text = text.replace("/digitoo\n", f"/digitoo{secret}").replace(
        "/docdigitizer\n", f"/docdigitizer{secret}"
    )
    text = text.replace("queue_id: 8236,", f"queue_id: 8236, {TO_THE_END}")
    text = text.replace("queue_id: q7,", f"queue_id: q7, {called.format(port, 'g')}{TO_THE_END}")
    text = text.replace("{{connection: z,", f"{{{{connection: z, {called.format(port, 'z')}{TO_THE_END}")
    waiting = SandboxOptions(
        rossum_statuses=("to_review",),
        digitoo_statuses=("received", "waiting-for-human-validation"),
        docdigitizer_statuses=("pending",),
    )
    with SandboxServer(waiting) as server, site(tmp_path, server, keys=QUICK, text=text) as found:
        found.start()
        yield found, server


def decide(sandbox: SandboxServer, statuses: dict[str, str]) -> None:
    """Let the people at the services decide about all their documents."""
    with httpx.Client(trust_env=False, base_url=f"{sandbox.origin}/admin") as admin:
        for entry in sandbox.ledger.entries:
            status = statuses[entry.service]
            body = {"id": entry.ids["document"], "status": status}
            if entry.service == "rossum":
                admin.post(
                    "/annotations", json={"id": entry.ids["annotation"], "status": status}
                ).raise_for_status()
            else:
                admin.post("/documents", json=body).raise_for_status()


def found_there(sandbox: SandboxServer, entry: Entry) -> dict[str, Any]:
    """Return what the service itself answers when it is asked for what it found in a document."""
    number = entry.ids["document"]
    ways = {
        "rossum": (f"{sandbox.rossum_url}/annotations/{entry.ids.get('annotation')}/content", None),
        "digitoo": (f"{sandbox.digitoo_url}/api/v2/documents/{number}/annotations", None),
        "docdigitizer": tuple(
            f"{sandbox.docdigitizer_url}/api/v1/documents/{number}/{kind}"
            for kind in ("annotations", "reviews")
        ),
    }[entry.service]
    with httpx.Client(trust_env=False, headers=HEADERS[entry.service]) as client:
        annotations, reviews = (way and client.get(way).raise_for_status().json() for way in ways)
    source = "content" if entry.service == "rossum" else "annotations"
    return {
        "schema": "hotfolder/annotations/1",
        "source": source,
        "annotations": annotations,
        "reviews": reviews,
    }


GOOD = {"rossum": "exported", "digitoo": "ready-to-export", "docdigitizer": "reviewed"}
BAD = {"rossum": "rejected", "digitoo": "extraction-rejected", "docdigitizer": "Invalid"}


@pytest.mark.parametrize(("decided", "against"), [(GOOD, False), (BAD, True)])
def test_to_the_last_word(
    patient: tuple[Site, SandboxServer],
    decided: dict[str, str],
    against: bool,  # noqa: FBT001 — a parameter
) -> None:
    """Dropped, sent, imported, a restart, decided by people, told, fetched, filed: the record says so, field by field."""
    place, sandbox = patient
    contents = {queue: reportlab_pdf(number) for number, queue in enumerate(place.queues())}
    for queue, content in contents.items():
        (place.drop(queue) / NAME.format(queue)).write_bytes(content)
    wait_for(lambda: len(sandbox.ledger.entries) == 3, 30, "all are sent")
    accepted = [f"{NAME.format(queue)} accepted: " for queue in place.queues()]
    wait_for(lambda: all(one in place.log.read_text() for one in accepted), 30, "all are accepted")
    place.kill()
    assert place.archived("done") == []
    place.start()
    decide(sandbox, decided)
    entries = {entry.service: entry for entry in sandbox.ledger.entries}
    assert len(sandbox.ledger.entries) == 3  # nothing was sent twice
    for queue, content in contents.items():
        document = filed(place, "done", NAME.format(queue), 60)
        entry = entries[queue.removeprefix("to-")]
        _compare_to_the_end(place, document, content, entry, decided[entry.service] if against else None)
        fetched = json.loads((document.parent / f"{document.name}.annotations.json").read_text())
        assert fetched.pop("fetched_at").endswith("Z")
        assert fetched == found_there(sandbox, entry)
        assert [
            p.name for p in (place.drop(queue) / ".hotfolder").iterdir() if p.name.startswith("results")
        ] == []
    assert [queue["rejected_later"] for queue in place.status()] == [int(against)] * 3
    audit = place.command("audit")
    assert audit.returncode == 0, audit.stdout
    assert place.stop() == 0
    assert ("WARNING" in place.log.read_text()) == against


def _compare_to_the_end(
    place: Site, document: Path, content: bytes, entry: Entry, against: str | None
) -> None:
    """Compare a record with the service's book, what was found beside it, and what was told of it."""
    status, number = place.sidecar(document)["remote"]["status"], entry.ids["document"]
    if entry.service != "rossum":  # which calls nobody
        word = {"reviewed": "annotated", "Invalid": "rejected"}.get(status, status)
        wait_for(
            lambda: word in [event["status"] for event in place.sidecar(document)["events"]],
            20,
            f"told {word}",
        )
    record = place.sidecar(document)
    events = record.pop("events")
    assert all(event["id"] == number and event["times"] == 1 for event in events)
    assert bool(events) == (entry.service != "rossum")
    warnings = [one for one in record.pop("warnings") if not one.startswith("the service said later")]
    assert [against in one for one in warnings if against] == [True] * (against is not None)
    assert against is None or warnings
    assert record.pop("beside") == [f"{document.name}.annotations.json"]
    base = {"rossum": place.origin + "/rossum/api/v1", "docdigitizer": place.origin + "/docdigitizer/api/v1"}
    addresses = f"{base.get(entry.service, place.origin + '/digitoo/api/v2')}/documents/{number}"
    remote = record["remote"]
    assert (remote["documents"], remote["status"]) == ([addresses], (against or GOOD[entry.service]))
    expected = {
        "response": success(200 if entry.service == "digitoo" else 202, number),
        "queue": record["queue"],
        "connection": {"rossum": "r", "digitoo": "g", "docdigitizer": "z"}[entry.service],
        "remote": {key: value for key, value in remote.items() if key not in NEXT},
    }
    assert record["queue"]["id"] == {"rossum": "8236", "digitoo": "q7", "docdigitizer": None}[entry.service]
    compare({**record, "events": [], "warnings": []}, content, entry, expected)
