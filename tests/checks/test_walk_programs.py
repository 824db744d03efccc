"""Documents that other programs write are taken, and cut ones are found."""

import subprocess

import pytest
from PIL import Image

from hotfolder.checks.sniff import sniff
from hotfolder.checks.walk import walk
from hotfolder.checks.window import BytesWindow
from tests.checks.samples import Sample, pdf, picture, reportlab_pdf, saved
from tests.tools import need

PACKAGES = {
    "qpdf": "qpdf",
    "tiffcp": "libtiff-tools",
    "scanimage": "sane-utils",
    "soffice": "libreoffice-writer-nogui",
    "gs": "ghostscript",
}
"""Debian's package of each program."""


def run(folder, *command: str) -> None:
    """Run a program in the folder; it is installed where it is missing, or the test is skipped."""
    need(command[0], PACKAGES[command[0]])
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)


def prove(sample: Sample) -> None:
    """Walk over the whole document and over every beginning of it, or a thousand of them."""
    content = sample.content
    assert sniff(content[:4096]) == sample.media_type
    found = walk(sample.media_type, BytesWindow(content))
    assert found.whole, found.reason
    for length in range(0, len(content), max(len(content) // 1000, 1)):
        assert walk(sample.media_type, BytesWindow(content[:length])).whole == sample.whole_at(length), length


@pytest.mark.parametrize(
    "options",
    [
        ("--linearize",),
        ("--object-streams=generate",),
        ("--linearize", "--object-streams=generate", "--encrypt", "user", "owner", "256", "--"),
        ("--qdf", "--object-streams=disable"),
        ("--pages", ".", "1,1,1", "--"),
    ],
    ids=" ".join,
)
def test_qpdf(tmp_path, options):
    """Every shape that qpdf gives a PDF."""
    (tmp_path / "in.pdf").write_bytes(reportlab_pdf())
    run(tmp_path, "qpdf", "in.pdf", *options, "out.pdf")
    prove(pdf((tmp_path / "out.pdf").read_bytes()))


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-c", "lzw"),
        ("-c", "zip", "-r", "3"),
        ("-c", "jpeg", "-r", "16"),
        ("-c", "packbits", "-p", "separate"),
        ("-8",),
        ("-B", "-c", "lzw"),
        ("-L", "-8", "-t", "-w", "16", "-l", "16"),
        ("-t", "-w", "16", "-l", "16"),
    ],
    ids=lambda options: " ".join(options) or "none",
)
def test_libtiff(tmp_path, options):
    """Every shape that libtiff gives a picture: two pages, strips and tiles, both byte orders, BigTIFF."""
    for name in ("one.tif", "two.tif"):
        (tmp_path / name).write_bytes(saved(picture(size=(32, 32)), "TIFF"))
    run(tmp_path, "tiffcp", *options, "one.tif", "two.tif", "out.tif")
    prove(Sample("image/tiff", (tmp_path / "out.tif").read_bytes()))


def test_libtiff_adding_pages(tmp_path):
    """A page added to a finished TIFF is missed when it is cut, since the page before points to it."""
    (tmp_path / "fax.tif").write_bytes(saved(picture("1", (64, 64)), "TIFF"))
    for _ in range(3):
        run(tmp_path, "tiffcp", "-a", "-c", "g4", "fax.tif", "out.tif")
        prove(Sample("image/tiff", (tmp_path / "out.tif").read_bytes()))
    with Image.open(tmp_path / "out.tif") as pages:
        assert pages.n_frames == 3


@pytest.mark.parametrize("kind", ["tiff", "png", "jpeg", "pdf"])
@pytest.mark.parametrize("mode", ["Gray", "Color"])
def test_scanimage(tmp_path, kind, mode):
    """What SANE's own scanning program writes for its test device."""
    size = ("-l", "0", "-t", "0", "-x", "20", "-y", "20")
    target = f"out.{kind}"
    run(tmp_path, "scanimage", "-d", "test", "--mode", mode, *size, f"--format={kind}", "-o", target)
    content = (tmp_path / target).read_bytes()
    prove(pdf(content) if kind == "pdf" else Sample(f"image/{kind}", content))


def test_libreoffice(tmp_path):
    """A letter exported by LibreOffice."""
    (tmp_path / "letter.txt").write_text("Invoice 1\n" * 100, "utf-8")
    home = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    run(tmp_path, "soffice", home, "--headless", "--convert-to", "pdf", "letter.txt")
    prove(pdf((tmp_path / "letter.pdf").read_bytes()))


def test_ghostscript(tmp_path):
    """A PDF printed anew by Ghostscript, as many print servers do."""
    (tmp_path / "in.pdf").write_bytes(reportlab_pdf())
    run(tmp_path, "gs", "-q", "-dBATCH", "-dNOPAUSE", "-sDEVICE=pdfwrite", "-sOutputFile=out.pdf", "in.pdf")
    prove(pdf((tmp_path / "out.pdf").read_bytes()))
