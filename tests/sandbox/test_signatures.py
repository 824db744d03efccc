"""Types by first bytes."""

import pytest

from hotfolder.sandbox.signatures import media_type_of


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"%PDF-1.7", "application/pdf"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"II*\0", "image/tiff"),
        (b"MM\0*", "image/tiff"),
        (b"", "application/octet-stream"),
        (b"hello", "application/octet-stream"),
    ],
)
def test_media_type(head, media_type):
    """Content is what it begins like."""
    assert media_type_of(head) == media_type
