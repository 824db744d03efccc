"""Looking at a drop folder and at single files."""

import os
import tempfile
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfolder import spool
from hotfolder.arrivals import Inbox
from hotfolder.arrivals.scan import FileWindow, Seen, Unseen, entries, entry, examine
from hotfolder.checks.names import IgnoreRules
from hotfolder.checks.readiness import Kind, Rules
from tests.builders import PDF, without_privileges

INBOX = Inbox(Rules(frozenset(), 1, None, 1.0), IgnoreRules(), settle_s=0.0, settle_max_s=1.0, recursive=True)
OWN = frozenset({spool.WORK_FOLDER, b"done"})


def listed(folders: spool.Folders, *, recursive: bool = False) -> dict[bytes, Kind | str]:
    """Return what a scan says: path → kind, or problem."""
    found = entries(folders.drop, enters=lambda path: recursive and INBOX.enters(path), skip=OWN)
    return {os.path.join(s.folder, s.name): s.kind if isinstance(s, Seen) else s.problem for s in found}


def test_everything_is_mentioned(folders: spool.Folders, drop_path: Path) -> None:
    """A scan mentions every entry by its bytes, with what it is, and leaves out the service's own folders."""
    Path(os.fsdecode(os.path.join(os.fsencode(drop_path), b"\xff\n.pdf"))).touch()
    (drop_path / "link").symlink_to("nowhere")
    os.mkfifo(drop_path / "pipe")
    (drop_path / "done").mkdir()
    (drop_path / "sub").mkdir()
    (drop_path / "sub" / "deep.pdf").touch()
    assert listed(folders) == {
        b"\xff\n.pdf": Kind.FILE,
        b"link": Kind.SYMLINK,
        b"pipe": Kind.OTHER,
        b"sub": Kind.FOLDER,
    }


def test_subfolders(folders: spool.Folders, drop_path: Path) -> None:
    """A recursive scan goes into folders, not into hidden ones or through links, and skips names at the top only."""
    for name in (
        "a/b/x.pdf",
        "a/done/y.pdf",
        "done/z.pdf",
        ".hidden/h.pdf",
        "#recycle/deleted.pdf",
        "a/@eaDir/thumb.pdf",
    ):
        (drop_path / name).parent.mkdir(parents=True, exist_ok=True)
        (drop_path / name).touch()
    (drop_path / "loop").symlink_to(".")
    found = listed(folders, recursive=True)
    assert {name for name, kind in found.items() if kind is Kind.FILE} == {b"a/b/x.pdf", b"a/done/y.pdf"}


def test_a_subfolder_that_cannot_be_read_is_not_gone(folders: spool.Folders, drop_path: Path) -> None:
    """A closed subfolder is reported as unknown, and the rest of the scan goes on."""
    (drop_path / "closed").mkdir(mode=0)
    (drop_path / "x.pdf").touch()
    drop_path.chmod(0o755)
    with without_privileges():
        found = {
            s.name: s for s in entries(folders.drop, enters=INBOX.enters, skip=OWN) if isinstance(s, Unseen)
        }
        names = listed(folders, recursive=True)
    assert (found[b"closed"].gone, found[b"closed"].problem) == (False, "Permission denied")
    assert b"x.pdf" in names


def test_one_entry(folders: spool.Folders, drop_path: Path) -> None:
    """A single entry is looked at where it lies; one that is gone, or whose folder is, is gone."""
    (drop_path / "sub").mkdir()
    (drop_path / "sub" / "x.pdf").write_bytes(b"x")
    seen = entry(folders.drop, b"sub", b"x.pdf")
    assert isinstance(seen, Seen)
    assert (seen.kind, seen.stamp.size) == (Kind.FILE, 1)
    for folder, name in ((b"sub", b"y.pdf"), (b"nowhere", b"x.pdf")):
        gone = entry(folders.drop, folder, name)
        assert isinstance(gone, Unseen)
        assert gone.gone


@pytest.mark.parametrize(
    ("content", "media_type", "looks_like", "blank"),
    [
        (b"", None, None, False),
        (bytes(5000), None, None, True),
        (b"%PDF-1.4\n", "application/pdf", None, False),
        (b"\x89PNG\r\n\x1a\n", "image/png", None, False),
        (b"Dear Sir or Madam, ", None, None, False),
    ],
)
def test_what_a_look_tells(
    content: bytes,
    media_type: str | None,
    looks_like: str | None,
    blank: bool,  # noqa: FBT001 — a parameter
    folders: spool.Folders,
    drop_path: Path,
) -> None:
    """A look at a file tells its type by content, its size, whether it is blank, and whether it is whole."""
    (drop_path / "x").write_bytes(content)
    found = examine(folders.drop, b"", b"x", fs_type="ext4")
    assert (found.media_type, found.blank, found.writer) == (media_type, blank, False)
    assert found.stamp.size == len(content)
    assert (found.whole is None) is (media_type is None)
    assert found.blocks_tell


def test_a_sparse_file(folders: spool.Folders, drop_path: Path) -> None:
    """A file that was made large before it was written has fewer blocks than bytes."""
    with (drop_path / "x").open("wb") as file:
        file.truncate(1 << 20)
    found = examine(folders.drop, b"", b"x", fs_type="ext4")
    assert found.allocated_bytes < found.stamp.size == 1 << 20
    assert found.blank


def test_a_writer(folders: spool.Folders, drop_path: Path) -> None:
    """A file with a writer is not walked; on a network file system nothing is known of writers elsewhere."""
    (drop_path / "x").write_bytes(b"%PDF-1.4\n")
    with (drop_path / "x").open("ab"):
        found = examine(folders.drop, b"", b"x", fs_type="ext4")
        assert (found.writer, found.whole) == (True, None)
        assert examine(folders.drop, b"", b"x", fs_type="cifs").writer is True
    assert examine(folders.drop, b"", b"x", fs_type="cifs").writer is None


def test_what_is_no_file_is_not_examined(folders: spool.Folders, drop_path: Path) -> None:
    """Links and pipes are refused at once, and no descriptor is lost."""
    (drop_path / "link").symlink_to("/etc/passwd")
    os.mkfifo(drop_path / "pipe")
    before = len(os.listdir("/proc/self/fd"))
    for name in (b"link", b"pipe"):
        with pytest.raises(spool.NotAFileError):
            examine(folders.drop, b"", name, fs_type="ext4")
    assert len(os.listdir("/proc/self/fd")) == before


@given(st.lists(st.tuples(st.integers(0, 400_000), st.integers(0, 140_000)), max_size=12))
def test_a_window_shows_the_file(reads: list[tuple[int, int]]) -> None:
    """Whatever is read, in whatever order, the window shows what the file holds."""
    content = bytes(range(251)) * 1500
    fd = os.memfd_create("window")
    try:
        os.write(fd, content)
        window = FileWindow(fd, len(content))
        for offset, length in reads:
            assert window.read(offset, length) == content[offset : offset + length]
    finally:
        os.close(fd)


def test_what_is_swapped_in_while_it_is_looked_at_is_never_followed_nor_waited_for(
    folders: spool.Folders, drop_path: Path
) -> None:
    """A document that becomes a link, a FIFO or a folder all the time yields its own facts, or an error."""
    (drop_path.parent / "secret").write_bytes(b"GIF89a secret")
    done = threading.Event()

    def swap() -> None:
        path, aside = drop_path / "a.pdf", drop_path / "aside"
        while not done.is_set():
            for make in (
                lambda: aside.write_bytes(PDF),
                lambda: aside.symlink_to("../secret"),
                lambda: os.mkfifo(aside),
            ):
                make()
                aside.rename(path)

    swapper = threading.Thread(target=swap)
    swapper.start()
    seen, refused = 0, 0
    try:
        # The two threads may keep step for thousands of rounds, so that always the same is met.
        deadline = time.monotonic() + 60.0
        while seen + refused < 3000 or not (seen and refused):
            assert time.monotonic() < deadline, f"{seen} seen, {refused} refused"
            try:
                found = examine(folders.drop, b"", b"a.pdf", fs_type=folders.fs_type)
            except OSError:
                refused += 1
            else:
                seen += 1
                assert found.looks_like != "a GIF image"
                assert found.stamp.size in {0, len(PDF)}
    finally:
        done.set()
        swapper.join()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away: NOT checked")
@pytest.mark.parametrize(
    ("folder_owner", "mode", "held"),
    [(65534, 0o700, False), (0, 0o777, False), (0, 0o755, True), (0, 0o1777, True), (65534, 0o1777, False)],
)
def test_a_file_that_may_not_be_moved(folder_owner: int, mode: int, held: bool) -> None:  # noqa: FBT001 — a parameter
    """Whether the service's user may take a file away is known before it is tried: a folder's rights, and its sticky bit."""
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        drop = Path(top, "drop")
        drop.mkdir()
        (drop / "scan.pdf").write_bytes(PDF)
        (drop / "scan.pdf").chmod(0o644)
        os.chown(drop, folder_owner, 0)
        drop.chmod(mode)
        at = os.open(drop, os.O_RDONLY)
        try:
            with without_privileges():
                assert examine(at, b"", b"scan.pdf", fs_type="ext4").held is held
                assert not examine(at, b"", b"scan.pdf", fs_type="nfs4").held
            assert not examine(at, b"", b"scan.pdf", fs_type="ext4").held
        finally:
            os.close(at)
