"""Open the journal's database and bring it to this program's schema, or refuse."""

import sqlite3
from contextlib import ExitStack
from importlib.resources import files
from pathlib import Path

_APPLICATION_ID = 0x686F7466  # "hotf": tells our database from somebody else's file of that name


_MAY_PASS = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY}


class JournalError(OSError):
    """The journal cannot be used; `str()` says which file, why, and what to do."""

    may_pass = False
    """True where the disk is to blame, so that trying again later may help."""


class DamagedError(JournalError):
    """The database is broken; what it knew is rebuilt from the folders."""


def library() -> str:
    """Name the SQLite in use, and whether it has the WAL-reset fault (sqlite.org/wal.html): no harm with one writer."""
    version = sqlite3.sqlite_version_info
    mended = version >= (3, 51, 3) or version in {(3, 44, 6), (3, 50, 7)}
    note = (
        "" if mended else ": sound with one writing process, so open the journal read-only beside the daemon"
    )
    return f"SQLite {sqlite3.sqlite_version}{note}"


def connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    """Open the database in autocommit mode; raises `JournalError`."""
    mode = "rwc" if writable else "ro"
    with ExitStack() as undo:
        try:
            connection = sqlite3.connect(
                f"file:{_quoted(path)}?mode={mode}",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=10,
            )
            undo.callback(connection.close)
            if writable:
                _prepare(connection, path)
            elif _known_version(connection, path) < len(_migrations()):
                raise JournalError(f"{path} was not used by this version yet; start the service once.")
        except sqlite3.OperationalError as problem:
            raise _unusable(problem, path) from problem
        except sqlite3.DatabaseError as problem:  # SQLITE_CORRUPT, SQLITE_NOTADB
            raise DamagedError(f"{path}: the journal is damaged: {problem}") from problem
        undo.pop_all()
    return connection


def _unusable(problem: sqlite3.OperationalError, path: Path) -> JournalError:
    error = JournalError(
        f"{path}: the journal cannot be opened: {problem}. "
        f"Check the permissions and free space of {path.parent}."
    )
    error.may_pass = (problem.sqlite_errorcode & 0xFF) in _MAY_PASS  # the rest is the extended code
    return error


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    version = _known_version(connection, path)  # first: somebody else's database is left as it is
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise DamagedError(f"{path}: the journal is damaged: {found}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA wal_autocheckpoint = 1000")
    for number, script in _migrations()[version:]:
        connection.executescript(
            f"BEGIN IMMEDIATE;\n{script}\nPRAGMA application_id = {_APPLICATION_ID};\n"
            f"PRAGMA user_version = {number};\nCOMMIT;"
        )


def _known_version(connection: sqlite3.Connection, path: Path) -> int:
    owner: int = connection.execute("PRAGMA application_id").fetchone()[0]
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    newest = len(_migrations())
    used = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if owner != _APPLICATION_ID and (owner or used):
        raise JournalError(
            f"{path} is the database of another program; set `state_dir` to a folder of its own."
        )
    if version > newest:
        raise JournalError(
            f"{path} was written by a newer hotfolder (schema {version}, this program knows {newest}). "
            "Install that version again, or a later one; nothing was changed."
        )
    return version


def _migrations() -> list[tuple[int, str]]:
    scripts = sorted(
        (entry.name, entry.read_text(encoding="utf-8"))
        for entry in files(__package__).joinpath("migrations").iterdir()
        if entry.name.endswith(".sql")
    )
    return [(int(name.removesuffix(".sql")), text) for name, text in scripts]


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
