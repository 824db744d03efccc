"""The ways in which a document comes to lie in a folder."""

import ctypes
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.e2e.harness import Site, wait_for

Way = Callable[[Path, bytes], None]


def close_after_write(path: Path, content: bytes) -> None:
    """Create, write in pieces, close: copies, FTP STOR, SMB puts."""
    with path.open("wb") as file:
        for start in range(0, len(content), 4096):
            file.write(content[start : start + 4096])
            file.flush()


def size_first(path: Path, content: bytes) -> None:
    """Make it large, date it back, write, close: Explorer over SMB."""
    with path.open("wb") as file:
        file.truncate(len(content))
        os.utime(file.fileno(), (1_600_000_000, 1_600_000_000))
        file.write(content)


def rename_in(path: Path, content: bytes) -> None:
    """Write under an ignored name, rename: rsync, scanimage --batch, FTP clients."""
    hidden = path.with_name(f".{path.name}.X1y2Z3")
    hidden.write_bytes(content)
    hidden.rename(path)


def move_in(path: Path, content: bytes) -> None:
    """Rename from outside the drop folder: mv on the same file system."""
    outside = Path(tempfile.mkdtemp(dir=path.parents[2])) / path.name
    outside.write_bytes(content)
    outside.rename(path)
    outside.parent.rmdir()


def link_in(path: Path, content: bytes) -> None:
    """Hard link, then unlink: OpenSSH's SFTP rename; the final name gets nothing but CREATE."""
    hidden = path.with_name(f".in.{path.name}.")
    hidden.write_bytes(content)
    os.link(hidden, path)
    hidden.unlink()


def unnamed_then_linked(path: Path, content: bytes) -> None:
    """O_TMPFILE and linkat: no event names the file before it is whole."""
    fd = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, 0o644)
    try:
        os.write(fd, content)
        libc = ctypes.CDLL(None, use_errno=True)
        at_cwd, follow = -100, 0x400
        if libc.linkat(at_cwd, f"/proc/self/fd/{fd}".encode(), at_cwd, os.fsencode(path), follow) != 0:
            raise OSError(ctypes.get_errno(), "linkat")
    finally:
        os.close(fd)


def in_a_folder(path: Path, content: bytes) -> None:
    """A directory with the document in it is moved in."""
    outside = Path(tempfile.mkdtemp(dir=path.parents[2]))
    (outside / path.name).write_bytes(content)
    outside.rename(path.parent / f"folder-{path.stem}")


def in_a_new_folder(path: Path, content: bytes) -> None:
    """A directory is made in the drop folder, and the document copied into it at once."""
    folder = path.parent / f"new-{path.stem}" / "deeper"
    folder.mkdir(parents=True)
    (folder / path.name).write_bytes(content)


WAYS: tuple[Way, ...] = (
    close_after_write,
    size_first,
    rename_in,
    move_in,
    link_in,
    unnamed_then_linked,
    in_a_folder,
    in_a_new_folder,
)


def overflow(site: Site, queue: str, drops: list[tuple[str, bytes]]) -> None:
    """Stop the daemon, let the kernel's event queue run over, drop documents, let the daemon go on."""
    process = site.process
    assert process is not None
    os.kill(process.pid, 19)  # SIGSTOP
    litter = site.drop(queue) / ".litter"
    for _ in range(9000):
        litter.touch()
        litter.unlink()
    for name, content in drops:
        (site.drop(queue) / name).write_bytes(content)
    os.kill(process.pid, 18)  # SIGCONT
    wait_for(site.scanned, 10)
