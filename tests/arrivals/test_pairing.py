"""Documents, companions and markers find each other in an inbox, whichever comes first."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfolder.arrivals import Arrival, Custom, Inbox, Pairing
from hotfolder.arrivals.pairing import COMPANION_RULE, MARKER_RULE, Key, Reading
from hotfolder.checks.names import IgnoreRules
from hotfolder.checks.readiness import RECORD_RULE, Ready, Unfit
from hotfolder.model import Own
from tests.arrivals.test_inbox import KEY, RULES, seen, stamp, whole
from tests.builders import NOW, facts

BESIDE = (b"", b"scan.json")
OWN = Own(queue_id="9")


def box(companion: str | None = "{stem}.json", timeout_s: float | None = 600.0, **custom: object) -> Inbox:
    """Make an empty inbox of a queue with companions."""
    pairing = Pairing(Custom(companion, timeout_s, mends_s=120.0, **custom))  # type: ignore[arg-type]
    how = {"settle_s": 1.0, "settle_max_s": 120.0, "recursive": True}
    return Inbox(RULES, IgnoreRules(("draft*",)), pairing=pairing, **how)  # type: ignore[arg-type]


def put(inbox: Inbox, name: bytes, now: float, version: int = 0, folder: bytes = b"") -> None:
    """Have an entry seen."""
    inbox.observe(seen(version, name, folder=folder), now, NOW)


def look(inbox: Inbox, now: float, reading: Reading | None = None, **changes: object) -> None:
    """Examine whatever is due, companions as `reading` says, until nothing more is."""
    for _ in range(20):
        keys = inbox.due(now)
        if not keys:
            return
        for key in keys:
            there = inbox.entries[key].stamp
            if inbox.is_companion(key):
                inbox.read(key, replace(reading or Reading(there, OWN), stamp=there), now, NOW)
            else:
                inbox.examined(key, facts(stamp=there, **changes), now, NOW)
    raise AssertionError("no end of looks")


def ready(inbox: Inbox) -> list[Key]:
    """Return what can be claimed."""
    return [arrival.key for arrival in inbox.ready]


def taken(inbox: Inbox) -> Arrival:
    """Take the first that is ready."""
    arrival = inbox.take()
    assert arrival is not None
    return arrival


def test_the_companion_first() -> None:
    """It waits as no document, and goes with its document, and what it says with it."""
    inbox = box()
    put(inbox, b"scan.json", 100)
    look(inbox, 101)
    assert (ready(inbox), inbox.entries[BESIDE].rule) == ([], COMPANION_RULE)
    assert inbox.counts() == {"ignored": 1}
    put(inbox, b"scan.pdf", 102)
    look(inbox, 103)
    arrival = taken(inbox)
    assert (arrival.keys, arrival.own, arrival.told) == ([KEY, BESIDE], OWN, None)
    assert inbox.entries == {}
    put(inbox, b"scan.json", 104)  # a scan that runs beside the claim
    assert inbox.entries == {}
    inbox.done(arrival)
    put(inbox, b"scan.json", 105)
    assert BESIDE in inbox.entries


def test_the_document_first() -> None:
    """It waits, says for what, and is ready as soon as its companion was read."""
    inbox = box()
    put(inbox, b"scan.pdf", 100)
    look(inbox, 101)
    assert ready(inbox) == []
    assert "it waits for its companion scan.json" in inbox.entries[KEY].reason
    put(inbox, b"scan.json", 200)
    look(inbox, 200.5)
    assert "not complete yet" in inbox.entries[KEY].reason
    look(inbox, 201)
    assert taken(inbox).keys == [KEY, BESIDE]


def test_without_a_companion_in_time() -> None:
    """After the time-out it goes alone, with a warning; a document that changed begins to wait anew."""
    inbox = box()
    put(inbox, b"scan.pdf", 100)
    look(inbox, 101)
    put(inbox, b"scan.pdf", 500, 1)
    look(inbox, 501)
    look(inbox, 701)
    assert ready(inbox) == []
    look(inbox, 1101)
    arrival = taken(inbox)
    assert arrival.attendants == ()
    assert isinstance(arrival.verdict, Ready)
    assert arrival.verdict.warning == arrival.told
    assert "sent without its companion scan.json" in (arrival.told or "")


def test_it_may_wait_for_ever() -> None:
    """With `companion_timeout: never` no document goes without."""
    inbox = box(timeout_s=None)
    put(inbox, b"scan.pdf", 100)
    for now in (101, 5_000, 1e6):
        look(inbox, now)
        assert ready(inbox) == []
    assert "never" in inbox.entries[KEY].reason
    put(inbox, b"scan.json", 2e6)
    look(inbox, 2e6 + 1)
    assert ready(inbox) == [KEY]


def test_a_companion_that_changes_or_goes_before_the_claim() -> None:
    """What was ready with it is so no more, and is judged with what lies there then."""
    inbox = box()
    put(inbox, b"scan.pdf", 100)
    put(inbox, b"scan.json", 100)
    look(inbox, 101)
    assert ready(inbox) == [KEY]
    put(inbox, b"scan.json", 102, 1)
    assert ready(inbox) == []
    look(inbox, 102.5)
    assert ready(inbox) == []
    look(inbox, 103, Reading(stamp(1), Own(queue_id="10")))
    assert inbox.ready[0].own.queue_id == "10"
    inbox.forget(BESIDE)
    assert ready(inbox) == []
    look(inbox, 104)
    assert "waits for its companion" in inbox.entries[KEY].reason


def test_a_companion_that_cannot_be_used() -> None:
    """It has `settle_max` to be mended; then its document is refused, and takes it along."""
    inbox = box()
    flaw = Reading(stamp(0), flaw="line 3: not valid JSON")
    put(inbox, b"scan.pdf", 100)
    put(inbox, b"scan.json", 100)
    look(inbox, 101, flaw)
    assert "its companion scan.json cannot be used: line 3" in inbox.entries[KEY].reason
    assert "line 3" in inbox.entries[BESIDE].reason
    look(inbox, 219, flaw)
    assert ready(inbox) == []
    look(inbox, 221, flaw)
    arrival = taken(inbox)
    assert isinstance(arrival.verdict, Unfit)
    assert (arrival.verdict.answer.status_code, arrival.verdict.answer.error_key) == (422, "INCOHERENT_DATA")
    assert "scan.json cannot be used: line 3: not valid JSON" in (arrival.verdict.answer.messages or ("",))[0]
    assert arrival.keys == [KEY, BESIDE]


def test_a_companion_that_is_mended_in_time() -> None:
    """The next version counts."""
    inbox = box()
    put(inbox, b"scan.pdf", 100)
    put(inbox, b"scan.json", 100)
    look(inbox, 101, Reading(stamp(0), flaw="broken"))
    put(inbox, b"scan.json", 110, 1)
    look(inbox, 111)
    assert isinstance(taken(inbox).verdict, Ready)


def test_a_companion_that_is_still_written() -> None:
    """An open writer keeps it unread, and its document waiting."""
    inbox = box()
    put(inbox, b"scan.pdf", 100)
    put(inbox, b"scan.json", 100)
    look(inbox, 101, Reading(stamp(0), OWN, writer=True))
    look(inbox, 102, Reading(stamp(0), OWN, writer=True))
    assert ready(inbox) == []
    look(inbox, 103)
    assert ready(inbox) == [KEY]


def test_two_documents_of_one_stem() -> None:
    """The first takes the companion, the second waits for one of its own."""
    inbox = box()
    for name in (b"scan.pdf", b"scan.tif", b"scan.json"):
        put(inbox, name, 100)
    look(inbox, 101)
    first = taken(inbox)
    assert len(first.attendants) == 1
    look(inbox, 102)
    assert ready(inbox) == []
    inbox.done(first)
    put(inbox, b"scan.json", 110, 3)
    look(inbox, 111)
    second = taken(inbox)
    assert (second.name != first.name, len(second.attendants)) == (True, 1)


def test_a_companion_is_free_again_when_its_document_goes() -> None:
    """The document that waited for it gets it."""
    inbox = box()
    for name in (b"scan.pdf", b"scan.tif", b"scan.json"):
        put(inbox, name, 100)
    look(inbox, 101)
    (first,) = ready(inbox)
    inbox.forget(first)
    look(inbox, 102)
    (second,) = ready(inbox)
    assert second != first
    assert len(inbox.ready[0].attendants) == 1


def test_an_unfit_document_takes_its_companion_along() -> None:
    """It waits for none that is not there, and leaves none behind."""
    inbox = box()
    put(inbox, b"scan.pdf", 100)
    put(inbox, b"scan.json", 100)
    put(inbox, b"alone.pdf", 100)
    look(inbox, 101, media_type="text/plain", looks_like="plain text")
    found = {arrival.name: len(arrival.attendants) for arrival in inbox.ready}
    assert found == {b"scan.pdf": 1, b"alone.pdf": 0}


def test_what_is_refused_anyway_waits_for_nothing_else() -> None:
    """Neither for its companion to be mended nor for a queue to be named; what is told is its own fault."""
    inbox = box(has_queue=lambda *_: False)
    put(inbox, b"scan.pdf", 100)
    put(inbox, b"scan.json", 100)
    flaw = Reading(stamp(0), flaw="line 3: not valid JSON")
    look(inbox, 101, flaw, media_type="text/plain", looks_like="plain text")
    arrival = taken(inbox)
    assert isinstance(arrival.verdict, Unfit)
    assert arrival.verdict.answer.status_code == 415


def test_a_marker_is_waited_for_and_goes_along() -> None:
    """However long it takes, also by what is refused; it is no document itself, and no companion is read of it."""
    inbox = box(None, timeout_s=1.0, marker="{name}.ready")
    marker = (b"", b"scan.pdf.ready")
    put(inbox, b"scan.pdf", 100)
    look(inbox, 9_000, media_type="text/plain")
    assert "waits for its marker scan.pdf.ready" in inbox.entries[KEY].reason
    put(inbox, marker[1], 9_001)
    assert inbox.entries[marker].rule == MARKER_RULE
    look(inbox, 9_002)
    arrival = taken(inbox)
    assert arrival.keys == [KEY, marker]
    assert [one.kept for one in arrival.attendants] == [False]


def test_a_marker_that_goes_again_ends_it() -> None:
    """Whoever takes the marker away before the claim has more to add."""
    inbox = box(None, marker="{name}.ready")
    put(inbox, b"scan.pdf", 100)
    put(inbox, b"scan.pdf.ready", 100)
    look(inbox, 101)
    assert ready(inbox) == [KEY]
    inbox.forget((b"", b"scan.pdf.ready"))
    look(inbox, 102)
    assert ready(inbox) == []


@pytest.mark.parametrize(
    ("companion", "timeout_s", "now", "documents", "alone"),
    [
        ("{stem}.json", 600.0, 700.0, {}, True),
        ("{stem}.json", 600.0, 699.0, {}, False),
        ("{stem}.json", None, 9e9, {}, False),
        (None, 600.0, 700.0, {}, False),
        ("{stem}.json", 600.0, 700.0, {KEY: 1}, False),
        ("{stem}.json", 600.0, 700.0, {(b"sub", b"scan.pdf"): 1, (b"", b"other.pdf"): 1}, True),
    ],
)
def test_when_a_companion_is_alone(
    companion: str | None, timeout_s: float | None, now: float, documents: dict[Key, int], *, alone: bool
) -> None:
    """Once the time-out is over and no document of its folder makes its name."""
    pairing = Pairing(Custom(companion, timeout_s, marker="{stem}.json"))
    pairing.saw(BESIDE, stamp(0), 100.0)
    assert pairing.is_alone(BESIDE, {BESIDE: 1, **documents}, now) is alone
    assert not pairing.is_alone((b"", b"gone.json"), {}, 9e9)


def test_a_record_of_ours_is_no_companion() -> None:
    """A sidecar that was moved back with its document does not count, whatever its name."""
    inbox = box("{stem}.pdf.json")
    beside = (b"", b"scan.pdf.json")
    put(inbox, b"scan.pdf", 100)
    put(inbox, beside[1], 100)
    look(inbox, 101, Reading(stamp(0), record=True))
    assert (inbox.entries[beside].rule, ready(inbox)) == (RECORD_RULE, [])
    assert "waits for its companion" in inbox.entries[KEY].reason


def test_only_its_own_folder_counts() -> None:
    """A companion lies beside its document; what is ignored, or is a folder, is none."""
    inbox = box()
    put(inbox, b"scan.pdf", 100, folder=b"sub")
    put(inbox, b"scan.json", 100)
    put(inbox, b"draft.pdf", 100)
    put(inbox, b"draft.json", 100)
    look(inbox, 101)
    assert ready(inbox) == []
    assert (inbox.entries[b"", b"draft.json"].rule or "").startswith("draft*")


def test_a_companion_that_nobody_comes_for_is_told_of_once() -> None:
    """After the time-out, unless its document lies there and is not whole yet."""
    inbox = box()
    put(inbox, b"scan.json", 100)
    put(inbox, b"other.json", 100)
    put(inbox, b"other.pdf", 100)
    for now in (101, 300, 700, 701, 2000):
        for key in inbox.due(now):
            if inbox.is_companion(key):
                inbox.read(key, Reading(inbox.entries[key].stamp, OWN), now, NOW)
            else:
                inbox.examined(key, facts(writer=True, stamp=stamp(0)), now, NOW)
    assert inbox.alone == [BESIDE]


def test_a_document_that_no_queue_is_named_for() -> None:
    """It waits with a reason, and is refused after the time-out, never sent."""
    inbox = box(has_queue=lambda _, own: own.queue_id is not None)
    put(inbox, b"scan.pdf", 100)
    put(inbox, b"scan.json", 100)
    look(inbox, 101, Reading(stamp(0), Own()))
    assert "nothing names the service's queue" in inbox.entries[KEY].reason
    look(inbox, 701, Reading(stamp(0), Own()))
    arrival = taken(inbox)
    assert isinstance(arrival.verdict, Unfit)
    assert arrival.verdict.answer.status_code == 422
    assert len(arrival.attendants) == 1


def test_without_companions_every_name_may_be_a_documents() -> None:
    """A queue that expects none judges `scan.json` by its content as before."""
    inbox = box(None)
    put(inbox, b"scan.json", 100)
    inbox.due(101)
    inbox.examined(BESIDE, whole(), 101, NOW)  # type: ignore[arg-type]
    assert ready(inbox) == [BESIDE]


@given(
    st.lists(
        st.sampled_from(["document", "companion", "lose document", "lose companion", "look", "wait", "scan"]),
        max_size=30,
    )
)
def test_whatever_happens_they_come_together(steps: list[str]) -> None:
    """However they come, change and go: what is ready has the companion that lies there, and in the end both go."""
    inbox, now = box(), 100.0
    for version, step in enumerate([*steps, "document", "companion", "wait", "look", "look"]):
        if step == "document":
            put(inbox, b"scan.pdf", now, version)
        elif step == "companion":
            put(inbox, b"scan.json", now, version)
        elif step == "wait":
            now += 2.0
        elif step == "look":
            look(inbox, now)
        elif step == "scan":
            inbox.begin_scan()
            inbox.end_scan()
        else:
            inbox.forget(KEY if "document" in step else BESIDE)
        for arrival in inbox.ready:
            assert arrival.attendants[0].stamp == inbox.entries[BESIDE].stamp
            assert arrival.stamp == inbox.entries[KEY].stamp
    assert ready(inbox) == [KEY]
