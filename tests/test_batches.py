"""The report of a batch."""

import json

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hotfolder.batches import batch_schema, draw, is_report, read, render, report_name
from hotfolder.model import Answer, Batch, ErrorSource, State
from tests.builders import NOW, journey

VALIDATOR = Draft202012Validator(batch_schema())
BATCH = Batch(
    "018bcfe5-6800-7000-8000-000000000000",
    "invoices",
    NOW,
    ((b"", b"a.pdf"), (b"sub", b"b\xff.pdf"), (b"", b"c.pdf"), (b"", b"d.pdf")),
)


def test_every_document_and_what_became_of_it() -> None:
    """Filed, filed under another name, put back, gone, never claimed: each has its word, in order."""
    members = [
        journey(place=3, state=State.RETURNED),
        journey(place=1, state=State.FILED, filed_name=b"a.1.pdf", answer=Answer(202, document_ids=("7",))),
        journey(
            place=2,
            state=State.FILED,
            error_source=ErrorSource.SERVER,
            answer=Answer(422, "key", ("words",)),
            on_error="stop",
        ),
    ]
    report = draw(BATCH, members, NOW + 5)
    drawn = json.loads(render(report))
    VALIDATOR.validate(drawn)
    assert read(render(report)) == report
    assert (drawn["schema"], drawn["mode"], drawn["stopped_at"]) == ("hotfolder/batch/1", "batch", 2)
    assert [f["outcome"] for f in drawn["files"]] == ["done", "failed", "untouched", "untouched"]
    assert [f["archive"] for f in drawn["files"]] == ["a.1.pdf", "sub/b\\xff.pdf", None, None]
    assert drawn["files"][0]["sidecar"] == "a.1.pdf.json"
    assert drawn["files"][1]["response"]["Messages"] == [{"Message": "words"}]
    assert drawn["files"][1]["name_bytes"] == "Yv8ucGRm"
    assert drawn["files"][3]["upload_id"] is None
    lost = draw(BATCH, [journey(place=4, state=State.UNCERTAIN)], NOW)
    assert lost.files[3].outcome == "missing"


@given(st.lists(st.tuples(st.binary(max_size=9), st.binary(min_size=1, max_size=9)), max_size=9))
def test_any_names_fit(plan: list[tuple[bytes, bytes]]) -> None:
    """Whatever bytes names are made of, the report is one that its schema allows."""
    made = Batch("b", "invoices", NOW, tuple(plan))
    VALIDATOR.validate(json.loads(render(draw(made, [], NOW))))


def test_reports_are_known_by_their_names() -> None:
    """A report is told from documents and their records."""
    assert is_report(report_name(BATCH))
    assert not is_report(b"scan.batch.json")
    assert not is_report(report_name(BATCH) + b".json")
