"""Laying documents to rest."""

import json
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotfolder import spool
from hotfolder.claims import work_name
from hotfolder.filing import Filed, NotFiled
from hotfolder.model import Answer, Journey, Remote, Stamp
from tests.builders import NOW, PDF, delivered
from tests.filing.archives import at_rest, carry_by, companions, file, ready


class Boom(Exception):  # noqa: N818 — the end of the program, played
    """The program ends here."""


def test_a_document_rests_beside_its_sidecar(folders: spool.Folders, done: Path) -> None:
    """A filed document is in the archive under its name, beside its sidecar, and nowhere else."""
    made = ready(folders)
    assert file(folders, done, made) == [Filed(b"scan.pdf")]
    assert at_rest(done) == {b"scan.pdf": made.upload_id}
    assert (done / "scan.pdf").read_bytes() == PDF
    assert os.listdir(folders.work) == []


def test_subfolders_are_mirrored(folders: spool.Folders, done: Path) -> None:
    """A document from a subfolder rests in the same subfolder of the archive."""
    made = ready(folders, folder=b"a/\xff")
    file(folders, done, made)
    assert at_rest(Path(os.fsdecode(os.path.join(os.fsencode(done), b"a/\xff")))) == {
        b"scan.pdf": made.upload_id
    }


@pytest.mark.parametrize(
    "name",
    [
        b"x" * 255,
        b"x" * 251 + b".pdf",
        "ř".encode() * 127,
        b"\xff" * 255,
        b"a\n\"';\\.pdf",
        b"-rf",
        b" ",
        b"a.json",
        b"scan.pdf.json",
    ],
)
def test_odd_names(name: bytes, folders: spool.Folders, done: Path) -> None:
    """Two documents of any name rest side by side, and the sidecars tell the whole names."""
    made = [ready(folders, name=name) for _ in range(2)]
    results = file(folders, done, *made)
    assert all(isinstance(r, Filed) and len(r.name) <= 250 for r in results)
    assert sorted(at_rest(done).values()) == sorted(j.upload_id for j in made)


def test_a_document_and_a_sidecar_of_one_name_do_not_meet(folders: spool.Folders, done: Path) -> None:
    """A document called like another one's sidecar, filed before or after it, costs neither of them."""
    for names in ((b"a.pdf", b"a.pdf.json"), (b"b.pdf.json", b"b.pdf")):
        for name in names:
            assert isinstance(file(folders, done, ready(folders, name=name))[0], Filed)
    assert len(at_rest(done)) == 4


def test_further_files_rest_beside_their_document(folders: spool.Folders, done: Path) -> None:
    """They are named after the document as it lies there, in its record too, and never take a name that is taken."""
    done.mkdir()
    (done / "scan (2).xml").write_bytes(b"theirs")
    first = companions(folders, ready(folders), "{stem}.xml", "{name}.annotations.json")
    second = companions(folders, ready(folders), "{stem}.xml", "{name}.json")
    names = [r.name for r in file(folders, done, first, second) if isinstance(r, Filed)]
    assert names[0] == b"scan.pdf"
    assert json.loads((done / "scan.pdf.json").read_bytes())["beside"] == [
        "scan.xml",
        "scan.pdf.annotations.json",
    ]
    later = os.fsdecode(names[1])
    assert later not in {"scan.pdf", "scan (2).pdf"}
    beside = json.loads((done / f"{later}.json").read_bytes())["beside"]
    assert beside == [later.replace(".pdf", ".xml"), f"_{later}.json"]
    assert os.listdir(folders.work) == []


def test_two_hundred_documents_of_one_name(folders: spool.Folders, done: Path) -> None:
    """However many share a name and a moment, each rests under a name of its own after at most three tries."""
    made = [ready(folders, b"%d" % number, claimed_at=NOW) for number in range(200)]
    results = file(folders, done, *made[:100]) + file(folders, done, *made[100:])
    names = [r.name for r in results if isinstance(r, Filed)]
    assert len(set(names)) == 200
    assert at_rest(done) == dict(zip(names, (j.upload_id for j in made), strict=True))
    assert {(done / os.fsdecode(n)).read_bytes() for n in names} == {b"%d" % number for number in range(200)}


def test_what_people_put_there_is_not_replaced(folders: spool.Folders, done: Path) -> None:
    """A file or a sidecar of somebody else keeps its name and content."""
    done.mkdir()
    (done / "a.pdf").write_bytes(b"theirs")
    (done / "b.pdf.json").write_bytes(b"theirs")
    results = file(folders, done, ready(folders, name=b"a.pdf"), ready(folders, name=b"b.pdf"))
    assert [isinstance(r, Filed) and r.name in {b"a.pdf", b"b.pdf"} for r in results] == [False, False]
    assert (done / "a.pdf").read_bytes() == (done / "b.pdf.json").read_bytes() == b"theirs"
    assert not (done / "a.pdf.json").exists()


def test_one_that_fails_does_not_hold_up_the_others(folders: spool.Folders, done: Path) -> None:
    """A document that is missing from the work folder is reported, those around it are filed."""
    missing = delivered(name=b"missing.pdf")
    results = file(folders, done, ready(folders), missing, ready(folders))
    assert [type(r) for r in results] == [Filed, NotFiled, Filed]
    assert isinstance(results[1], NotFiled)
    assert "missing from the work folder" in str(results[1].problem)


@pytest.mark.parametrize("words", ["\ud800", "line\nbreak", "\x00", "😀"])
def test_a_services_odd_words_do_not_stop_the_filing(words: str, folders: spool.Folders, done: Path) -> None:
    """Whatever a service called a document, its sidecar is JSON in UTF-8."""
    made = ready(
        folders,
        answer=Answer(202, document_ids=(words,)),
        remote=Remote(status=words, links={words: [words, {words: words}]}),
    )
    assert file(folders, done, made) == [Filed(b"scan.pdf")]
    assert at_rest(done) == {b"scan.pdf": made.upload_id}


def test_absurd_time_stamps_do_not_stop_the_filing(folders: spool.Folders, done: Path) -> None:
    """A file from the year 292 billion is filed like any other."""
    made = [
        ready(folders, stamp=Stamp(1, 2, 3, seconds * 10**9, 5))
        for seconds in (2**63 // 10**9 * 10, -(2**62), 2**62)
    ]
    assert all(isinstance(r, Filed) for r in file(folders, done, *made))


# Doing it again ----------------------------------------------------------------------------------

STEPS = (
    "write_new",
    "move",
    "copy_over",
    "sync_folder",
    "remove",
    "same_bytes",
    "look",
    "read_small",
    "open_document",
)


def _end_at(patch: pytest.MonkeyPatch, number: int, *, after: bool) -> None:
    """Let the program end before or after the n-th of all steps that touch the disk."""
    calls = 0

    def wrapped(real: Any) -> Any:
        def step(*arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == number and not after:
                raise Boom
            result = real(*arguments, **options)
            if calls == number:
                raise Boom
            return result

        return step

    for name in STEPS:
        patch.setattr(spool, name, wrapped(getattr(spool, name)))


@given(
    ends=st.lists(st.tuples(st.integers(1, 20), st.booleans()), min_size=1, max_size=3),
    way=st.sampled_from(["move", "copy"]),
    others=st.integers(0, 2),
    taken=st.booleans(),
    patterns=st.sampled_from([(), ("{stem}.xml",), ("{name}.annotations.txt", "{stem}.pdf")]),
)
@settings(max_examples=200)
def test_a_filing_that_ends_anywhere_is_finished_by_the_next(
    ends: list[tuple[int, bool]],
    way: str,
    others: int,
    taken: bool,  # noqa: FBT001 — drawn
    patterns: tuple[str, ...],
) -> None:
    """After a crash at any step, even several times, the document is never lost, and rests once in the end."""
    top = Path(tempfile.mkdtemp())
    (top / "drop" / "done").mkdir(parents=True)
    folders = spool.Folders(str(top / "drop"))
    done = top / "drop" / "done"
    try:
        if taken:
            (done / "scan.pdf").write_bytes(b"theirs")
            (done / "scan.pdf.json").write_bytes(b'{"upload_id": "somebody"}')
        made = [
            companions(folders, ready(folders, b"document %d" % number), *patterns)
            for number in range(others + 1)
        ]
        with pytest.MonkeyPatch.context() as patch:
            carry_by(patch, way)
            for number, after in ends:
                with pytest.MonkeyPatch.context() as crash:
                    _end_at(crash, number, after=after)
                    with suppress(Boom):
                        file(folders, done, *made)
                _nothing_is_lost(folders, done, made)
            results = file(folders, done, *made)
        assert [type(r) for r in results] == [Filed] * len(made)
        found = at_rest(done)
        assert sorted(found.values()) == sorted([j.upload_id for j in made] + ["somebody"] * taken)
        for number, (result, one) in enumerate(zip(results, made, strict=True)):
            assert isinstance(result, Filed)
            assert found[result.name] == one.upload_id
            assert (done / os.fsdecode(result.name)).read_bytes() == b"document %d" % number
        assert os.listdir(folders.work) == []
    finally:
        folders.close()
        shutil.rmtree(top)


def _nothing_is_lost(folders: spool.Folders, done: Path, made: list[Journey]) -> None:
    contents = {p.read_bytes() for p in done.iterdir() if not p.name.startswith(".")}
    in_work = {os.fsencode(n) for n in os.listdir(folders.work)}
    for number, one in enumerate(made):
        assert work_name(one) in in_work or b"document %d" % number in contents


def test_filing_twice_is_filing_once(folders: spool.Folders, done: Path) -> None:
    """A filing whose row was lost is done again and finds everything done."""
    made = [ready(folders) for _ in range(3)]
    first = file(folders, done, *made)
    before = at_rest(done)
    assert file(folders, done, *made) == first
    assert at_rest(done) == before
