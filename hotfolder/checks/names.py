"""Which names are never documents, and how a clashing or overlong name is changed (pure, on bytes)."""

import re
from codecs import getincrementaldecoder
from collections.abc import Iterator
from datetime import UTC, datetime
from fnmatch import translate

MAX_NAME_BYTES = 255
"""NAME_MAX of every Linux file system in use."""

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")

LITTER: tuple[tuple[str, str], ...] = (
    # Globs on the base name, compared without regard to case; each with the program that leaves it there.
    (".*", "hidden: temporary files of rsync, lftp, proftpd, editors, desktops"),
    ("~$*", "lock file of Microsoft Office"),
    ("*.tmp", "temporary file"),
    ("*.temp", "temporary file"),
    ("*.part", "unfinished download or scan"),
    ("*.partial", "unfinished download"),
    ("*.filepart", "unfinished WinSCP transfer"),
    ("*.crdownload", "unfinished Chrome download"),
    ("*.download", "unfinished Safari download"),
    ("*.opdownload", "unfinished Opera download"),
    ("*.pd~", "unfinished PDF of a print driver"),
    ("*.swp", "swap file of an editor"),
    ("*.bak", "backup copy"),
    ("*~", "backup copy of an editor"),
    ("*.~qpdf-temp#", "unfinished qpdf output"),
    ("*.~qpdf-orig", "original kept by qpdf"),
    ("*.~qpdf-orig#", "original kept by qpdf"),
    ("*~qpdf-*", "working file of qpdf"),
    ("lu*.tmp", "working file of LibreOffice"),
    ("sed" + "[a-z0-9]" * 6, "working file of sed -i"),
    ("Thumbs.db", "Windows thumbnails"),
    ("ehthumbs.db", "Windows thumbnails"),
    ("desktop.ini", "Windows folder settings"),
    ("@eaDir", "Synology index"),
    ("@tmp", "Synology temporary folder"),
    ("#recycle", "recycle bin of a NAS"),
    ("$RECYCLE.BIN", "Windows recycle bin"),
    ("System Volume Information", "Windows volume folder"),
    ("lost+found", "folder of the file system"),
)
"""What scanners, browsers, office programs and file servers leave in a folder without meaning it."""


class IgnoreRules:
    """The built-in litter list, a queue's own globs, and the name of its status file."""

    def __init__(self, extra: tuple[str, ...] = (), status_file: str | None = None) -> None:
        rules = [(glob, f"{glob} ({why})") for glob, why in LITTER] + [
            (g, f"{g} (this queue's `ignore`)") for g in extra
        ]
        if status_file is not None:
            rules.insert(0, (status_file, f"{status_file} (this queue's `status_file`)"))
        self._rules = [(re.compile(translate(g.lower())), text) for g, text in rules]
        self._any = re.compile("|".join(p.pattern.join(("(?:", ")")) for p, _ in self._rules))

    def match(self, name: bytes) -> str | None:
        """Return the rule that makes `name` no document, or None."""
        lowered = name.decode("utf-8", "surrogateescape").lower()
        if not self._any.match(lowered):
            return None
        return next(text for pattern, text in self._rules if pattern.match(lowered))

    def match_path(self, folder: bytes, name: bytes) -> str | None:
        """Return the rule that makes a name, or a folder on the way to it, no document, or None."""
        parts = [*folder.split(b"/"), name] if folder else [name]
        return next(filter(None, map(self.match, parts)), None)


def split(name: bytes) -> tuple[bytes, bytes]:
    """Split a base name into stem and extension (with its dot); an overlong extension belongs to the stem."""
    stem, dot, extension = name.rpartition(b".")
    if not dot or not stem or len(extension) > 16:  # noqa: PLR2004 — longer than any extension in use
        return name, b""
    return stem, dot + extension


def shorten(name: bytes, room: int) -> bytes:
    """Cut the stem so that the name fits `room` bytes, never inside a UTF-8 character."""
    if len(name) <= room:
        return name
    stem, extension = split(name)
    return _up_to(stem, room - len(extension)) + extension


def _up_to(text: bytes, length: int) -> bytes:
    """Return at most `length` bytes, without the beginning of a UTF-8 character that was cut in two."""
    decoder = getincrementaldecoder("utf-8")("replace")
    decoder.decode(text[:length])
    begun, _ = decoder.getstate()
    return text[: length - len(begun)]


def free_names(name: bytes, moment: float, upload_id: str) -> Iterator[bytes]:
    """Yield the names to try for `name` in a folder, each able to carry `.json`: at most three.

    First the name itself, then with a UTC time stamp before the extension, then with the upload id,
    which nobody else has. They depend on the arguments alone, so that a repeated filing after a crash
    tries the same ones.
    """
    room = MAX_NAME_BYTES - len(b".json")
    yield shorten(name, room)
    utc = datetime.fromtimestamp(moment, UTC)
    for mark in (f".{utc:%Y%m%dT%H%M%S}.{utc.microsecond:06d}Z", f".{upload_id}"):
        stem, extension = split(shorten(name, room - len(mark)))
        yield stem + mark.encode() + extension


def printable(name: bytes) -> str:
    """Return the name as text for people, logs and JSON: bytes outside UTF-8 and controls as escapes."""
    text = name.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def escaped(json_text: str) -> str:
    """Return JSON text with lone surrogates, which JSON can carry and UTF-8 cannot, spelt out."""
    return _LONE_SURROGATE.sub(lambda found: f"\\\\u{ord(found[0]):04x}", json_text)


def sendable(name: bytes, extension: str) -> str:
    """Return the name as it goes to a service: text without controls, with an extension that fits the content.

    Never longer than 200 bytes of UTF-8: Django, which answers for Rossum, cuts names at 255 characters.
    """
    text = printable(name).replace("/", "_").strip() or "document"
    if not split(text.encode())[1]:
        text += extension
    return shorten(text.encode(), 200).decode()
