"""Documents with companion and marker in real folders, and a program that ends at any call."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hotfolder import spool
from hotfolder.checks.templates import fill
from hotfolder.claims import begun, secure
from hotfolder.filing import Filed, Order, file_all
from hotfolder.journal import Entry, Journal
from hotfolder.model import Answer, Attendant, ErrorSource, Journey, Own, State
from hotfolder.recovery import Site, recover
from hotfolder.states import ARROWS
from tests.builders import NOW, ORIGIN, PDF, drop, names_in

TEMPLATES = ("{stem}.json", "{name}.ready")
HERE = replace(ORIGIN, templates=TEMPLATES)
SAYS = b'{"metadata": {"site": "Brno"}, "queue_id": "9"}'
NAMES = [b"scan.pdf", b"\xff\xfe.pdf", b"x" * 245 + b".pdf", b"scan"]
BESIDE = {b"scan.pdf", b"scan.json", b"scan.pdf.ready"}


def dropped(
    folders: spool.Folders, name: bytes = b"scan.pdf", folder: bytes = b"", **changes: Any
) -> Journey:
    """Drop a document with companion and marker, and return the journey that announces its claim."""
    found = drop(folders, name, PDF, folder)
    beside = [
        Attendant(fill(t, name), t, drop(folders, fill(t, name), content, folder).stamp, kept)
        for t, content, kept in zip(TEMPLATES, (SAYS, b""), (True, False), strict=True)
    ]
    own = Own({"site": "Brno"}, queue_id="9")
    made = begun(replace(found, attendants=tuple(beside), own=own), HERE, NOW)
    return replace(made, **changes)


def claimed(
    folders: spool.Folders, name: bytes = b"scan.pdf", folder: bytes = b"", **changes: Any
) -> Journey:
    """Claim a document with what came with it."""
    made = dropped(folders, name, folder)
    stamp, digest = secure(folders, made)
    return replace(made, stamp=stamp, sha256=digest, **changes)


def final(folders: spool.Folders, state: State = State.DELIVERED, **where: Any) -> Journey:
    """Claim a document, and let it be delivered or refused."""
    source = None if state is State.DELIVERED else ErrorSource.LOCAL
    answer = Answer(422, None, ("no",)) if source else Answer(202, document_ids=("1",))
    return claimed(folders, state=state, answer=answer, error_source=source, **where)


def work(folders: spool.Folders) -> list[bytes]:
    """Return what lies in the work folder, without the notes on origins."""
    return sorted(
        n for n in names_in(os.path.join(folders.path, ".hotfolder")) if not n.startswith(b"origin.")
    )


def filed(folders: spool.Folders, made: Journey, archive: Path) -> Journey:
    """File a document."""
    (result,) = file_all(folders, [Order(made, str(archive), NOW)])
    assert isinstance(result, Filed), result
    return replace(made, filed_name=result.name, filed_at=NOW)


class EndError(BaseException):
    """The program ends here."""


@contextmanager
def ending(patch: pytest.MonkeyPatch, number: int) -> Iterator[list[str]]:
    """Let the program end at the nth call that changes a folder, before it is made; yields the calls so far."""
    calls: list[str] = []

    def counted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **words: Any) -> Any:
            calls.append(name)
            if len(calls) > number:
                raise EndError
            return real(*arguments, **words)

        return call

    with patch.context() as inner:
        for name in ("move", "remove", "write_new", "copy_over", "sync_folder", "write_note"):
            inner.setattr(spool, name, counted(name, getattr(spool, name)))
        inner.setattr(
            spool.files, "move", counted("move", spool.files.move)
        )  # what `move_to_free` and the like do
        yield calls


def row_of(journal: Journal, made: Journey) -> None:
    """Write the row of a journey in any state."""
    event, before = next((e, b) for (b, e), after in ARROWS.items() if after is made.state)
    journal.record(Entry(made, event, NOW), before).result(20)


def repaired(journal: Journal, folders: spool.Folders, **changes: Any) -> list[Journey]:
    """Recover the queue."""
    archives = (f"{folders.path}/done", f"{folders.path}/failed")
    site = replace(Site(journal, folders, HERE, archives, 45.0, "run", known=True), **changes)
    return recover(site, NOW).going_on


def contents(top: Path) -> list[bytes]:
    """Return the contents of a document and its companion, wherever below they lie."""
    return sorted(c for p in top.rglob("*") if p.is_file() and (c := p.read_bytes()) in {PDF, SAYS})
