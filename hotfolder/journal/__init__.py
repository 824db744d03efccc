"""The book of every step a document takes: SQLite, one writer, group commit; the only SQL.

A row is written before the step it announces and after the answer it records. `Journal` is the
daemon's; `Reader` is everybody else's and never writes.
"""

from hotfolder.journal.book import Entry, Journal
from hotfolder.journal.reader import Reader
from hotfolder.journal.schema import JournalError, library

__all__ = ["Entry", "Journal", "JournalError", "Reader", "library"]
