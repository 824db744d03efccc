"""Names that follow from a document's: those of its companion and of its marker (pure, on bytes)."""

from hotfolder.checks.names import split

PLACES = ("{name}", "{stem}")
"""What a template may hold in place of the document's base name, or of that without its extension."""


def fill(template: str, name: bytes) -> bytes:
    """Return the name that a template makes of a document's base name; it may be too long for a file system."""
    stem = split(name)[0]
    before, after = _around(template)
    return before + (stem if PLACES[1] in template else name) + after


def fits(template: str, name: bytes) -> bool:
    """Tell whether a template makes this base name of any document's."""
    before, after = _around(template)
    return len(name) > len(before) + len(after) and name.startswith(before) and name.endswith(after)


def _around(template: str) -> tuple[bytes, bytes]:
    before, _, after = template.replace(*PLACES[::-1]).partition(PLACES[0])
    return before.encode(), after.encode()
