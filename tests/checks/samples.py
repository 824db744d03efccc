"""Small whole documents of every producer at hand, and where each may be cut without harm."""

import functools
import io
import re
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import img2pdf
import pikepdf
import pypdf
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

PDF, JPEG, PNG, TIFF = "application/pdf", "image/jpeg", "image/png", "image/tiff"
WHITE = b"\0\t\n\f\r "
"""White space of PDF, which may be cut off the end."""
COMMENT = re.compile(rb"%[^\r\n]*")
PJL = b'\x1b%-12345X@PJL JOB NAME="scan"\r\n@PJL ENTER LANGUAGE=PDF\r\n'


@dataclass(frozen=True)
class Sample:
    """A whole document; `ends` are lengths at which an earlier or the last revision of it ends."""

    media_type: str
    content: bytes
    ends: tuple[int, ...] = ()
    trailing: int = 0
    """Bytes at the end that do not belong to the document."""

    def whole_at(self, length: int) -> bool:
        """Tell whether the first `length` bytes are a complete document too."""
        if length >= len(self.content) - self.trailing:
            return True
        return any(
            end <= length and not COMMENT.sub(b"", self.content[end:length]).strip(WHITE) for end in self.ends
        )


def pdf(content: bytes, *revisions: bytes) -> Sample:
    """Make a sample of a PDF and of its earlier revisions, each of which the content begins with."""
    for revision in revisions:
        assert content.startswith(revision.rstrip(WHITE))
    return Sample(PDF, content, tuple(len(each.rstrip(WHITE)) for each in (*revisions, content)))


def picture(mode: str = "RGB", size: tuple[int, int] = (24, 16)) -> Image.Image:
    """Draw a picture that does not compress to nothing."""
    gradient = Image.radial_gradient("L").resize(size)
    if mode == "I;16":
        return Image.frombytes("I;16", size, bytes(range(256)) * (size[0] * size[1] * 2 // 256))
    return (
        gradient.convert(mode)
        if mode != "RGB"
        else Image.merge("RGB", [gradient, gradient.rotate(90), gradient])
    )


def saved(image: Image.Image, kind: str, **options) -> bytes:
    """Give the picture as Pillow writes it."""
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


# PDF


def reportlab_pdf(pages: int = 2) -> bytes:
    """Write text pages."""
    target = io.BytesIO()
    canvas = Canvas(target, pagesize=(200, 100), invariant=1)
    for number in range(pages):
        canvas.drawString(20, 50, f"Invoice {number}")
        canvas.showPage()
    canvas.save()
    return target.getvalue()


def img2pdf_pdf() -> bytes:
    """Wrap a scan, as many scanners' programs do."""
    return img2pdf.convert(saved(picture(), "JPEG"))


def pikepdf_pdf(pages: int = 2, **options) -> bytes:
    """Rewrite the text pages with qpdf's library."""
    target = io.BytesIO()
    with pikepdf.open(io.BytesIO(reportlab_pdf(pages))) as document:
        document.save(target, **options)
    return target.getvalue()


def pypdf_pdf() -> bytes:
    """Rewrite the text pages with pypdf."""
    target = io.BytesIO()
    pypdf.PdfWriter(clone_from=io.BytesIO(reportlab_pdf())).write(target)
    return target.getvalue()


def revised(original: bytes) -> bytes:
    """Append a revision with pypdf, which keeps every byte of the original."""
    target = io.BytesIO()
    writer = pypdf.PdfWriter(io.BytesIO(original), incremental=True)
    writer.pages[0].rotate(90)
    writer.write(target)
    return target.getvalue()


def pillow_appended(original: bytes) -> bytes:
    """Append a page with Pillow, as a revision."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "scan.pdf")
        path.write_bytes(original)
        picture().save(path, "PDF", append=True)
        return path.read_bytes()


def written_by_hand(*, entry_end: bytes = b" \n", shift: int = 0, hybrid: bool = False) -> bytes:
    """Write a minimal PDF whose offsets count from `shift` bytes before it."""
    body = b"%PDF-1.5\n"
    places = []
    for number, content in enumerate(
        (b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[]/Count 0>>"), 1
    ):
        places.append(len(body))
        body += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    extra = b""
    if hybrid:
        extra = b"/XRefStm %d" % (len(body) + shift)
        entries = bytes((1, 0, places[1] + shift))
        body += (
            b"3 0 obj\n<</Type/XRef/Size 4/W[1 1 1]/Index[2 1]/Length %d>>\nstream\n%s\nendstream\nendobj\n"
            % (
                len(entries),
                entries,
            )
        )
    table = b"xref\n0 3\n0000000000 65535 f" + entry_end
    table += b"".join(b"%010d 00000 n" % (place + shift) + entry_end for place in places)
    trailer = b"trailer\n<</Size 4/Root 1 0 R%s>>\nstartxref\n%d\n%%%%EOF\n" % (extra, len(body) + shift)
    return body + table + trailer


def pdfs() -> Iterator[tuple[str, Sample]]:
    """Give the PDFs by producer."""
    text, scan = reportlab_pdf(), saved(picture(), "PDF")
    streams = pikepdf_pdf(object_stream_mode=pikepdf.ObjectStreamMode.generate)
    linearised = pikepdf_pdf(linearize=True)
    encryption = pikepdf.Encryption(owner="owner", user="")
    yield "reportlab", pdf(text)
    yield "reportlab, compressed", pdf(reportlab_pdf(pages=9))
    yield "img2pdf", pdf(img2pdf_pdf())
    yield "pikepdf", pdf(pikepdf_pdf())
    yield "pikepdf, encrypted", pdf(pikepdf_pdf(encryption=encryption))
    yield "pikepdf, linearised", pdf(linearised)
    yield "pikepdf, object streams", pdf(streams)
    yield (
        "pikepdf, linearised, object streams",
        pdf(pikepdf_pdf(linearize=True, object_stream_mode=pikepdf.ObjectStreamMode.generate)),
    )
    yield "pikepdf, linearised, encrypted", pdf(pikepdf_pdf(linearize=True, encryption=encryption))
    yield "pypdf", pdf(pypdf_pdf())
    yield "pypdf, incremental", pdf(revised(text), text)
    yield "pypdf, twice incremental", pdf(revised(revised(text)), text, revised(text))
    yield "pypdf, incremental after object streams", pdf(revised(streams), streams)
    yield "pypdf, incremental after linearised", pdf(revised(linearised), linearised)
    yield "Pillow", pdf(scan)
    yield "Pillow, appended", pdf(pillow_appended(scan), scan)
    yield "hybrid", pdf(written_by_hand(hybrid=True))
    yield "entries of 19 bytes", pdf(written_by_hand(entry_end=b"\n"))
    yield "print-job lines before, offsets from %PDF-", pdf(PJL + text)
    yield "print-job lines before, offsets from the start", pdf(PJL + written_by_hand(shift=len(PJL)))
    yield "print-job lines before, hybrid", pdf(PJL + written_by_hand(hybrid=True))
    yield "NULs after", pdf(text + bytes(3000))
    yield "junk after", Sample(PDF, text + b"\x1b%-12345X", (len(text.rstrip(WHITE)),), trailing=9)


# Pictures


def with_thumbnail() -> bytes:
    """Write a JPEG with a whole smaller JPEG in its Exif segment."""
    segment = b"Exif\0\0" + saved(picture(size=(8, 8)), "JPEG")
    return saved(picture(), "JPEG", exif=segment)


def jpegs() -> Iterator[tuple[str, Sample]]:
    """Give the JPEGs by kind."""
    pictures = saved(picture(), "MPO", save_all=True, append_images=[picture()])
    yield "baseline", Sample(JPEG, saved(picture(), "JPEG"))
    yield "grey", Sample(JPEG, saved(picture("L"), "JPEG"))
    yield "progressive", Sample(JPEG, saved(picture(), "JPEG", progressive=True, quality=90))
    yield "CMYK", Sample(JPEG, saved(picture("CMYK"), "JPEG"))
    yield "restart markers", Sample(JPEG, saved(picture(size=(64, 64)), "JPEG", restart_marker_blocks=1))
    yield "thumbnail", Sample(JPEG, with_thumbnail())
    yield (
        "comment, profile",
        Sample(JPEG, saved(picture(), "JPEG", comment=b"\xff\xd9", icc_profile=b"\xff\xd9" * 50)),
    )
    yield "fill bytes", Sample(JPEG, saved(picture(), "JPEG").replace(b"\xff\xda", b"\xff\xff\xff\xda", 1))
    yield "MPO", Sample(JPEG, pictures, trailing=len(pictures) - pictures.index(b"\xff\xd9\xff\xd8") - 2)
    yield "padding after", Sample(JPEG, saved(picture(), "JPEG") + bytes(100), trailing=100)


def interlaced() -> bytes:
    """Make an interlaced PNG of one pixel, whose other passes are empty; Pillow writes none."""
    content = bytearray(saved(picture("L", (1, 1)), "PNG"))
    content[28] = 1  # the last byte of IHDR's data: the interlace method
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


def pngs() -> Iterator[tuple[str, Sample]]:
    """Give the PNGs by kind."""
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        yield mode, Sample(PNG, saved(picture(mode), "PNG"))
    yield "interlaced", Sample(PNG, interlaced())
    yield (
        "animated",
        Sample(PNG, saved(picture(), "PNG", save_all=True, append_images=[picture().rotate(90)])),
    )
    yield (
        "dpi, palette, transparency",
        Sample(PNG, saved(picture("P"), "PNG", dpi=(300, 300), transparency=0)),
    )
    yield "line break after", Sample(PNG, saved(picture(), "PNG") + b"\n", trailing=1)


def tiffs() -> Iterator[tuple[str, Sample]]:
    """Give the TIFFs by kind."""
    fax = picture("1")
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield compression, Sample(TIFF, saved(picture(), "TIFF", compression=compression))
    yield "G4", Sample(TIFF, saved(fax, "TIFF", compression="group4", dpi=(200, 200)))
    yield "big-endian", Sample(TIFF, saved(picture("I;16").convert("I;16B"), "TIFF"))
    yield "BigTIFF", Sample(TIFF, saved(picture(), "TIFF", big_tiff=True))
    yield "tiled", Sample(TIFF, saved(picture(), "TIFF", tile=(16, 16)))
    pages = {"save_all": True, "append_images": [fax, picture("L")]}
    yield "pages", Sample(TIFF, saved(picture(), "TIFF", **pages), trailing=6)  # Pillow fills up to 16 bytes
    yield "pages, LZW", Sample(TIFF, saved(picture(), "TIFF", compression="tiff_lzw", **pages))
    yield "pages, BigTIFF", Sample(TIFF, saved(picture(), "TIFF", big_tiff=True, **pages), trailing=12)
    yield (
        "many strips",
        Sample(TIFF, saved(picture("L", (8, 64)), "TIFF", strip_size=8, compression="tiff_lzw")),
    )
    yield "Exif", Sample(TIFF, saved(picture(), "TIFF", exif=_exif()))


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2026:11:21 08:00:00"
    return exif


@functools.cache
def all_samples() -> dict[str, Sample]:
    """Give every sample that needs no other program, by its name."""
    kinds: dict[str, Callable[[], Iterator[tuple[str, Sample]]]] = {
        "PDF": pdfs,
        "JPEG": jpegs,
        "PNG": pngs,
        "TIFF": tiffs,
    }
    return {f"{kind}: {name}": sample for kind, make in kinds.items() for name, sample in make()}
