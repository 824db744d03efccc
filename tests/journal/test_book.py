"""Writing arrows in group commits, and reading them."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import Future, wait
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfolder.checks.foreign import MOST_LEVELS, nests_too_deeply
from hotfolder.journal import DamagedError, Entry, Journal, JournalError, Reader
from hotfolder.journal.reader import FILE_NAME
from hotfolder.journal.rows import dump, load
from hotfolder.model import Answer, Attempt, Earlier, ErrorSource, Ground, Journey, Own, Remote, Stamp, State
from hotfolder.states import Event, ForbiddenArrowError
from tests.builders import DEADLINE_S, NOW, delivered, journey


def record(
    journal: Journal, made: Journey, event: Event = Event.CLAIM, before: State | None = None
) -> Future[None]:
    """Write one arrow."""
    return journal.record(Entry(made, event, NOW), before)


def claim(journal: Journal, **changes: object) -> Journey:
    """Write the claim of a new journey and wait for it."""
    made = journey(**changes)
    record(journal, made).result(DEADLINE_S)
    return made


def test_what_was_written_can_be_read(journal: Journal) -> None:
    """A journey comes back as it was, by id and by the name under which it was dropped."""
    made = claim(journal, name=b"\xff\n.pdf", folder=b"sub/\xfe")
    assert journal.reader.find(made.upload_id) == made
    assert journal.reader.last("invoices", b"sub/\xfe", b"\xff\n.pdf") == made
    assert journal.reader.last("invoices", b"", b"\xff\n.pdf") is None
    assert journal.reader.find("nothing") is None
    assert journal.reader.unfinished() == [made]
    assert journal.reader.states() == {("invoices", "claimed"): 1}


def test_the_newest_of_a_name_is_found(journal: Journal) -> None:
    """Of several documents that were dropped under one name, the last is told of."""
    made = [claim(journal) for _ in range(3)]
    assert journal.reader.last("invoices", b"", b"scan.pdf") == made[-1]


def test_documents_of_one_content_are_found(journal: Journal) -> None:
    """The newest first, as many as were asked for, of one queue, and none that was put back."""
    made = [claim(journal, sha256="a" * 64) for _ in range(3)]
    claim(journal, sha256="b" * 64)
    claim(journal, sha256="a" * 64, queue="another")
    back = claim(journal, sha256="a" * 64)
    record(journal, replace(back, state=State.RETURNED), Event.RETURN, State.CLAIMED).result()
    assert journal.reader.of_content("invoices", "a" * 64) == made[::-1]
    assert journal.reader.of_content("invoices", "a" * 64, 2) == made[:0:-1]


def test_the_document_before_one_of_its_name_is_found(journal: Journal) -> None:
    """The newest other one of queue, folder and name that was not put back."""
    claim(journal)
    before = claim(journal)
    back = claim(journal)
    record(journal, replace(back, state=State.RETURNED), Event.RETURN, State.CLAIMED).result()
    claim(journal, folder=b"sub")
    claim(journal, name=b"other.pdf")
    assert journal.reader.namesake(claim(journal)) == before
    assert journal.reader.namesake(journey(name=b"new.pdf")) is None


def test_a_journey_leaves_its_history(journal: Journal) -> None:
    """Every arrow is a row; a filed document is counted and is no longer open."""
    made = claim(journal)
    sending = replace(made, state=State.SENDING)
    done = replace(sending, state=State.DELIVERED, answer=Answer(202, document_ids=("1",)))
    filed = replace(done, state=State.FILED)
    record(journal, sending, Event.SEND, State.CLAIMED)
    record(journal, done, Event.DELIVER, State.SENDING)
    record(journal, filed, Event.FILE, State.DELIVERED).result(DEADLINE_S)
    assert [(e, s) for _, e, s, _ in journal.reader.arrows(made.upload_id)] == [
        ("claim", "claimed"),
        ("send", "sending"),
        ("deliver", "delivered"),
        ("file", "filed"),
    ]
    assert journal.reader.unfinished() == []
    assert journal.reader.tallies() == {("invoices", "done"): 1}


def test_failures_are_counted_apart(journal: Journal) -> None:
    """A document with an error source counts as failed."""
    made = delivered(state=State.FILED, error_source=ErrorSource.SERVER)
    record(journal, made, Event.FILE, State.REFUSED).result(DEADLINE_S)
    assert journal.reader.tallies() == {("invoices", "failed"): 1}


def test_a_forbidden_arrow_is_not_written(journal: Journal) -> None:
    """What the table of states does not know, and what does not lead where it says, is refused at once."""
    with pytest.raises(ForbiddenArrowError):
        record(journal, journey(state=State.SENDING), Event.SEND, State.FILED)
    with pytest.raises(AssertionError, match="does not lead to"):
        record(journal, journey(state=State.SENDING), Event.CLAIM, None)
    assert journal.reader.unfinished() == []


def test_settle_windows_are_remembered(journal: Journal) -> None:
    """The last window of each queue is kept."""
    journal.settle("invoices", 2.0)
    journal.settle("orders", 3.0)
    journal.settle("invoices", 4.5).result(DEADLINE_S)
    assert journal.reader.settling() == {"invoices": 4.5, "orders": 3.0}


def test_a_row_that_cannot_be_read_is_damage(tmp_path: Path) -> None:
    """A database that is sound and holds nonsense in an open row is damaged as well."""
    journal = Journal(tmp_path)
    claim(journal)
    journal.close()
    with sqlite3.connect(tmp_path / FILE_NAME) as connection:
        connection.execute("UPDATE documents SET journey = '{}'")
    connection.close()
    with pytest.raises(DamagedError):
        Journal(tmp_path)


def test_what_is_no_arrow_is_remembered(journal: Journal) -> None:
    """Runs, pauses, grounds and contents come back; numbers of 64 bits without sign too."""
    journal.begin_run("one", NOW)
    journal.begin_run("one", NOW)
    journal.pause("invoices", NOW, "by hand")
    journal.pause("orders", NOW, "by hand")
    ground = Ground("/srv", "cifs", 2**64 - 1, 2**64 - 2)
    journal.note_ground("/srv/in", Ground("/", "ext4", 1, 2))
    journal.note_ground("/srv/in", ground)
    journal.note_ground("/srv/out", ground)
    journal.forget_ground("/srv/out")
    made = [claim(journal, sha256="aa") for _ in range(2)]
    claim(journal, sha256="bb")
    journal.resume("orders").result(DEADLINE_S)
    reader = journal.reader
    assert (reader.knows_run("one"), reader.knows_run("two")) == (True, False)
    assert reader.pauses() == {"invoices": (NOW, "by hand")}
    assert reader.grounds() == {"/srv/in": ground}
    assert reader.of_content("invoices", "aa") == made[::-1]
    assert reader.of_content("orders", "aa") == []


# Durability --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "event", "before", "level"),
    [
        (State.CLAIMED, Event.CLAIM, None, "NORMAL"),
        (State.SENDING, Event.SEND, State.CLAIMED, "FULL"),
        (State.UNCERTAIN, Event.DOUBT, State.SENDING, "FULL"),
        (State.FILED, Event.FILE, State.DELIVERED, "NORMAL"),
    ],
)
def test_a_row_is_committed_before_it_is_reported(
    state: State, event: Event, before: State | None, level: str, journal: Journal, tmp_path: Path
) -> None:
    """When the future is done the row is in the database, synced first where the table of states says so."""
    said: list[str] = []
    journal._writer.set_trace_callback(said.append)
    reader = Reader(tmp_path / "state")
    made, found = journey(state=state), []
    future = record(journal, made, event, before)
    future.add_done_callback(lambda _: found.append(reader.find(made.upload_id)))
    future.result(DEADLINE_S)
    journal.close()
    assert found == [made]
    assert said[:2] == [f"PRAGMA synchronous = {level}", "BEGIN IMMEDIATE"]
    assert said[-1] == "COMMIT"
    reader.close()


def test_what_comes_together_is_committed_together(journal: Journal, tmp_path: Path) -> None:
    """Rows that wait while the disk is busy share the next commits, in order, and none is lost."""
    said: list[str] = []
    journal._writer.set_trace_callback(said.append)
    other = sqlite3.connect(tmp_path / "state" / FILE_NAME, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    made = [journey() for _ in range(200)]
    futures = [record(journal, one) for one in made]
    assert not any(f.done() for f in futures[1:])
    other.execute("ROLLBACK")
    other.close()
    assert not wait(futures, DEADLINE_S).not_done
    assert said.count("COMMIT") <= 3
    assert journal.reader.unfinished() == made


def test_many_threads_write(journal: Journal) -> None:
    """Rows of several threads at once all arrive."""
    made = [[journey() for _ in range(50)] for _ in range(4)]

    def work(mine: list[Journey]) -> None:
        for one in mine:
            record(journal, one).result(DEADLINE_S)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {j.upload_id for j in journal.reader.unfinished()} == {j.upload_id for mine in made for j in mine}


WRITER = """
import sys
from dataclasses import replace
from pathlib import Path
from hotfolder.journal import Entry, Journal
from hotfolder.model import State
from hotfolder.states import Event
from tests.builders import NOW, journey

journal = Journal(Path(sys.argv[1]))
while True:
    made = [journey() for _ in range(20)]
    futures = [journal.record(Entry(one, Event.CLAIM, NOW), None) for one in made]
    futures += [
        journal.record(Entry(replace(one, state=State.SENDING), Event.SEND, NOW), State.CLAIMED) for one in made
    ]
    for future in futures:
        future.result()
    print(*(one.upload_id for one in made), flush=True)
"""


def test_a_killed_daemon_has_written_what_it_reported(tmp_path: Path) -> None:
    """After kill -9 in the middle of writing, every row that was reported as committed is there."""
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    root = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=root) as writer:
        assert writer.stdout is not None
        reported = [writer.stdout.readline() for _ in range(5)]
        os.kill(writer.pid, signal.SIGKILL)
        reported += [line for line in writer.stdout if line.endswith("\n")]
    journal = Journal(tmp_path)
    found = {j.upload_id: j.state for j in journal.reader.unfinished()}
    ids = " ".join(reported).split()
    assert len(ids) >= 100
    assert {found.get(i) for i in ids} == {State.SENDING}
    assert journal._writer.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    journal.close()


def test_a_reader_reads_beside_the_writer(journal: Journal, tmp_path: Path) -> None:
    """Another process's reader sees each commit and cannot write."""
    reader = Reader(tmp_path / "state")
    made = claim(journal)
    assert reader.find(made.upload_id) == made
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._connection.execute("DELETE FROM documents")
    reader.close()


def test_closing_writes_what_is_pending(tmp_path: Path) -> None:
    """What was asked for before the end is written before the end."""
    journal = Journal(tmp_path)
    futures = [record(journal, journey()) for _ in range(100)]
    journal.close()
    assert all(f.done() and f.exception() is None for f in futures)
    reader = Reader(tmp_path)
    assert len(reader.unfinished()) == 100
    reader.close()


# Trouble -----------------------------------------------------------------------------------------


def test_whoever_stops_waiting_stops_nothing(journal: Journal) -> None:
    """A step that is cancelled while its row is being written takes neither the row nor the journal with it."""
    made = journey()
    future = record(journal, made)
    assert not future.cancel()
    claim(journal)
    assert journal.reader.find(made.upload_id) == made


def test_a_full_disk_is_reported_and_overcome(journal: Journal) -> None:
    """A row that finds no space fails as an OSError, is not there by half, and can be written later."""
    pages = journal._writer.execute("PRAGMA page_count").fetchone()[0]
    journal._writer.execute(f"PRAGMA max_page_count = {pages}")
    large = journey(warnings=("x" * 100_000,))
    with pytest.raises(JournalError, match="full"):
        record(journal, large).result(DEADLINE_S)
    assert journal.reader.find(large.upload_id) is None
    assert journal.reader.arrows(large.upload_id) == []
    journal._writer.execute("PRAGMA max_page_count = 100000")
    record(journal, large).result(DEADLINE_S)
    assert journal.reader.find(large.upload_id) == large


def test_text_that_utf_8_cannot_hold_is_written_all_the_same(journal: Journal) -> None:
    """A lone surrogate in a service's words costs neither the row nor the journal."""
    links = {"a": ["\ud800"], "b": {"\ud800": {"\udfff": None}}}
    claim(journal, reason="a\ud800b", remote=Remote(status="\udfff", links=links))
    found = journal.reader.unfinished()
    assert [j.reason for j in found] == ["a\\ud800b"]
    assert found[0].remote.status == "\\udfff"


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
MAYBE = st.none() | TEXT
NUMBERS = st.integers(0, 2**62)
JOURNEYS = st.builds(
    journey,
    folder=st.binary(max_size=8),
    name=st.binary(max_size=20),
    stamp=st.builds(Stamp, NUMBERS, NUMBERS, NUMBERS, st.integers(-(2**62), 2**62), NUMBERS),
    state=st.sampled_from(State),
    sent_name=MAYBE,
    filed_name=st.none() | st.binary(max_size=20),
    attempts=st.lists(st.builds(Attempt, st.floats(0, 1e10), st.none() | st.just(503), MAYBE, NUMBERS)).map(
        tuple
    ),
    answer=st.none() | st.builds(Answer, st.integers(100, 599), MAYBE, st.none() | st.tuples(TEXT)),
    error_source=st.none() | st.sampled_from(ErrorSource),
    remote=st.builds(Remote, MAYBE, MAYBE, st.tuples(TEXT), links=st.dictionaries(TEXT, st.lists(TEXT))),
    held=st.booleans(),
    retries=st.none() | st.builds(Earlier, TEXT, st.binary(max_size=4), st.binary(max_size=4)),
    repeat=st.booleans(),
    not_before=st.floats(0, 1e10),
    warnings=st.lists(TEXT).map(tuple),
)


@given(JOURNEYS)
def test_every_journey_survives_the_journal(made: Journey) -> None:
    """Whatever a journey holds, it is read as it was written."""
    assert load(dump(made)) == made


def test_a_journey_with_the_deepest_of_what_others_write_is_read_again() -> None:
    """A companion and a service's objects that are just taken do not make a row that nothing can read."""
    deep: object = None
    for _ in range(MOST_LEVELS - 1):
        deep = [deep]
    whole = {"metadata": deep}
    assert not nests_too_deeply(whole)
    made = journey(own=Own(metadata=whole), remote=Remote(objects={"task": whole}))
    assert load(dump(made)) == made


def test_the_ids_of_other_documents_are_known(journal: Journal) -> None:
    """Those of the same connection, to the first that had it; a document's own is nobody else's."""
    made = [delivered(answer=Answer(200, document_ids=(str(n),))) for n in range(3)]
    strangers = delivered(connection="other", answer=Answer(200, document_ids=("9",)))
    for one in (*made, strangers, journey()):
        first = replace(one, state=State.CLAIMED)
        sending = replace(one, state=State.SENDING)
        journal.record(Entry(first, Event.CLAIM, NOW), None).result()
        if one.state is State.DELIVERED:
            journal.record(Entry(sending, Event.SEND, NOW), State.CLAIMED).result()
            journal.record(Entry(one, Event.DELIVER, NOW), State.SENDING).result()

    def others(but: str) -> set[str]:
        return {n for n in ("0", "1", "2", "9", "") if journal.reader.is_anothers("acme", but, n)}

    assert others(made[2].upload_id) == {"0", "1"}
    assert others("") == {"0", "1", "2"}


def test_everything_of_one_moment(journal: Journal) -> None:
    """All documents come with their whole histories, those at rest too."""
    made = journey()
    journal.record(Entry(made, Event.CLAIM, NOW), None).result()
    journal.record(Entry(replace(made, state=State.RETURNED), Event.RETURN, NOW), made.state).result()
    other = journey()
    journal.record(Entry(other, Event.CLAIM, NOW), None).result()
    journeys, history = journal.reader.everything()
    assert [(j.upload_id, j.state) for j in journeys] == [
        (made.upload_id, State.RETURNED),
        (other.upload_id, State.CLAIMED),
    ]
    assert history[made.upload_id] == [("claim", "claimed"), ("return", "returned")]
    assert history[other.upload_id] == [("claim", "claimed")]


def test_questions_of_other_threads_end_with_the_journal(journal: Journal) -> None:
    """Closing it under them ends no process: whoever asks then, or later, is told that it is closed."""
    for _ in range(200):
        claim(journal)
    told: list[str] = []
    asking = threading.Barrier(4)

    def ask_for_ever() -> None:
        asking.wait(DEADLINE_S)
        try:
            while True:
                journal.reader.unfinished()
        except JournalError as problem:
            told.append(str(problem))

    threads = [threading.Thread(target=ask_for_ever, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    asking.wait(DEADLINE_S)
    journal.close()
    for thread in threads:
        thread.join(DEADLINE_S)
    assert told == ["the journal is closed"] * 3
