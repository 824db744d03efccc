"""What a fresh document is to earlier ones."""

from dataclasses import replace
from typing import Any

import pytest

from hotfolder.kinship import Kin, Known, Policy, related
from hotfolder.model import Answer, Attempt, ErrorSource, Journey, Stamp, State
from tests.builders import NOW, STAMP, delivered, journey

WITHIN_S = 100.0
FAILED = {
    "state": State.FILED,
    "answer": Answer(503, None, ("down",)),
    "error_source": ErrorSource.TRANSPORT,
    "filed_name": b"scan.2023.pdf",
}


def filed(**changes: Any) -> Journey:
    """Make a document that was delivered ten seconds ago and rests in done/."""
    usual = {"state": State.FILED, "accepted_at": NOW - 10, "filed_at": NOW - 9, "filed_name": b"scan.pdf"}
    return delivered(**{**usual, **changes})


def failed(**changes: Any) -> Journey:
    """Make a document that rests in failed/."""
    return journey(**{**FAILED, **changes})


def kin(known: Known, *others: Journey, duplicates: str = "send", made: Journey | None = None) -> Kin:
    """Decide on a fresh document."""
    return related(made or journey(), known, others, Policy(duplicates, WITHIN_S), NOW)


# Duplicates ---------------------------------------------------------------------------------------


def test_a_new_content_is_nobodys_kin() -> None:
    """A document whose content was never there stays as it is."""
    made = journey()
    assert kin(Known(), made=made) == Kin(made)


def test_a_duplicate_that_is_sent() -> None:
    """It goes out as ever and its record names the first, with a warning."""
    first = filed()
    found = kin(Known((filed(accepted_at=NOW - 5), first)[::-1]))
    assert (found.journey.duplicate_of, found.journey.answer, found.waits_for) == (
        first.upload_id,
        None,
        None,
    )
    assert first.upload_id in found.journey.warnings[0]


def test_a_duplicate_that_is_done() -> None:
    """It is settled with 200 and the ids of the first."""
    first = filed(answer=Answer(202, document_ids=("7", "8")))
    found = kin(Known((first,)), duplicates="done").journey
    assert found.answer == Answer(200, document_ids=("7", "8"))
    assert (found.error_source, found.duplicate_of) == (None, first.upload_id)
    assert found.warnings[0].startswith("not sent: the same content as scan.pdf")


def test_a_duplicate_that_fails() -> None:
    """It is refused with 409 CONFLICT, and the message names the first by name, moment and id."""
    first = filed(name=b"first.pdf")
    found = kin(Known((first,)), duplicates="fail").journey
    assert found.answer is not None
    assert (found.answer.status_code, found.answer.error_key, found.answer.document_ids) == (
        409,
        "CONFLICT",
        None,
    )
    assert found.error_source is ErrorSource.LOCAL
    (message,) = found.answer.messages or ()
    for word in ("first.pdf", first.upload_id, "2023-11-14T22:13:10", "duplicates: send"):
        assert word in message


@pytest.mark.parametrize(
    "other",
    [
        filed(accepted_at=NOW - WITHIN_S - 1),
        failed(),
        journey(state=State.CLAIMED),
        filed(accepted_at=None, duplicate_of="another", answer=Answer(200, document_ids=("7",))),
    ],
    ids=["long ago", "failed", "not judged", "was not sent itself"],
)
@pytest.mark.parametrize("duplicates", ["send", "done", "fail"])
def test_what_is_no_first(other: Journey, duplicates: str) -> None:
    """Only what the service took within the time makes a duplicate."""
    made = journey()
    assert kin(Known((other,)), other, duplicates=duplicates, made=made) == Kin(made)


@pytest.mark.parametrize("state", [State.SENDING, State.DEFERRED, State.UNCERTAIN, State.ACCEPTED])
def test_a_twin_under_way_is_waited_for(state: State) -> None:
    """With `done` and `fail` it decides, and `why` can say so; with `send` nobody waits."""
    twin = journey(state=state, name=b"twin.pdf")
    for duplicates in ("done", "fail"):
        found = kin(Known((twin,)), twin, duplicates=duplicates)
        assert (found.waits_for, found.journey.answer, found.journey.duplicate_of) == (
            twin.upload_id,
            None,
            None,
        )
        assert "twin.pdf" in (found.journey.reason or "")
    assert kin(Known((twin,)), twin).journey.duplicate_of == twin.upload_id


def test_a_twin_of_another_content_is_none() -> None:
    """Documents under way matter by their content alone; so does the document itself."""
    made = journey()
    found = kin(Known(), journey(state=State.SENDING, sha256="0" * 64), made, duplicates="done", made=made)
    assert found == Kin(made)


def test_a_twin_that_was_delivered_a_moment_ago() -> None:
    """Nobody waits for its filing."""
    twin = delivered(accepted_at=NOW)
    assert kin(Known(), twin, duplicates="done").journey.duplicate_of == twin.upload_id


# What comes back ----------------------------------------------------------------------------------


def test_a_document_that_comes_back_brings_its_history() -> None:
    """Its attempts begin with the old ones, and it knows which record it left in failed/."""
    attempts = (Attempt(NOW - 9, 500, "broken", 5),)
    old = failed(attempts=attempts, folder=b"sub")
    found = kin(Known((old,), left_failed=True)).journey
    assert (found.attempts, found.inherited, found.duplicate_of) == (attempts, 1, None)
    assert found.retries is not None
    assert (found.retries.upload_id, found.retries.folder, found.retries.name) == (
        old.upload_id,
        b"sub",
        b"scan.2023.pdf",
    )


def test_an_unfit_document_comes_back_too() -> None:
    """What is refused again without being sent still belongs to its record in failed/."""
    made = journey(answer=Answer(415, None, ("text",)), error_source=ErrorSource.LOCAL)
    found = kin(Known((failed(),), left_failed=True), duplicates="done", made=made).journey
    assert found.retries is not None
    assert found.answer == made.answer


@pytest.mark.parametrize(
    ("known", "made"),
    [
        (Known((failed(),)), journey()),
        (Known((failed(),), left_failed=True), journey(stamp=replace(STAMP, size=0))),
        (Known((failed(), filed())[::-1], left_failed=True), journey()),
        (Known((failed(state=State.REFUSED),), left_failed=True), journey()),
    ],
    ids=["still in failed/", "empty", "delivered since", "not filed yet"],
)
def test_what_does_not_come_back(known: Known, made: Journey) -> None:
    """A document is no retry of one that is still there, was delivered since, or is empty as all empty ones are."""
    assert kin(known, made=made).journey.retries is None


def test_a_long_history_leaves_room_for_its_own_first_attempt() -> None:
    """Attempts that are taken over never push out the first own one, from which on the service is asked."""
    old = failed(attempts=tuple(Attempt(NOW - n, 500, "broken", 5) for n in range(20, 0, -1)))
    found = kin(Known((old,), left_failed=True)).journey
    assert (len(found.attempts), found.attempts[-1], found.inherited) == (9, old.attempts[-1], 9)


# Longer ones --------------------------------------------------------------------------------------


def sized(size: int) -> Stamp:
    """Make the stamp of a file of some size."""
    return replace(STAMP, size=size)


def shorter(**changes: Any) -> Journey:
    """Make the delivered document that came under the name a minute ago, with one page."""
    usual = {"stamp": sized(10), "sha256": "1" * 64, "claimed_at": NOW - 63, "ready_at": NOW - 64}
    return filed(**{**usual, **changes})


def test_a_longer_one_supersedes() -> None:
    """It is sent, its record names the earlier, an operator is told, and the pause of the writer is known."""
    earlier = shorter()
    found = kin(Known(same_name=earlier))
    assert (found.journey.supersedes, found.journey.answer) == (earlier.upload_id, None)
    assert found.told in found.journey.warnings
    for word in (earlier.upload_id, "60 s", "raise `settle`"):
        assert word in (found.told or "")
    assert found.pause_s == 61


@pytest.mark.parametrize(
    "changes",
    [
        {"stamp": STAMP},
        {"media_type": "image/tiff"},
        {"claimed_at": NOW + 5},
        {"claimed_at": NOW - 700},
        {"error_source": ErrorSource.SERVER},
        {"sha256": None},
    ],
    ids=["not longer", "another type", "later", "long ago", "failed", "never read"],
)
def test_what_is_not_superseded(changes: dict[str, Any]) -> None:
    """A name alone says little: scanners use it again once it is free."""
    made = journey()
    assert kin(Known(same_name=shorter(**changes)), made=made) == Kin(made)


def test_the_same_beginning_proves_it_for_longer() -> None:
    """A document that begins with all bytes of the earlier continues it within an hour, not within two."""
    assert kin(Known(same_name=shorter(claimed_at=NOW - 3000), continues=True)).journey.supersedes
    assert not kin(Known(same_name=shorter(claimed_at=NOW - 7000), continues=True)).journey.supersedes


def test_pictures_do_not_grow() -> None:
    """A longer JPEG of the same name is another picture."""
    made = journey(media_type="image/jpeg")
    assert kin(Known(same_name=shorter(media_type="image/jpeg")), made=made) == Kin(made)


def test_a_judgement_that_is_repeated_says_nothing_twice() -> None:
    """A document that had to wait is judged anew, with one warning."""
    known = Known(same_name=shorter())
    once = kin(known).journey
    assert kin(known, made=once).journey.warnings == once.warnings
