"""Judge the structure walk on the samples in the source distributions of Pillow, pypdf and pikepdf.

    python -m benchmarks.structure_walk [FOLDER]      # FOLDER keeps the downloads for the next run

The oracle is a decoder: Pillow loads every frame of a picture, pikepdf opens a PDF without repairing it and
counts its pages. Every document that the oracle takes is also cut at random places; a cut counts as damaged.
The table goes to the terminal and into docs/structure-walk.md.
"""

import io
import random
import re
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pikepdf
from PIL import Image, ImageSequence

from hotfolder.checks.sniff import JPEG, PDF, PNG, TIFF, sniff
from hotfolder.checks.walk import walk
from hotfolder.checks.window import BytesWindow

SOURCES = ("pillow", "pypdf", "pikepdf")
SUFFIXES = (".pdf", ".jpg", ".jpeg", ".png", ".tif", ".tiff")
CUTS = 20
"""Cuts per whole document: about ten thousand altogether, a few seconds of walking."""
ROUNDS = 5
"""The shortest of them counts: the others tell what else the machine was doing."""
SEED = 20261121
COLUMNS = (
    "type",
    "files",
    "rightly accepted",
    "wrongly refused",
    "rightly refused",
    "wrongly accepted",
    "cuts found",
    "cuts missed",
    "ms per file: median, longest",
)
DOCUMENT = Path(__file__).parent.parent / "docs" / "structure-walk.md"
TABLE = re.compile(r"(?<=<!-- structure_walk: begin -->\n).*(?=<!-- structure_walk: end -->)", re.DOTALL)


@dataclass
class Tally:
    """What happened to the files of one media type."""

    rightly_accepted: int = 0
    rightly_refused: int = 0
    wrongly_accepted: list[str] = field(default_factory=list)
    wrongly_refused: list[str] = field(default_factory=list)
    cuts_found: int = 0
    cuts_missed: list[str] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)

    def judge(self, name: str, content: bytes, media_type: str) -> None:
        """Compare the walk with the oracle on one file, then on cuts of it if it is whole."""
        window, durations_s = BytesWindow(content), []
        for _ in range(ROUNDS):
            start = time.perf_counter()
            found = walk(media_type, window)
            durations_s.append(time.perf_counter() - start)
        self.milliseconds.append(min(durations_s) * 1000)
        fine = decodes(media_type, content)
        if found.whole and fine:
            self.rightly_accepted += 1
        elif found.whole:
            self.wrongly_accepted.append(name)
        elif fine:
            self.wrongly_refused.append(f"{name}: {found.reason}")
        else:
            self.rightly_refused += 1
        if found.whole and fine:
            self.cut(name, content, media_type)

    def cut(self, name: str, content: bytes, media_type: str) -> None:
        """Ask again about the document without its end."""
        places = random.Random(f"{SEED} {name}")
        for _ in range(CUTS):
            length = places.randrange(len(content))
            if walk(media_type, BytesWindow(content[:length])).whole:
                self.cuts_missed.append(f"{name}: the first {length} of {len(content)} bytes")
            else:
                self.cuts_found += 1


def download(folder: Path) -> None:
    """Bring the source distributions that are not in the folder yet."""
    for source in SOURCES:
        if not list(folder.glob(f"{source}-*.tar.gz")):
            command = (
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--no-binary",
                ":all:",
                "--dest",
                str(folder),
                source,
            )
            subprocess.run([sys.executable, "-m", *command], check=True)


def samples(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Give name and content of every file with one of the suffixes, straight from the archives."""
    for archive in sorted(folder.glob("*.tar.gz")):
        with tarfile.open(archive) as tar:
            for member in tar:
                if (
                    member.isfile()
                    and member.name.lower().endswith(SUFFIXES)
                    and (file := tar.extractfile(member))
                ):
                    yield member.name, file.read()


def decodes(media_type: str, content: bytes) -> bool:
    """Tell whether a decoder reads the whole document; a PDF that asks for a password counts as whole."""
    try:
        if media_type == PDF:
            with pikepdf.open(io.BytesIO(content), attempt_recovery=False) as document:
                return len(document.pages) > 0
        with Image.open(io.BytesIO(content)) as picture:
            for frame in ImageSequence.Iterator(picture):
                frame.load()
    except pikepdf.PasswordError:
        return True
    except Exception:  # noqa: BLE001 — decoders fail in many ways, and each of them means no
        return False
    return True


def table(tallies: dict[str, Tally]) -> str:
    """Lay the figures out in Markdown."""
    lines = [
        "| " + " | ".join(COLUMNS) + " |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for media_type, tally in tallies.items():
        figures = (
            len(tally.milliseconds),
            tally.rightly_accepted,
            len(tally.wrongly_refused),
            tally.rightly_refused,
            len(tally.wrongly_accepted),
            tally.cuts_found,
            len(tally.cuts_missed),
            f"{statistics.median(tally.milliseconds):.3f}, {max(tally.milliseconds):.1f}",
        )
        lines.append(f"| {media_type} | " + " | ".join(map(str, figures)) + " |")
    return "\n".join(lines) + "\n"


def measure(folder: Path) -> dict[str, Tally]:
    """Walk over all samples in the folder's archives."""
    tallies = {media_type: Tally() for media_type in (PDF, JPEG, PNG, TIFF)}
    for name, content in samples(folder):
        if media_type := sniff(content[:4096]):
            tallies[media_type].judge(name, content, media_type)
        else:
            print("of another type:", name)
    return tallies


def main(folder: Path) -> None:
    """Download, measure, print and write the table."""
    warnings.simplefilter("ignore")  # decoders warn about what the samples are there to show
    download(folder)
    tallies = measure(folder)
    for tally in tallies.values():
        for verdict in ("wrongly_refused", "wrongly_accepted", "cuts_missed"):
            for line in getattr(tally, verdict):
                print(verdict.replace("_", " ") + ":", line)
    print(table(tallies))
    DOCUMENT.write_text(TABLE.sub(lambda _: table(tallies), DOCUMENT.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    if sys.argv[1:]:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch))
