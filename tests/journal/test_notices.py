import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from hotfolder.journal import Change, Entry, Journal, JournalError, Reader
from hotfolder.journal.notices import HAPPENED
from hotfolder.model import Earlier, ErrorSource, State
from hotfolder.states import Event
from hotfolder.troubles import Arrived, Kind, Notice, Pending, Phase, Told, Trouble
from tests.builders import NOW, journey

TROUBLE = Trouble("queue q", Kind.QUEUE, ("q", "r"), "ü is wrong", "do", "well", NOW)
ROW = Pending(7, "it", Notice(Phase.BEGAN, TROUBLE, NOW))
TOLD = Told(TROUBLE, NOW, ("it",), returns=2)


@pytest.fixture
def journal(tmp_path):
    """Open a journal."""
    with closing(Journal(tmp_path)) as opened:
        yield opened


def test_what_is_written_is_read(journal):
    """Rows, memory, messages, arrivals and marks come back as they were, through another connection."""
    arrived = (
        Arrived("q", 400_000, 2, NOW),
        Arrived("q", 400_000, 3, NOW - 1),
        Arrived("r", 400_000, 0, NOW),
    )
    everything = Change((ROW,), (), (TOLD,), (), arrived, 12, ("it", NOW), "run-1")
    journal.tell(everything).result()
    reader = journal.reader
    assert reader.pending_notices() == [ROW]
    assert reader.told() == [TOLD]
    assert (reader.letters(NOW - 1), reader.letters(NOW)) == ([("it", NOW)], [])
    assert (reader.hours("q"), reader.hours("r")) == ({400_000: 5}, {})
    assert reader.last_arrivals() == {"q": NOW, "r": NOW}
    assert (reader.bookmark("arrow"), reader.bookmark("run"), reader.bookmark("x")) == ("12", "run-1", None)
    later = Pending(7, "it", ROW.notice, "letter", 3)
    journal.tell(Change(put=(later,), forget=("queue q",), running="")).result()
    assert (reader.pending_notices(), reader.told(), reader.bookmark("run")) == ([later], [], "")
    journal.tell(Change(drop=(7,))).result()
    assert reader.pending_notices() == []


def test_old_arrivals_and_messages_are_forgotten(journal):
    """Twelve weeks of hours and a day of messages are kept, so that nothing grows."""
    for hour in (1000, 1001, 1000 + 2017):
        journal.tell(Change(arrived=(Arrived("q", hour, 1, NOW),))).result()
    assert list(journal.reader.hours("q")) == [1001, 3017]
    for moment in (NOW, NOW + 86_401):
        journal.tell(Change(sent=("it", moment))).result()
    assert journal.reader.letters(0.0) == [("it", NOW + 86_401)]


def test_a_change_is_written_whole_or_not_at_all(journal, tmp_path):
    """Where one statement fails, none of the change stands, and whoever waits hears of it."""
    bad = Pending(8, "it", ROW.notice, times=2**70)
    with pytest.raises((JournalError, OverflowError)):
        journal.tell(Change(put=(ROW, bad), told=(TOLD,))).result()
    with closing(Reader(tmp_path)) as reader:
        assert (reader.pending_notices(), reader.told()) == ([], [])


def test_an_empty_change_is_none():
    """The loop writes only where something changed, and waits for the disk only where it matters."""
    assert not Change()
    assert not Change(read_to=5).matters
    assert Change(put=(ROW,)).matters
    assert Change(running="").matters


def test_what_happened_is_read_once(journal):
    """From one arrow on, claims and filings alone, with the document where it failed or came back."""
    good, bad = journey(queue="good"), journey(queue="bad")
    for one in (good, bad):
        journal.record(Entry(one, Event.CLAIM, NOW), None).result()
    refused = replace(bad, state=State.REFUSED, error_source=ErrorSource.LOCAL, reason="it is empty")
    journal.record(Entry(refused, Event.REFUSE, NOW + 1), State.CLAIMED).result()
    journal.record(Entry(replace(refused, state=State.FILED), Event.FILE, NOW + 2), State.REFUSED).result()
    sent = replace(good, state=State.DELIVERED, retries=Earlier("x", b"", b"y"))
    journal.record(Entry(sent, Event.DELIVER, NOW + 3), State.CLAIMED).result()
    journal.record(Entry(replace(sent, state=State.FILED), Event.FILE, NOW + 4), State.DELIVERED).result()
    reader = journal.reader
    until, found = reader.happened(0, 100)
    assert until == 6
    assert [(one.at, one.event, one.queue, one.journey and one.journey.queue) for one in found] == [
        (NOW, "claim", "good", None),
        (NOW, "claim", "bad", None),
        (NOW + 2, "file", "bad", "bad"),
        (NOW + 4, "file", "good", "good"),
    ]
    assert reader.happened(until, 100) == (6, [])
    assert [reader.happened(0, 3)[0], reader.happened(3, 3)[0], reader.happened(99, 3)[0]] == [3, 6, 6]


def test_reading_on_costs_what_is_new(journal, tmp_path):
    """The question goes by the number of the arrow: it looks at no document that is not new."""
    with closing(sqlite3.connect(tmp_path / "journal.sqlite3")) as plain:
        plan = [row[3] for row in plain.execute(f"EXPLAIN QUERY PLAN {HAPPENED}", (1, 2))]
    assert plan == [
        "SEARCH a USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
        "SEARCH d USING PRIMARY KEY (upload_id=?)",
    ]
