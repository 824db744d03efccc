"""DocDigitizer v3 on loopback."""

import uuid

import pytest

PDF = b"%PDF-1.7 sandbox\n%%EOF\n"
FILE = {"files": ("scan.pdf", PDF, "application/pdf")}


@pytest.fixture
def extract(http):
    """Send a form with good fields and the key: `extract(server, field=value)`."""

    def call(server, files=FILE, key="sandbox-api-key", **fields):
        form = {"id": str(uuid.uuid4()), "contextID": str(uuid.uuid4())} | fields
        data = {name: value for name, value in form.items() if value is not None}
        headers = {"X-API-Key": key}
        return http.post(f"{server.docdigitizer_v3_url}/extract", files=files, data=data, headers=headers)

    return call


def test_a_document_is_taken(sandbox, extract):
    """The answer holds state, id and result at once; the ledger has the form's fields."""
    number = str(uuid.uuid4())
    answer = extract(sandbox, id=number, pipelineIdentifier="p1").json()
    (entry,) = sandbox.ledger.entries
    assert (answer["stateText"], answer["documentId"]) == ("COMPLETED", entry.ids["document"])
    assert (entry.fields["id"], entry.queue, entry.file_name) == (number, "p1", "scan.pdf")
    assert answer["output"]["extractions"]


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"id": None}, 400),
        ({"id": "7"}, 400),
        ({"contextID": None}, 400),
        ({"contextID": "x"}, 400),
        ({"requestToken": "12345678"}, 400),
        ({"requestToken": "1234567"}, 200),
        ({"key": "wrong"}, 401),
        ({"files": {"file": FILE["files"]}}, 400),
        ({"files": [("files", FILE["files"]), ("files", FILE["files"])]}, 400),
        ({"files": {"files": ("a.jpg", b"x", "image/jpeg")}}, 415),
        ({"files": {"files": ("a.pdf", b"", "application/pdf")}}, 422),
    ],
)
def test_it_is_strict(sandbox, extract, change, status):
    """Both ids are UUIDs, the token is short, the key stands in its own header, and one PDF comes at a time."""
    answer = extract(sandbox, **change)
    assert answer.status_code == status
    assert len(sandbox.ledger) == (status == 200)
    assert (answer.json()["stateText"] == "COMPLETED") == (status == 200)


def test_too_large(start, extract):
    """More than the plan allows is 413."""
    assert extract(start(extract_max_bytes=len(PDF) - 1)).status_code == 413
    assert extract(start(extract_max_bytes=len(PDF))).status_code == 200


@pytest.mark.parametrize("pascal", [True, False])
def test_either_spelling(start, extract, pascal):
    """The vendor's pages and its server disagree about the keys' case."""
    server = start(extract_pascal=pascal, extract_names_document=False)
    answer = extract(server).json()
    assert ("StateText" if pascal else "stateText") in answer
    assert not {"documentId", "DocumentId"} & answer.keys()


@pytest.mark.parametrize(
    ("shape", "keys"),
    [
        ("service", {"stateText", "messages", "traceId"}),
        ("gateway", {"error", "message", "statusCode"}),
        ("failed", {"requestToken", "state", "error"}),
    ],
)
def test_refusals_in_three_shapes(start, extract, shape, keys):
    """A refusal looks like one of the three documents."""
    assert set(extract(start(extract_error=shape), id="7").json()) == keys


def test_a_document_that_fails(start, extract):
    """A document that cannot be read is a 200 with the state ERROR, and is not taken."""
    server = start([{"match": {"path": "*/extract"}, "do": {"failed_import": True}}])
    answer = extract(server)
    assert (answer.status_code, answer.json()["stateText"], len(server.ledger)) == (200, "ERROR", 0)
