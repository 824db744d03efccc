"""The record beside every filed document."""

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from hotfolder.model import Answer, Attempt, Earlier, ErrorSource, Journey, Remote, Stamp, State
from hotfolder.sidecar import draw, moment, render, sidecar_schema
from tests.builders import NOW, delivered

VALIDATOR = Draft202012Validator(sidecar_schema())
KEYS = [
    *("schema", "outcome", "response", "error_source", "file", "queue", "connection", "backend", "upload_id"),
    *(
        "sent_name",
        "attempts",
        "times",
        "remote",
        "possible_duplicate",
        "duplicate_of",
        "recovered",
        "warnings",
    ),
    "events",
]
INNER = {
    "response": "StatusCode ErrorKey Messages DocumentIDs",
    "file": "name name_bytes size sha256 media_type modified_at",
    "queue": "name id id_source",
    "times": "seen ready claimed accepted filed",
    "remote": "task upload documents annotations status sla_at links",
}


def written(made: Journey) -> dict[str, Any]:
    """Return the sidecar of a journey as a reader of the file finds it."""
    found: dict[str, Any] = json.loads(render(draw(made, NOW + 1)))
    return found


def test_the_schema_is_one() -> None:
    """The schema itself is a JSON Schema."""
    Draft202012Validator.check_schema(sidecar_schema())


def test_the_keys_of_the_contract_in_their_order() -> None:
    """Scripts outside find every key where the contract says, and an attempt has its four."""
    found = written(delivered(attempts=(Attempt(NOW, 202, None, 184),)))
    assert list(found) == KEYS
    for key, inner in INNER.items():
        assert list(found[key]) == inner.split()
    assert found["attempts"] == [
        {"at": "2023-11-14T22:13:20.000Z", "status": 202, "error": None, "duration_ms": 184}
    ]
    assert found["schema"] == "hotfolder/sidecar/1"


def test_a_success() -> None:
    """On success only status and ids are set in the response."""
    found = written(delivered(answer=Answer(202, document_ids=("254322", "254323"))))
    assert (found["outcome"], found["error_source"]) == ("done", None)
    assert found["response"] == {
        "StatusCode": 202,
        "ErrorKey": None,
        "Messages": None,
        "DocumentIDs": [{"DocumentID": "254322"}, {"DocumentID": "254323"}],
    }
    assert written(delivered(answer=Answer(202, document_ids=())))["response"]["DocumentIDs"] == []


@pytest.mark.parametrize("source", ErrorSource)
def test_a_failure(source: ErrorSource) -> None:
    """On failure the messages say why, and the record says who said no."""
    answer = Answer(413, "TOO_LARGE", ("Scan again.",))
    found = written(delivered(state=State.REFUSED, answer=answer, error_source=source))
    assert (found["outcome"], found["error_source"]) == ("failed", source.value)
    assert found["response"] == {
        "StatusCode": 413,
        "ErrorKey": "TOO_LARGE",
        "Messages": [{"Message": "Scan again."}],
        "DocumentIDs": None,
    }


@pytest.mark.parametrize("name", [b"\xff.pdf", b"a\nb.pdf", b"\x7f", b"line\xe2\x80\xa8break"])
def test_names_that_are_no_text(name: bytes) -> None:
    """A name that cannot be shown as it is has escapes in its text and stands whole in base64."""
    found = written(delivered(name=name))["file"]
    assert base64.b64decode(found["name_bytes"]) == name
    assert found["name"].isprintable()


@pytest.mark.parametrize("name", ["scan.pdf", "ž.pdf", "z\u030c.pdf", "😀", "\"';\\"])
def test_names_that_are_text(name: str) -> None:
    """A printable name stands as it is, composed or decomposed, and in nothing but UTF-8."""
    made = delivered(name=name.encode())
    assert (written(made)["file"]["name"], written(made)["file"]["name_bytes"]) == (name, None)
    assert b"\\u" not in render(draw(made, NOW))


def test_what_is_there_only_when_it_says_something() -> None:
    """The subfolder stands in the record of a recursive queue, the queue's own id where an override won."""
    found = written(delivered(folder=b"2023/\xff", override_of="8236", id_source="override", queue_id="9"))
    assert found["file"]["folder"] == "2023/\\xff"
    assert found["queue"] == {"name": "invoices", "id": "9", "id_source": "override", "override_of": "8236"}


def test_what_a_document_is_to_earlier_ones() -> None:
    """`duplicate_of` is always there; `supersedes` and `retry_of` in the records of the few that have them."""
    found = written(delivered(duplicate_of="a", supersedes="b", retries=Earlier("c", b"", b"scan.pdf")))
    assert (found["duplicate_of"], found["supersedes"], found["retry_of"]) == ("a", "b", "c")
    VALIDATOR.validate(found)
    assert not {"supersedes", "retry_of"} & written(delivered()).keys()


def test_the_objects_of_the_service() -> None:
    """`remote.objects` stands only in the records of those of whom the service told them."""
    told = {"upload": {"id": 314528, "email": None, "documents": []}, "annotations": None}
    found = written(delivered(remote=Remote(task="t", objects=told)))
    assert found["remote"]["objects"] == told
    VALIDATOR.validate(found)
    assert "objects" not in written(delivered())["remote"]


def test_no_answer_no_record() -> None:
    """A document that is not final has no sidecar."""
    with pytest.raises(ValueError, match="no final answer"):
        draw(replace(delivered(), answer=None), NOW)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1.5, "1969-12-31T23:59:58.500Z"),
        (1e30, "9999-12-31T23:59:59.000Z"),
        (-1e30, "0001-01-01T00:00:00.000Z"),
    ],
)
def test_moments(seconds: float, text: str) -> None:
    """Moments are UTC in ISO 8601 with milliseconds, whatever a file's clock said."""
    assert moment(seconds) == text


TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
MAYBE = st.none() | TEXT
TIMES = st.floats(-1e10, 1e11)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda c: st.lists(c) | st.dictionaries(TEXT, c),
    max_leaves=5,
)
FINAL = st.builds(
    delivered,
    folder=st.binary(max_size=8),
    name=st.binary(min_size=1, max_size=20),
    stamp=st.builds(
        Stamp, st.just(1), st.just(2), st.integers(0, 2**62), st.integers(-(2**63), 2**63), st.just(4)
    ),
    media_type=MAYBE,
    sha256=MAYBE,
    queue_id=MAYBE,
    override_of=MAYBE,
    sent_name=MAYBE,
    seen_at=TIMES,
    accepted_at=st.none() | TIMES,
    attempts=st.lists(
        st.builds(Attempt, TIMES, st.none() | st.integers(100, 599), MAYBE, st.integers(0)), max_size=3
    ).map(tuple),
    answer=st.builds(
        Answer,
        st.integers(100, 599),
        MAYBE,
        st.none() | st.lists(TEXT).map(tuple),
        st.none() | st.lists(TEXT).map(tuple),
    ),
    error_source=st.none() | st.sampled_from(ErrorSource),
    remote=st.builds(
        Remote,
        MAYBE,
        MAYBE,
        st.lists(TEXT).map(tuple),
        st.lists(TEXT).map(tuple),
        MAYBE,
        MAYBE,
        st.dictionaries(TEXT, JSON),
        st.dictionaries(TEXT, JSON),
    ),
    possible_duplicate=st.booleans(),
    duplicate_of=MAYBE,
    supersedes=MAYBE,
    retries=st.none() | st.builds(Earlier, TEXT, st.binary(max_size=4), st.binary(max_size=4)),
    recovered=st.booleans(),
    warnings=st.lists(TEXT).map(tuple),
)


@settings(max_examples=60)
@given(FINAL, TIMES)
def test_every_sidecar_keeps_the_schema(made: Journey, filed_at: float) -> None:
    """Whatever a journey holds, its record is JSON in UTF-8 that keeps the schema and ends with a line break."""
    content = render(draw(made, filed_at))
    assert content.endswith(b"}\n")
    found = json.loads(content.decode())
    VALIDATOR.validate(found)
    assert [key for key in found if key in KEYS] == KEYS
    assert found["upload_id"] == made.upload_id
    assert found["file"]["size"] == made.stamp.size
