"""Removing what is past its time, and nothing else."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from hotfolder import spool
from hotfolder.batches import draw, render, report_name
from hotfolder.filing import Filed, Order, file_all
from hotfolder.model import Batch, ErrorSource, Journey, State
from hotfolder.retention import Fate, Swept, sweep, sweep_reports
from tests.builders import NOW, PDF, delivered, put_in_work
from tests.filing.archives import companions


class Boom(BaseException):
    """The program ends here."""


@pytest.fixture
def done(drop_path: Path) -> Path:
    """The archive."""
    return drop_path / "done"


def rest(folders: spool.Folders, *patterns: str, content: bytes = PDF, **changes: Any) -> Journey:
    """File a document with further files, and return it as its row is then."""
    made = delivered(**changes)
    put_in_work(folders, made, content)
    made = companions(folders, made, *patterns)
    (result,) = file_all(folders, [Order(made, f"{folders.path}/done", NOW)])
    assert isinstance(result, Filed)
    return replace(
        made,
        state=State.FILED,
        filed_at=NOW,
        filed_name=result.name,
        beside=result.beside,
        sha256=made.sha256,
    )


def swept(folders: spool.Folders, *journeys: Journey, until: float = NOW) -> Swept:
    """Sweep done/."""
    return sweep(folders, f"{folders.path}/done", journeys, until)


def lying(top: Path) -> list[str]:
    """Return everything that lies in an archive."""
    return sorted(p.relative_to(top).as_posix() for p in top.rglob("*"))


def test_a_document_goes_with_all_that_is_its_own(folders: spool.Folders, done: Path) -> None:
    """Document, further files and record go together; others, and what people put there, stay as they are."""
    old = rest(folders, "{stem}.xml", "{name}.annotations.json")
    deep = rest(folders, folder=b"a/\xff", name=b"\xff\n.pdf")
    other = rest(folders, "{stem}.xml", name=b"other.pdf")
    (done / "theirs.txt").write_bytes(b"theirs")
    (done / "scan.pdf.txt").write_bytes(b"theirs")
    found = swept(folders, old, deep)
    assert found == Swept({old.upload_id: Fate.REMOVED, deep.upload_id: Fate.REMOVED})
    left = ["other.pdf", "other.pdf.json", "other.xml", "scan.pdf.txt", "theirs.txt"]
    assert sorted(p.name for p in done.iterdir() if p.is_file()) == left
    assert not any(p.is_file() for p in (done / "a").rglob("*"))
    assert other.upload_id in (done / "other.pdf.json").read_text()


def test_what_is_not_past_its_time_stays(folders: spool.Folders, done: Path) -> None:
    """Neither row nor record may say that it was filed later, and a document that is not at rest is none of ours."""
    young, moving = rest(folders), rest(folders, name=b"moving.pdf")
    before = lying(done)
    assert swept(folders, young, until=NOW - 0.001) == Swept()
    assert swept(folders, replace(young, filed_at=NOW - 9.0), until=NOW - 5.0).fates == {
        young.upload_id: Fate.CHANGED
    }
    assert swept(folders, replace(moving, state=State.DELIVERED)) == Swept()
    assert lying(done) == before


def edit_record(done: Path, **changes: Any) -> None:
    """Change a record by hand."""
    path = done / "scan.pdf.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def swap(done: Path) -> None:
    """Put another content of the same size, with the same times, in the place of the document."""
    status = (done / "scan.pdf").stat()
    (done / "scan.pdf").unlink()
    (done / "scan.pdf").write_bytes(PDF[::-1])
    os.utime(done / "scan.pdf", ns=(status.st_atime_ns, status.st_mtime_ns))


def rewrite(done: Path) -> None:
    """Write a further file anew, as long as it was."""
    (done / "scan.xml").write_bytes((done / "scan.xml").read_bytes()[::-1])


def into_folder(done: Path) -> None:
    """Put a folder with a file in the place of the document."""
    (done / "scan.pdf").unlink()
    (done / "scan.pdf").mkdir()
    (done / "scan.pdf" / "theirs").write_bytes(b"theirs")


def into_link(done: Path, name: str = "scan.pdf") -> None:
    """Move a file away and leave a link to it."""
    (done / name).rename(done / "moved")
    (done / name).symlink_to("moved")


def into_twin_link(done: Path) -> None:
    """Put a link of the size and the times of a further file in its place."""
    status = (done / "scan.xml").stat()
    (done / "scan.xml").rename(done / "moved")
    (done / "scan.xml").symlink_to("x" * status.st_size)
    times = (status.st_atime_ns, status.st_mtime_ns)
    os.utime(done / "scan.xml", ns=times, follow_symlinks=False)


HANDS: dict[str, tuple[Callable[[Path], Any], Fate]] = {
    "another content": (swap, Fate.CHANGED),
    "a longer content": (lambda d: (d / "scan.pdf").write_bytes(PDF + b" "), Fate.CHANGED),
    "a link to the document": (into_link, Fate.CHANGED),
    "a folder of its name": (into_folder, Fate.CHANGED),
    "another version of a further file": (rewrite, Fate.CHANGED),
    "a link to a further file": (lambda d: into_link(d, "scan.xml"), Fate.CHANGED),
    "a link that looks like a further file": (into_twin_link, Fate.CHANGED),
    "the document taken alone": (lambda d: (d / "scan.pdf").unlink(), Fate.CHANGED),
    "no record": (lambda d: (d / "scan.pdf.json").unlink(), Fate.GONE),
    "a record that is a link": (lambda d: into_link(d, "scan.pdf.json"), Fate.GONE),
    "a record that is none": (lambda d: (d / "scan.pdf.json").write_bytes(b"{}"), Fate.GONE),
    "another's record": (lambda d: edit_record(d, upload_id="another"), Fate.GONE),
    "another outcome": (lambda d: edit_record(d, outcome="failed"), Fate.GONE),
    "other further files": (lambda d: edit_record(d, beside=["theirs.txt"]), Fate.CHANGED),
    "no further files": (lambda d: edit_record(d, beside=None), Fate.CHANGED),
    "all moved away": (lambda d: [p.rename(d.parent / p.name) for p in list(d.iterdir())], Fate.GONE),
    "a link to the archive's folder": (
        lambda d: [(d / "scan.pdf").rename(d.parent / "x"), (d / "scan.pdf").symlink_to("../x")],
        Fate.CHANGED,
    ),
}


@pytest.mark.parametrize("hand", HANDS)
def test_what_people_have_had_in_their_hands_stays(hand: str, folders: spool.Folders, done: Path) -> None:
    """Where anything is not as it was filed, nothing of that document is removed."""
    made = rest(folders, "{stem}.xml")
    (done / "theirs.txt").write_bytes(b"theirs")
    touch, fate = HANDS[hand]
    touch(done)
    before = lying(done)
    assert swept(folders, made) == Swept({made.upload_id: fate})
    assert lying(done) == before


def test_a_document_that_was_never_read_is_known_by_its_time(folders: spool.Folders, done: Path) -> None:
    """Where no digest was taken, size and time of change tell whether it is what was filed."""
    made = rest(folders, name=b"a.pdf")
    unread = [replace(made, sha256=None, name=name, filed_name=name) for name in (b"a.pdf", b"b.pdf")]
    record = json.loads((done / "a.pdf.json").read_text())
    record["file"]["sha256"] = None
    filed_ns = round(datetime.fromisoformat(record["file"]["modified_at"]).timestamp() * 1e9)
    (done / "b.pdf").write_bytes(PDF)
    for name, off_ns in (("a.pdf", 1_000_000), ("b.pdf", 3_000_000)):
        (done / f"{name}.json").write_text(json.dumps(record))
        os.utime(done / name, ns=(filed_ns, filed_ns + off_ns))
    assert swept(folders, unread[0]).fates == {made.upload_id: Fate.REMOVED}
    assert swept(folders, unread[1]).fates == {made.upload_id: Fate.CHANGED}


def test_a_subfolder_that_is_a_link_now(folders: spool.Folders, done: Path) -> None:
    """No link is followed to documents that look like ours."""
    made = rest(folders, folder=b"sub")
    (done / "sub").rename(done / "real")
    (done / "sub").symlink_to("real")
    assert swept(folders, made).fates == {made.upload_id: Fate.GONE}
    assert lying(done / "real") == ["scan.pdf", "scan.pdf.json"]


def test_another_queues_document_in_a_shared_archive(folders: spool.Folders, done: Path) -> None:
    """A row of one queue never leads to a document of another one."""
    made = rest(folders, queue="orders")
    assert swept(folders, replace(made, queue="invoices")).fates == {made.upload_id: Fate.GONE}
    assert swept(folders, replace(made, error_source=ErrorSource.SERVER)).fates == {made.upload_id: Fate.GONE}
    assert lying(done) == ["scan.pdf", "scan.pdf.json"]


def test_an_archive_that_is_not_there(folders: spool.Folders, done: Path) -> None:
    """A folder that is missing as a whole may be back tomorrow: nothing is concluded from it."""
    made = rest(folders)
    done.rename(done.with_name("gone"))
    assert swept(folders, made) == Swept()
    assert not done.exists()
    done.symlink_to("gone")
    found = swept(folders, made)
    assert (found.fates, "is no folder" in str(found.trouble)) == ({}, True)


def test_a_document_that_cannot_be_removed_keeps_nobody(
    folders: spool.Folders, done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails is told and tried again, with its record beside it; the others go."""
    first, second = rest(folders), rest(folders, name=b"other.pdf")
    real = spool.remove

    def remove(name: bytes, at: int) -> None:
        if name == b"scan.pdf":
            raise PermissionError(1, "Operation not permitted")
        real(name, at)

    monkeypatch.setattr(spool, "remove", remove)
    found = swept(folders, first, second)
    assert found == Swept({second.upload_id: Fate.REMOVED}, "scan.pdf: Operation not permitted")
    assert lying(done) == ["scan.pdf", "scan.pdf.json"]
    monkeypatch.undo()
    assert swept(folders, first).fates == {first.upload_id: Fate.REMOVED}


def test_asked_to_stop(folders: spool.Folders, done: Path) -> None:
    """After the document under way nothing more is begun."""
    made = [rest(folders, name=name) for name in (b"a.pdf", b"b.pdf")]
    left = iter([True, False])
    found = sweep(folders, str(done), made, NOW, lambda: next(left))
    assert found.fates == {made[0].upload_id: Fate.REMOVED}
    assert lying(done) == ["b.pdf", "b.pdf.json"]


# Crashes ------------------------------------------------------------------------------------------

CALLS = 2 * (1 + 2 + 1) + 2
"""Two documents with two further files and a record each, and two syncs."""


def ending(patch: pytest.MonkeyPatch, number: int, *, before: bool) -> list[str]:
    """Let the program end at one of the calls that change the archive; returns what was called."""
    called: list[str] = []

    def at(what: str, real: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            called.append(what if what == "sync" else os.fsdecode(arguments[0]))
            if before and len(called) > number:
                raise Boom
            real(*arguments)
            if len(called) > number:
                raise Boom

        return call

    patch.setattr(spool, "remove", at("remove", spool.remove))
    patch.setattr(spool, "sync_folder", at("sync", spool.sync_folder))
    return called


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("number", range(CALLS))
def test_a_crash_at_each_call(
    number: int, folders: spool.Folders, done: Path, monkeypatch: pytest.MonkeyPatch, *, before: bool
) -> None:
    """Wherever the program ends, no document is without its record, nothing else is touched, and the next round ends it."""
    made = [rest(folders, "{stem}.xml", "{name}.annotations.json", name=n) for n in (b"a.pdf", b"b.pdf")]
    stays = rest(folders, "{stem}.xml", name=b"stays.pdf")
    (done / "theirs.txt").write_bytes(b"theirs")
    with monkeypatch.context() as patch:
        ending(patch, number, before=before)
        with pytest.raises(Boom):
            swept(folders, *made)
    left = lying(done)
    for name in left:
        if name in {"a.pdf", "b.pdf"} or name.endswith((".xml", ".annotations.json")):
            assert f"{name.partition('.')[0]}.pdf.json" in left
    found = swept(folders, *made)
    assert set(found.fates.values()) <= {Fate.REMOVED, Fate.GONE}
    assert lying(done) == ["stays.pdf", "stays.pdf.json", "stays.xml", "theirs.txt"]
    assert stays.filed_name == b"stays.pdf"


def test_the_record_goes_when_the_rest_is_durable(
    folders: spool.Folders, done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power cut cannot bring a document back without its record: the folder is synced before any record goes."""
    made = [rest(folders, "{stem}.xml", name=n) for n in (b"a.pdf", b"b.pdf")]
    called = ending(monkeypatch, 99, before=True)
    swept(folders, *made)
    assert called == [
        *("a.xml", "a.pdf", "b.xml", "b.pdf"),
        "sync",
        *("a.pdf.json", "b.pdf.json"),
        "sync",
    ]


def test_somebody_puts_a_file_there_in_that_moment(
    folders: spool.Folders, done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that takes the document's name before its record goes keeps both."""
    made = rest(folders)
    real = spool.sync_folder

    def sync(at: int) -> None:
        real(at)
        (done / "scan.pdf").write_bytes(b"theirs")

    monkeypatch.setattr(spool, "sync_folder", sync)
    assert swept(folders, made).fates == {made.upload_id: Fate.CHANGED}
    assert lying(done) == ["scan.pdf", "scan.pdf.json"]


def test_a_document_that_changes_after_it_was_read(
    folders: spool.Folders, done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was proven for one version is not believed of the next."""
    made = [rest(folders, name=n) for n in (b"a.pdf", b"b.pdf")]
    real = spool.remove

    def remove(name: bytes, at: int) -> None:
        real(name, at)
        if name == b"a.pdf":
            (done / "b.pdf").write_bytes(PDF)

    monkeypatch.setattr(spool, "remove", remove)
    found = swept(folders, *made)
    assert found.fates == {made[0].upload_id: Fate.REMOVED, made[1].upload_id: Fate.CHANGED}
    assert lying(done) == ["b.pdf", "b.pdf.json"]


def put_report(done: Path, number: int, **changes: Any) -> Batch:
    """Lay the report of a batch, or of another one, into done/."""
    batch = Batch(f"018bcfe5-6800-7000-8000-{number:012}", "invoices", NOW - 60.0, ())
    done.mkdir(exist_ok=True)
    said = draw(replace(batch, **changes), [], changes.get("began", NOW) + 1.0)
    (done / os.fsdecode(report_name(batch))).write_bytes(render(said))
    return batch


def test_reports_of_batches_go_with_time(folders: spool.Folders, done: Path) -> None:
    """The report that was written for a batch goes; what merely has its name stays, and so does all else."""
    mine, edited, late, taken = (
        put_report(done, 1),
        put_report(done, 2, queue="orders"),
        put_report(done, 3, began=NOW + 99.0),
        put_report(done, 4),
    )
    (done / os.fsdecode(report_name(taken))).unlink()
    linked = put_report(done, 5)
    into_link(done, os.fsdecode(report_name(linked)))
    (done / "6.batch.json").write_bytes(b"theirs")
    kept = [p for p in lying(done) if mine.batch_id not in p]
    found = sweep_reports(folders, f"{folders.path}/done", [mine, edited, late, taken, linked], NOW + 2.0)
    assert found == Swept(
        {
            mine.batch_id: Fate.REMOVED,
            edited.batch_id: Fate.CHANGED,
            late.batch_id: Fate.CHANGED,
            taken.batch_id: Fate.GONE,
            linked.batch_id: Fate.CHANGED,
        }
    )
    assert lying(done) == kept


def test_reports_where_there_is_no_archive(folders: spool.Folders, done: Path) -> None:
    """A done/ that somebody removed holds none any more; one that cannot be opened is tried again."""
    batch = put_report(done, 1)
    done.rename(done.with_name("aside"))
    assert sweep_reports(folders, f"{folders.path}/done", [batch], NOW + 2.0).fates == {
        batch.batch_id: Fate.GONE
    }
    done.symlink_to("aside")
    found = sweep_reports(folders, f"{folders.path}/done", [batch], NOW + 2.0)
    assert (found.fates, bool(found.trouble)) == ({}, True)
