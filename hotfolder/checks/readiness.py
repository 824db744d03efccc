"""Decide from what was seen of a file whether it is ready, not yet, or never acceptable (pure)."""

from dataclasses import dataclass
from enum import StrEnum

from hotfolder.checks.walk import Wholeness
from hotfolder.model import Answer, Stamp

EXTENSIONS = {
    "application/pdf": (".pdf",),
    "image/jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "image/png": (".png",),
    "image/tiff": (".tif", ".tiff"),
}
SHORT = {"application/pdf": "PDF", "image/jpeg": "JPEG", "image/png": "PNG", "image/tiff": "TIFF"}


class Kind(StrEnum):
    """What a directory entry is; only regular files are ever opened for reading."""

    FILE = "file"
    FOLDER = "folder"
    SYMLINK = "symbolic link"
    OTHER = "FIFO, socket or device"


@dataclass(frozen=True, slots=True)
class Rules:
    """What a queue accepts; durations in seconds, sizes in bytes."""

    media_types: frozenset[str]
    min_bytes: int
    max_bytes: int | None
    patience_s: float


@dataclass(frozen=True, slots=True)
class Facts:
    """What one look at an open file told."""

    stamp: Stamp
    allocated_bytes: int
    blocks_tell: bool
    """False where the file system compresses or stores small files inline, so blocks prove nothing."""
    writer: bool | None
    """Whether somebody has it open for writing; None where the file system or our rights cannot tell."""
    media_type: str | None
    looks_like: str | None
    """Plain-language name of what it is instead, when it is none of the four types."""
    whole: Wholeness | None
    """None where the media type is unknown."""
    blank: bool
    """Whether its first kilobyte is NUL bytes only: a file that was made large before it was written."""
    cut_short: bool = False
    """Whether it ends within what could become the signature of a document."""
    record: bool = False
    """Whether it is a sidecar of ours, which people move along with its document."""
    placard: bool = False
    """Whether it is a status file of ours, of whatever queue."""
    borrowed: bool = False
    """Whether it has another name (a hard link) and its owner is not the service's own user."""
    held: bool = False
    """Whether our rights do not let it be moved out of its folder."""


@dataclass(frozen=True, slots=True)
class Ready:
    """Whole, quiet, acceptable: to be claimed and sent."""

    media_type: str
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class NotYet:
    """To be looked at again; never a final word."""

    reason: str
    look_again_s: float


@dataclass(frozen=True, slots=True)
class Unfit:
    """Complete and never acceptable: to be claimed and filed in failed/ with this record."""

    answer: Answer
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class NoDocument:
    """To be left alone as long as it stays as it is; `rule` says why."""

    rule: str


Verdict = Ready | NotYet | Unfit | NoDocument

PLACARD_RULE = "a status file of the service (by its content, see `status_file`); it may be deleted"
RECORD_RULE = "the record of an earlier upload (by its content); the document is taken without it, and it may be deleted"

_BORROWED = (
    "the file has another name as well (it is a hard link) and belongs to somebody else, so it could be a file that "
    "whoever put it here may not read"
)

_HELD = (
    "the service's user may not move it out of its folder; give that user the right to write there, "
    "and where the folder is sticky, the folder itself"
)


def judge(facts: Facts, quiet_s: float, rules: Rules, name_extension: str) -> Verdict:
    """Judge a file that has been quiet for `quiet_s` seconds: "not ready" is always "not yet"."""
    hindrance = _being_written(facts)
    if hindrance:
        return NotYet(hindrance, _again(quiet_s))
    if facts.record and name_extension.lower() == ".json":
        return NoDocument(RECORD_RULE)
    if facts.placard:
        return NoDocument(PLACARD_RULE)
    doubt = _BORROWED if facts.borrowed else _incomplete(facts, rules)
    if doubt:
        if quiet_s < rules.patience_s:
            return NotYet(doubt, min(_again(quiet_s), rules.patience_s - quiet_s))
        return Unfit(
            Answer(
                422,
                "INCOHERENT_DATA",
                (f"{_sentence(doubt)}. Nothing changed for {_span(quiet_s)}. {_advice(facts)}",),
            ),
            facts.media_type,
        )
    return _type(facts, rules) or _size(facts, rules) or _accepted(facts, name_extension)


def _being_written(facts: Facts) -> str | None:
    if facts.writer:
        return "a program still has it open for writing"
    return _HELD if facts.held else None


def _incomplete(facts: Facts, rules: Rules) -> str | None:
    if facts.stamp.size == 0:
        return "the file is empty"
    if facts.blocks_tell and facts.allocated_bytes < facts.stamp.size:
        return (
            f"only {facts.allocated_bytes} of its {facts.stamp.size} bytes have been written: the copy is "
            "under way, or was broken off"
        )
    if facts.blank:
        return "the file begins with nothing but zero bytes: its content was never written"
    if facts.cut_short:
        return f"the file ends after {facts.stamp.size} bytes, before it can be told what it is"
    if facts.whole is not None and not facts.whole.whole:
        return facts.whole.reason or "the file is not complete"
    if facts.stamp.size < rules.min_bytes:
        return (
            f"the file has {facts.stamp.size} bytes, fewer than this queue's `min_size` of {rules.min_bytes}"
        )
    return None


def _type(facts: Facts, rules: Rules) -> Unfit | None:
    if facts.media_type in rules.media_types:
        return None
    accepted = ", ".join(sorted(SHORT[m] for m in rules.media_types))
    what = SHORT.get(facts.media_type or "", "") or facts.looks_like
    said = f"Its content is {_article(what)}" if what else "Its content is of no known document type"
    return Unfit(
        Answer(
            415,
            "FILE_TYPE_NOT_SUPPORTED",
            (f"{said}; this queue takes {accepted}. Save it in one of these formats.",),
        ),
        facts.media_type,
    )


def _size(facts: Facts, rules: Rules) -> Unfit | None:
    if rules.max_bytes is None or facts.stamp.size <= rules.max_bytes:
        return None
    text = (
        f"The file has {facts.stamp.size} bytes; at most {rules.max_bytes} are accepted here. "
        "Scan with a lower resolution or fewer pages."
    )
    return Unfit(Answer(413, None, (text,)), facts.media_type)


def _accepted(facts: Facts, extension: str) -> Ready:
    assert facts.media_type is not None  # noqa: S101 — `_type` has let only known types pass
    usual = EXTENSIONS[facts.media_type]
    if extension and extension.lower() not in usual:
        return Ready(
            facts.media_type,
            f"the name ends in {extension}, but the content is {SHORT[facts.media_type]}; sent as {facts.media_type}",
        )
    return Ready(facts.media_type)


def _again(quiet_s: float) -> float:
    """Look again after a tenth of the quiet so far: soon at first, then ever more rarely."""
    return min(max(quiet_s / 10, 0.2), 30.0)


def _advice(facts: Facts) -> str:
    return "Copy it here instead of linking it." if facts.borrowed else "Scan or export it again."


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _article(noun: str) -> str:
    return f"a {noun}" if noun in SHORT.values() else noun


def _span(seconds: float) -> str:
    return f"{seconds / 60:.0f} minutes" if seconds >= 120 else f"{seconds:.0f} seconds"  # noqa: PLR2004


def widened(window_s: float, gap_s: float, ceiling_s: float) -> float:
    """Return the settle window after a writer came back `gap_s` after its last write: twice that gap, capped."""
    return min(max(window_s, 2 * gap_s), max(ceiling_s, window_s))
