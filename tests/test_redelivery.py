"""Moving failed documents back into their drop folder."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hotfolder.filing import Filed, Order, file_all, sidecar_name
from hotfolder.model import Answer, ErrorSource, Journey, State
from hotfolder.redelivery import NotRedeliveredError, all_failed, failed_at, move_back
from hotfolder.settings import Queue
from hotfolder.spool import Folders
from tests.builders import NOW, PDF, claimed, journey, names_in

HOSTILE = [b"\xff\xfe.pdf", b"line\nbreak.pdf", b"x" * 251 + b".pdf", "žluť.pdf".encode(), b"scan.json"]


def failed(folders: Folders, archive: Path, **changes: Any) -> Journey:
    """Have a document filed in an archive as failed."""
    final = {"answer": Answer(422, None, ("damaged",)), "error_source": ErrorSource.LOCAL}
    made = claimed(folders, journey(**changes, **final))
    made = replace(made, state=State.REFUSED)
    (result,) = file_all(folders, [Order(made, str(archive), NOW)])
    assert isinstance(result, Filed), result
    return replace(made, filed_name=result.name)


@pytest.fixture
def queue(drop_path: Path) -> Queue:
    """The queue of the drop folder."""
    return Queue(name="invoices", connection="acme", folder=str(drop_path), recursive=True)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("by_record", [False, True])
def test_it_comes_back_under_its_first_name(
    name: bytes,
    by_record: bool,  # noqa: FBT001 — a parameter
    queue: Queue,
    folders: Folders,
    drop_path: Path,
) -> None:
    """Whatever its name in failed/ was, it comes back as it was dropped; its record stays."""
    failed(folders, queue.failed, name=name)
    made = failed(folders, queue.failed, name=name)  # under another name, for the first is taken
    assert made.filed_name not in {None, name}
    assert made.filed_name is not None
    meant = sidecar_name(made.filed_name) if by_record else made.filed_name
    back = move_back(queue, failed_at(queue, b"", meant), NOW)
    assert back == os.path.join(os.fsencode(drop_path), name)
    assert Path(os.fsdecode(back)).read_bytes() == PDF
    left = os.listdir(os.fsencode(queue.failed))
    assert made.filed_name not in left
    assert sidecar_name(made.filed_name) in left


def test_nothing_is_overwritten(queue: Queue, folders: Folders, drop_path: Path) -> None:
    """Where the name is taken again, it comes back under a free one."""
    failed(folders, queue.failed)
    (drop_path / "scan.pdf").write_bytes(b"another")
    back = move_back(queue, failed_at(queue, b"", b"scan.pdf"), NOW)
    assert (drop_path / "scan.pdf").read_bytes() == b"another"
    assert Path(os.fsdecode(back)).read_bytes() == PDF
    assert len(names_in(drop_path)) == 2


def test_its_subfolder(queue: Queue, folders: Folders, drop_path: Path) -> None:
    """It comes back into its subfolder, or to the top where that was removed."""
    for name in (b"a.pdf", b"b.pdf"):
        failed(folders, queue.failed, folder=b"sub", name=name)
    assert all_failed(queue) == [(b"sub", b"a.pdf"), (b"sub", b"b.pdf")]
    assert move_back(queue, failed_at(queue, b"sub", b"a.pdf"), NOW).endswith(b"/sub/a.pdf")
    (drop_path / "sub/a.pdf").unlink()
    (drop_path / "sub").rmdir()
    assert move_back(queue, failed_at(queue, b"sub", b"b.pdf"), NOW) == os.fsencode(drop_path / "b.pdf")


def test_another_disk(folders: Folders, drop_path: Path, tmp_path: Path) -> None:
    """From an archive on another file system it is copied, and the original goes last."""
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("/dev/shm is no file system of its own: copying was NOT tested")
    archive = other / f"hotfolder-{os.getpid()}-{tmp_path.name}"
    queue = Queue(name="invoices", connection="acme", folder=str(drop_path), failed=str(archive))
    try:
        made = failed(folders, archive, name=b"\xff.pdf")
        (drop_path / os.fsdecode(b"\xff.pdf")).write_bytes(b"another")
        back = move_back(queue, failed_at(queue, b"", b"\xff.pdf"), NOW)
        assert made.upload_id
        assert Path(os.fsdecode(back)).read_bytes() == PDF
        assert os.listdir(archive) == [os.fsdecode(b"\xff.pdf.json")]
        assert len(names_in(drop_path)) == 2
    finally:
        for left in archive.iterdir():
            left.unlink()
        archive.rmdir()


@pytest.mark.parametrize("name", ["../escape.pdf", "", ".", "a/b.pdf", "nul\0.pdf"])
def test_a_record_that_was_tampered_with(name: str, queue: Queue, folders: Folders, drop_path: Path) -> None:
    """A name that leads elsewhere is not followed."""
    failed(folders, queue.failed)
    record = queue.failed / "scan.pdf.json"
    found = failed_at(queue, b"", b"scan.pdf")
    assert found.record is not None
    changed = found.record.model_copy(update={"file": found.record.file.model_copy(update={"name": name})})
    record.write_text(changed.model_dump_json(by_alias=True))
    assert move_back(queue, failed_at(queue, b"", b"scan.pdf"), NOW) == os.fsencode(drop_path / "scan.pdf")


def test_a_bare_mount_point(queue: Queue, folders: Folders, drop_path: Path) -> None:
    """A drop folder without our work folder may be one that nothing is mounted on: nothing is put there."""
    failed(folders, queue.failed)
    (drop_path / ".hotfolder").rmdir()
    with pytest.raises(NotRedeliveredError, match="mounted"):
        move_back(queue, failed_at(queue, b"", b"scan.pdf"), NOW)
    assert (queue.failed / "scan.pdf").exists()
    assert names_in(drop_path) == []


def test_what_is_no_document(queue: Queue, folders: Folders) -> None:
    """Links and folders, and what was taken away, are refused in words."""
    failed(folders, queue.failed)
    (queue.failed / "link").symlink_to("scan.pdf")
    with pytest.raises(NotRedeliveredError, match="symbolic link"):
        failed_at(queue, b"", b"link")
    (queue.failed / "scan.pdf").unlink()
    for name in (b"scan.pdf", b"scan.pdf.json"):
        with pytest.raises(NotRedeliveredError, match="taken away"):
            failed_at(queue, b"", name)
    assert all_failed(queue) == []
