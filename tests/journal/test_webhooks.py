"""What services tell by themselves, as the journal keeps it."""

import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

from hotfolder.journal import Entry, Journal
from hotfolder.journal.reader import FILE_NAME
from hotfolder.journal.rows import dump
from hotfolder.journal.schema import _migrations
from hotfolder.model import Answer, Journey, State
from hotfolder.news import News
from hotfolder.states import Event
from tests.builders import NOW, delivered, journey


def news(document_id: str = "d1", status: str = "exported", **changes: Any) -> News:
    """Make what was told of a document."""
    facts = {"event": "changed", "queue_id": "q7", "body": '{"a": 1}', "received_at": NOW, "last_at": NOW}
    return News("acme", f"{document_id} {status}", document_id, status, **{**facts, **changes})


def rest(journal: Journal, document_id: str = "d1", **changes: Any) -> Journey:
    """Write the rows of a document that the service knows by an id, and that is filed."""
    answer = Answer(202, document_ids=(document_id,))
    made = delivered(answer=answer, **changes)
    journal.record(Entry(made, Event.DELIVER, NOW), State.SENDING).result(20)
    filed = replace(made, state=State.FILED, filed_name=made.name)
    journal.record(Entry(filed, Event.FILE, NOW), State.DELIVERED).result(20)
    return filed


def test_what_is_told_twice_is_one_row(journal: Journal) -> None:
    """Its number grows and its last moment moves on, also where the repeats come in another order."""
    for late in (2.0, 5.0, 3.0):
        journal.hear(news(received_at=NOW + late, last_at=NOW + late)).result(20)
    [found] = journal.reader.newest_orphans("acme", 10)
    assert (found.times, found.received_at, found.last_at) == (3, NOW + 2, NOW + 5)
    assert replace(found, times=1, number=0, received_at=NOW, last_at=NOW) == news()
    assert journal.reader.orphans() == {"acme": 1}
    assert journal.reader.newest_orphans("other", 10) == []


def test_it_belongs_to_the_document_of_that_id(journal: Journal) -> None:
    """Whichever comes first; another connection's document of the same id is another one."""
    journal.hear(news()).result(20)
    rest(journal, connection="other")
    assert journal.reader.orphans() == {"acme": 1}
    mine = rest(journal)
    assert journal.reader.orphans() == {}
    journal.hear(news(status="later")).result(20)
    found = journal.reader.unwritten_news("invoices", 10)
    assert [(told.status, of.upload_id) for of, told in found] == [
        ("exported", mine.upload_id),
        ("later", mine.upload_id),
    ]
    assert journal.reader.unwritten_news("receipts", 10) == []


def test_a_document_that_was_filed_unsent_does_not_take_its_firsts(journal: Journal) -> None:
    """A duplicate carries the ids of the first, which is the one that the service speaks of."""
    first = rest(journal)
    rest(journal, duplicate_of=first.upload_id)
    journal.hear(news()).result(20)
    [(of, _)] = journal.reader.unwritten_news("invoices", 10)
    assert of.upload_id == first.upload_id


def test_what_is_written_is_remembered(journal: Journal) -> None:
    """It waits no longer, until it is told again; then it is no news to people."""
    rest(journal)
    journal.hear(news()).result(20)
    [(_, told)] = journal.reader.unwritten_news("invoices", 10)
    assert told.fresh
    journal.note_written(told).result(20)
    assert journal.reader.unwritten_news("invoices", 10) == []
    journal.hear(news()).result(20)
    [(_, again)] = journal.reader.unwritten_news("invoices", 10)
    assert (again.times, again.fresh) == (2, False)


def test_documents_under_way_wait_for_their_sidecar(journal: Journal) -> None:
    """What is told of a document that is delivered and not filed yet is no orphan, and not written yet."""
    made = journey(state=State.DELIVERED, answer=Answer(202, document_ids=("d1",)))
    journal.record(Entry(made, Event.DELIVER, NOW), State.SENDING).result(20)
    journal.hear(news()).result(20)
    assert journal.reader.unwritten_news("invoices", 10) == []
    assert journal.reader.orphans() == {}


def test_old_news_is_forgotten(journal: Journal) -> None:
    """What waits to be written stays; of the orphans the newest stay."""
    rest(journal)
    journal.hear(news()).result(20)
    for number in range(5):
        journal.hear(news(f"stranger-{number}", last_at=NOW + number)).result(20)
    journal.forget_news(NOW + 1.5, 2).result(20)
    assert {o.document_id for o in journal.reader.newest_orphans("acme", 9)} == {"stranger-3", "stranger-4"}
    [(_, told)] = journal.reader.unwritten_news("invoices", 10)
    journal.note_written(told).result(20)
    journal.forget_news(NOW + 1.5, 2).result(20)
    journal.hear(news()).result(20)
    [(_, again)] = journal.reader.unwritten_news("invoices", 10)
    assert (again.times, again.fresh) == (1, True), "it was forgotten"


def test_rejections_are_counted_once_a_document(journal: Journal) -> None:
    """However often and in how many words the service rejects it."""
    rest(journal)
    rest(journal, "d2")
    for status in ("rejected", "deleted"):
        journal.hear(news(status=status, rejected=True)).result(20)
    journal.hear(news("d2")).result(20)
    journal.hear(news("stranger", rejected=True)).result(20)
    assert journal.reader.rejected_later() == {"invoices": 1}


def test_documents_of_an_older_journal_are_known(tmp_path: Path) -> None:
    """Their ids are read from their rows when the journal is brought to this schema."""
    database = sqlite3.connect(tmp_path / FILE_NAME)
    for _, script in _migrations()[:2]:
        database.executescript(script)
    old = replace(delivered(answer=Answer(202, document_ids=("d1", "d2"))), state=State.FILED)
    database.execute(
        "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (old.upload_id, old.queue, old.connection, b"", old.name, "filed", NOW, dump(old), old.sha256),
    )
    unknown = replace(delivered(answer=None), state=State.CLAIMED)
    database.execute(
        "INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (unknown.upload_id, "q", "acme", b"", b"x", "claimed", NOW, dump(unknown), unknown.sha256),
    )
    database.execute(f"PRAGMA application_id = {int.from_bytes(b'hotf')}")
    database.execute("PRAGMA user_version = 2")
    database.commit()
    database.close()
    journal = Journal(tmp_path)
    journal.hear(news("d2")).result(20)
    [(of, _)] = journal.reader.unwritten_news("invoices", 10)
    assert of.upload_id == old.upload_id
    journal.close()
