"""The connector's data schemas keep their names, their versions, and what goes over the wire."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from hotfolder import connector
from hotfolder.backends.bodies import File, json_base64
from hotfolder.connector import DocumentStatusChanged, UploadDocumentRequest, UploadDocumentResponse
from hotfolder.settings import DigitooConnection
from hotfolder.sidecar import Sidecar
from tests.builders import PDF

SPECIFIED = {
    "Connection": "1.1.0",
    "UploadDocumentRequest": "1.2.0",
    "DocumentStatusChanged": "1.0.0",
    "UploadDocumentResponse": "1.1.0",
    "Message": "1.1.0",
    "DocumentID": "1.1.0",
}
"""Schema → version, from the specification of the connector 3.0."""
COLUMNS = {
    "Connection": ["email", "password"],
    "UploadDocumentRequest": ["FileName", "FileContent", "QueueID"],
    "DocumentStatusChanged": ["webhook_event", "id", "status", "queue_id"],
    "UploadDocumentResponse": ["StatusCode", "ErrorKey", "Messages", "DocumentIDs"],
    "Message": ["Message"],
    "DocumentID": ["DocumentID"],
}


@pytest.mark.parametrize("name", SPECIFIED)
def test_each_schema_names_its_version_and_columns(name: str) -> None:
    """Name, version and columns are the specification's, in its order."""
    schema = getattr(connector, name)
    assert SPECIFIED[name] == schema.VERSION
    assert list(schema.model_fields) == COLUMNS[name]
    assert connector.VERSION == "3.0"


@pytest.mark.parametrize("queue_id", [42, "q7", None])
def test_what_goes_out_in_json_is_a_request(queue_id: Any) -> None:
    """The body of `upload.encoding: json_base64` reads as an Upload Document Request, content and all."""
    file = File('a "ž".pdf', "application/pdf", len(PDF), lambda: iter([PDF]))
    body = json_base64(file, {"FileName": file.name, "QueueID": queue_id}, "FileContent")
    found = UploadDocumentRequest.model_validate_json(b"".join(body.pieces()))
    assert (found.FileName, found.FileContent, found.QueueID) == (file.name, PDF, queue_id)


def test_a_sidecars_response_is_the_response_schema() -> None:
    """There is one definition of it, which forbids further keys."""
    assert UploadDocumentResponse in Sidecar.model_fields["response"].annotation.__args__
    with pytest.raises(ValidationError):
        UploadDocumentResponse.model_validate(
            {"StatusCode": 200, "ErrorKey": None, "Messages": None, "DocumentIDs": [], "More": 1}
        )


def test_a_connection_takes_what_the_specification_lists() -> None:
    """The account of the connector is the account of `backend: digitoo`."""
    assert set(COLUMNS["Connection"]) <= set(DigitooConnection.model_fields)


def test_a_status_change_reads_from_its_record() -> None:
    """The specified record is read as it is; one without id or status is none."""
    record = {"webhook_event": "document_status_changed", "id": "d1", "status": "exported", "queue_id": "q7"}
    assert DocumentStatusChanged.model_validate_json(json.dumps(record)).model_dump() == record
    for missing in ("id", "status"):
        with pytest.raises(ValidationError):
            DocumentStatusChanged.model_validate({k: v for k, v in record.items() if k != missing})
