"""An audit of real folders and a real journal."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from hotfolder.audit import audited
from hotfolder.batches import draw, render, report_name
from hotfolder.filing import Filed, Order, file_all
from hotfolder.journal import Entry, Journal
from hotfolder.model import Batch, Journey, State
from hotfolder.settings import Settings, load_settings
from hotfolder.spool import Folders
from hotfolder.states import Event
from tests.builders import NOW, PDF, claimed, delivered, journey, put_in_work

CONFIG = """\
state_dir: {top}/state
connections: {{acme: {{backend: digitoo, token: t0ken}}}}
queues:
  invoices: {{connection: acme, queue_id: 8236, folder: {top}/invoices, failed: {top}/failed}}
"""


@pytest.fixture
def settings(folders: Folders, tmp_path: Path) -> Settings:
    """One queue with an archive inside its drop folder, and one outside."""
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.format(top=tmp_path))
    return load_settings(file, {"HOME": str(tmp_path)})


@pytest.fixture
def audit(settings: Settings) -> Callable[..., list[str]]:
    """Return what an audit says, without waiting between its looks."""

    def look(*, quick: bool = False) -> list[str]:
        found = audited(settings, lambda _: None, quick=quick).problems
        return [f"{os.path.basename(p.file).decode('utf-8', 'replace')}: {p.problem}" for p in found]

    return look


def recorded(journal: Journal, made: Journey) -> Journey:
    """Write the usual history of a document that is delivered or filed."""
    before = None
    steps = [(Event.CLAIM, State.CLAIMED), (Event.SEND, State.SENDING), (Event.DELIVER, State.DELIVERED)]
    for event, state in [*steps, (Event.FILE, State.FILED)]:
        journal.record(Entry(replace(made, state=state), event, NOW), before).result()
        before = state
        if state is made.state:
            break
    return made


def filed(folders: Folders, journal: Journal, settings: Settings, **changes: object) -> Path:
    """Have a document filed in done/, its row and history included."""
    made = claimed(folders, delivered(**changes))
    (result,) = file_all(folders, [Order(made, str(settings.queues["invoices"].done), NOW)])
    assert isinstance(result, Filed)
    recorded(journal, replace(made, state=State.FILED, filed_name=result.name))
    return settings.queues["invoices"].done / os.fsdecode(
        made.folder + b"/" * bool(made.folder) + result.name
    )


def test_all_is_well(
    audit: Callable[..., list[str]], folders: Folders, journal: Journal, settings: Settings
) -> None:
    """Filed documents of any name, some of them named like records, hold every guarantee."""
    names = [b"\xff\n.pdf", b"x" * 251 + b".pdf", b"scan.pdf", b"scan.pdf.json", b"scan.pdf.json.json"]
    for number, name in enumerate(names):
        filed(folders, journal, settings, name=name, folder=b"sub" if number % 2 else b"")
    assert audit() == []


def test_nothing_at_all(audit: Callable[..., list[str]], tmp_path: Path) -> None:
    """Before the first start there is nothing to find wrong, and nothing is made."""
    assert audit() == []
    assert not (tmp_path / "state").exists()
    assert not (tmp_path / "failed").exists()


def put_copy(path: Path) -> None:
    """Copy a document with its record."""
    for end in ("", ".json"):
        (path.parent / f"copy.pdf{end}").write_bytes(path.with_name(path.name + end).read_bytes())


@pytest.mark.parametrize(
    ("break_it", "says"),
    [
        (lambda path: path.with_name(path.name + ".json").unlink(), "no record"),
        (lambda path: path.with_name(path.name + ".json").write_text("{}"), "not valid"),
        (lambda path: path.write_bytes(PDF[:-1] + b"!"), "SHA-256"),
        (lambda path: path.write_bytes(PDF + b"!"), "bytes"),
        (lambda path: (path.parent / "stray.pdf").write_bytes(PDF), "stray.pdf: there is no record"),
        (lambda path: (path.parents[1] / ".hotfolder/notes").write_bytes(PDF), "notes: it is no document"),
        (put_copy, "upload id"),
        (lambda path: path.rename(path.parents[2] / "failed" / path.name), "no record"),
    ],
)
def test_what_is_broken_is_found(
    break_it: Callable[[Path], object],
    says: str,
    audit: Callable[..., list[str]],
    folders: Folders,
    journal: Journal,
    settings: Settings,
    tmp_path: Path,
) -> None:
    """Each way to break a guarantee by hand is told with the file that it is about."""
    (tmp_path / "failed").mkdir()
    path = filed(folders, journal, settings)
    assert audit() == []
    break_it(path)
    (found,) = audit()
    assert says in found
    assert audit(quick=True) == ([] if says == "SHA-256" else [found])


def test_a_document_that_is_lost(
    audit: Callable[..., list[str]], folders: Folders, journal: Journal, settings: Settings
) -> None:
    """An open row whose document is nowhere is a problem, and none when it is there."""
    made = recorded(journal, delivered())
    (found,) = audit()
    assert made.upload_id in found
    put_in_work(folders, made)
    assert audit() == []


def test_what_comes_right_is_no_problem(settings: Settings, folders: Folders, journal: Journal) -> None:
    """What looks wrong once and right a moment later was only on its way."""
    made = recorded(journal, delivered())

    def nap(_: float) -> None:
        if not list(Path(folders.path, ".hotfolder").iterdir()):
            put_in_work(folders, made)

    assert audited(settings, nap).problems == []


def test_a_folder_that_cannot_be_read(
    audit: Callable[..., list[str]], folders: Folders, journal: Journal, tmp_path: Path
) -> None:
    """A missing drop folder and an archive that is none are told; an archive that was not made yet is fine."""
    (tmp_path / "failed").touch()
    (found,) = audit()
    assert found.startswith("failed: the folder cannot be read: Not a directory")
    (tmp_path / "failed").unlink()
    assert audit() == []
    (tmp_path / "invoices").rename(tmp_path / "elsewhere")
    (found,) = audit()
    assert found.startswith("invoices: the folder cannot be read: No such file")


def test_a_journal_that_cannot_be_read(audit: Callable[..., list[str]], tmp_path: Path) -> None:
    """A file that is no journal is a problem, not the end of the audit."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state/journal.sqlite3").write_bytes(b"no database" * 100)
    (found,) = audit()
    assert found.startswith("journal.sqlite3: ")


def test_a_claim_under_way(audit: Callable[..., list[str]], folders: Folders, journal: Journal) -> None:
    """A claimed document may still lie in the drop folder."""
    made = journey()
    journal.record(Entry(made, Event.CLAIM, NOW), None).result()
    assert len(audit()) == 1
    Path(folders.path, "scan.pdf").write_bytes(PDF)
    assert audit() == []


def test_reports_of_batches(
    audit: Callable[..., list[str]], folders: Folders, journal: Journal, settings: Settings
) -> None:
    """A report is no document; a file that merely has its name is one without record, wherever it came from."""
    path = filed(folders, journal, settings)
    batch = Batch("018bcfe5-6800-7000-8000-000000000000", "invoices", NOW, ())
    report = path.with_name(os.fsdecode(report_name(batch)))
    report.write_bytes(render(draw(batch, [], NOW)))
    assert audit() == []
    report.write_bytes(PDF)
    assert audit() == [f"{report.name}: there is no record beside it"]


def test_a_report_that_a_crash_cut_off(
    audit: Callable[..., list[str]], folders: Folders, journal: Journal, settings: Settings
) -> None:
    """Half a report is nobody's problem as long as its batch waits for it: the next start writes it anew."""
    path = filed(folders, journal, settings)
    batch = Batch("018bcfe5-6800-7000-8000-000000000000", "invoices", NOW, ())
    path.with_name(f".{batch.batch_id}.tmp").write_bytes(b"{")
    assert len(audit()) == 1
    journal.begin_batch(batch).result()
    assert audit() == []
    journal.end_batch(batch.batch_id, NOW, "report").result()
    assert len(audit()) == 1
