"""Names that are no documents, and names that must be changed."""

import os
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfolder.checks.names import (
    LITTER,
    MAX_NAME_BYTES,
    IgnoreRules,
    escaped,
    free_names,
    printable,
    sendable,
    shorten,
    split,
)

UPLOAD_ID = "01900000-0000-7000-8000-000000000000"
NAMES = (
    st.binary(min_size=1, max_size=MAX_NAME_BYTES)
    | st.text(min_size=1, max_size=120).map(lambda t: t.encode("utf-8", "ignore")[:MAX_NAME_BYTES])
    | st.tuples(
        st.sampled_from([b"a", "é".encode(), "文".encode(), "😀".encode(), b"\xff"]),
        st.integers(1, 255),
        st.sampled_from([b"", b".pdf", b".tar.gz", b"." + b"x" * 30]),
    ).map(lambda t: (t[0] * t[1])[: 255 - len(t[2])] + t[2])
).filter(lambda n: n not in {b"", b".", b".."} and b"/" not in n and b"\0" not in n)
MOMENTS = st.floats(0, 4e9)


@pytest.mark.parametrize(
    "name",
    [
        b".hidden.pdf",
        b"~$report.pdf",
        b"scan.tmp",
        b"SCAN.TMP",
        b"scan.pdf.part",
        b"scan.pdf.filepart",
        b"x.crdownload",
        b"scan.pdf~",
        b"scan.~qpdf-temp#",
        b"lu1234.tmp",
        b"sedAb3xYz",
        b"Thumbs.db",
        b"THUMBS.DB",
        b"desktop.ini",
        b"@eaDir",
        b"#recycle",
        b"$RECYCLE.BIN",
        b"System Volume Information",
        b"lost+found",
        b".hotfolder-canary",
        b".\xff",
        "výkres.Bak".encode(),
    ],
)
def test_litter_is_ignored_and_named(name: bytes) -> None:
    """What programs leave behind is no document, and the rule that says so is in the list."""
    rule = IgnoreRules().match(name)
    assert rule in {f"{glob} ({why})" for glob, why in LITTER}


@pytest.mark.parametrize(
    "name",
    [
        b"scan.pdf",
        b"sedan.pdf",
        b"sed12.pdf",
        b"partial.pdf",
        b"tmp.pdf",
        b"a.tmp.pdf",
        b"scan",
        b"\xff\xfe.pdf",
        b"line\nbreak.pdf",
        "přehled.pdf".encode(),
        b"lost+found.pdf",
        b"#1.tif",
        b"$100.png",
        b"desktop.ini.pdf",
        b"[x].pdf",
        b"-rf.pdf",
    ],
)
def test_documents_are_not_litter(name: bytes) -> None:
    """A name that only looks a little like litter is a document."""
    assert IgnoreRules().match(name) is None


def test_a_queue_adds_its_own_globs() -> None:
    """A queue's globs count too, without regard to case, and say whose they are."""
    rules = IgnoreRules(("draft*", "[x]*.tif"))
    assert rules.match(b"Draft-1.pdf") == "draft* (this queue's `ignore`)"
    assert rules.match(b"x1.TIF") == "[x]*.tif (this queue's `ignore`)"
    assert rules.match(b"scan.pdf") is None


@pytest.mark.parametrize(
    ("glob", "name"),
    [
        ("Éclair*", "Éclair.pdf"),
        ("éclair*", "ÉCLAIR.pdf"),
        ("?clair.pdf", "éclair.pdf"),
        ("[éè]*", "éclair.pdf"),
    ],
)
def test_globs_speak_of_characters(glob: str, name: str) -> None:
    """In a glob, a letter with an accent is one character, upper or lower case."""
    assert IgnoreRules((glob,)).match(name.encode())


@given(NAMES, st.lists(st.text(max_size=10), max_size=4))
def test_any_glob_and_any_name_can_be_matched(name: bytes, globs: list[str]) -> None:
    """No name and no glob makes matching fail, and `*` matches every name."""
    IgnoreRules(tuple(globs)).match(name)
    assert IgnoreRules((*globs, "*")).match(name)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        (b"scan.pdf", (b"scan", b".pdf")),
        (b"a.b.tar", (b"a.b", b".tar")),
        (b"scan", (b"scan", b"")),
        (b".pdf", (b".pdf", b"")),
        (b"scan.", (b"scan", b".")),
        (b"Dear Sir. I am writing to you", (b"Dear Sir. I am writing to you", b"")),
    ],
)
def test_split(name: bytes, parts: tuple[bytes, bytes]) -> None:
    """The extension is what follows the last dot, unless that is a sentence or the whole name."""
    assert split(name) == parts


@given(NAMES, st.integers(30, 255))
def test_shortening_keeps_room_and_extension(name: bytes, room: int) -> None:
    """A shortened name fits, keeps its extension and begins as it did."""
    short = shorten(name, room)
    assert len(short) <= room
    stem, extension = split(name)
    if len(name) <= room:
        assert short == name
        return
    assert short.endswith(extension)
    kept = short.removesuffix(extension) if extension else short
    assert stem.startswith(kept)


@given(
    st.text("aé文😀", min_size=100, max_size=255).filter(lambda t: len(t.encode()) > 250),
    st.binary(max_size=2),
)
def test_shortening_never_splits_a_character_behind_foreign_bytes(text: str, before: bytes) -> None:
    """A byte that is not UTF-8 early in a name does not spoil the care for the characters after it."""
    short = shorten(before + b"\xff" + text.encode(), 250)
    short.removeprefix(before + b"\xff").decode()


@given(NAMES, MOMENTS)
def test_free_names(name: bytes, moment: float) -> None:
    """The names to try carry `.json`, are three distinct ones, and always the same."""
    names = list(free_names(name, moment, UPLOAD_ID))
    assert names == list(free_names(name, moment, UPLOAD_ID))
    assert len(set(names)) == len(names) == 3
    for one in names:
        assert 0 < len(one) <= MAX_NAME_BYTES - len(".json")
        assert b"/" not in one
        assert b"\0" not in one
    if len(name) <= MAX_NAME_BYTES - len(".json"):
        assert names[0] == name
    assert UPLOAD_ID.encode() in names[2]


def test_the_time_stamp_stands_before_the_extension() -> None:
    """A clash is settled by a UTC time stamp that leaves the type of the file recognisable."""
    assert list(free_names(b"scan0001.pdf", 1_700_000_000.25, UPLOAD_ID)) == [
        b"scan0001.pdf",
        b"scan0001.20231114T221320.250000Z.pdf",
        f"scan0001.{UPLOAD_ID}.pdf".encode(),
    ]


@given(NAMES)
def test_printable_is_one_line_of_text(name: bytes) -> None:
    """Whatever the bytes, people get text without controls that UTF-8 can carry."""
    text = printable(name)
    assert text.isprintable()
    text.encode()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (b"scan.pdf", "scan.pdf"),
        (b"a\nb.pdf", "a\\nb.pdf"),
        (b"\xff.pdf", "\\xff.pdf"),
        ("ž 😀.pdf".encode(), "ž 😀.pdf"),
        (b"\x1b[31m", "\\x1b[31m"),
        ("a\u202eb".encode(), "a\\u202eb"),
    ],
)
def test_printable(name: bytes, text: str) -> None:
    """Readable names stay as they are; controls and foreign bytes become escapes."""
    assert printable(name) == text


def test_twins_stay_two() -> None:
    """The composed and the decomposed form of a letter are different names from end to end."""
    twins = [unicodedata.normalize(form, "příloha.pdf").encode() for form in ("NFC", "NFD")]
    assert twins[0] != twins[1]
    assert printable(twins[0]) != printable(twins[1])
    assert [next(free_names(t, 0.0, UPLOAD_ID)) for t in twins] == twins


@given(NAMES, st.sampled_from([".pdf", ".jpg", ".png", ".tif"]))
def test_sendable(name: bytes, extension: str) -> None:
    """What goes to a service is a printable file name with an extension, of at most 200 bytes."""
    text = sendable(name, extension)
    assert text.isprintable()
    assert "/" not in text
    assert 0 < len(text.encode()) <= 200
    assert split(text.encode())[1]


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        (b"scan", "scan.pdf"),
        (b"scan.jpg", "scan.jpg"),
        (b"  ", "document.pdf"),
        (b"a\r\nX-Evil: 1", "a\\r\\nX-Evil: 1.pdf"),
    ],
)
def test_sendable_examples(name: bytes, sent: str) -> None:
    """A missing extension is added by content, an existing one stays, line breaks cannot make headers."""
    assert sendable(name, ".pdf") == sent


@given(st.text(st.characters(exclude_categories=())))
def test_escaped_can_be_encoded(text: str) -> None:
    """Lone surrogates are spelt out, everything else stays as it is."""
    written = escaped(text)
    written.encode()
    if not any("\ud800" <= c <= "\udfff" for c in text):
        assert written == text


@given(NAMES)
def test_the_file_system_takes_every_name_that_is_tried(name: bytes) -> None:
    """Each name to try, with `.json` behind it, can be a file's name."""
    for one in free_names(name, 0.0, UPLOAD_ID):
        with pytest.raises(FileNotFoundError):  # and not "file name too long"
            os.lstat(b"/proc/self/task/" + one + b".json")


def test_names_of_255_bytes_exist_here(tmp_path: Path) -> None:
    """The limit that the names are made for is the file system's own."""
    assert os.pathconf(tmp_path, "PC_NAME_MAX") == MAX_NAME_BYTES
