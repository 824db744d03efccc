"""The book of every step a document takes: SQLite, one writer, group commit; the only SQL.

A row is written before the step it announces and after the answer it records. `Journal` is the
daemon's; `Reader` is everybody else's and never writes.
"""

from hotfolder.journal.book import Entry, Journal
from hotfolder.journal.notices import Change, Happened
from hotfolder.journal.reader import FILE_NAME, Reader
from hotfolder.journal.rows import place_in_words
from hotfolder.journal.schema import DamagedError, JournalError, library

JOURNAL_FILES = tuple(f"{FILE_NAME}{suffix}".encode() for suffix in ("", "-wal", "-shm"))
"""Names of the database's files in the state directory."""

__all__ = [
    "JOURNAL_FILES",
    "Change",
    "DamagedError",
    "Entry",
    "Happened",
    "Journal",
    "JournalError",
    "Reader",
    "library",
    "place_in_words",
]
