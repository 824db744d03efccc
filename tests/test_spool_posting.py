"""Showing a file of ours among other people's."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotfolder import spool
from hotfolder.spool import posting

NAME = b"STATUS.txt"


@pytest.fixture
def path(drop_path: Path) -> Path:
    """Where it is shown."""
    return drop_path / "STATUS.txt"


@pytest.fixture
def narrow() -> Iterator[None]:
    """The umask of the unit, and one bit more."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def is_ours(head: bytes) -> bool:
    """Tell ours by its first word."""
    return head.startswith(b"ours")


def post(folders: spool.Folders, content: bytes = b"ours 1") -> None:
    """Show a text."""
    spool.post(NAME, content, folders.drop, folders.work, is_ours)


def left(folders: spool.Folders) -> list[str]:
    """Return what lies in the work folder."""
    return os.listdir(os.path.join(folders.path, ".hotfolder"))


@pytest.mark.usefixtures("narrow")
def test_everybody_may_read_it(folders: spool.Folders, path: Path) -> None:
    """Its mode does not depend on the umask, its content is whole, and nothing is left behind."""
    for content in (b"ours 1", b"ours 2"):
        post(folders, content)
        assert path.read_bytes() == content
        assert path.stat().st_mode & 0o7777 == 0o644
        assert left(folders) == []


def _file(path: Path) -> None:
    path.write_text("a shopping list")


def _empty(path: Path) -> None:
    path.touch()


def _folder(path: Path) -> None:
    path.mkdir()


def _link(path: Path) -> None:
    (path.parent / "target").write_text("ours, but elsewhere")
    path.symlink_to("target")


def _fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize("make", [_file, _empty, _folder, _link, _fifo])
def test_what_is_not_ours_stays(folders: spool.Folders, path: Path, make: object) -> None:
    """A person's file, a folder, a link or a FIFO of the name is neither replaced nor followed nor waited for."""
    assert callable(make)
    make(path)
    before = os.lstat(path)
    with pytest.raises(FileExistsError):
        post(folders)
    assert os.lstat(path).st_ino == before.st_ino
    assert os.lstat(path).st_mtime_ns == before.st_mtime_ns
    assert left(folders) == []


@pytest.mark.parametrize("there", [True, False], ids=["in place of ours", "where nothing was"])
def test_a_file_that_comes_in_the_last_moment_stays(
    folders: spool.Folders, path: Path, monkeypatch: pytest.MonkeyPatch, *, there: bool
) -> None:
    """Between the look and the move somebody may put a file of his own there: it is put back at once."""
    if there:
        post(folders)
    synced = posting.synced

    def meanwhile(*args: object) -> object:
        path.unlink(missing_ok=True)
        path.write_text("mine")
        return synced(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(posting, "synced", meanwhile)
    with pytest.raises(FileExistsError):
        post(folders, b"ours 2")
    assert path.read_text() == "mine"
    assert left(folders) == []


def test_a_file_that_a_crash_left_in_our_place_comes_back(folders: spool.Folders, path: Path) -> None:
    """A crash between the two halves of putting back costs the file its name at worst."""
    (Path(folders.path) / ".hotfolder" / ".placard.tmp").write_text("mine")
    with pytest.raises(FileExistsError):
        post(folders)
    assert path.read_text() == "mine"
    path.write_bytes(b"ours 1")
    (Path(folders.path) / ".hotfolder" / ".placard.tmp").write_text("mine too")
    post(folders, b"ours 2")
    texts = sorted(p.read_text() for p in path.parent.glob("STATUS*"))
    assert texts == ["mine too", "ours 2"]


def test_a_torn_file_of_ours_is_no_trouble(folders: spool.Folders, path: Path) -> None:
    """What a power cut left of a temporary file is written over."""
    (Path(folders.path) / ".hotfolder" / ".placard.tmp").touch()
    post(folders)
    assert path.read_bytes() == b"ours 1"
    assert left(folders) == []


def test_a_file_system_that_cannot_exchange(
    folders: spool.Folders, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On NFS, SMB and others the new text replaces the old one."""
    post(folders)
    monkeypatch.setattr(posting, "_renameat2", lambda *_: -1)
    post(folders, b"ours 2")
    assert path.read_bytes() == b"ours 2"
    assert left(folders) == []
