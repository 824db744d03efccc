from dataclasses import replace

import pytest

from hotfolder.arrivals.entries import Entry
from hotfolder.model import State, Stop
from hotfolder.notices.observing import DOCUMENTS_S, LASTS_S, Moment, Watched, look, newest
from hotfolder.pipeline.line import Parked
from hotfolder.retry import Gate
from hotfolder.settings.notify import Notify, WebhookTarget
from hotfolder.settings.secrets import WrittenSecret
from hotfolder.troubles import Kind
from tests.builders import NOW, STAMP, journey
from tests.pipeline.workshop import Guarded, Workshop

TARGET = WebhookTarget(name="ops", url=WrittenSecret("https://hooks.acme.example/"))
NOTIFY = Notify(targets={"ops": TARGET})


@pytest.fixture
def shop(tmp_path, journal):
    """Make a queue that was looked at and is at work."""
    (tmp_path / "drop").mkdir()
    made = Workshop(tmp_path / "drop", journal, Guarded())
    made.line.drop.scans = 1
    made.drop._offline = None
    yield made
    made.disk.shutdown()


def seen(shop, now=NOW, watched=None, **more):
    """Look, and return what is wrong by its key, and what cannot be seen."""
    facts = look([shop.lane], watched or Watched(), Moment(now, NOTIFY, **more))
    return {trouble.key: trouble for trouble in facts.troubles}, facts.blind


def test_nothing_is_wrong(shop):
    """A queue at work is nothing to tell."""
    assert seen(shop) == ({}, frozenset())


def test_a_queue_that_was_not_looked_at_is_not_judged(shop):
    """Just after the start nobody can say what is wrong."""
    shop.drop.scans, shop.drop._offline = 0, "not looked at yet"
    found, blind = seen(shop)
    assert found == {}
    assert blind == {(kind, "invoices") for kind in Kind}


def test_a_connection_that_is_paused_is_told_once(shop):
    """Wrong credentials concern the connection, and name its queues; the queue is not told besides."""
    shop.lane._carriage.gates.shared = Gate(1, 0.0, "the password is wrong", paused=True)
    (trouble,) = seen(shop)[0].values()
    assert (trouble.key, trouble.kind, trouble.queues) == ("connection acme", Kind.QUEUE, ("invoices",))
    assert trouble.what == "connection acme is paused, and with it queue invoices: the password is wrong"
    assert trouble.after_s == LASTS_S
    assert trouble.since == NOW


def test_a_connection_in_trouble_is_told_later(shop):
    """A service that takes nothing is told after `undelivered_after`, from when it shows on."""
    watched = Watched()
    shop.lane._carriage.gates.shared = Gate(3, 0.0, "it cannot be reached")
    seen(shop, watched=watched)
    (trouble,) = seen(shop, NOW + 100, watched)[0].values()
    assert (trouble.kind, trouble.after_s, trouble.since) == (Kind.DELIVERY, 1800.0, NOW)
    shop.lane._carriage.gates.shared = Gate()
    shop.line.gate = Gate(3, 0.0, "no such queue")
    assert list(seen(shop)[0]) == ["delivery queue invoices"]


@pytest.mark.parametrize("state", ["offline", "stopped", "paused"])
def test_a_queue_that_does_not_work(shop, state):
    """Each state is told with its reason and what to do."""
    if state == "offline":
        shop.drop._offline = "it is not mounted"
    elif state == "stopped":
        shop.line.stopped = Stop(NOW, "id", "scan.pdf")
    else:
        shop.line.gate = Gate(1, 0.0, "no such queue", paused=True)
    trouble = seen(shop)[0]["queue invoices"]
    assert (trouble.word, trouble.after_s) == (state, LASTS_S)
    assert trouble.what.startswith(f"queue invoices is {state}: ")
    assert {"offline": str(shop.top), "stopped": "hotfolder resume invoices"}.get(
        state, "hotfolder"
    ) in trouble.advice


def test_a_pause_by_hand_is_told_when_it_was_forgotten(shop):
    """Somebody wanted it; after `stuck_after` somebody may have forgotten it."""
    shop.line.by_hand = "paused by hand since 8:00"
    assert seen(shop)[0]["queue invoices"].after_s == NOTIFY.stuck_after_s


def test_documents_that_do_not_get_on(shop):
    """Held, stalled, missing and left ones are told one by one, each with what to do."""
    held = journey(name=b"held.pdf", state=State.UNCERTAIN, held=True)
    late = journey(name=b"late.pdf", state=State.ACCEPTED, stalled=True, reason="it says nothing")
    shop.line.carried = {one.upload_id: one for one in (held, late, journey())}
    shop.line.missing, shop.line.stuck = ["gone.pdf"], ["odd: no row"]
    found = seen(shop)[0]
    assert {(t.file, t.kind) for t in found.values()} == {
        (name, Kind.STUCK) for name in ("held.pdf", "late.pdf", "gone.pdf", "odd: no row")
    }
    assert f"hotfolder resolve {held.upload_id}" in found[f"held {held.upload_id}"].advice
    assert "it says nothing" in found[f"stalled {late.upload_id}"].what


def test_documents_that_wait_for_too_long(shop):
    """Dropped or claimed ones, counted from when they came or the queue was open; the oldest is named."""
    watched = Watched(open_since={"invoices": NOW - 5 * 3600})
    shop.drop.inbox.entries[b"", b"litter.tmp"] = Entry(STAMP, NOW - 9e9, 0.0, "", rule="litter")
    shop.drop.inbox.entries[b"sub", b"old.pdf"] = Entry(STAMP, NOW - 4.5 * 3600, 0.0, "")
    shop.drop.inbox.entries[b"", b"new.pdf"] = Entry(STAMP, NOW, 0.0, "")
    trouble = seen(shop, watched=watched)[0]["waiting invoices"]
    assert "sub/old.pdf" in trouble.what
    assert trouble.since == NOW - 4.5 * 3600
    assert newest(shop.line) == NOW
    claimed = journey(name=b"older.pdf", seen_at=NOW - 4.8 * 3600, state=State.DEFERRED)
    shop.line.carried = {claimed.upload_id: claimed}
    watched = Watched(open_since={"invoices": NOW - 5 * 3600})
    assert "older.pdf" in seen(shop, watched=watched)[0]["waiting invoices"].what
    assert "waiting invoices" not in seen(shop, watched=Watched(open_since={"invoices": NOW - 3600}))[0]


def test_a_pause_is_no_waiting(shop):
    """What waits for its queue is not stuck, and after the pause it has time again."""
    watched = Watched(open_since={"invoices": NOW - 5 * 3600})
    shop.drop.inbox.entries[b"", b"old.pdf"] = Entry(STAMP, NOW - 9 * 3600, 0.0, "")
    shop.line.by_hand = "by hand"
    found, blind = seen(shop, watched=watched)
    assert "waiting invoices" not in found
    assert blind == {(Kind.QUIET, "invoices"), (Kind.STUCK, "invoices")}
    shop.line.by_hand = None
    assert seen(shop, NOW + DOCUMENTS_S, watched)[0] == {}


def test_all_documents_are_looked_at_now_and_then(shop):
    """A hundred thousand documents are not gone through at every look."""
    watched = Watched()
    seen(shop, watched=watched)
    shop.line.missing = ["gone.pdf"]
    assert seen(shop, NOW + DOCUMENTS_S - 1, watched)[0] == {}
    assert seen(shop, NOW + DOCUMENTS_S, watched)[0] != {}
    shop.line.missing = [f"gone{number}" for number in range(2000)]
    assert len(seen(shop, NOW + 2 * DOCUMENTS_S, watched)[0]) == 500


def test_what_cannot_be_filed(shop):
    """A document that cannot be laid into failed/ is stuck; one that blocks its queue is the queue's trouble."""
    refused = journey(state=State.REFUSED, error_source="local")
    shop.line.parked["a"] = Parked(refused, "failed/: Permission denied", 1.0)
    assert "Permission denied" in seen(shop)[0]["filing invoices"].what
    shop.line.parked["a"] = Parked(journey(state=State.DELIVERED), "done/: No space left on device", 1.0)
    found = seen(shop)[0]
    assert list(found) == ["queue invoices"]
    assert "No space left" in found["queue invoices"].what


def test_a_quiet_queue(shop):
    """It is told with why that is long, and since when."""
    trouble = seen(shop, too_quiet={"invoices": "9 working hours"}, last_arrivals={"invoices": NOW - 100})[0]
    assert trouble["quiet invoices"].what == "nothing has arrived in queue invoices for 9 working hours"
    assert trouble["quiet invoices"].since == NOW - 100
    shop.line.by_hand = "by hand"
    assert "quiet invoices" not in seen(shop, too_quiet={"invoices": "long"})[0]


def test_trouble_of_the_program(shop):
    """Journal and hung loops concern no single queue; what cannot be removed concerns its own."""
    shop.lane._means.recorder.trouble = "the journal cannot be written: full"
    shop.line.upkeep_trouble = "scan.pdf cannot be removed"
    found = seen(shop, hung=("deliveries acme",))[0]
    assert found["journal"].what == "the journal cannot be written: full; everything waits until it can"
    assert "deliveries acme" in found["loop deliveries acme"].what
    assert {found[key].queues for key in ("journal", "loop deliveries acme")} == {()}
    shop.lane._means.recorder.trouble = None
    assert seen(shop)[0]["upkeep invoices"].kind is Kind.PROGRAM


def test_keys_are_the_same_at_every_look(shop):
    """What goes on is one trouble, whatever its reason says meanwhile."""
    watched = Watched()
    shop.drop._offline = "it is not mounted"
    first = seen(shop, watched=watched)[0]["queue invoices"]
    shop.drop._offline = "it is not there"
    second = seen(shop, NOW + 50, watched)[0]["queue invoices"]
    assert (first.key, first.word, first.since) == (second.key, second.word, second.since)
    assert replace(first, what="") == replace(second, what="")
    assert first.well == "queue invoices works again"
