"""What was found in a document rests beside it, under a name that nothing else has."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from hotfolder import results, spool
from hotfolder.filing import Filed
from hotfolder.model import Journey, State
from hotfolder.retention import Fate, sweep
from tests.builders import NOW, PDF
from tests.filing.archives import file, ready

FOUND = b'{"annotations": []}\n'


def with_results(folders: spool.Folders, **changes: object) -> Journey:
    """Put a delivered document into the work folder, and what was found in it."""
    made = ready(folders, **changes)
    keep(folders, made.upload_id)
    return replace(made, results_from=NOW, beside=results.with_results(made))


def keep(folders: spool.Folders, upload_id: str, content: bytes = FOUND) -> None:
    """Lay results into the work folder."""
    with (Path(folders.path).parent / "fetched").open("w+b") as fetched:
        fetched.write(content)
        results.keep(folders, upload_id, fetched)


def beside(done: Path, name: bytes) -> list[str]:
    """Return the further files that a document's record names."""
    record = json.loads((done / os.fsdecode(name + b".json")).read_bytes())
    return list(record.get("beside", ()))


@pytest.mark.parametrize(
    "name", [b"x" * 251 + b".pdf", "ř".encode() * 127, b"a.annotations", b"\xff" * 255, b"-"]
)
def test_any_name_fits(name: bytes, folders: spool.Folders, done: Path) -> None:
    """Two documents of any name have their results beside them, in names of at most 255 bytes."""
    made = [with_results(folders, name=name) for _ in range(2)]
    filed = file(folders, done, *made)
    assert all(isinstance(one, Filed) for one in filed)
    names = os.listdir(os.fsencode(done))
    assert [(done / os.fsdecode(one)).read_bytes() for one in names].count(FOUND) == 2
    assert max(map(len, names)) <= 255
    assert len(names) == 6
    assert os.listdir(folders.work) == []


def test_nothing_is_replaced(folders: spool.Folders, done: Path) -> None:
    """Where the name of the results is taken, by a person or by another document's record, all three names give way."""
    done.mkdir()
    (done / "scan.pdf.annotations.json").write_bytes(b"theirs")
    other = ready(folders, name=b"free.pdf.annotations")
    mine, free = with_results(folders), with_results(folders, name=b"free.pdf")
    first = file(folders, done, mine, other, free)
    # Both had reserved their names before one of them moved: that one is tried again.
    again = [j for j, one in zip((mine, other, free), first, strict=True) if not isinstance(one, Filed)]
    second = file(folders, done, *again)
    named = {one.name: beside(done, one.name) for one in (*first, *second) if isinstance(one, Filed)}
    assert len(named) == 3
    assert ["scan.pdf.annotations.json"] not in named.values()
    assert (done / "scan.pdf.annotations.json").read_bytes() == b"theirs"
    assert [(done / one).read_bytes() for names in named.values() for one in names] == [FOUND] * 2
    records = [
        json.loads(path.read_bytes())
        for path in done.glob("*.json")
        if path.read_bytes() not in {FOUND, b"theirs"}
    ]
    assert {record["upload_id"] for record in records} == {j.upload_id for j in (mine, other, free)}
    assert os.listdir(folders.work) == []


def test_what_is_not_filed_with_it_does_not_stay(folders: spool.Folders, done: Path) -> None:
    """Results that were given up, and the beginning of some, leave with the document."""
    made = replace(ready(folders), results_from=NOW)
    keep(folders, made.upload_id)
    (Path(folders.path) / ".hotfolder" / f".results.{made.upload_id}.tmp").write_bytes(b"half")
    file(folders, done, made)
    assert os.listdir(folders.work) == []
    assert sorted(os.listdir(done)) == ["scan.pdf", "scan.pdf.json"]


def test_results_are_whole_or_not_there(folders: spool.Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails leaves the earlier version, or none, and nothing half."""
    made = ready(folders)

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="space"):
            keep(folders, made.upload_id)
    assert not results.lie(folders, made.upload_id)
    keep(folders, made.upload_id)
    with monkeypatch.context() as broken:
        broken.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="space"):
            keep(folders, made.upload_id, b"[1]")
    assert spool.read_small(results.in_work(made.upload_id), folders.work) == FOUND
    assert [one.whole for one in results.all_in(folders)] == [True]


def test_they_are_removed_with_the_document(folders: spool.Folders, done: Path) -> None:
    """`retain` takes them along; where somebody changed them, all of it stays."""
    made = [with_results(folders, name=name) for name in (b"a.pdf", b"b.pdf")]
    filed = [one for one in file(folders, done, *made) if isinstance(one, Filed)]
    rows = [
        replace(j, state=State.FILED, filed_at=NOW, filed_name=one.name, beside=one.beside)
        for j, one in zip(made, filed, strict=True)
    ]
    (done / "b.pdf.annotations.json").write_bytes(b"{}")
    swept = sweep(folders, str(done), rows, NOW + 1)
    assert swept.fates == {made[0].upload_id: Fate.REMOVED, made[1].upload_id: Fate.CHANGED}
    assert sorted(os.listdir(done)) == ["b.pdf", "b.pdf.annotations.json", "b.pdf.json"]
    assert (done / "b.pdf").read_bytes() == PDF
