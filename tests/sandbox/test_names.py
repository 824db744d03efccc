"""What becomes of a file's name."""

import pytest

from hotfolder.sandbox.names import stored_name


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("faktura č 🎁.pdf", "faktura č 🎁.pdf"),
        ("a&amp;b.pdf", "a&b.pdf"),
        ("a%22b.pdf", "a%22b.pdf"),
        ("dir/a.pdf", "a.pdf"),
        ("C:\\dir\\a.pdf", "a.pdf"),
        ("a\u200b\u00a0b.pdf", "ab.pdf"),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
        ("x" * 300, "x" * 255),
        ("x." + "y" * 300, "x." + "y" * 253),
    ],
)
def test_stored_name(sent, stored):
    """Names change as they do in Django; ordinary ones do not."""
    assert stored_name(sent) == stored
