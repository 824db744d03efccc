"""Moves, copies, locks and looks on real folders."""

import ctypes
import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hotfolder import spool
from hotfolder.checks.readiness import Kind
from tests.builders import NOW

MARK = "01900000-0000-7000-8000-000000000000"
TEMPORARY = b".temporary"
NO_WAY = "Not a directory|Too many levels of symbolic links"
"""What the kernel says of a link where a folder or file must be."""


class Boom(Exception):  # noqa: N818 — the end of the program, played
    """The program ends here."""


@pytest.fixture
def here(tmp_path: Path) -> Iterator[int]:
    """An open empty folder."""
    fd = spool.open_folder(str(tmp_path))
    yield fd
    os.close(fd)


@pytest.fixture
def there(tmp_path: Path) -> Iterator[int]:
    """Another one, not inside the first."""
    other = tmp_path.parent / f"{tmp_path.name}-other"
    other.mkdir()
    fd = spool.open_folder(str(other))
    yield fd
    os.close(fd)


def _refusing(code: int) -> Callable[..., int]:
    """A file system whose renameat2 knows no flags."""

    def renameat2(*_: Any) -> int:
        ctypes.set_errno(code)
        return -1

    return renameat2


@pytest.fixture(params=["renameat2", "link and unlink"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to move a file without replacing one."""
    if request.param != "renameat2":
        monkeypatch.setattr(spool.files, "_renameat2", _refusing(errno.EINVAL))
    return str(request.param)


def put(fd: int, name: bytes, content: bytes = b"x") -> None:
    """Write a file into an open folder."""
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=fd)
    os.write(file, content)
    os.close(file)


def names(fd: int) -> list[bytes]:
    """Return the sorted names in an open folder."""
    return sorted(os.fsencode(n) for n in os.listdir(fd))


# Moving ------------------------------------------------------------------------------------------


def test_move(way: str, here: int, there: int) -> None:
    """A file that is moved is in the one folder and no longer in the other, the same file as before."""
    put(here, b"a\xff\n.pdf", b"content")
    before = spool.look(b"a\xff\n.pdf", here)[1]
    spool.move(b"a\xff\n.pdf", here, b"b.pdf", there)
    assert (names(here), names(there)) == ([], [b"b.pdf"])
    assert spool.look(b"b.pdf", there)[1].same_content(before)


def test_move_never_replaces(way: str, here: int, there: int) -> None:
    """Where the new name is taken nothing changes, neither there nor here."""
    put(here, b"a.pdf", b"mine")
    put(there, b"a.pdf", b"theirs")
    with pytest.raises(FileExistsError):
        spool.move(b"a.pdf", here, b"a.pdf", there)
    assert spool.read_small(b"a.pdf", here) == b"mine"
    assert spool.read_small(b"a.pdf", there) == b"theirs"


def test_move_of_nothing(way: str, here: int, there: int) -> None:
    """A file that is gone is reported as gone."""
    with pytest.raises(FileNotFoundError):
        spool.move(b"a.pdf", here, b"a.pdf", there)


def test_move_takes_a_link_itself(way: str, here: int, there: int) -> None:
    """A symbolic link is moved, not what it leads to."""
    put(there, b"target", b"precious")
    os.symlink("target", b"link", dir_fd=here)
    spool.move(b"link", here, b"moved", there)
    assert spool.look(b"moved", there)[0] is Kind.SYMLINK
    assert spool.look(b"target", there)[0] is Kind.FILE


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP])
def test_every_answer_that_means_no_such_call(
    code: int, here: int, there: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a file system says instead of "no such call", the file is moved."""
    monkeypatch.setattr(spool.files, "_renameat2", _refusing(code))
    put(here, b"a.pdf")
    spool.move(b"a.pdf", here, b"a.pdf", there)
    assert names(there) == [b"a.pdf"]


@pytest.mark.parametrize("code", [errno.EACCES, errno.ENOSPC, errno.EIO, errno.EROFS, errno.EXDEV])
def test_trouble_is_passed_on(code: int, here: int, there: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real trouble of the file system is not answered with another way to move."""
    monkeypatch.setattr(spool.files, "_renameat2", _refusing(code))
    put(here, b"a.pdf")
    with pytest.raises(OSError, match=os.strerror(code)) as caught:
        spool.move(b"a.pdf", here, b"a.pdf", there)
    assert caught.value.errno == code
    assert names(here) == [b"a.pdf"]


def test_a_move_that_was_cut_off_between_link_and_unlink_is_finished(
    here: int, there: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two names of one file, as a crash leaves them, become one by moving again: never two documents."""
    monkeypatch.setattr(spool.files, "_renameat2", _refusing(errno.EINVAL))
    put(here, b"a.pdf", b"content")
    os.link(b"a.pdf", b"b.pdf", src_dir_fd=here, dst_dir_fd=there)
    spool.move(b"a.pdf", here, b"b.pdf", there)
    assert (names(here), names(there)) == ([], [b"b.pdf"])


def test_move_to_free_tries_other_names(way: str, here: int, there: int) -> None:
    """Where the name is taken the next one is used, and none of those there is touched."""
    taken = [b"a.pdf", b"a.20231114T221320.000000Z.pdf"]
    for name in taken:
        put(there, name, b"theirs")
    put(here, b"work", b"mine")
    name = spool.move_to_free(b"work", here, b"a.pdf", there, NOW, MARK)
    assert name == f"a.{MARK}.pdf".encode()
    assert names(there) == sorted([*taken, name])
    put(here, b"work")
    with pytest.raises(FileExistsError):
        spool.move_to_free(b"work", here, b"a.pdf", there, NOW, MARK)
    assert names(here) == [b"work"]


@pytest.mark.parametrize("name", [b"x" * 255, b"x" * 251 + b".pdf", "é".encode() * 127])
def test_move_to_free_keeps_the_longest_name(name: bytes, here: int, there: int) -> None:
    """A free name is kept to its last byte, however long."""
    put(here, b"work")
    assert spool.move_to_free(b"work", here, name, there, NOW, MARK) == name


# Copying -----------------------------------------------------------------------------------------


def test_copy_over_keeps_content_mode_and_time(
    here: int, there: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy has the content, the mode whatever the umask, and the time of the original."""
    monkeypatch.setattr(spool.files, "COPY_PIECE_BYTES", 4)
    put(here, b"a.pdf", b"0123456789")
    os.chmod(b"a.pdf", 0o664, dir_fd=here)
    os.utime(b"a.pdf", ns=(1, 2), dir_fd=here)
    source, _ = spool.open_document(b"a.pdf", here)
    before = os.umask(0o077)
    try:
        spool.copy_over(source, b"b.pdf", there, TEMPORARY)
    finally:
        os.umask(before)
        os.close(source)
    status = os.stat(b"b.pdf", dir_fd=there)
    assert spool.same_bytes(b"a.pdf", here, b"b.pdf", there)
    assert (stat.S_IMODE(status.st_mode), status.st_mtime_ns) == (0o664, 2)
    assert names(there) == [b"b.pdf"]


def test_copy_over_never_replaces(here: int, there: int) -> None:
    """Where the name is taken nothing is replaced, and nothing left beside it."""
    put(here, b"a.pdf", b"mine")
    put(there, b"a.pdf", b"theirs")
    source, _ = spool.open_document(b"a.pdf", here)
    with pytest.raises(FileExistsError):
        spool.copy_over(source, b"a.pdf", there, TEMPORARY)
    os.close(source)
    assert spool.read_small(b"a.pdf", there) == b"theirs"
    assert names(there) == [b"a.pdf"]


STEPS = ("open", "write", "fsync", "fchmod", "utime", "close", "unlink", "link")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(step=st.sampled_from(STEPS), number=st.integers(1, 6), crash=st.booleans())
def test_a_copy_that_is_cut_off_anywhere_leaves_no_half_file(
    step: str,
    number: int,
    tmp_path_factory: pytest.TempPathFactory,
    *,
    crash: bool,
) -> None:
    """Whichever call fails, the name holds the whole content or nothing, and a later copy works."""
    folder = tmp_path_factory.mktemp("copy")
    (folder / "a.pdf").write_bytes(b"0123456789" * 10)
    at = spool.open_folder(str(folder))
    source, _ = spool.open_document(b"a.pdf", at)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(spool.files, "COPY_PIECE_BYTES", 16)
            patch.setattr(spool.files, "_renameat2", _refusing(errno.EINVAL))
            _fail(patch, step, number, Boom() if crash else OSError(errno.EIO, "played"))
            with suppress(Boom, OSError):
                spool.copy_over(source, b"b.pdf", at, TEMPORARY)
        if (folder / "b.pdf").exists():
            assert (folder / "b.pdf").read_bytes() == b"0123456789" * 10
        else:
            spool.copy_over(source, b"b.pdf", at, TEMPORARY)
            assert names(at) == [b"a.pdf", b"b.pdf"]
    finally:
        os.close(source)
        os.close(at)


def _fail(patch: pytest.MonkeyPatch, step: str, number: int, error: Exception) -> None:
    """Let the n-th call of a function of `os` fail."""
    real, calls = getattr(os, step), 0

    def failing(*arguments: Any, **options: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == number:
            raise error
        return real(*arguments, **options)

    patch.setattr(os, step, failing)


def _watched(patch: pytest.MonkeyPatch, owner: Any, name: str, seen: list[str]) -> None:
    """Note each call of a function, and let it do its work."""
    real = getattr(owner, name)

    def noting(*arguments: Any, **options: Any) -> Any:
        seen.append(name)
        return real(*arguments, **options)

    patch.setattr(owner, name, noting)


def test_content_is_durable_before_its_name_appears(
    here: int, there: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy, a sidecar and a replacement are synced before they get their names."""
    put(here, b"a.pdf", b"content")
    source, _ = spool.open_document(b"a.pdf", here)
    seen: list[str] = []
    for owner, name in ((os, "fsync"), (spool.files, "move"), (os, "rename")):
        _watched(monkeypatch, owner, name, seen)
    spool.copy_over(source, b"b.pdf", there, TEMPORARY)
    spool.write_new(b"b.json", b"{}", there, TEMPORARY)
    spool.replace(b"b.json", b"{}", there, TEMPORARY)
    os.close(source)
    assert seen == ["fsync", "move", "fsync", "move", "fsync", "rename", "fsync"]


def test_write_new_and_replace(here: int) -> None:
    """A new file needs a free name; a replacement takes the place of its predecessor."""
    spool.write_new(b"a.json", b"one", here, TEMPORARY)
    with pytest.raises(FileExistsError):
        spool.write_new(b"a.json", b"two", here, TEMPORARY)
    assert spool.read_small(b"a.json", here) == b"one"
    spool.replace(b"a.json", b"three", here, TEMPORARY)
    assert spool.read_small(b"a.json", here) == b"three"
    assert names(here) == [b"a.json"]


def test_a_leftover_of_a_crash_is_no_hindrance(here: int) -> None:
    """A temporary file of an earlier run is written anew."""
    put(here, TEMPORARY, b"half a sidec")
    spool.write_new(b"a.json", b"whole", here, TEMPORARY)
    assert names(here) == [b"a.json"]
    assert spool.read_small(b"a.json", here) == b"whole"


@pytest.mark.parametrize("other", [b"", b"012345678", b"0123456780", b"0123456789x"])
def test_same_bytes(other: bytes, here: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are the same when every byte is, across the borders of pieces too."""
    monkeypatch.setattr(spool.files, "COPY_PIECE_BYTES", 4)
    put(here, b"a", b"0123456789")
    put(here, b"b", other)
    put(here, b"c", b"0123456789")
    assert not spool.same_bytes(b"a", here, b"b", here)
    assert spool.same_bytes(b"a", here, b"c", here)
