"""What a status file says."""

from datetime import UTC, datetime

import pytest

from hotfolder.checks.readiness import Ready, Unfit, judge
from hotfolder.checks.sniff import is_placard
from hotfolder.checks.walk import Wholeness
from hotfolder.placard import (
    SHOWN,
    Condition,
    Facts,
    Listed,
    Sheet,
    condition_of,
    drawn,
    ended,
    why_waiting,
    written,
)
from tests.builders import NOW, STAMP, facts
from tests.checks.test_readiness import RULES


def local(moment: float) -> datetime:
    """Show UTC on the wall."""
    return datetime.fromtimestamp(moment, UTC).replace(tzinfo=None)


def listed(name: bytes = b"scan.pdf", words: str = "it has just arrived") -> Listed:
    """List a document."""
    return Listed(name, NOW, words)


@pytest.mark.parametrize(
    ("known", "condition"),
    [
        (Facts(), Condition.WORKS),
        (Facts(odd=True), Condition.ODD),
        (Facts(odd=True, unreachable=True), Condition.BUSY),
        (Facts(unreachable=True, doubt=True), Condition.DOUBT),
        (Facts(doubt=True, disk=True), Condition.DISK),
        (Facts(disk=True, locked_out=True), Condition.LOCKED_OUT),
        (Facts(locked_out=True, by_hand=True), Condition.BY_HAND),
    ],
)
def test_the_weightiest_is_told(known: Facts, condition: Condition) -> None:
    """Whatever else is wrong, a reader gets one condition: the one that keeps documents waiting longest."""
    assert condition_of(known).startswith(condition.value)


def test_conditions_with_a_detail() -> None:
    """A stop names its document, closed hours when they end, an end since when."""
    assert condition_of(Facts(stopped_at="bad.pdf", by_hand=True)).startswith(
        "STOPPED, because bad.pdf was not"
    )
    assert "from Tue 06:00 on" in condition_of(Facts(opens=datetime(2026, 12, 1, 6)))  # noqa: DTZ001 — a wall clock
    assert ended(NOW, local).startswith("NOT RUNNING since 2023-11-14 22:13.")


@pytest.mark.parametrize(
    "known",
    [Facts(stopped_at="a"), Facts(by_hand=True), Facts(locked_out=True), Facts(disk=True), Facts(doubt=True)],
)
def test_who_has_to_wait_is_told_that_nothing_is_lost(known: Facts) -> None:
    """Whoever reads that a queue stands still reads what that means for what he drops."""
    assert condition_of(known).endswith("stays here and is sent afterwards.")


NOT_YET = {
    "a program still has it open: close it there": {"writer": True},
    "it is empty so far": {"stamp": STAMP.__class__(1, 2, 0, 3, 4)},
    "it is still being copied, or the copy was broken off": {"allocated_bytes": 1, "blocks_tell": True},
    "it is only a link: put a copy here instead": {"borrowed": True},
    "it is not complete yet": {
        "whole": Wholeness(whole=False, reason="the file ends before or in its trailer")
    },
}


@pytest.mark.parametrize("words", NOT_YET)
def test_reasons_in_an_owners_words(words: str) -> None:
    """What the program finds of a file that waits is told without its jargon."""
    verdict = judge(facts(**NOT_YET[words]), 0.0, RULES, ".pdf")
    assert not isinstance(verdict, Ready | Unfit)
    assert why_waiting(verdict.reason) == words


def test_a_reason_that_is_not_known_tells_nothing_wrong() -> None:
    """New words of the program do not reach people who cannot understand them."""
    assert why_waiting("/srv/x: EIO while mmapping chunk 7") == "it is not complete yet"
    assert why_waiting("it cannot be read: Permission denied; give the service's user the right") == (
        "it cannot be opened: tell your administrator"
    )


def test_a_whole_sheet() -> None:
    """Headings with numbers, each document with its moment and words, and what to do."""
    sheet = Sheet(
        "invoices",
        Condition.WORKS,
        waiting=[listed()],
        waiting_number=3,
        going_number=2,
        doubtful=[listed(b"maybe.pdf", "the service is being asked")],
        doubtful_number=1,
        failed=[listed(b"notes.txt", "Its content is plain text. Save it as PDF.")],
        failed_place="failed",
    )
    assert (
        drawn(sheet, local)
        == """\
invoices: Everything works. What you put into this folder is sent by itself.

BEING SENT: 2

WAITING HERE: 3
  scan.pdf (2023-11-14 22:13): it has just arrived
  and 2 more

NOT KNOWN YET WHETHER THEY ARRIVED (do not put them here again): 1
  maybe.pdf (2023-11-14 22:13): the service is being asked

NOT SENT (they lie in "failed"): 1
  notes.txt (2023-11-14 22:13): Its content is plain text. Save it as PDF.

Put a document that is put right into this folder again, and delete the one that failed."""
    )


def test_what_leads_nowhere_is_left_out() -> None:
    """No path of the server and no web address reaches people who see the folder alone."""
    words = "it went to /srv/hotfolder/x/y.pdf, see https://acme.example/p?token=abc and /var/lib; 1/2 done and/or not"
    text = drawn(Sheet("q", "", failed=[listed(words=words)]), local)
    assert "it went to …, see … and …; 1/2 done and/or not" in text


def test_a_sheet_is_bounded_and_names_cannot_forge_lines() -> None:
    """However long names and words are, the text stays small, and each document on its line."""
    name = b"x\r\nEverything works\x1b[2J\xff" + b"y" * 230
    some = [listed(name, "w\n" * 5000)] * SHOWN
    sheet = Sheet("q", "c", some, 10**6, 10**6, some, 10**6, some, "failed", more_failed=True)
    text = drawn(sheet, local)
    assert len(written(text, NOW, local)) < 16_384
    assert not any(line.startswith("Everything") for line in text.splitlines())
    assert all(line.isprintable() for line in text.split("\n"))
    assert 'NOT SENT (they lie in "failed"): 10 and more' in text


def test_the_file_is_one_for_notepad() -> None:
    """UTF-8 with its mark, Windows' line breaks, and a first line that tells what it is and when it was written."""
    content = written("Größe", NOW, local)
    assert content.startswith(
        b"\xef\xbb\xbfSTATUS OF THIS FOLDER, WRITTEN BY HOTFOLDER: 2023-11-14 22:13\r\n\r\nGr"
    )
    assert content.count(b"\n") == content.count(b"\r\n") > 5
    assert "Größe" in content.decode("utf-8-sig")
    assert is_placard(content)
    assert not is_placard(b"My own STATUS OF THIS FOLDER, WRITTEN BY HOTFOLDER")
