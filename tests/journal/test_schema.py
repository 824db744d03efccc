"""Opening the journal, and refusing what is not ours."""

import os
import sqlite3
from pathlib import Path

import pytest

from hotfolder.journal import DamagedError, Journal, JournalError, Reader
from hotfolder.journal.reader import FILE_NAME
from hotfolder.journal.schema import _migrations, connect


def database(path: Path, *statements: str) -> bytes:
    """Make a database of somebody and return its bytes."""
    with sqlite3.connect(path) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()
    return path.read_bytes()


def test_an_empty_folder_gets_a_journal(tmp_path: Path) -> None:
    """A new journal has the newest schema, our mark, and write-ahead logging."""
    connection = connect(tmp_path / FILE_NAME, writable=True)
    assert connection.execute("PRAGMA user_version").fetchone() == (len(_migrations()),)
    assert connection.execute("PRAGMA application_id").fetchone() == (int.from_bytes(b"hotf"),)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    connection.close()


def test_migrations_are_numbered_without_gaps() -> None:
    """The schema's version is the number of the last migration."""
    assert [number for number, _ in _migrations()] == list(range(1, len(_migrations()) + 1))


def test_opening_again_changes_nothing(tmp_path: Path) -> None:
    """A journal of this version is opened as it is."""
    for _ in range(3):
        Journal(tmp_path).close()
    Reader(tmp_path).close()


def test_an_empty_file_is_taken(tmp_path: Path) -> None:
    """A file that a crash left empty becomes the journal."""
    (tmp_path / FILE_NAME).touch()
    Journal(tmp_path).close()


@pytest.mark.parametrize("writable", [True, False])
@pytest.mark.parametrize(
    ("statements", "says"),
    [
        (("PRAGMA application_id = 42",), "database of another program"),
        (("CREATE TABLE invoices (x)",), "database of another program"),
        (("CREATE TABLE invoices (x)", "PRAGMA user_version = 9"), "database of another program"),
        (
            (f"PRAGMA application_id = {int.from_bytes(b'hotf')}", "PRAGMA user_version = 999"),
            "newer hotfolder",
        ),
    ],
)
def test_what_is_not_ours_is_refused_and_left_alone(
    statements: tuple[str, ...],
    says: str,
    tmp_path: Path,
    *,
    writable: bool,
) -> None:
    """A newer journal and another program's database are refused, with the reason, without changing a byte."""
    before = database(tmp_path / FILE_NAME, *statements)
    with pytest.raises(JournalError, match=says):
        connect(tmp_path / FILE_NAME, writable=writable)
    assert (tmp_path / FILE_NAME).read_bytes() == before
    assert os.listdir(tmp_path) == [FILE_NAME]


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    """A file that is no database is an error for people, and stays as it is."""
    (tmp_path / FILE_NAME).write_bytes(b"Dear Sir or Madam, " * 100)
    with pytest.raises(DamagedError, match=r"journal\.sqlite3: the journal is damaged"):
        Journal(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes().startswith(b"Dear Sir")


def test_a_reader_makes_nothing(tmp_path: Path) -> None:
    """Reading a journal that does not exist, or was never used, is an error and leaves no file."""
    with pytest.raises(JournalError):
        Reader(tmp_path)
    assert os.listdir(tmp_path) == []
    (tmp_path / FILE_NAME).touch()
    with pytest.raises(JournalError, match="start the service once"):
        Reader(tmp_path)


@pytest.mark.parametrize("name", ["a b", "50%", "who?", "#1", "ä", "a%20b"])
def test_folders_with_odd_names(name: str, tmp_path: Path) -> None:
    """A state directory may be called anything."""
    folder = tmp_path / name
    folder.mkdir()
    Journal(folder).close()
    assert (folder / FILE_NAME).exists()
    Reader(folder).close()
