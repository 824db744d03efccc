"""Ask the journal: read-only, also beside a running daemon."""

from pathlib import Path
from threading import Lock
from typing import Any, cast

from hotfolder.journal.notices import (
    HAPPENED,
    HOURS,
    LAST_ARRIVALS,
    LETTERS,
    MARK,
    NEWEST_ARROW,
    PENDING,
    TOLD,
    Happened,
    pending_of,
    told_of,
)
from hotfolder.journal.rows import load, plan_of
from hotfolder.journal.schema import JournalError, connect
from hotfolder.journal.webhooks import NEWEST_ORPHANS, ORPHANS, REJECTED, UNWRITTEN, news_of
from hotfolder.model import Batch, Ground, Journey, Stop
from hotfolder.news import News
from hotfolder.troubles import Pending, Told

FILE_NAME = "journal.sqlite3"

# Where an index is named, SQLite would look through all documents rather than sort a few.
_OPEN = """
SELECT journey FROM documents INDEXED BY documents_open WHERE state NOT IN ('filed', 'returned') ORDER BY upload_id
"""
_STATES = """
SELECT queue, state, count(*) FROM documents WHERE state NOT IN ('filed', 'returned') GROUP BY queue, state
"""
_LAST = "SELECT journey FROM documents WHERE queue = ? AND folder = ? AND name = ? ORDER BY upload_id DESC LIMIT 1"
_HAS_ID = "SELECT 1 FROM remote_ids WHERE connection = ? AND document_id = ? AND upload_id <> ?"
_BY_ID = "SELECT journey FROM documents WHERE upload_id = ?"
_ARROWS = "SELECT at, event, state, reason FROM arrows WHERE upload_id = ? ORDER BY number"
_ALL = "SELECT journey FROM documents ORDER BY upload_id"
_HISTORY = "SELECT upload_id, event, state FROM arrows ORDER BY number"
_BY_CONTENT = """
SELECT journey FROM documents WHERE queue = ? AND sha256 = ? AND state <> 'returned'
ORDER BY upload_id DESC LIMIT ?
"""
_OPEN_BATCHES = "SELECT id, began, plan FROM batches WHERE queue = ? AND report IS NULL ORDER BY id"
_BATCH = "SELECT queue, began, plan FROM batches WHERE id = ? AND retired_at IS NULL AND plan <> ''"
_REPORTED = """
SELECT id, began FROM batches WHERE queue = ? AND report IS NOT NULL AND retired_at IS NULL AND ended <= ?
ORDER BY ended, id LIMIT ?
"""
_OF_BATCH = "SELECT journey FROM documents WHERE json_extract(journey, '$.batch_id') = ? ORDER BY upload_id"
_NAMESAKE = """
SELECT journey FROM documents WHERE queue = ? AND folder = ? AND name = ? AND upload_id <> ? AND state <> 'returned'
ORDER BY upload_id DESC LIMIT 1
"""
_RESTING = """
SELECT updated_at, journey FROM documents
WHERE queue = ? AND (json_extract(journey, '$.error_source') IS NULL) = ? AND state = 'filed' AND retired_at IS NULL
AND updated_at <= ? AND (updated_at, upload_id) > (?, ?)
ORDER BY updated_at, upload_id LIMIT ?
"""
_LOOKED_THROUGH = "SELECT looked_at FROM upkeep WHERE queue = ?"
_NEWEST_FAILED = """
SELECT journey FROM documents
WHERE queue = ? AND (json_extract(journey, '$.error_source') IS NULL) = FALSE AND state = 'filed' AND retired_at IS NULL
ORDER BY updated_at DESC LIMIT ?
"""
_NEWEST_RESTING = """
SELECT updated_at FROM documents
WHERE queue = ? AND (json_extract(journey, '$.error_source') IS NULL) = ? AND state = 'filed' AND retired_at IS NULL
ORDER BY updated_at DESC LIMIT 1
"""


class Reader:
    """Questions to the journal; opens it read-only and may be used beside a running daemon."""

    def __init__(self, state_dir: Path) -> None:
        """Open the journal of a state directory; raises `JournalError`."""
        self._connection = connect(state_dir / FILE_NAME, writable=False)
        self._lock = Lock()
        self._closed = False

    def _rows(self, question: str, values: tuple[Any, ...] = ()) -> list[Any]:
        with self._lock:  # closing a connection under a query of another thread ends the process (SIGSEGV)
            if self._closed:
                raise JournalError("the journal is closed")
            return self._connection.execute(question, values).fetchall()

    def unfinished(self) -> list[Journey]:
        """Return the documents that still need work, oldest first."""
        return [load(row[0]) for row in self._rows(_OPEN)]

    def states(self) -> dict[tuple[str, str], int]:
        """Return the number of unfinished documents for each (queue, state)."""
        return {(q, s): n for q, s, n in self._rows(_STATES)}

    def tallies(self) -> dict[tuple[str, str], int]:
        """Return the number of filed documents for each (queue, outcome `done` or `failed`)."""
        return {(q, o): n for q, o, n in self._rows("SELECT queue, outcome, number FROM tallies")}

    def settling(self) -> dict[str, float]:
        """Return the learned settle window of each queue, in seconds."""
        return dict(self._rows("SELECT queue, window_s FROM settling"))

    def last(self, queue_name: str, folder: bytes, name: bytes) -> Journey | None:
        """Return the newest document dropped under a name."""
        rows = self._rows(_LAST, (queue_name, folder, name))
        return load(rows[0][0]) if rows else None

    def find(self, upload_id: str) -> Journey | None:
        """Return one document."""
        rows = self._rows(_BY_ID, (upload_id,))
        return load(rows[0][0]) if rows else None

    def is_anothers(self, connection: str, but: str, document_id: str) -> bool:
        """Tell whether another document of a connection than `but` was the first to have an id of the service's."""
        return bool(self._rows(_HAS_ID, (connection, document_id, but)))

    def of_content(self, queue_name: str, sha256: str, limit: int = -1) -> list[Journey]:
        """Return a queue's documents of one content (SHA-256 in hex) that were not put back, the newest first."""
        return [load(row[0]) for row in self._rows(_BY_CONTENT, (queue_name, sha256, limit))]

    def namesake(self, journey: Journey) -> Journey | None:
        """Return the newest other document that was dropped under a document's name and not put back."""
        j = journey
        rows = self._rows(_NAMESAKE, (j.queue, j.folder, j.name, j.upload_id))
        return load(rows[0][0]) if rows else None

    def resting(
        self, queue_name: str, area: str, until: float, after: tuple[float, str], limit: int
    ) -> list[tuple[float, Journey]]:
        """Return a queue's documents in done/ or failed/ that were filed up to `until` (seconds since 1970).

        The oldest first, each with the moment of its row, from the one `after` (moment, upload id) on, without those
        that `retain` has done with.
        """
        rows = self._rows(_RESTING, (queue_name, area == "done", until, *after, limit))
        return [(moment, load(journey)) for moment, journey in rows]

    def retired(self, upload_id: str) -> tuple[float, str] | None:
        """Return when (seconds since 1970) and how a document went out of the care of `retain`."""
        rows = self._rows("SELECT retired_at, retired_as FROM documents WHERE upload_id = ?", (upload_id,))
        return rows[0] if rows and rows[0][0] is not None else None

    def looked_through(self, queue_name: str) -> float | None:
        """Return what the clock said (seconds since 1970) when a queue's archives were last looked through.

        Where they never were: when the newest in them was filed, None where nothing lies there.
        """
        if rows := self._rows(_LOOKED_THROUGH, (queue_name,)):
            return cast("float", rows[0][0])
        newest = [row[0] for done in (True, False) for row in self._rows(_NEWEST_RESTING, (queue_name, done))]
        return max(newest, default=None)

    def newest_failed(self, queue_name: str, limit: int) -> list[Journey]:
        """Return a queue's documents that were filed in failed/ last, without those that `retain` has done with."""
        return [load(row[0]) for row in self._rows(_NEWEST_FAILED, (queue_name, limit))]

    def grounds(self) -> dict[str, Ground]:
        """Return what each folder (absolute path) stood on when it was last in use."""
        rows = self._rows("SELECT path, mount_point, fs_type, dev, ino FROM grounds")
        return {path: Ground(mount, fs_type, int(dev), int(ino)) for path, mount, fs_type, dev, ino in rows}

    def pauses(self) -> dict[str, tuple[float, str]]:
        """Return the queues that somebody paused: since when (seconds since 1970), and why."""
        rows = self._rows("SELECT queue, since, reason FROM pauses")
        return {queue: (since, reason) for queue, since, reason in rows}

    def stops(self) -> dict[str, Stop]:
        """Return the queues that stopped at a document that went to failed/."""
        rows = self._rows("SELECT queue, since, upload_id, file FROM stops")
        return {queue: Stop(*rest) for queue, *rest in rows}

    def unwritten_news(self, queue_name: str, limit: int) -> list[tuple[Journey, News]]:
        """Return what was told of a queue's filed documents and does not stand in their sidecars yet."""
        return [(load(row[0]), news_of(row[1:])) for row in self._rows(UNWRITTEN, (queue_name, limit))]

    def orphans(self) -> dict[str, int]:
        """Return for each connection how much was told of documents that nobody knows."""
        return dict(self._rows(ORPHANS))

    def newest_orphans(self, connection: str, limit: int) -> list[News]:
        """Return what was told last of a connection's documents that nobody knows."""
        return [news_of(row) for row in self._rows(NEWEST_ORPHANS, (connection, limit))]

    def rejected_later(self) -> dict[str, int]:
        """Return for each queue how many documents were delivered and then came to nothing, as far as remembered."""
        return dict(self._rows(REJECTED))

    def pending_notices(self) -> list[Pending]:
        """Return the notices that were not sent yet, the oldest first."""
        return [pending_of(row) for row in self._rows(PENDING)]

    def told(self) -> list[Told]:
        """Return the trouble that was told."""
        return [told_of(row[0]) for row in self._rows(TOLD)]

    def letters(self, since: float) -> list[tuple[str, float]]:
        """Return the target and moment of each message that went out after a moment (seconds since 1970)."""
        return self._rows(LETTERS, (since,))

    def hours(self, queue_name: str) -> dict[int, int]:
        """Return how many documents of a queue were taken in each hour (counted from 1970)."""
        return dict(self._rows(HOURS, (queue_name,)))

    def last_arrivals(self) -> dict[str, float]:
        """Return when (seconds since 1970) a document of each queue was last taken."""
        return dict(self._rows(LAST_ARRIVALS))

    def bookmark(self, name: str) -> str | None:
        """Return what `arrow` or `run` was set to."""
        rows = self._rows(MARK, (name,))
        return rows[0][0] if rows else None

    def happened(self, after: int, most: int) -> tuple[int, list[Happened]]:
        """Return claims and filings of at most so many arrows after one, and the number of the last arrow looked at."""
        (newest,) = self._rows(NEWEST_ARROW)
        until = max(min(newest[0], after + most), min(after, newest[0]))
        rows = self._rows(HAPPENED, (after, until))
        return until, [Happened(at, event, queue, j and load(j)) for at, event, queue, j in rows]

    def open_batches(self, queue_name: str) -> list[Batch]:
        """Return the batches of a queue that have no report yet, the oldest first."""
        rows = self._rows(_OPEN_BATCHES, (queue_name,))
        return [Batch(batch_id, queue_name, began, plan_of(plan)) for batch_id, began, plan in rows]

    def batch(self, batch_id: str) -> Batch | None:
        """Return a batch whose report may still be written, or written anew; None where there is none."""
        rows = self._rows(_BATCH, (batch_id,))
        return Batch(batch_id, rows[0][0], rows[0][1], plan_of(rows[0][2])) if rows else None

    def reported(self, queue_name: str, until: float, limit: int) -> list[Batch]:
        """Return batches that ended up to `until` (seconds since 1970) and whose report `retain` has not done with."""
        rows = self._rows(_REPORTED, (queue_name, until, limit))
        return [Batch(batch_id, queue_name, began, ()) for batch_id, began in rows]

    def of_batch(self, batch_id: str) -> list[Journey]:
        """Return the documents that were claimed for a batch, in the order of their claims."""
        return [load(row[0]) for row in self._rows(_OF_BATCH, (batch_id,))]

    def knows_run(self, run: str) -> bool:
        """Tell whether a run of the daemon is one that this journal has seen."""
        return bool(self._rows("SELECT 1 FROM runs WHERE run = ?", (run,)))

    def arrows(self, upload_id: str) -> list[tuple[float, str, str, str | None]]:
        """Return a document's history: (seconds since 1970, event, state after it, reason)."""
        return self._rows(_ARROWS, (upload_id,))

    def everything(self) -> tuple[list[Journey], dict[str, list[tuple[str, str]]]]:
        """Return all documents, and each one's history as (event, state after it), of one and the same moment."""
        self._rows("BEGIN")
        try:
            journeys = [load(row[0]) for row in self._rows(_ALL)]
            history: dict[str, list[tuple[str, str]]] = {}
            for upload_id, event, state in self._rows(_HISTORY):
                history.setdefault(upload_id, []).append((event, state))
        finally:
            self._rows("COMMIT")
        return journeys, history

    def close(self) -> None:
        """Close the database; whoever asks later gets `JournalError`."""
        with self._lock:
            self._closed = True
            self._connection.close()
