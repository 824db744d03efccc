"""Drop folders whose ground moves: unmounted, mounted over, renamed, replaced, hung; with real mounts."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from hotfolder.sandbox.server import SandboxServer
from hotfolder.unixsocket import NoDaemonError
from tests.e2e.harness import CONFIG, QUICK, Site, filed, site, wait_for
from tests.e2e.producers import reportlab_pdf
from tests.tools import need

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")

QUEUE = "to-digitoo"
HASTY = f"{QUICK}, rescan: 500ms"
"""Keys of queues that look soon whether everything is as it was."""


def mount(*words: str | Path) -> None:
    """Mount something."""
    subprocess.run([need("mount", "mount"), *map(os.fspath, words)], check=True)


def unmount(at: Path, *words: str) -> None:
    """Unmount something; a mount that the daemon holds open goes away lazily."""
    subprocess.run([need("umount", "mount"), *words, os.fspath(at)], check=True)


@contextmanager
def cleared(at: Path) -> Iterator[None]:
    """Have whatever is mounted at a place unmounted at the end of a block."""
    try:
        yield
    finally:
        while os.path.ismount(at):
            unmount(at, "-l")


@pytest.fixture
def hasty(tmp_path: Path, sandbox: SandboxServer) -> Iterator[Site]:
    """A site that notices within half a second."""
    with site(tmp_path, sandbox, keys=HASTY) as place:
        yield place


def told(place: Site, queue: str = QUEUE) -> dict[str, Any]:
    """Return what `status` says of a queue."""
    return next(q for q in place.status() if q["name"] == queue)


def told_offline(place: Site) -> int:
    """Return how often the log tells, as an error, that a queue is offline."""
    return sum("ERROR" in line and "is offline" in line for line in place.log.read_text().splitlines())


def offline(place: Site, saying: str) -> None:
    """Wait until the queue is offline for a reason."""

    def so() -> bool:
        with suppress(NoDaemonError):  # it may still be starting
            found = told(place)
            return found["state"] == "offline" and saying in found["reason"]
        return False

    wait_for(so, 15, saying)


def arrives_once(place: Site, sandbox: SandboxServer, name: str, total: int) -> None:
    """Drop a document, and see it filed and at the service, as the last of so many."""
    (place.drop(QUEUE) / name).write_bytes(reportlab_pdf(total))
    filed(place, "done", name)
    assert len(sandbox.ledger) == total
    assert told(place)["state"] == "active"


def tmpfs(at: Path, scratch: Path) -> Callable[[], None]:
    """Return how to mount one and the same tmpfs again and again: by a bind mount of it."""
    kept = scratch / "kept"
    kept.mkdir()
    mount("-t", "tmpfs", "tmpfs", kept)
    return lambda: mount("--bind", kept, at)


def ext4(at: Path, scratch: Path) -> Callable[[], None]:
    """Return how to mount an ext4 image."""
    image = scratch / "image"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run([need("mkfs.ext4", "e2fsprogs"), "-q", image], check=True)
    return lambda: mount("-o", "loop", image, at)


@pytest.mark.parametrize("kind", [tmpfs, ext4])
def test_an_unmounted_folder_is_offline_and_nothing_is_written_beneath_it(
    hasty: Site, sandbox: SandboxServer, tmp_path: Path, kind: Callable[[Path, Path], Callable[[], None]]
) -> None:
    """Unmounted under the running daemon, and still so after its restart; mounted again, work goes on."""
    drop = hasty.drop(QUEUE)
    with cleared(tmp_path / "kept"), cleared(drop):
        mount_it = kind(drop, tmp_path)
        mount_it()
        hasty.start()
        arrives_once(hasty, sandbox, "first.pdf", 1)
        unmount(drop, "-l")
        offline(hasty, f"mounted at {drop}, which is not mounted now")
        assert "hotfolder resume to-digitoo" in told(hasty)["reason"]
        assert os.listdir(drop) == []
        assert hasty.stop() == 0
        hasty.start(ready=False)
        offline(hasty, "which is not mounted now")
        assert os.listdir(drop) == []
        mount_it()
        arrives_once(hasty, sandbox, "second.pdf", 2)
        assert told_offline(hasty) == 2  # once in each run
        assert hasty.stop() == 0
        unmount(drop, "-l")
        assert os.listdir(drop) == []


def test_what_was_claimed_waits_for_its_folder_and_goes_on_when_it_is_back(
    hasty: Site, sandbox: SandboxServer, tmp_path: Path
) -> None:
    """The service says "later", the folder goes away and comes back: sent and filed exactly once."""
    sandbox.play([{"match": {"service": "digitoo", "path": "*/upload", "first": 1}, "do": {"rate_limit": 3}}])
    drop = hasty.drop(QUEUE)
    with cleared(tmp_path / "kept"), cleared(drop):
        mount_it = tmpfs(drop, tmp_path)
        mount_it()
        hasty.start()
        (drop / "claimed.pdf").write_bytes(reportlab_pdf(1))
        wait_for(lambda: list((drop / ".hotfolder").glob("*claimed.pdf")), 10)
        unmount(drop, "-l")
        offline(hasty, "not mounted now")
        assert told(hasty)["counts"]["claimed"] == 1
        mount_it()
        filed(hasty, "done", "claimed.pdf")
        arrives_once(hasty, sandbox, "next.pdf", 2)


def test_a_folder_that_was_mounted_over_is_let_go_and_taken_up_again_when_it_is_uncovered(
    hasty: Site, sandbox: SandboxServer
) -> None:
    """The daemon works with what people see; what it had claimed beneath is carried on with once it is back."""
    sandbox.play([{"match": {"service": "digitoo", "path": "*/upload", "first": 1}, "do": {"rate_limit": 3}}])
    drop = hasty.drop(QUEUE)
    with cleared(drop):
        hasty.start()
        (drop / "beneath.pdf").write_bytes(reportlab_pdf(1))
        wait_for(lambda: list((drop / ".hotfolder").glob("*beneath.pdf")), 10)
        mount("-t", "tmpfs", "tmpfs", drop)
        wait_for(lambda: "mounted over" in hasty.log.read_text(), 10)
        (drop / "above.pdf").write_bytes(reportlab_pdf(2))
        filed(hasty, "done", "above.pdf")
        wait_for(lambda: "beneath.pdf" in (told(hasty)["reason"] or ""), 15, "missed, and said so")
        unmount(drop, "-l")
        filed(hasty, "done", "beneath.pdf", 20)
        arrives_once(hasty, sandbox, "after.pdf", 3)
        assert hasty.log.read_text().count("mounted over") == 1


def test_an_archive_whose_file_system_is_not_mounted_keeps_documents_in_the_work_folder(
    tmp_path: Path, sandbox: SandboxServer
) -> None:
    """Delivered and not filed, said in `status`; mounted again, it is filed, and the bare mount point stays bare."""
    archive = tmp_path / "archive"
    archive.mkdir()
    text = CONFIG.replace("queue_id: q7, ", "queue_id: q7, done: {top}/archive/deep/done, ")
    with site(tmp_path, sandbox, keys=HASTY, text=text) as place, cleared(archive):
        mount("-t", "tmpfs", "tmpfs", archive)
        (archive / "deep").mkdir()
        place.start()
        (place.drop(QUEUE) / "first.pdf").write_bytes(reportlab_pdf(1))
        wait_for((archive / "deep/done/first.pdf.json").exists, 10)
        unmount(archive, "-l")
        (archive / "deep").mkdir()
        (place.drop(QUEUE) / "second.pdf").write_bytes(reportlab_pdf(2))
        wait_for(lambda: "is not mounted now" in (told(place)["reason"] or ""), 10)
        assert os.listdir(archive / "deep") == []
        (archive / "deep").rmdir()
        mount("-t", "tmpfs", "tmpfs", archive)
        (archive / "deep").mkdir()
        wait_for((archive / "deep/done/second.pdf").exists, 15)
        assert len(sandbox.ledger) == 2
        unmount(archive, "-l")
        assert os.listdir(archive) == []


def test_a_folder_renamed_away_or_deleted_is_offline_until_there_is_one_again(
    hasty: Site, sandbox: SandboxServer
) -> None:
    """Noticed at once, said once, recovered from without a restart."""
    drop = hasty.drop(QUEUE)
    hasty.start()
    arrives_once(hasty, sandbox, "first.pdf", 1)
    drop.rename(drop.with_name("away"))
    offline(hasty, "No such file")
    drop.with_name("away").rename(drop)
    arrives_once(hasty, sandbox, "second.pdf", 2)
    subprocess.run(["rm", "-r", drop], check=True)
    offline(hasty, "No such file")
    drop.mkdir()
    (drop / "third.pdf").write_bytes(reportlab_pdf(3))
    filed(hasty, "done", "third.pdf")
    assert len(sandbox.ledger) == 3
    log = hasty.log.read_text()
    assert told_offline(hasty) == 2
    assert log.count(f"{drop}: it is another folder than before") == 1


def test_a_link_that_is_turned_elsewhere_is_followed(hasty: Site, sandbox: SandboxServer) -> None:
    """The drop folder is where the link leads, from the next scan on."""
    drop = hasty.drop(QUEUE)
    for name in ("one", "two"):
        (hasty.top / name).mkdir()
    drop.rmdir()
    drop.symlink_to(hasty.top / "one")
    hasty.start()
    arrives_once(hasty, sandbox, "first.pdf", 1)
    (hasty.top / "link").symlink_to(hasty.top / "two")
    (hasty.top / "link").rename(drop)
    arrives_once(hasty, sandbox, "second.pdf", 2)
    assert (hasty.top / "two/done/second.pdf").exists()


def test_a_work_folder_of_somebody_else_is_never_used(hasty: Site, sandbox: SandboxServer) -> None:
    """Put in its place while the daemon runs, by a link or a folder of another user: offline, with advice."""
    drop = hasty.drop(QUEUE)
    hasty.start()
    (drop / ".hotfolder").rename(drop / "stolen")
    (drop / ".hotfolder").mkdir()
    os.chown(drop / ".hotfolder", 65534, 65534)
    offline(hasty, "belongs to user 65534")
    (drop / "waits.pdf").write_bytes(reportlab_pdf(1))
    (drop / ".hotfolder").rmdir()
    (drop / ".hotfolder").symlink_to("stolen")
    offline(hasty, "symbolic link")
    (drop / ".hotfolder").unlink()
    filed(hasty, "done", "waits.pdf")
    assert len(sandbox.ledger) == 1


@pytest.mark.parametrize("what", ["link", "file", "folder"])
def test_an_archive_that_somebody_put_there_is_not_used(
    hasty: Site, sandbox: SandboxServer, what: str
) -> None:
    """`done` is a link, a file, or a folder of another user: the document stays ours until that is mended."""
    drop, mine = hasty.drop(QUEUE), hasty.top / "elsewhere"
    mine.mkdir()
    if what == "link":
        (drop / "done").symlink_to(mine)
    elif what == "file":
        (drop / "done").write_bytes(b"")
    else:
        (drop / "done").mkdir()
        os.chown(drop / "done", 65534, 65534)
    hasty.start()
    (drop / "a.pdf").write_bytes(reportlab_pdf(1))
    wait_for(lambda: str(drop / "done") in (told(hasty)["reason"] or ""), 10)
    assert os.listdir(mine) == []
    (drop / "done").rename(hasty.top / "aside")
    filed(hasty, "done", "a.pdf")
    assert len(sandbox.ledger) == 1


def test_a_hard_link_to_a_file_of_somebody_else_is_refused_and_a_published_one_is_taken(
    hasty: Site, sandbox: SandboxServer
) -> None:
    """Whoever links /etc/shadow here does not get it uploaded; SFTP's link and unlink leaves one name."""
    drop, other = hasty.drop(QUEUE), hasty.top / "other.pdf"
    hasty.write_config(hasty.text.replace("{keys}", "settle: 50ms, patience: 2s"))
    other.write_bytes(reportlab_pdf(1))
    os.chown(other, 65534, 65534)
    hasty.start()
    os.link(other, drop / "linked.pdf")
    os.link(other, drop / "again.pdf")
    wait_for(lambda: "hard link" in hasty.why(drop / "linked.pdf").get("reason", ""), 10)
    record = hasty.sidecar(filed(hasty, "failed", "linked.pdf"))
    assert record["response"]["StatusCode"] == 422
    assert "hard link" in record["response"]["Messages"][0]["Message"]
    assert len(sandbox.ledger) == 0
    published = hasty.top / "published.pdf"
    published.write_bytes(reportlab_pdf(2))
    os.chown(published, 65534, 65534)
    os.link(published, drop / "published.pdf")
    published.unlink()
    filed(hasty, "done", "published.pdf")
    assert len(sandbox.ledger) == 1
