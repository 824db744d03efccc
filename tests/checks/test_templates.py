"""Names that follow from a document's."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hotfolder.checks.templates import fill, fits


@pytest.mark.parametrize(
    ("template", "name", "expected"),
    [
        ("{stem}.json", b"scan.pdf", b"scan.json"),
        ("{stem}.json", b"scan", b"scan.json"),
        ("{stem}.json", b"a.b.pdf", b"a.b.json"),
        ("{name}.ready", b"scan.pdf", b"scan.pdf.ready"),
        ("m-{name}.xml", b"\xff.tif", b"m-\xff.tif.xml"),
    ],
)
def test_a_name_follows_from_the_documents(template: str, name: bytes, expected: bytes) -> None:
    """By the whole name or by its stem, byte for byte."""
    assert fill(template, name) == expected


@given(st.sampled_from(["{stem}.json", "{name}.ready", "x-{stem}.xml"]), st.binary(min_size=1, max_size=60))
def test_whatever_a_template_makes_fits_it(template: str, name: bytes) -> None:
    """No companion is ever taken for a document."""
    assert fits(template, fill(template, name))


@pytest.mark.parametrize("name", [b".json", b"scan.pdf", b"scan.json.pdf", b"x.JSON"])
def test_other_names_do_not_fit(name: bytes) -> None:
    """An extension alone is nobody's companion."""
    assert not fits("{stem}.json", name)
