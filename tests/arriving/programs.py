"""Ways of programs on the same machine, and of programs that write like those on others."""

import mmap
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from tests.arriving.room import Spot, Way, pause
from tests.e2e.harness import wait_for
from tests.e2e.producers import reportlab_pdf
from tests.tools import need


def _run(*command: str | Path, cwd: Path | None = None) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60, cwd=cwd)


def _noticed(spot: Spot) -> bool:
    """Tell whether the daemon knows that something lies there."""
    return spot.room.site.why(spot.path)["state"] == "waiting"


def pages_with_pauses(spot: Spot) -> None:
    """One open, append and close for each page; between two the daemon has time to look."""
    for number, page in enumerate(spot.pages):
        with spot.path.open("ab") as file:
            file.write(page[file.tell() :])
        if number < 2:
            pause()


def size_and_date_first(spot: Spot) -> None:
    """What Explorer makes of a share: full length and an old date from the first moment, then the content."""
    with spot.path.open("wb") as file:
        file.truncate(len(spot.content))
        os.utime(file.fileno(), (1_600_000_000, 1_600_000_000))
        wait_for(lambda: _noticed(spot), 10)
        file.write(spot.content)
        file.flush()
        os.utime(file.fileno(), (1_600_000_000, 1_600_000_000))


def space_first(spot: Spot) -> None:
    """Length and blocks are reserved before a byte is written."""
    with spot.path.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, len(spot.content))
        wait_for(lambda: _noticed(spot), 10)
        file.write(spot.content)


def mapped(spot: Spot) -> None:
    """Through a mapping that outlives its descriptor: no event tells of the writing."""
    with spot.path.open("w+b") as file:
        file.truncate(len(spot.content))
        memory = mmap.mmap(file.fileno(), len(spot.content))
    wait_for(lambda: _noticed(spot), 10)
    memory[:] = spot.content
    memory.close()


def renamed_while_open(spot: Spot) -> None:
    """Renamed to the final name by a writer that goes on writing."""
    hidden = spot.path.with_name(f".{spot.name}")
    with hidden.open("wb") as file:
        file.write(spot.half)
        file.flush()
        hidden.rename(spot.path)
        wait_for(lambda: _noticed(spot), 10)
        file.write(spot.content[len(spot.half) :])


def replaced(spot: Spot) -> None:
    """`os.replace` over half a document, from a name that could be a document's."""
    spot.path.write_bytes(spot.half)
    fd, temporary = tempfile.mkstemp(dir=spot.scratch)
    with open(fd, "wb") as file:
        file.write(spot.content)
    os.replace(temporary, spot.path)


def linked(spot: Spot) -> None:
    """`ln` of a file elsewhere on the same file system."""
    _run("ln", spot.file(), spot.path)


def copied(spot: Spot) -> None:
    """`cp`."""
    _run("cp", spot.file(), spot.path)


def copied_with_its_date(spot: Spot) -> None:
    """`cp` -p of an old file."""
    source = spot.file()
    os.utime(source, (0, 0))
    _run("cp", "-p", source, spot.path)


def copied_over_a_half_one(spot: Spot) -> None:
    """`cp` over half a document."""
    spot.path.write_bytes(spot.half)
    _run("cp", spot.file(), spot.path)


def installed(spot: Spot) -> None:
    """`install`, which sets the mode afterwards."""
    _run("install", "-m", "640", spot.file(), spot.path)


def moved(spot: Spot) -> None:
    """`mv` on the same file system."""
    _run("mv", spot.file(), spot.path)


def moved_from_another_file_system(spot: Spot) -> None:
    """`mv` that copies, from memory to disk."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        source = Path(memory) / spot.name
        source.write_bytes(spot.content)
        assert source.stat().st_dev != spot.path.parent.stat().st_dev
        _run("mv", source, spot.path)


def unpacked(spot: Spot) -> None:
    """`tar` -x, which removes what is there first."""
    archive = spot.scratch / "archive.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(spot.file(), spot.name)
    spot.path.write_bytes(spot.half)
    _run("tar", "-xf", archive, "-C", spot.path.parent)


def edited(spot: Spot) -> None:
    """`sed` -i mends the last line of a document, in a copy that takes its place."""
    spot.path.write_bytes(spot.content.replace(b"%%EOF", b"%%END"))
    _run("sed", "-i", "s/^%%END/%%EOF/", spot.path)


def written_in_blocks(spot: Spot) -> None:
    """`dd`."""
    _run("dd", f"if={spot.file()}", f"of={spot.path}", "bs=4k", "oflag=sync")


def folder_moved_in(spot: Spot) -> None:
    """A folder with folders in it, moved in with the document."""
    folder = spot.scratch / spot.path.stem / "deep" / "deeper"
    folder.mkdir(parents=True)
    (folder / spot.name).write_bytes(spot.content)
    _run("mv", spot.scratch / spot.path.stem, spot.path.parent)


def rsync_here(spot: Spot) -> None:
    """`rsync` without a network."""
    _run(need("rsync", "rsync"), "-a", "--partial", spot.file(), spot.path)


WAYS: tuple[Way, ...] = (
    pages_with_pauses,
    size_and_date_first,
    space_first,
    mapped,
    renamed_while_open,
    replaced,
    linked,
    copied,
    copied_with_its_date,
    copied_over_a_half_one,
    installed,
    moved,
    moved_from_another_file_system,
    unpacked,
    edited,
    written_in_blocks,
    folder_moved_in,
    rsync_here,
)

Making = Callable[[Spot], list[str]]
"""Lets a program make documents in the drop folder, and returns their names."""


def qpdf(spot: Spot) -> list[str]:
    """`qpdf` writes a new document."""
    source = spot.file(reportlab_pdf(spot.number))
    _run(need("qpdf", "qpdf"), "--qdf", source, spot.path)
    return [spot.name]


def qpdf_in_place(spot: Spot) -> list[str]:
    """`qpdf` replaces a document by one of its own making; the original goes through another name."""
    spot.path.write_bytes(reportlab_pdf(spot.number))
    _run(need("qpdf", "qpdf"), "--replace-input", "--linearize", spot.path)
    return [spot.name]


def tiffcp(spot: Spot) -> list[str]:
    """`tiffcp` appends page after page to what is there."""
    name = spot.path.with_suffix(".tif")
    for shade in (b"\x20", b"\x80", b"\xd0"):
        page = spot.scratch / "page.tif"
        Image.frombytes("L", (64, 64), shade * 64 * 64).save(page)
        _run(need("tiffcp", "libtiff-tools"), "-a", page, name)
    return [name.name]


def scanimage(spot: Spot) -> list[str]:
    """`scanimage` --batch makes three pages, each under `.part` first."""
    command = [need("scanimage", "sane-utils"), "-d", "test:0", "--mode", "Color", "--resolution", "50"]
    batch = [f"--batch={spot.path.stem}-%d.png", "--batch-count=3", "--format=png"]
    _run(*command, *batch, "-x", "31", "-y", "31", "--test-picture", "Color pattern", cwd=spot.path.parent)
    return [f"{spot.path.stem}-{page}.png" for page in (1, 2, 3)]


def libreoffice(spot: Spot) -> list[str]:
    """LibreOffice exports a text."""
    text = spot.file(b"A text.\n", f"{spot.path.stem}.txt")
    profile = f"-env:UserInstallation=file://{spot.scratch}/profile"
    program = need("soffice", "libreoffice-writer-nogui")
    _run(program, profile, "--headless", "--convert-to", "pdf", "--outdir", spot.path.parent, text)
    return [spot.name]


MAKING: tuple[Making, ...] = (qpdf, qpdf_in_place, tiffcp, scanimage, libreoffice)
