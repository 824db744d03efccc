"""Decide from a file's bytes whether the document is structurally whole."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hotfolder.checks import jpeg, pdf, png, sniff, tiff
from hotfolder.checks.window import NotWhole, Reader, Window


@dataclass(frozen=True, slots=True)
class Wholeness:
    """Whether a document is whole and, if not, why in plain language."""

    whole: bool
    reason: str | None = None


WALKS: Mapping[str, Callable[[Reader], None]] = {
    sniff.PDF: pdf.walk,
    sniff.JPEG: jpeg.walk,
    sniff.PNG: png.walk,
    sniff.TIFF: tiff.walk,
}
"""Media type → the walk that raises `NotWhole`."""


def walk(media_type: str, window: Window) -> Wholeness:
    """Tell whether the document of one of the four media types is whole; raises KeyError for other types.

    No content makes it raise; an OSError of the window passes through.
    """
    follow = WALKS[media_type]
    if window.size == 0:
        return Wholeness(whole=False, reason="the file is empty")
    try:
        follow(Reader(window))
    except NotWhole as finding:
        return Wholeness(whole=False, reason=str(finding))
    return Wholeness(whole=True)
