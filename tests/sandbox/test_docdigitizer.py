"""DocDigitizer v1 on loopback."""

import pytest

from hotfolder.sandbox.answers import DOCDIGITIZER_CODES

PDF = b"%PDF-1.7 sandbox\n%%EOF\n"
FILE = {"files": ("scan.pdf", PDF, "application/pdf")}
KEY = "API_KEY sandbox-api-key"


@pytest.mark.parametrize(
    ("mode", "headers", "status"),
    [
        ("either", {"Authorization": KEY}, 202),
        ("either", {"Authentication": KEY}, 202),
        ("either", {"Authorization": KEY, "Authentication": KEY}, 202),
        ("either", {"Authorization": "API_KEY wrong"}, 401),
        ("either", {"Authorization": "sandbox-api-key"}, 401),
        ("either", {}, 401),
        ("authorization", {"Authorization": KEY}, 202),
        ("authorization", {"Authentication": KEY}, 401),
        ("authentication", {"Authentication": KEY}, 202),
        ("authentication", {"Authorization": KEY}, 401),
    ],
)
def test_key_header(start, http, mode, headers, status):
    """The key is taken from the header that the mode names."""
    server = start(docdigitizer_key_header=mode)
    answer = http.post(server.docdigitizer_url + "/api/v1/documents/annotate", files=FILE, headers=headers)
    assert answer.status_code == status
    assert status == 202 or answer.json()["code"] == "WRONG_AUTH"


def test_accepted_answer_and_reading_back(sandbox, docdigitizer):
    """A document is accepted with its task; task, document, annotations and reviews can be read."""
    tag = {"X-Docdigitizer-Tag": "invoices, hotfolder-1"}
    answer = docdigitizer(sandbox, "POST", "documents/annotate:invoice", files=FILE, headers=tag)
    task = answer.json()["task"]
    assert (answer.status_code, answer.json()["detail"], task["status"]) == (202, "Accepted", "PENDING")
    (entry,) = sandbox.ledger.entries
    assert (entry.queue, entry.tags) == ("invoice", ("invoices", "hotfolder-1"))
    assert entry.ids == {"document": task["document_id"], "task": task["id"]}
    states = [docdigitizer(sandbox, "GET", f"tasks/{task['id']}").json()["task"]["status"] for _ in range(2)]
    assert states == ["PENDING", "DONE"]
    document = docdigitizer(sandbox, "GET", f"documents/{task['document_id']}").json()["document"]
    assert document["annotation_status"] == "success"
    assert set(document["links"]) == {"annotations", "assets", "collection", "reviews", "self"}
    for name in ("annotations", "reviews", "self", "collection"):
        path = document["links"][name].removeprefix("/api/v1/")
        assert docdigitizer(sandbox, "GET", path).status_code == 200


def test_links_lead_somewhere_from_the_root_of_the_host(sandbox, docdigitizer, http):
    """Links are paths on the host, as with the service, and answer there."""
    task = docdigitizer(sandbox, "POST", "documents/annotate", files=FILE).json()["task"]
    answer = http.get(sandbox.origin + task["links"]["self"], headers={"Authorization": KEY})
    assert answer.json()["task"]["id"] == task["id"]


@pytest.mark.parametrize("place", ["body", "header", "later"])
def test_document_id_has_three_places(start, docdigitizer, place):
    """The id is in the body, only in a header, or only in the task once it is done."""
    server = start(docdigitizer_id=place)
    answer = docdigitizer(server, "POST", "documents/annotate", files=FILE)
    ids = server.ledger.entries[0].ids
    assert (answer.json()["task"].get("document_id") == ids["document"]) == (place == "body")
    assert ("x-document-location" in answer.headers) == (place == "header")
    if place == "header":
        assert answer.headers["x-document-location"].startswith("http://")
        assert answer.headers["x-document-location"].endswith(ids["document"])
    looks = [docdigitizer(server, "GET", f"tasks/{ids['task']}").json().get("document") for _ in range(2)]
    assert (looks[0] is None) == (place == "later")
    assert looks[1]["id"] == ids["document"]


def test_all_but_the_first_file_are_dropped(sandbox, docdigitizer):
    """The service answers as if all were well; the ledger tells what was dropped."""
    files = [("files", ("a.pdf", PDF, "application/pdf")), ("files", ("b.pdf", PDF, "application/pdf"))]
    assert docdigitizer(sandbox, "POST", "documents/annotate", files=files).status_code == 202
    (entry,) = sandbox.ledger.entries
    assert (entry.file_name, entry.dropped) == ("a.pdf", ("b.pdf",))


@pytest.mark.parametrize(
    ("name", "media_type", "status"),
    [
        ("a.pdf", "application/pdf", 202),
        ("a.jpg", "image/jpeg", 202),
        ("a.png", "image/png", 202),
        ("a.tif", "image/tiff", 202),
        ("a.pdf", "text/plain", 415),
        ("a.pdf", "application/octet-stream", 415),
        ("a.tiff", None, 202),
        ("a.JPEG", None, 202),
        ("a.txt", None, 415),
        ("a", None, 415),
    ],
)
def test_media_types(sandbox, docdigitizer, name, media_type, status):
    """Four types are taken; a part without one is judged by its name's extension."""
    kind = f"Content-Type: {media_type}\r\n" if media_type else ""
    body = (
        f'--B\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n{kind}\r\nx\r\n--B--\r\n'
    )
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    answer = docdigitizer(sandbox, "POST", "documents/annotate", content=body, headers=headers)
    assert answer.status_code == status
    assert status == 202 or answer.json()["code"] == "FILE_TYPE_NOT_SUPPORTED"


@pytest.mark.parametrize(
    ("files", "status"),
    [
        ({"file": FILE["files"]}, 400),
        ({"files": (None, PDF)}, 400),
        ({"files": ("a.pdf", b"", "application/pdf")}, 422),
    ],
)
def test_incomplete_calls_are_refused(sandbox, docdigitizer, files, status):
    """A file in the field `files` is needed, and it must hold something."""
    assert docdigitizer(sandbox, "POST", "documents/annotate", files=files).status_code == status


def test_file_over_the_limit_is_413(start, docdigitizer):
    """One byte over the limit is refused, the limit itself is not."""
    server = start(docdigitizer_max_bytes=10)
    sizes = [
        docdigitizer(
            server, "POST", "documents/annotate", files={"files": ("a.pdf", b"x" * n, "application/pdf")}
        )
        for n in (10, 11)
    ]
    assert [answer.status_code for answer in sizes] == [202, 413]


def test_cursor_pages(sandbox, docdigitizer):
    """Pages are walked by the cursor in the headers; a broken cursor starts again and says so."""
    for number in range(3):
        docdigitizer(
            sandbox, "POST", "documents/annotate", files={"files": (f"{number}.pdf", PDF, "application/pdf")}
        )
    first = docdigitizer(sandbox, "GET", "documents?maxRetrieve=2")
    assert first.headers["x-more-results-available"] == "true"
    cursor = first.headers["x-cursor-id"]
    second = docdigitizer(sandbox, "GET", f"documents?maxRetrieve=2&cursorId={cursor}")
    names = [document["name"] for page in (first, second) for document in page.json()["documents"]]
    assert names == ["0.pdf", "1.pdf", "2.pdf"]
    assert second.headers["x-more-results-available"] == second.headers["x-cursor-was-broken"] == "false"
    broken = docdigitizer(sandbox, "GET", "documents?maxRetrieve=2&cursorId=nonsense")
    assert broken.headers["x-cursor-was-broken"] == "true"
    assert docdigitizer(sandbox, "GET", "documents?maxRetrieve=x").status_code == 400


@pytest.mark.parametrize("shown", [True, False])
def test_list_may_hide_tags(start, docdigitizer, shown):
    """Whether the list shows tags is not known, so both are there."""
    server = start(docdigitizer_lists_tags=shown)
    docdigitizer(server, "POST", "documents/annotate", files=FILE, headers={"X-Docdigitizer-Tag": "t"})
    (document,) = docdigitizer(server, "GET", "documents").json()["documents"]
    assert document.get("tags") == (["t"] if shown else None)


def test_callback_fields_are_kept(sandbox, docdigitizer):
    """Other fields of the form stand in the ledger."""
    data = {"callback_url": "https://hooks.example/", "callback_method": "POST"}
    docdigitizer(sandbox, "POST", "documents/annotate", files=FILE, data=data)
    assert sandbox.ledger.entries[0].fields == data


@pytest.mark.parametrize(
    ("status", "code"), [(s, c) for s, codes in DOCDIGITIZER_CODES.items() for c in codes]
)
def test_every_message_code_is_reachable(start, docdigitizer, status, code):
    """Each row of the status table can be asked for; the body names status and code."""
    server = start([{"match": {"service": "docdigitizer"}, "do": {"status": status, "code": code}}])
    answer = docdigitizer(server, "POST", "documents/annotate", files=FILE)
    body = answer.json()
    assert answer.status_code == body["status"] == status
    assert (body["code"], set(body)) == (code, {"detail", "status", "title", "code"})
    assert len(server.ledger) == 0


@pytest.mark.parametrize("path", ["tasks/1", "documents/1", "documents/1/annotations", "nothing"])
def test_unknown_resources_are_404(sandbox, docdigitizer, path):
    """What is not there is NOT_FOUND."""
    answer = docdigitizer(sandbox, "GET", path)
    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")
