"""Opening, watching for writers, locks and folders: the other half of the spool's tests."""

import fcntl
import mmap
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hotfolder import spool
from hotfolder.checks.readiness import Kind
from tests.builders import without_privileges

NO_WAY = "Not a directory|Too many levels of symbolic links"
"""What the kernel says of a link where a folder or file must be."""


@pytest.fixture
def here(tmp_path: Path) -> Iterator[int]:
    """An open empty folder."""
    fd = spool.open_folder(str(tmp_path))
    yield fd
    os.close(fd)


def put(fd: int, name: bytes, content: bytes = b"x") -> None:
    """Write a file into an open folder."""
    file = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644, dir_fd=fd)
    os.write(file, content)
    os.close(file)


# Opening -----------------------------------------------------------------------------------------


def _fifo(fd: int) -> None:
    os.mkfifo(b"thing.pdf", dir_fd=fd)


def _link(fd: int) -> None:
    put(fd, b"target.pdf")
    os.symlink("target.pdf", b"thing.pdf", dir_fd=fd)


def _folder(fd: int) -> None:
    os.mkdir(b"thing.pdf", dir_fd=fd)


def _socket(fd: int) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{fd}/thing.pdf")


def _device(fd: int) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make devices")
    os.mknod(b"thing.pdf", stat.S_IFCHR | 0o600, os.makedev(1, 5), dir_fd=fd)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (_fifo, Kind.OTHER),
        (_link, Kind.SYMLINK),
        (_folder, Kind.FOLDER),
        (_socket, Kind.OTHER),
        (_device, Kind.OTHER),
    ],
)
def test_what_is_no_file_is_neither_opened_nor_followed(
    make: Callable[[int], None], kind: Kind, here: int
) -> None:
    """Pipes, links, folders, sockets and devices are told apart, and opening one fails at once."""
    make(here)
    assert spool.look(b"thing.pdf", here)[0] is kind
    with pytest.raises(spool.NotAFileError):
        spool.open_document(b"thing.pdf", here)


def test_no_link_is_followed_on_the_way(tmp_path: Path, here: int) -> None:
    """A folder below the drop folder that is a link leads nowhere."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    with spool.below(here, b"real"):
        pass
    with pytest.raises(OSError, match=NO_WAY), spool.below(here, b"link"):
        pass
    with pytest.raises(OSError, match=NO_WAY), spool.below(here, b"link/sub", create_mode=0o755):
        pass
    assert not any((tmp_path / "real").iterdir())


def test_below_makes_what_is_missing(tmp_path: Path, here: int) -> None:
    """With a mode, the missing folders are made; without one, they are missing. No descriptor is lost."""
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(FileNotFoundError):
        spool.open_below(here, b"a/b")
    with spool.below(here, b"a/b\xff", create_mode=0o750):
        pass
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o750 & ~_umask()
    assert len(os.listdir("/proc/self/fd")) == before


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# Writers -----------------------------------------------------------------------------------------

WRITER = """
import mmap, os, sys
fd = os.open(sys.argv[1], os.O_RDWR)
if sys.argv[2] == "mapped":
    mapped = mmap.mmap(fd, 1)
    os.close(fd)
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("how", ["open", "mapped"])
def test_a_writer_in_another_process_is_seen(how: str, tmp_path: Path, here: int) -> None:
    """A file has a writer while another process has it open for writing or mapped, and none afterwards."""
    put(here, b"a.pdf")
    command = [sys.executable, "-c", WRITER, str(tmp_path / "a.pdf"), how]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        fd, _ = spool.open_document(b"a.pdf", here)
        assert spool.has_writer(fd) is True
        writer.communicate()
    assert spool.has_writer(fd) is False
    assert fcntl.fcntl(fd, fcntl.F_GETLEASE) == fcntl.F_UNLCK
    os.close(fd)


def test_a_writer_in_this_process_is_seen(tmp_path: Path, here: int) -> None:
    """A mapping counts when its descriptor is closed; readers do not count."""
    put(here, b"a.pdf", b"0123")
    fd, _ = spool.open_document(b"a.pdf", here)
    reader, _ = spool.open_document(b"a.pdf", here)
    assert spool.has_writer(fd) is False
    with open(tmp_path / "a.pdf", "r+b") as file:
        mapped = mmap.mmap(file.fileno(), 4)
    assert spool.has_writer(fd) is True
    mapped.close()
    assert spool.has_writer(fd) is False
    os.close(fd)
    os.close(reader)


def test_somebody_elses_file_cannot_be_asked_about(tmp_path: Path, here: int) -> None:
    """Without the right to take a lease, nothing is known of writers."""
    if os.geteuid() != 0:
        pytest.skip("only root can make files of others")
    put(here, b"a.pdf")
    fd, _ = spool.open_document(b"a.pdf", here)
    with without_privileges():
        assert spool.has_writer(fd) is None
    os.close(fd)


# Locks -------------------------------------------------------------------------------------------

HOLDER = """
import os, sys
from hotfolder import spool
fd = os.open(sys.argv[1], os.O_RDONLY)
lock = spool.Lock(b"lock", fd, "process 4711")
print("held", flush=True)
sys.stdin.read()
"""


def test_a_lock_holds_across_processes_and_ends_with_them(tmp_path: Path, here: int) -> None:
    """A second process is told who holds the lock; when the holder is killed, the lock is free."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(spool.LockedError, match=r"^process 4711$"):
            spool.Lock(b"lock", here, "me")
        holder.kill()
    lock = spool.Lock(b"lock", here, "me")
    assert spool.read_small(b"lock", here) == b"me\n"
    with pytest.raises(spool.LockedError, match=r"^me$"):
        spool.Lock(b"lock", here, "me again")
    lock.release()
    spool.Lock(b"lock", here, "a shorter one").release()


def test_a_lock_is_no_link(tmp_path: Path, here: int) -> None:
    """A link in the lock's place is not followed to somebody's file."""
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "lock").symlink_to("precious")
    with pytest.raises(OSError, match=NO_WAY):
        spool.Lock(b"lock", here, "me")
    assert (tmp_path / "precious").read_bytes() == b"precious"


# Folders -----------------------------------------------------------------------------------------


def test_folders(folders: spool.Folders, drop_path: Path) -> None:
    """The work folder is made for us alone, and opening it again changes nothing."""
    work = drop_path / ".hotfolder"
    assert stat.S_IMODE(work.stat().st_mode) == 0o700
    again = spool.Folders(str(drop_path))
    assert os.path.samestat(os.fstat(again.work), os.fstat(folders.work))
    again.close()
    assert folders.fs_type


def test_a_work_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """Nobody can have documents claimed into a folder of his choice, and no descriptor is lost."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / ".hotfolder").symlink_to("elsewhere")
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="hotfolder is no folder but a symbolic link"):
        spool.Folders(str(tmp_path))
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_replaced_folder_is_noticed(folders: spool.Folders, drop_path: Path) -> None:
    """A drop folder that was moved away and made anew is another one; one that is gone leads nowhere."""
    assert not folders.moved_away()
    drop_path.rename(drop_path.with_name("old"))
    with pytest.raises(FileNotFoundError):
        folders.moved_away()
    drop_path.mkdir()
    assert folders.moved_away()


@pytest.mark.parametrize("where", ["done", "deep/done", "..done", "../elsewhere"])
def test_archives_are_made(where: str, folders: spool.Folders, drop_path: Path) -> None:
    """An archive inside or outside the drop folder, and the mirrored folders in it, are made when needed."""
    path = os.path.normpath(drop_path / where)
    for _ in range(2):
        with folders.archive(path, b"sub/\xffolder") as fd:
            expected = os.stat(os.path.join(os.fsencode(path), b"sub/\xffolder"))
            assert os.path.samestat(os.fstat(fd), expected)


def test_an_archive_that_is_a_link_is_not_followed(folders: spool.Folders, drop_path: Path) -> None:
    """A person who can write to the drop folder cannot have documents filed elsewhere."""
    (drop_path.parent / "elsewhere").mkdir()
    (drop_path / "done").symlink_to("../elsewhere")
    path = str(drop_path / "done")
    with pytest.raises(OSError, match="done is no folder but a symbolic link"), folders.archive(path, b""):
        pass


def test_file_systems_are_known(here: int) -> None:
    """The kernel's name of a file system is found, and what is not a file has none."""
    assert spool.file_system(here)
    with open("/proc/self/status", "rb") as file:
        assert spool.file_system(file.fileno()) == "proc"
    assert spool.file_system(10**6) == ""
    assert spool.is_remote("nfs4")
    assert spool.is_remote("fuse.sshfs")
    assert not spool.is_remote("ext4")
    assert spool.blocks_tell("ext4")
    assert not spool.blocks_tell("btrfs")


def test_touch_leaves_nothing(here: int) -> None:
    """The canary is made and gone."""
    spool.touch(b".canary", here)
    assert os.listdir(here) == []
    spool.remove(b".canary", here)


# Strangers ---------------------------------------------------------------------------------------


def test_a_work_folder_that_is_open_to_others_is_made_private(tmp_path: Path) -> None:
    """It is ours, so its rights are ours to mend, and that is said."""
    (tmp_path / ".hotfolder").mkdir()
    (tmp_path / ".hotfolder").chmod(0o777)
    opened = spool.Folders(str(tmp_path))
    assert stat.S_IMODE((tmp_path / ".hotfolder").stat().st_mode) == 0o700
    assert "mode 777" in str(opened.remark)
    opened.stay_ours()
    (tmp_path / ".hotfolder").chmod(0o770)
    assert opened.moved_away()
    with pytest.raises(PermissionError, match="other rights"):
        opened.stay_ours()
    opened.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a folder away needs root")
def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    """As work folder and as archive; the probe for who owns what we make leaves nothing behind."""
    for name in (".hotfolder", "done"):
        (tmp_path / name).mkdir()
        os.chown(tmp_path / name, 65534, 65534)
    with pytest.raises(PermissionError, match="belongs to user 65534"):
        spool.Folders(str(tmp_path))
    os.chown(tmp_path / ".hotfolder", 0, 0)
    opened = spool.Folders(str(tmp_path))
    path = str(tmp_path / "done")
    with pytest.raises(PermissionError, match="done belongs to user 65534"), opened.archive(path, b""):
        pass
    assert sorted(os.listdir(tmp_path)) == [".hotfolder", "done"]
    opened.close()


def test_a_link_that_is_turned_elsewhere_is_noticed(tmp_path: Path) -> None:
    """The path that was configured counts, not where it led."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "in").symlink_to("one")
    opened = spool.Folders(str(tmp_path / "in"))
    assert not opened.moved_away()
    (tmp_path / "in").unlink()
    (tmp_path / "in").symlink_to("two")
    assert opened.moved_away()
    opened.close()
