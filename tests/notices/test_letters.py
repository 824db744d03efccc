from datetime import UTC, datetime
from email.message import EmailMessage

from hypothesis import given
from hypothesis import strategies as st

from hotfolder.notices.letters import Sender, last_remark, write, write_briefly
from hotfolder.troubles import Kind, Notice, Pending, Phase, Trouble

NOW = 1_764_576_000.0  # 2025-12-01 08:00 UTC
SENDER = Sender("files1", lambda moment: datetime.fromtimestamp(moment, UTC))


def row(number=1, phase=Phase.BEGAN, kind=Kind.FAILED, file="scan.pdf", **changes):
    """Make a notice that waits."""
    what = changes.pop("what", "the document is damaged")
    queue = changes.pop("queue", "invoices")
    trouble = Trouble(
        f"{kind} {queue} {file}", kind, (queue,), what, "mend it", f"{file} is well", NOW + number, file
    )
    return Pending(number, "it", Notice(phase, trouble, NOW), **changes)


def test_one_document_is_told_whole():
    """Subject and text say which machine, queue and file, what is wrong, since when, and what to do."""
    letter = write("a1", [row()], SENDER, NOW)
    assert letter.subject == "[hotfolder files1] queue invoices: scan.pdf: the document is damaged"
    assert letter.text == (
        "WRONG\n\n"
        "* queue invoices: scan.pdf: the document is damaged\n"
        "  At 2025-12-01 08:00:01 +0000.\n"
        "  What to do: mend it\n\n"
        "This is hotfolder on files1. `hotfolder status` there shows how all queues fare.\n"
    )


def test_many_documents_are_counted():
    """A thousand documents of a queue are a number, five names, and from when to when."""
    letter = write("a1", [row(n, file=f"scan{n}.pdf") for n in range(1000)], SENDER, NOW)
    assert letter.subject == "[hotfolder files1] 1000 documents of queue invoices went to failed/"
    assert "scan4.pdf" in letter.text
    assert "scan5.pdf" not in letter.text
    assert "and 995 more" in letter.text
    assert "The first 2025-12-01 08:00:00 +0000, the last 2025-12-01 08:16:39 +0000." in letter.text
    assert len(letter.text) < 1000
    assert (len(letter.notices), letter.more) == (200, 800)


def test_counted_rows_count():
    """What was only counted is in the number, and not among the names."""
    letter = write("a1", [row(1), row(2, times=40)], SENDER, NOW)
    assert "41 documents of queue invoices" in letter.subject
    assert (len(letter.notices), letter.more) == (1, 40)


def test_what_is_worst_comes_first():
    """New trouble stands before what lasts and what is well, in subject and text."""
    rows = [
        row(1, Phase.OVER),
        row(2, Phase.LASTS, Kind.QUEUE, None, what="queue invoices is paused"),
        row(3, Phase.BEGAN, Kind.STUCK, "late.pdf"),
    ]
    letter = write("a1", rows, SENDER, NOW)
    assert letter.subject.endswith("late.pdf: the document is damaged (and 2 more)")
    places = [letter.text.index(heading) for heading in ("WRONG", "STILL WRONG", "WELL AGAIN")]
    assert places == sorted(places)
    assert write("a1", rows[:1], SENDER, NOW).subject == "[hotfolder files1] well again: scan.pdf is well"


def test_a_program_reads_the_same():
    """The JSON has a stable name, moments in UTC, and the key by which beginning and end belong together."""
    told = write("a1", [row(), row(2, Phase.OVER)], SENDER, NOW, "a remark").as_json()
    assert (told["schema"], told["id"], told["host"]) == ("hotfolder/notices/1", "a1", "files1")
    assert told["at"] == "2025-12-01T08:00:00Z"
    first, second = told["notices"]
    assert first["key"] == second["key"]
    assert (first["advice"], second["advice"], second["what"]) == ("mend it", None, "scan.pdf is well")
    assert "a remark" in told["text"]


@given(st.text(max_size=700), st.text(max_size=300))
def test_foreign_words_stay_in_their_line(what, file):
    """Whatever a service says or a file is named, the subject is one line of bounded length and no header is added."""
    letter = write("a1", [row(what=what, file=file), row(2, what=what, file=file)], SENDER, NOW)
    assert letter.subject.isprintable()
    assert len(letter.subject) <= 150
    assert all(line.isprintable() and len(line) < 510 for line in letter.text.split("\n"))
    assert letter.text.count("\n* ") == 1
    message = EmailMessage()
    message["Subject"] = letter.subject
    assert message.keys() == ["Subject"]
    letter.text.encode()


def test_many_groups_are_bounded():
    """A message of three hundred queues is no book."""
    rows = [
        row(n, kind=Kind.QUEUE, file=None, queue=f"q{n}", what=f"queue q{n} is paused") for n in range(300)
    ]
    letter = write("a1", rows, SENDER, NOW)
    assert "and 260 more things" in letter.text
    assert "(and 299 more)" in letter.subject


def test_a_brief_message_quotes_nobody():
    """Where the words are what is refused, numbers remain."""
    letter = write_briefly("a1", [row(), row(2, times=9)], SENDER, NOW)
    assert "10 notices" in letter.subject
    assert "scan.pdf" not in letter.subject + letter.text
    assert letter.more == 10


def test_the_last_message_of_an_hour_says_so():
    """Whoever gets no more knows until when."""
    assert "until 2025-12-01 08:00:00" in last_remark(NOW, SENDER)
