"""Laying documents to rest on other disks, where something is wrong, and what is cleared up afterwards."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hotfolder import filing, spool
from hotfolder.claims import work_name
from hotfolder.filing import Filed, NotFiled, clear_up
from hotfolder.model import Answer, Earlier, ErrorSource
from tests.builders import PDF, delivered, put_in_work, without_privileges
from tests.filing.archives import at_rest, carry_by, file, ready


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
    carry_by(monkeypatch, "copy")
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
