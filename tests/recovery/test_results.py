"""What was found in a document and lies in the work folder is filed, or removed where nothing is here to file it with."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from hotfolder import results, spool
from hotfolder.filing import Order, file_all
from hotfolder.journal import Journal
from hotfolder.model import Journey, State
from tests.builders import NOW, claimed, delivered, journey
from tests.recovery.test_repairs import repaired, write

FOUND = b'{"annotations": []}\n'


def keep(folders: spool.Folders, upload_id: str) -> Path:
    """Lay results into the work folder; returns where."""
    path = Path(folders.path) / ".hotfolder" / os.fsdecode(results.in_work(upload_id))
    path.write_bytes(FOUND)
    return path


def rest(folders: spool.Folders, made: Journey) -> list[str]:
    """File a document and return the names in done/."""
    file_all(folders, [Order(made, f"{folders.path}/done", NOW)])
    return sorted(os.listdir(f"{folders.path}/done"))


@pytest.mark.parametrize("known", [True, False])
def test_what_came_with_a_lost_answer(known: bool, journal: Journal, folders: spool.Folders) -> None:  # noqa: FBT001 — a parameter
    """Results that were kept before the answer was written stay with the document while somebody settles it."""
    made = claimed(folders, journey(state=State.SENDING))
    if known:
        write(journal, made)
    keep(folders, made.upload_id)
    (found,) = repaired(journal, folders, known=known)
    assert (found.state, found.beside) == (State.UNCERTAIN, results.with_results(made))
    assert repaired(journal, folders) == [found]
    settled = replace(found, state=State.DELIVERED, answer=delivered().answer)
    assert rest(folders, settled) == [
        "scan.pdf",
        "scan.pdf.annotations.json",
        "scan.pdf.json",
    ]


def test_a_document_under_way_keeps_them(journal: Journal, folders: spool.Folders) -> None:
    """Between fetching and its row nothing is lost, and a beginning of results is replaced by the next try."""
    made = write(
        journal, claimed(folders, journey(state=State.ACCEPTED, results_from=NOW, answer=delivered().answer))
    )
    there = keep(folders, made.upload_id)
    (found,) = repaired(journal, folders)
    assert (found, there.read_bytes()) == (made, FOUND)


@pytest.mark.parametrize("state", [State.RETURNED, None])
def test_what_belongs_to_nothing_is_removed(
    state: State | None, journal: Journal, folders: spool.Folders
) -> None:
    """Without a document that they could rest beside, results go: the service has them."""
    made = journey()
    if state is not None:
        write(journal, replace(made, state=state))
    keep(folders, made.upload_id)
    (Path(folders.path) / ".hotfolder" / f".results.{made.upload_id}.tmp").write_bytes(b"half")
    busy = journey()
    keep(folders, busy.upload_id)
    assert repaired(journal, folders, busy=lambda: frozenset({busy.upload_id})) == []
    assert os.listdir(folders.work) == [f"results.{busy.upload_id}"]


def test_a_move_that_a_power_cut_undid_is_done_again(journal: Journal, folders: spool.Folders) -> None:
    """A document at rest whose results lie in the work folder again is filed once more, and they follow."""
    made = delivered()
    made = claimed(folders, replace(made, state=State.CLAIMED))
    final = replace(made, state=State.DELIVERED, answer=delivered().answer, results_from=NOW)
    final = replace(final, beside=results.with_results(final))
    there = keep(folders, final.upload_id)
    assert "scan.pdf.annotations.json" in rest(folders, final)
    filed = write(journal, replace(final, state=State.FILED, filed_at=NOW, filed_name=b"scan.pdf"))
    (Path(folders.path) / "done" / "scan.pdf.annotations.json").rename(there)
    assert [j.upload_id for j in repaired(journal, folders)] == [filed.upload_id]
    assert "scan.pdf.annotations.json" in rest(folders, filed)
    assert os.listdir(folders.work) == []
