"""Every whole document is taken, and no beginning of it is."""

import pikepdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from hotfolder.checks.walk import walk
from hotfolder.checks.window import BytesWindow
from tests.checks.samples import (
    JPEG,
    PDF,
    PJL,
    PNG,
    TIFF,
    Sample,
    all_samples,
    pdf,
    pikepdf_pdf,
    revised,
    saved,
)

unhurried = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
"""Other programs write the documents: their time says nothing about the walk."""


def whole(media_type: str, content: bytes) -> bool:
    """Ask the walk about bytes in memory."""
    return walk(media_type, BytesWindow(content)).whole


@pytest.mark.parametrize("name", all_samples())
def test_whole_documents_of_every_producer_are_taken(name):
    """No document that its producer finished is refused."""
    sample = all_samples()[name]
    found = walk(sample.media_type, BytesWindow(sample.content))
    assert found.whole, found.reason
    assert found.reason is None


@pytest.mark.parametrize("name", all_samples())
def test_no_beginning_of_a_document_is_whole(name):
    """At every cut the walk says no, unless a complete document is left (see docs/structure-walk.md)."""
    sample = all_samples()[name]
    taken = [
        length for length in range(len(sample.content)) if whole(sample.media_type, sample.content[:length])
    ]
    assert taken == [length for length in range(len(sample.content)) if sample.whole_at(length)]


@pytest.mark.parametrize("name", all_samples())
def test_every_refusal_gives_a_sentence(name):
    """A reason is plain text that names the trouble."""
    sample = all_samples()[name]
    reason = walk(sample.media_type, BytesWindow(sample.content[: len(sample.content) // 2])).reason
    if reason is not None:
        assert reason.startswith("the ")
        assert reason.isprintable()


@pytest.mark.parametrize("name", [name for name in all_samples() if not name.startswith("TIFF")])
def test_a_tail_of_zero_bytes_is_found(name):
    """A file of full size of which only a part arrived is not whole, unless that part is a document."""
    sample = all_samples()[name]
    size = len(sample.content)
    for arrived in range(size // 10, size, max(size // 10, 1)):
        content = sample.content[:arrived].ljust(size, b"\0")
        assert whole(sample.media_type, content) == sample.whole_at(arrived)


def test_a_tail_of_zero_bytes_of_a_tiff_with_its_directory_in_front_cannot_be_seen():
    """This is the walk's known hole: the strips lie inside the file, and any bytes may be pixels."""
    content = saved(Image.effect_noise((64, 64), 90), "TIFF")
    assert whole(TIFF, content[: len(content) // 2].ljust(len(content), b"\0"))
    assert not whole(TIFF, content[: len(content) // 2])


@st.composite
def pictures(draw) -> Sample:
    """Draw a picture of noise in any format, mode and size."""
    media_type, kind = draw(st.sampled_from([(JPEG, "JPEG"), (PNG, "PNG"), (TIFF, "TIFF")]))
    mode = draw(st.sampled_from(["L", "RGB", "CMYK"] if kind != "PNG" else ["1", "L", "P", "RGB", "RGBA"]))
    size = draw(st.tuples(st.integers(1, 150), st.integers(1, 150)))
    image = Image.effect_noise(size, 90).convert("RGB").convert(mode)
    options = {
        "JPEG": {"progressive": draw(st.booleans()), "quality": draw(st.integers(1, 95))},
        "PNG": {"compress_level": draw(st.integers(0, 9))},
        "TIFF": {
            "compression": draw(st.sampled_from(["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])),
            "big_tiff": draw(st.booleans()),
        },
    }
    return Sample(media_type, saved(image, kind, **options[kind]))


@st.composite
def documents(draw) -> Sample:
    """Draw a PDF in any of the shapes that writers give it."""
    encrypted = draw(st.booleans())
    options = {
        "linearize": draw(st.booleans()),
        "object_stream_mode": draw(st.sampled_from(list(pikepdf.ObjectStreamMode))),
        "encryption": pikepdf.Encryption(owner="o", user="u") if encrypted else False,
    }
    revisions = [pikepdf_pdf(pages=draw(st.integers(1, 12)), **options)]
    for _ in range(0 if encrypted else draw(st.integers(0, 3))):
        revisions.append(revised(revisions[-1]))
    before = draw(st.sampled_from([b"", PJL]))
    padding = draw(st.sampled_from([b"", b"\r\n", bytes(4096)]))
    return pdf(before + revisions[-1] + padding, *(before + revision for revision in revisions[:-1]))


@unhurried
@given(
    st.one_of(pictures(), documents()), st.lists(st.floats(0, 1, exclude_max=True), min_size=5, max_size=20)
)
def test_random_documents_are_taken_and_random_cuts_are_found(sample, fractions):
    """The property holds for documents that nobody chose."""
    assert whole(sample.media_type, sample.content)
    for length in (int(fraction * len(sample.content)) for fraction in fractions):
        assert whole(sample.media_type, sample.content[:length]) == sample.whole_at(length)


@pytest.mark.parametrize("media_type", [PDF, JPEG, PNG, TIFF])
def test_an_empty_file_is_not_whole(media_type):
    """Nothing is no document."""
    assert walk(media_type, BytesWindow(b"")).reason == "the file is empty"


def test_another_media_type_is_a_mistake_of_the_program():
    """There is no walk to fall back to."""
    with pytest.raises(KeyError):
        walk("image/gif", BytesWindow(b"GIF89a"))
