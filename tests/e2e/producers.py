"""Real documents from real producers: libraries from the lock file, and programs from Debian."""

import io
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import img2pdf
import pikepdf
import pypdf
from PIL import Image, ImageDraw
from reportlab.pdfgen import canvas

from tests.tools import need


def _picture(number: int, mode: str = "RGB") -> Image.Image:
    """Return a small page whose pixels spell its number, so that no two are the same."""
    noise = random.Random(number)
    image = Image.new("RGB", (120 + number % 7, 160), (250, 250, noise.randrange(200, 255)))
    draw = ImageDraw.Draw(image)
    draw.text((5, 5), f"page {number}", fill=(0, 0, 0))
    for _ in range(20):
        draw.point((noise.randrange(120), noise.randrange(160)), fill=(noise.randrange(256), 0, 0))
    return image.convert(mode)


def _saved(image: Image.Image, kind: str, **how: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def reportlab_pdf(number: int) -> bytes:
    """A text page by reportlab."""
    out = io.BytesIO()
    page = canvas.Canvas(out)
    page.drawString(72, 720, f"Document {number}")
    page.save()
    return out.getvalue()


def img2pdf_pdf(number: int) -> bytes:
    """A scan in a PDF by img2pdf."""
    return bytes(img2pdf.convert(_saved(_picture(number), "JPEG")))


def pikepdf_pdf(number: int) -> bytes:
    """Linearised, encrypted or with object streams, by libqpdf."""
    out = io.BytesIO()
    with pikepdf.open(io.BytesIO(reportlab_pdf(number))) as pdf:
        match number % 3:
            case 0:
                pdf.save(out, linearize=True)
            case 1:
                pdf.save(out, encryption=pikepdf.Encryption(owner="o", user="", R=6))
            case _:
                pdf.save(out, object_stream_mode=pikepdf.ObjectStreamMode.generate)
    return out.getvalue()


def pypdf_pdf(number: int) -> bytes:
    """An incremental update by pypdf."""
    out = io.BytesIO()
    writer = pypdf.PdfWriter(io.BytesIO(reportlab_pdf(number)), incremental=True)
    writer.add_metadata({"/Title": f"Document {number}"})
    writer.write(out)
    return out.getvalue()


def pillow_jpeg(number: int) -> bytes:
    """Baseline or progressive."""
    return _saved(_picture(number), "JPEG", progressive=bool(number % 2))


def pillow_png(number: int) -> bytes:
    """True colour, palette or grey."""
    return _saved(_picture(number, ("RGB", "P", "L")[number % 3]), "PNG")


def pillow_tiff(number: int) -> bytes:
    """Uncompressed, LZW, G4 or several pages."""
    match number % 4:
        case 0:
            return _saved(_picture(number), "TIFF")
        case 1:
            return _saved(_picture(number), "TIFF", compression="tiff_lzw")
        case 2:
            return _saved(_picture(number, "1"), "TIFF", compression="group4")
        case _:
            return _saved(_picture(number), "TIFF", save_all=True, append_images=[_picture(number + 10**6)])


def _through(command: list[str], source: bytes, target: Path, suffix: str) -> bytes:
    given = target.with_suffix(suffix)
    given.write_bytes(source)
    made = target.with_name("made" + suffix)
    subprocess.run([a.format(given=given, made=made) for a in command], check=True, capture_output=True)
    return made.read_bytes()


def qpdf_pdf(number: int, scratch: Path) -> bytes:
    """Rewritten by the qpdf program."""
    return _through(
        [need("qpdf", "qpdf"), "--qdf", "{given}", "{made}"], reportlab_pdf(number), scratch / "q", ".pdf"
    )


def libtiff_tiff(number: int, scratch: Path) -> bytes:
    """Rewritten by libtiff's own tool: tiled, or another byte order."""
    how = ["-t"] if number % 2 else ["-B"]
    return _through(
        [need("tiffcp", "libtiff-tools"), *how, "{given}", "{made}"],
        _saved(_picture(number), "TIFF"),
        scratch / "t",
        ".tif",
    )


def sane_scan(number: int, scratch: Path) -> bytes:
    """What SANE's test scanner yields, in each of the four formats."""
    form = ("pdf", "png", "jpeg", "tiff")[number % 4]
    # The scanner always shows the same page: its size makes the document unique.
    size = ["-x", str(20 + number % 50), "-y", str(20 + number // 50)]
    command = [
        need("scanimage", "sane-utils"),
        "-d",
        "test:0",
        "--mode",
        "Color",
        "--resolution",
        "50",
        *size,
    ]
    made = scratch / f"scan.{form}"
    subprocess.run([*command, f"--format={form}", "-o", str(made)], check=True, capture_output=True)
    return made.read_bytes()


def libreoffice_pdfs(numbers: list[int], scratch: Path) -> list[bytes]:
    """Texts exported by LibreOffice, many in one start of it."""
    program = need("soffice", "libreoffice-writer-nogui")
    sources = []
    for number in numbers:
        source = scratch / f"text{number}.txt"
        source.write_text(f"Document {number}\n")
        sources.append(str(source))
    profile = f"-env:UserInstallation=file://{scratch}/profile"
    command = [program, profile, "--headless", "--convert-to", "pdf", "--outdir", str(scratch), *sources]
    subprocess.run(command, check=True, capture_output=True, timeout=200)
    return [(scratch / f"text{number}.pdf").read_bytes() for number in numbers]


LIBRARIES: list[tuple[Callable[[int], bytes], str]] = [
    (reportlab_pdf, ".pdf"),
    (img2pdf_pdf, ".pdf"),
    (pikepdf_pdf, ".pdf"),
    (pypdf_pdf, ".pdf"),
    (pillow_jpeg, ".jpg"),
    (pillow_png, ".png"),
    (pillow_tiff, ".tif"),
]


def documents(how_many: int, scratch: Path) -> Iterator[tuple[str, bytes]]:
    """Yield so many different documents with names: a tenth by programs, the rest by libraries."""
    programs = [(qpdf_pdf, ".pdf"), (libtiff_tiff, ".tif"), (sane_scan, None)]
    exported = libreoffice_pdfs(list(range(10)), scratch)
    for number in range(how_many):
        if number < len(exported):
            yield f"libreoffice{number}.pdf", exported[number]
        elif number % 10 == 0:
            make, suffix = programs[number // 10 % 3]
            content = make(number, scratch)
            yield f"{make.__name__}{number}{suffix or '.scan'}", content
        else:
            produce, suffix = LIBRARIES[number % len(LIBRARIES)]
            yield f"{produce.__name__}{number}{suffix}", produce(number)
