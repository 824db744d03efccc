"""What the journal and its disk hold, for a scrape."""

from pathlib import Path

import pytest

from hotfolder.journal import Entry, Journal, JournalError
from hotfolder.model import State
from hotfolder.service.showing import stored
from hotfolder.states import Event
from tests.builders import NOW, delivered


def test_what_is_stored(journal: Journal, tmp_path: Path) -> None:
    """Tallies by queue and outcome, sizes in bytes, read beside the daemon's own connection."""
    assert stored(tmp_path / "state").filed == {}
    for queue in ("a", "a", "b"):
        made = delivered(queue=queue)
        journal.record(Entry(made, Event.DELIVER, NOW), None).result(20)
        filed = delivered(queue=queue, upload_id=made.upload_id, state=State.FILED, filed_at=NOW)
        journal.record(Entry(filed, Event.FILE, NOW), State.DELIVERED).result(20)
    found = stored(tmp_path / "state")
    assert found.filed == {("a", "done"): 2, ("b", "done"): 1}
    assert found.rejected == {}
    assert found.journal_bytes
    assert found.journal_bytes > 4096
    assert found.free_bytes


def test_a_journal_that_is_not_there(tmp_path: Path) -> None:
    """It is said, and nothing is made."""
    with pytest.raises(JournalError):
        stored(tmp_path)
    assert list(tmp_path.iterdir()) == []
