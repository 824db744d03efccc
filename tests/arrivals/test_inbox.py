"""What an inbox says to look at, and what it holds to be ready."""

from dataclasses import replace

from hotfolder.arrivals.inbox import Inbox
from hotfolder.arrivals.scan import Seen
from hotfolder.checks.names import IgnoreRules
from hotfolder.checks.readiness import SHORT, Kind, Rules, Unfit
from hotfolder.model import Stamp
from tests.builders import NOW, STAMP, facts

RULES = Rules(frozenset(SHORT), min_bytes=1, max_bytes=None, patience_s=900.0)
KEY = (b"", b"scan.pdf")


def inbox(settle_s: float = 1.0, *, recursive: bool = False) -> Inbox:
    """Make an empty inbox."""
    return Inbox(RULES, IgnoreRules(("draft*",)), settle_s=settle_s, settle_max_s=120.0, recursive=recursive)


def seen(version: int = 0, name: bytes = b"scan.pdf", kind: Kind = Kind.FILE, folder: bytes = b"") -> Seen:
    """Make a sight of an entry; another version is larger and later."""
    return Seen(folder, name, kind, stamp(version))


def stamp(version: int) -> Stamp:
    """Make the stamp of a version."""
    return replace(STAMP, size=STAMP.size + version, mtime_ns=version)


def whole(version: int = 0) -> object:
    """Make the facts of a whole document of a version."""
    return facts(stamp=stamp(version))


def test_a_file_is_looked_at_when_it_has_been_quiet() -> None:
    """A file is not looked at before its settle window has passed, and is then."""
    box = inbox()
    box.observe(seen(), 100.0, NOW)
    assert box.due(100.99) == []
    assert box.next_due() == 101.0
    assert box.due(101.0) == [KEY]


def test_a_change_starts_the_window_anew() -> None:
    """Every change of the file starts its quiet anew, whatever its time stamps say."""
    box = inbox()
    box.observe(seen(0), 100.0, NOW)
    box.observe(seen(1), 100.9, NOW)
    assert box.due(101.5) == []
    assert box.due(101.9) == [KEY]


def test_the_wall_clock_has_no_say() -> None:
    """Clocks that jump, on this machine or on the writer's, change nothing."""
    box = inbox()
    box.observe(seen(), 100.0, NOW)
    box.observe(seen(), 100.5, NOW + 1e9)
    assert box.due(100.9) == []
    assert box.due(101.0) == [KEY]
    box.examined(KEY, whole(), 101.0, NOW - 1e9)
    assert box.take() is not None


def test_no_window_means_at_once() -> None:
    """With `settle: 0s` a whole file is ready in the moment it is seen."""
    box = inbox(0.0)
    box.observe(seen(), 100.0, NOW)
    assert box.due(100.0) == [KEY]


def test_what_changed_before_the_look_is_not_ready() -> None:
    """A look that finds another version than the one that was seen starts the quiet anew."""
    box = inbox()
    box.observe(seen(0), 100.0, NOW)
    assert box.due(101.0) == [KEY]
    box.examined(KEY, whole(7), 101.0, NOW)
    assert box.take() is None
    assert box.due(101.9) == []
    assert box.due(102.0) == [KEY]
    box.examined(KEY, whole(7), 102.0, NOW)
    taken = box.take()
    assert taken is not None
    assert taken.stamp == stamp(7)
    assert taken.quiet_since == 101.0


def test_a_grown_window_holds_for_files_that_wait_already() -> None:
    """A look that was planned with a shorter window than the present one is put off."""
    box = inbox()
    box.observe(seen(), 100.0, NOW)
    assert box.learn(5.0)
    assert box.due(101.0) == [KEY]
    box.examined(KEY, whole(), 101.0, NOW)
    assert box.take() is None
    assert box.next_due() == 110.0
    assert box.due(110.0) == [KEY]
    box.examined(KEY, whole(), 110.0, NOW)
    assert box.take() is not None


def test_a_writer_that_comes_back_teaches() -> None:
    """A writer that closed a file and wrote on after a pause makes the window twice that pause."""
    box = inbox()
    assert not box.observe(seen(0), 100.0, NOW)
    box.closed(KEY, 100.0)
    assert box.observe(seen(1), 103.0, NOW)
    assert box.window_s == 6.0


def test_what_does_not_teach() -> None:
    """A writer that never closed the file, new metadata, and the first bytes of an empty file teach nothing."""
    box = inbox()
    box.observe(seen(0), 100.0, NOW)
    assert not box.observe(seen(1), 103.0, NOW)
    box.closed(KEY, 103.0)
    assert not box.observe(Seen(*KEY, Kind.FILE, replace(stamp(1), ctime_ns=99)), 109.0, NOW)
    empty = replace(STAMP, size=0)
    box.observe(Seen(b"", b"empty.pdf", Kind.FILE, empty), 100.0, NOW)
    box.closed((b"", b"empty.pdf"), 100.0)
    assert not box.observe(Seen(b"", b"empty.pdf", Kind.FILE, STAMP), 110.0, NOW)
    assert box.window_s == 1.0


def test_learning_has_a_ceiling() -> None:
    """However long a writer pauses, the window does not pass `settle_max`."""
    box = inbox()
    assert box.learn(1e6)
    assert box.window_s == 120.0
    assert not box.learn(1e7)


def test_ignored_entries_are_known_and_never_looked_at() -> None:
    """Litter, a queue's own globs, links, pipes and folders are counted with their rule, and never opened."""
    box = inbox()
    box.observe(seen(name=b"scan.tmp"), 0.0, NOW)
    box.observe(seen(name=b"Draft.pdf"), 0.0, NOW)
    box.observe(seen(name=b"link.pdf", kind=Kind.SYMLINK), 0.0, NOW)
    box.observe(seen(name=b"pipe.pdf", kind=Kind.OTHER), 0.0, NOW)
    box.observe(seen(name=b"folder", kind=Kind.FOLDER), 0.0, NOW)
    assert box.due(1e9) == []
    assert box.counts() == {"ignored": 5}
    assert all(entry.rule == entry.reason for entry in box.entries.values())
    assert box.oldest() is None


def test_folders_of_a_recursive_queue_are_no_entries() -> None:
    """Where subfolders are taken too, they are neither waiting nor ignored, unless their name is litter."""
    box = inbox(recursive=True)
    box.observe(seen(name=b"sub", kind=Kind.FOLDER), 0.0, NOW)
    box.observe(seen(name=b"@eaDir", kind=Kind.FOLDER), 0.0, NOW)
    assert box.counts() == {"ignored": 1}


def test_a_scan_forgets_what_it_did_not_mention() -> None:
    """What a scan does not mention is gone, ready or not; what cannot be looked at stays."""
    box = inbox(0.0)
    for name in (b"gone.pdf", b"stays.pdf", b"hidden-from-us.pdf"):
        box.observe(seen(name=name), 0.0, NOW)
    for key in box.due(0.0):
        box.examined(key, whole(), 0.0, NOW)
    box.begin_scan()
    box.observe(seen(name=b"stays.pdf"), 1.0, NOW)
    box.unseen((b"", b"hidden-from-us.pdf"), "Permission denied", 0.0, 0.0)
    box.end_scan()
    assert set(box.entries) == {(b"", b"stays.pdf"), (b"", b"hidden-from-us.pdf")}
    assert [a.name for a in box.ready] == [b"hidden-from-us.pdf", b"stays.pdf"]
    assert "Permission denied" in box.entries[b"", b"hidden-from-us.pdf"].reason


def test_what_changes_while_it_is_ready_waits_again() -> None:
    """A document that changes after it was found ready is not handed over in its old version."""
    box = inbox()
    box.observe(seen(0), 0.0, NOW)
    assert box.due(1.0) == [KEY]
    box.examined(KEY, whole(0), 1.0, NOW)
    box.observe(seen(1), 2.0, NOW)
    assert box.take() is None
    assert box.due(3.0) == [KEY]


def test_documents_are_handed_over_in_the_order_of_readiness() -> None:
    """The document that has been ready longest goes first."""
    box = inbox(0.0)
    for name in (b"b.pdf", b"a.pdf", b"c.pdf"):
        box.observe(seen(name=name), 0.0, NOW)
    for name in (b"c.pdf", b"a.pdf", b"b.pdf"):
        box.examined((b"", name), whole(), 1.0, NOW)
    assert [a.name for a in (box.take(), box.take(), box.take()) if a] == [b"c.pdf", b"a.pdf", b"b.pdf"]


def test_an_unfit_document_is_handed_over_too() -> None:
    """What will never be acceptable is claimed with its refusal."""
    box = inbox(0.0)
    box.observe(seen(), 0.0, NOW)
    box.examined(KEY, facts(stamp=stamp(0), media_type=None, whole=None), 0.0, NOW)
    taken = box.take()
    assert taken is not None
    assert isinstance(taken.verdict, Unfit)


def test_looks_are_bounded() -> None:
    """A backlog is examined in portions, and not further ahead than can be claimed soon."""
    box = inbox(0.0)
    for number in range(1000):
        box.observe(seen(name=f"{number:04}.pdf".encode()), 0.0, NOW)
    looks = 0
    while keys := box.due(0.0):
        assert len(keys) <= 64
        looks += len(keys)
        for key in keys:
            box.examined(key, whole(), 0.0, NOW)
    assert len(box.ready) == looks < 400
    assert box.next_due() is None
    assert box.take()
    box.ready.clear()
    assert box.due(0.0)


def test_a_file_that_cannot_be_read_is_looked_at_ever_more_rarely() -> None:
    """Trouble with reading is said, and the file is looked at again, at most every 30 seconds in the end."""
    box = inbox()
    box.observe(seen(), 0.0, NOW)
    now = 1.0
    for _ in range(20):
        assert box.due(now) == [KEY]
        box.unexaminable(KEY, "Permission denied", now)
        now, before = box.next_due() or 0.0, now
        assert 1.0 <= now - before <= 30.0
    assert now - before == 30.0
    assert "Permission denied" in box.entries[KEY].reason


def test_a_claimed_document_is_no_entry_until_its_claim_ends() -> None:
    """Between `take` and `done` the same file is not noticed again; a new file of that name is."""
    box = inbox(0.0)
    box.observe(seen(), 0.0, NOW)
    box.examined(KEY, whole(), 0.0, NOW)
    taken = box.take()
    assert taken is not None
    box.observe(seen(3), 1.0, NOW)
    assert KEY not in box.entries
    box.observe(Seen(*KEY, Kind.FILE, replace(STAMP, ino=77)), 1.0, NOW)
    assert KEY in box.entries
    box.done(taken)
    box.observe(seen(4), 2.0, NOW)
    assert box.entries[KEY].stamp == stamp(4)


def test_a_record_is_ignored_as_long_as_it_is_one() -> None:
    """A sidecar in the drop folder is ignored by a rule that says what it is, and judged anew when it changes."""
    box = inbox()
    key = (b"", b"scan.pdf.json")
    box.observe(seen(0, key[1]), 100.0, NOW)
    box.examined(key, facts(stamp=stamp(0), media_type=None, whole=None, record=True), 101.0, NOW)
    assert (box.counts(), list(box.ready)) == ({"ignored": 1}, [])
    assert "record of an earlier upload" in (box.entries[key].rule or "")
    box.observe(seen(1, key[1]), 102.0, NOW)
    assert box.counts() == {"waiting": 1}
    assert box.next_due() is not None


def test_an_entry_that_could_never_be_looked_at_waits_with_its_reason() -> None:
    """It counts, keeps its time from scan to scan, and becomes an ordinary one once it is seen."""
    box = inbox(0.0)
    for wall in (NOW, NOW + 60):
        box.begin_scan()
        box.unseen((b"", b"secret.pdf"), "Permission denied", 0.0, wall)
        box.end_scan()
    assert box.counts() == {"waiting": 1}
    assert box.oldest() == NOW
    assert "Permission denied" in box.entries[b"", b"secret.pdf"].reason
    box.observe(seen(name=b"secret.pdf"), 1.0, NOW + 90)
    assert box.due(2.0) == [(b"", b"secret.pdf")]


def test_a_failed_claim_is_forgotten_once_the_document_is_claimed() -> None:
    """A scan that finds neither the document nor a claim of it under way forgets that one had failed."""
    box = inbox()
    box.observe(seen(), 100.0, NOW)
    assert box.due(101.0) == [KEY]
    box.examined(KEY, whole(), 101.0, NOW)
    arrival = box.take()
    assert arrival is not None
    box.put_off(arrival, "it cannot be read", 101.0)
    box.done(arrival)
    box.observe(seen(), 102.0, NOW)
    _scan(box)
    assert box.next_due() == 131.0
    box.examined(KEY, whole(), 131.0, NOW)
    again = box.take()
    assert again is not None
    _scan(box)
    assert box._put_off
    box.done(again)
    _scan(box)
    assert not box._put_off


def _scan(box: Inbox) -> None:
    """Scan a folder that is as it was."""
    box.begin_scan()
    for entry in box.entries.values():
        entry.generation = box._generation
    box.end_scan()
