"""Walk a PDF from its end: %%EOF, startxref, and every cross-reference section that it leads to.

Source of the format: ISO 32000-2, sections 7.5.4 to 7.5.8 and annex F; objects are not read.
"""

import re

from hotfolder.checks.window import PIECE_BYTES, NotWhole, Reader

HEADER_WITHIN = 1024
"""Readers look this far for %PDF- (PDF Reference 1.7, appendix H, note 13): print jobs put lines before."""
TAIL_BYTES = 16 * 1024
"""How far from the end startxref is looked for: room for padding to blocks of 8 KiB, and as much again."""
_SECTION_LOOK_BYTES = 64
"""Enough for the first words of a section."""
_TABLE_LOOK_BYTES, _ENTRY_BYTES = 2 * 1024, 20
"""Most documents have fewer than a hundred objects of 20 bytes each (ISO 32000-2, 7.5.4)."""
_DICTIONARY_LOOKS = (4 * 1024, 64 * 1024, 1024 * 1024)
"""A trailer takes some 100 bytes; only an /Index of very many ranges needs more than the first look."""

_END = re.compile(rb"startxref[\0\t\n\f\r ]*(\d{1,20})[\0\t\n\f\r ]*%%EOF")
_COMMENT = re.compile(rb"%[^\r\n]*")
_WHITE = b"\0\t\n\f\r "
_MORE = re.compile(rb"\d\s+\d{1,5}\s+obj\b|\b(?:xref|endobj|endstream)\b")
_NUMBERS_OF_AN_OBJECT = re.compile(rb"[1-9]\d{0,9}(?:\s+\d{1,5}(?:\s+ob?)?)?")
"""0 is left out: no object has that number, and HTTP's last chunk leaves it behind uploads."""
_WORDS = (b"xref", b"endobj", b"endstream")
_TABLE = re.compile(rb"[\0\s]*xref(?=[\0\s])")
_ENTRY_CHARACTERS = b"0123456789fn \r\n\t"
_IN_USE = re.compile(rb"(\d{10}) \d{5} n")
_AFTER_TRAILER = re.compile(rb"\Atrailer(?s:.*?)startxref")
_OBJECT = re.compile(rb"[\0\s]*\d{1,10}\s+\d{1,5}\s+obj")
_BEFORE_DATA = re.compile(rb">>[\0\s]*stream\r?\n?")
_LENGTH = re.compile(rb"/Length\s+(\d{1,20})(?!\d|\s+\d+\s+R)")
_ONWARDS = re.compile(rb"/(?:Prev|XRefStm)\s+(\d{1,20})(?!\d|\s+\d+\s+R)")
_LINEARISED = re.compile(rb"<<[^>]{0,512}/Linearized[^>]{0,512}>>")
_DECLARED = re.compile(rb"/L\s+(\d{1,20})")

_SECTION = "the PDF's cross-reference table"
_SOMETHING_ELSE = "the PDF is damaged (something else stands where its cross-reference table should be)"


def walk(reader: Reader) -> None:
    """Raise `NotWhole` unless the last startxref leads to sections that all lie in the file and name a root.

    White space, NULs and up to 16 KiB of junk after %%EOF do no harm, nor do 1,024 bytes before %PDF-.
    """
    head = reader.upto(0, 2 * HEADER_WITHIN)
    base = head.find(b"%PDF-", 0, HEADER_WITHIN + len(b"%PDF-"))
    if base < 0:
        raise NotWhole("the file does not begin like a PDF")
    try:
        _follow(reader, base, _start(reader, base))
    except NotWhole:
        declared = _linearised_length(head)
        if declared > reader.size:
            raise NotWhole(
                f"the PDF says that it has {declared} bytes, but only {reader.size} are here"
            ) from None
        raise


def _linearised_length(head: bytes) -> int:
    """Read /L of a linearised PDF, else 0; only to explain: programs that rewrite a file leave it behind."""
    dictionary = _LINEARISED.search(head)
    declared = _DECLARED.search(dictionary[0]) if dictionary else None
    return int(declared[1]) if declared else 0


def _start(reader: Reader, base: int) -> int:
    """Give the offset of the newest section: as stated, else that of the table before startxref.

    Some programs state wrong offsets (SANE's scanimage: always 0), and every reader copes.
    """
    stated, at = _last_startxref(reader)
    for start in (stated, stated + base):
        first = reader.upto(start, _SECTION_LOOK_BYTES)
        if _TABLE.match(first) or _OBJECT.match(first):
            return stated
    near = max(at - PIECE_BYTES, 0)
    table = reader.upto(near, at - near).rfind(b"\nxref")
    return stated if table < 0 else near + table


def _last_startxref(reader: Reader) -> tuple[int, int]:
    """Give the number after the last startxref, and where that word stands."""
    tail_at = max(reader.size - TAIL_BYTES, 0)
    tail = reader.upto(tail_at, TAIL_BYTES)
    at = tail.rfind(b"startxref")
    if at < 0:
        raise NotWhole("the PDF ends before its cross-reference table (startxref is missing)")
    end = _END.match(tail, at)
    if not end:
        raise NotWhole("the PDF ends within its last lines (%%EOF is missing)")
    if _goes_on(tail[end.end() :]):
        raise NotWhole("the PDF is not finished (more of it follows its last %%EOF)")
    return int(end[1]), tail_at + at


def _goes_on(rest: bytes) -> bool:
    """Tell whether what follows %%EOF is more of the PDF, be it only a part of the next word, and not junk.

    It is another revision, the body of a linearised document, or what stands around an attached PDF.
    """
    rest = _COMMENT.sub(b"", rest).strip(_WHITE)
    if _MORE.search(rest) or _NUMBERS_OF_AN_OBJECT.fullmatch(rest):
        return True
    return bool(rest) and any(word.startswith(rest) for word in _WORDS)


def _follow(reader: Reader, base: int, start: int) -> None:
    """Visit every section once; sections that point in a circle are no sign of a cut."""
    pending, seen, rooted = [start], {0}, False
    while pending:
        offset = pending.pop()
        if offset in seen:
            continue
        seen.add(offset)
        dictionary = _section(reader, base, offset)
        rooted = rooted or b"/Root" in dictionary
        pending += [int(number) for number in _ONWARDS.findall(dictionary)]
    if not rooted:
        raise NotWhole("the PDF is damaged (its cross-reference table names no document root)")


def _section(reader: Reader, base: int, offset: int) -> bytes:
    """Give the dictionary of the section, whose offset may count from the file's start or from %PDF-."""
    reader.inside(offset, 1, _SECTION)
    for start in (offset, offset + base) if base else (offset,):
        first = reader.upto(start, _SECTION_LOOK_BYTES)
        if table := _TABLE.match(first):
            return _trailer(reader, start + table.end())
        if _OBJECT.match(first):
            return _stream(reader, start)
    raise NotWhole(_SOMETHING_ELSE)


def _trailer(reader: Reader, position: int) -> bytes:
    """Pass the entries of a table, in practice not always 20 bytes each, and give the trailer after them."""
    look = _TABLE_LOOK_BYTES
    while piece := reader.upto(position, look):
        end = len(piece) - len(piece.lstrip(_ENTRY_CHARACTERS))
        _entries(reader, piece[:end])
        if end < len(piece):
            return _dictionary(reader, position + end, _AFTER_TRAILER)
        position += max(end - _ENTRY_BYTES, 1)  # an entry may lie across two pieces
        look = PIECE_BYTES
    raise NotWhole("the PDF ends within its cross-reference table (trailer is missing)")


def _entries(reader: Reader, entries: bytes) -> None:
    furthest = max(_IN_USE.findall(entries), default=b"0")
    reader.inside(int(furthest), 1, "an object that the PDF's cross-reference table lists")


def _stream(reader: Reader, start: int) -> bytes:
    """Give the dictionary of a cross-reference stream after checking that all its data are there."""
    dictionary = _dictionary(reader, start, _BEFORE_DATA)
    if b"/XRef" not in dictionary:
        raise NotWhole(_SOMETHING_ELSE)
    if length := _LENGTH.search(dictionary):
        end = start + len(dictionary) + int(length[1])
        if b"endstream" not in reader.exactly(end, len(b"endstream"), _SECTION) + reader.upto(end + 9, 4):
            raise NotWhole(_SOMETHING_ELSE)
    return dictionary


def _dictionary(reader: Reader, start: int, end: re.Pattern[bytes]) -> bytes:
    for look in _DICTIONARY_LOOKS:
        content = reader.upto(start, look)
        if found := end.search(content):
            return content[: found.end()]
    raise NotWhole(_SOMETHING_ELSE)
