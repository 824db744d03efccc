"""What is wrong is told, and what is right is not: a proof that never fails proves nothing."""

import json
from collections import Counter
from pathlib import Path

import pytest

from hotfolder import spool
from hotfolder.claims import work_name
from hotfolder.filing import Filed, Order, file_all
from hotfolder.model import Attempt, State
from tests.builders import NOW, PDF, claimed, delivered, journey
from tests.guarantees.owner import digest
from tests.guarantees.proofs import Taken, always, at_rest, survey

SHA = digest(PDF)
DROPPED = Counter([SHA])


@pytest.fixture
def filed(folders: spool.Folders, drop_path: Path) -> str:
    """One document that rests in done/; returns its upload id."""
    made = claimed(folders, delivered(attempts=(Attempt(NOW, 202, None, 5),)))
    results = file_all(folders, [Order(made, str(drop_path / "done"), NOW)])
    assert isinstance(results[0], Filed)
    return made.upload_id


def test_what_is_right_is_right(filed: str, drop_path: Path) -> None:
    """A document in done/ that the service took once is no problem."""
    assert at_rest(survey(drop_path), DROPPED, [Taken(filed, SHA)], {}) == []


def test_a_lost_document_is_told(drop_path: Path) -> None:
    """What was dropped and is nowhere is lost."""
    assert always(survey(drop_path), DROPPED, []) == [f"lost: 1 of {SHA}"]


def test_a_document_without_sidecar_is_told(filed: str, drop_path: Path) -> None:
    """A document alone in an archive is a problem at every instant."""
    (drop_path / "done" / "scan.pdf.json").unlink()
    found = always(survey(drop_path), DROPPED, [Taken(filed, SHA)])
    assert ["without a valid sidecar" in one for one in found] == [True]


@pytest.mark.parametrize(
    ("key", "value"), [("outcome", "failed"), ("attempts", []), ("response", None), ("file", {"sha256": "0"})]
)
def test_an_untrue_sidecar_is_told(filed: str, drop_path: Path, key: str, value: object) -> None:
    """A sidecar that says something else than folders and journey is a problem."""
    path = drop_path / "done" / "scan.pdf.json"
    record = json.loads(path.read_text())
    record[key] = {**record[key], **value} if isinstance(value, dict) else value
    path.write_text(json.dumps(record))
    assert any("untrue" in one for one in always(survey(drop_path), DROPPED, [Taken(filed, SHA)]))


@pytest.mark.parametrize(
    ("taken", "problem"),
    [
        ([], "in done/ and not taken"),
        ([("mine", SHA), ("mine", SHA)], "taken twice"),
        ([("mine", SHA), ("other", SHA)], "taken oftener than claimed"),
        ([("mine", "0")], "taken with another content"),
    ],
)
def test_the_services_books_are_compared(filed: str, drop_path: Path, taken, problem: str) -> None:
    """What the service has must be what lies in done/, once each."""
    books = [Taken(filed if upload_id == "mine" else upload_id, sha256) for upload_id, sha256 in taken]
    assert any(problem in one for one in at_rest(survey(drop_path), DROPPED, books, {}))


def test_what_is_on_its_way_is_not_at_rest(folders: spool.Folders, drop_path: Path) -> None:
    """A claimed document is in one place, and has not come to rest."""
    made = claimed(folders, journey(state=State.SENDING))
    found = survey(drop_path)
    assert always(found, DROPPED, []) == []
    rest = at_rest(found, DROPPED, [], {made.upload_id: made})
    assert rest[0] == f"still in the work folder: {work_name(made)!r}"
    assert "is sending" in rest[1]


def test_what_is_left_behind_is_told(filed: str, drop_path: Path) -> None:
    """Temporary files, lone sidecars and second copies do not stay."""
    (drop_path / "done" / ".x.tmp").write_bytes(b"")
    (drop_path / "done" / "gone.pdf.json").write_bytes(b"{}")
    (drop_path / "again.pdf").write_bytes(PDF)
    found = at_rest(survey(drop_path), DROPPED, [Taken(filed, SHA)], {})
    assert len([one for one in found if "left behind" in one or "without its document" in one]) == 2
    assert any("in two places" in one for one in found)
