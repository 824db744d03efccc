"""What the journal knows of documents at rest, for `retain`."""

import pytest

from hotfolder.journal import Entry, Journal
from hotfolder.journal.reader import _NEWEST_FAILED, _RESTING
from hotfolder.model import ErrorSource, Journey, State
from hotfolder.states import Event
from tests.builders import DEADLINE_S, NOW, delivered

FIRST = (0.0, "")


def filed(journal: Journal, at: float, **changes: object) -> Journey:
    """Write the row of a document that was filed at a moment."""
    made = delivered(**{"state": State.FILED, "filed_at": at, **changes})
    journal.record(Entry(made, Event.FILE, at), None).result(DEADLINE_S)
    return made


def ids(found: list[tuple[float, Journey]]) -> list[str]:
    """Return the upload ids."""
    return [made.upload_id for _, made in found]


def test_what_was_filed_up_to_a_moment(journal: Journal) -> None:
    """One queue's documents of one archive, the oldest first, a few at a time."""
    late = filed(journal, NOW + 2)
    early, twin = filed(journal, NOW + 1), filed(journal, NOW + 1)
    bad = filed(journal, NOW, error_source=ErrorSource.SERVER)
    filed(journal, NOW, queue="orders")
    journal.record(Entry(delivered(), Event.DELIVER, NOW), None).result(DEADLINE_S)
    reader = journal.reader
    assert ids(reader.resting("invoices", "done", NOW + 2, FIRST, 9)) == [
        early.upload_id,
        twin.upload_id,
        late.upload_id,
    ]
    assert ids(reader.resting("invoices", "done", NOW + 1, FIRST, 9)) == [early.upload_id, twin.upload_id]
    assert ids(reader.resting("invoices", "failed", NOW + 2, FIRST, 9)) == [bad.upload_id]
    ((moment, one),) = reader.resting("invoices", "done", NOW + 2, FIRST, 1)
    assert ids(reader.resting("invoices", "done", NOW + 2, (moment, one.upload_id), 9)) == [
        twin.upload_id,
        late.upload_id,
    ]


def test_what_was_removed_is_remembered_and_not_told_again(journal: Journal) -> None:
    """A document that went is known with the moment and the manner, and its row stays for its content's sake."""
    made, other = filed(journal, NOW), filed(journal, NOW)
    journal.retire(made.upload_id, NOW + 5, "removed").result(DEADLINE_S)
    assert journal.reader.retired(made.upload_id) == (NOW + 5, "removed")
    assert journal.reader.retired(other.upload_id) is journal.reader.retired("nothing") is None
    assert ids(journal.reader.resting("invoices", "done", NOW, FIRST, 9)) == [other.upload_id]
    assert made in journal.reader.of_content("invoices", made.sha256 or "")


def test_when_the_archives_were_looked_through(journal: Journal) -> None:
    """The last moment of each queue is remembered."""
    assert journal.reader.looked_through("invoices") is None
    for at in (NOW, NOW + 1):
        journal.looked_through("invoices", at).result(DEADLINE_S)
    assert journal.reader.looked_through("invoices") == NOW + 1
    assert journal.reader.looked_through("orders") is None


@pytest.mark.parametrize("area", ["done", "failed"])
def test_asking_reads_no_more_than_the_answer(area: str, journal: Journal) -> None:
    """However many documents were removed or rest in the other archive, an index leads to those that are due."""
    plan = journal.reader._rows(
        "EXPLAIN QUERY PLAN " + _RESTING,
        ("invoices", area == "done", NOW, *FIRST, 9),
    )
    said = " ".join(row[-1] for row in plan)
    assert "documents_resting (queue=? AND <expr>=? AND" in said
    assert "TEMP B-TREE" not in said


def test_the_newest_that_failed(journal: Journal) -> None:
    """They come without those that were delivered, or removed, and by an index."""
    made = [
        filed(journal, NOW, error_source=source)
        for source in (None, ErrorSource.LOCAL, ErrorSource.SERVER) * 2
    ]
    failed = [one.upload_id for one in made if one.error_source]
    journal.retire(failed[-1], NOW, "removed").result(DEADLINE_S)
    assert {one.upload_id for one in journal.reader.newest_failed("invoices", 9)} == set(failed[:-1])
    assert len(journal.reader.newest_failed("invoices", 2)) == 2
    assert journal.reader.newest_failed("orders", 9) == []
    plan = journal.reader._rows("EXPLAIN QUERY PLAN " + _NEWEST_FAILED, ("invoices", 9))
    said = " ".join(row[-1] for row in plan)
    assert "documents_resting (queue=? AND <expr>=?" in said
    assert "TEMP B-TREE" not in said
