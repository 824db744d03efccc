"""Laying documents to rest."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hotfolder import filing, spool
from hotfolder.claims import work_name
from hotfolder.filing import Filed, NotFiled, Order, clear_up, file_all, sidecar_name
from hotfolder.model import Answer, Earlier, ErrorSource, Journey, Remote, Stamp
from tests.builders import NOW, PDF, delivered, put_in_work, without_privileges


class Boom(Exception):  # noqa: N818 — the end of the program, played
    """The program ends here."""


@pytest.fixture
def done(drop_path: Path) -> Path:
    """The archive."""
    return drop_path / "done"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """An archive on another file system."""
    shm = Path("/dev/shm")
    if not os.access(shm, os.W_OK) or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system at /dev/shm")
    path = Path(tempfile.mkdtemp(dir=shm))
    yield path
    shutil.rmtree(path)


def file(folders: spool.Folders, archive: Path, *journeys: Journey) -> list[Filed | NotFiled]:
    """File journeys in one archive."""
    return file_all(folders, [Order(j, str(archive), NOW) for j in journeys])


def ready(folders: spool.Folders, content: bytes = PDF, **changes: Any) -> Journey:
    """Put a delivered document into the work folder."""
    made = delivered(**changes)
    put_in_work(folders, made, content)
    return made


def at_rest(archive: Path) -> dict[bytes, str]:
    """Return the documents of an archive with the upload ids of their sidecars; fails where the two do not pair."""
    names = sorted(os.listdir(os.fsencode(archive)))
    sidecars = {}
    for name in names:
        content = Path(os.fsdecode(os.path.join(os.fsencode(archive), name))).read_bytes()
        if content[:1] == b"{":
            sidecars[name] = json.loads(content)["upload_id"]
    documents = [name for name in names if name not in sidecars]
    assert sorted(sidecar_name(name) for name in documents) == sorted(sidecars)
    return {name: sidecars[sidecar_name(name)] for name in documents}


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
        remote=Remote(status=words, links={words: [words]}),
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


def _ends(patch: pytest.MonkeyPatch, way: str) -> None:
    """Choose how files get to the archive."""
    if way != "move":
        real = spool.move

        def move(name: bytes, at: int, new_name: bytes, new_at: int) -> None:
            if os.fstat(at).st_ino != os.fstat(new_at).st_ino:
                raise OSError(errno.EXDEV, "Invalid cross-device link")
            real(name, at, new_name, new_at)

        patch.setattr(spool, "move", move)


@given(
    ends=st.lists(st.tuples(st.integers(1, 20), st.booleans()), min_size=1, max_size=3),
    way=st.sampled_from(["move", "copy"]),
    others=st.integers(0, 2),
    taken=st.booleans(),
)
@settings(max_examples=150)
def test_a_filing_that_ends_anywhere_is_finished_by_the_next(
    ends: list[tuple[int, bool]],
    way: str,
    others: int,
    taken: bool,  # noqa: FBT001 — drawn
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
        made = [ready(folders, b"document %d" % number) for number in range(others + 1)]
        with pytest.MonkeyPatch.context() as patch:
            _ends(patch, way)
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


# Other disks, no rights --------------------------------------------------------------------------


def test_another_file_system(folders: spool.Folders, elsewhere: Path) -> None:
    """On another file system the copy is whole before the original goes, and nothing else is left."""
    made = ready(folders)
    assert file(folders, elsewhere / "done", made) == [Filed(b"scan.pdf")]
    assert at_rest(elsewhere / "done") == {b"scan.pdf": made.upload_id}
    assert (elsewhere / "done" / "scan.pdf").read_bytes() == PDF
    assert os.listdir(folders.work) == []


def test_nothing_is_removed_before_its_successor_is_durable(
    folders: spool.Folders, done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sidecar's name is synced before the document moves, a copy and its name before the original goes."""
    seen: list[str] = []

    def watch(name: str, note: Any) -> None:
        real = getattr(spool, name)

        def noting(*arguments: Any) -> Any:
            seen.append(note(*arguments))
            return real(*arguments)

        monkeypatch.setattr(spool, name, noting)

    def place(fd: int) -> str:
        return "work" if os.path.samestat(os.fstat(fd), os.fstat(folders.work)) else "archive"

    made = ready(folders)
    _ends(monkeypatch, "copy")
    watch("write_new", lambda name, *_: f"write {name.decode()}")
    watch("copy_over", lambda _, name, *__: f"copy {name.decode()}")
    watch("sync_folder", lambda fd: f"sync {place(fd)}")
    watch("remove", lambda _, at: f"remove from {place(at)}")
    file(folders, done, made)
    first = seen.index("write scan.pdf.json")
    steps = [s for s in seen[first:] if s != "remove from archive"]
    assert steps[:5] == [
        "write scan.pdf.json",
        "sync archive",
        "copy scan.pdf",
        "sync archive",
        "remove from work",
    ]


def test_a_copy_that_was_not_cleaned_up(folders: spool.Folders, elsewhere: Path) -> None:
    """Where a crash left both copy and original, the original goes and the copy stays."""
    made = ready(folders)
    file(folders, elsewhere, made)
    put_in_work(folders, made)
    assert file(folders, elsewhere, made) == [Filed(b"scan.pdf")]
    assert at_rest(elsewhere) == {b"scan.pdf": made.upload_id}
    assert os.listdir(folders.work) == []


def test_another_content_in_its_place_costs_nobody_anything(folders: spool.Folders, elsewhere: Path) -> None:
    """Where somebody's file has taken the place beside our sidecar, neither is removed."""
    made = ready(folders)
    file(folders, elsewhere, made)
    (elsewhere / "scan.pdf").write_bytes(b"theirs")
    put_in_work(folders, made)
    assert isinstance(file(folders, elsewhere, made)[0], NotFiled)
    assert (elsewhere / "scan.pdf").read_bytes() == b"theirs"
    assert os.listdir(folders.work) == [os.fsdecode(work_name(made))]


def test_an_archive_that_cannot_be_written(folders: spool.Folders, drop_path: Path, done: Path) -> None:
    """While an archive is read-only its documents stay in the work folder, and are filed when it is not."""
    made = ready(folders)
    done.mkdir()
    for folder, mode in ((drop_path, 0o777), (drop_path / ".hotfolder", 0o777), (done, 0o555)):
        folder.chmod(mode)
    with without_privileges():
        result = file(folders, done, made)[0]
    assert isinstance(result, NotFiled)
    assert result.problem.errno == errno.EACCES
    assert os.listdir(folders.work) == [os.fsdecode(work_name(made))]
    assert list(done.iterdir()) == []
    done.chmod(0o755)
    assert file(folders, done, made) == [Filed(b"scan.pdf")]


def test_a_file_in_the_place_of_the_archive(folders: spool.Folders, done: Path) -> None:
    """An archive that is no folder is trouble, not a reason to replace it."""
    done.write_bytes(b"theirs")
    made = ready(folders)
    assert isinstance(file(folders, done, made)[0], NotFiled)
    assert done.read_bytes() == b"theirs"


def test_the_reason_of_a_failure_is_in_the_sidecar(folders: spool.Folders, drop_path: Path) -> None:
    """A refused document rests in failed/ with the response record."""
    answer = Answer(413, None, ("too large",))
    made = ready(folders, answer=answer, error_source=ErrorSource.SERVER)
    file(folders, drop_path / "failed", made)
    record = json.loads((drop_path / "failed" / "scan.pdf.json").read_text())
    assert (record["outcome"], record["error_source"]) == ("failed", "server")
    assert record["response"] == {
        "StatusCode": 413,
        "ErrorKey": None,
        "Messages": [{"Message": "too large"}],
        "DocumentIDs": None,
    }
    assert filing.sidecar_name(b"scan.pdf") == b"scan.pdf.json"


def test_a_filed_document_that_a_person_took_away_is_at_rest_all_the_same(
    folders: spool.Folders, done: Path
) -> None:
    """The row of its filing was lost, its sidecar is there: nothing is missing, and nothing is written."""
    made = ready(folders, PDF)
    file(folders, done, made)
    (done / "scan.pdf").unlink()
    assert file(folders, done, made) == [Filed(b"scan.pdf")]
    assert os.listdir(done) == ["scan.pdf.json"]


def test_a_document_that_is_nowhere_leaves_no_sidecar(folders: spool.Folders, done: Path) -> None:
    """A sidecar without its document would say something untrue."""
    [result] = file(folders, done, delivered())
    assert isinstance(result, NotFiled)
    assert result.problem.errno == errno.ENOENT
    assert os.listdir(done) == []


def test_a_name_that_is_taken_beside_our_sidecar_is_given_up(
    folders: spool.Folders, done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody puts a file there between our sidecar and our document: the next try finds another name."""
    made = ready(folders, PDF)
    real = spool.write_new

    def write_new(name: bytes, *rest: Any) -> None:
        real(name, *rest)
        if name == b"scan.pdf.json":
            (done / "scan.pdf").write_bytes(b"somebody else's")

    monkeypatch.setattr(spool, "write_new", write_new)
    assert isinstance(file(folders, done, made)[0], NotFiled)
    [result] = file(folders, done, made)
    assert isinstance(result, Filed)
    assert result.name != b"scan.pdf"
    assert (done / "scan.pdf").read_bytes() == b"somebody else's"
    assert (done / os.fsdecode(result.name)).read_bytes() == PDF
    assert not (done / "scan.pdf.json").exists()


def test_the_record_that_a_document_left_behind_goes(folders: spool.Folders, drop_path: Path) -> None:
    """A lonely sidecar is removed when its document rests elsewhere, and no other one ever."""
    failed = drop_path / "failed"
    (failed / "sub").mkdir(parents=True)
    old = Earlier("old", b"sub", b"a.pdf")
    lonely, beside, strange = failed / "sub/a.pdf.json", failed / "sub/b.pdf.json", failed / "sub/c.pdf.json"
    for path, upload_id in ((lonely, "old"), (beside, "old"), (strange, "another")):
        path.write_text(json.dumps({"upload_id": upload_id}))
    (failed / "sub/b.pdf").write_bytes(PDF)
    names = (b"a.pdf", b"b.pdf", b"c.pdf", b"gone.pdf")
    clear_up(str(failed), [delivered(retries=replace(old, name=name)) for name in names])
    assert sorted(p.name for p in (failed / "sub").iterdir()) == ["b.pdf", "b.pdf.json", "c.pdf.json"]
    clear_up(str(failed / "missing"), [delivered(retries=old), delivered()])
