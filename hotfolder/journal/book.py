"""Write journeys in group commits from one thread, and read them."""

import json
import queue
import sqlite3
import threading
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from hotfolder.checks.names import escaped
from hotfolder.journal.schema import JournalError, connect
from hotfolder.model import Journey, State
from hotfolder.states import DURABLE, Event, after

FILE_NAME = "journal.sqlite3"
_LARGEST_COMMIT = 512
_JOURNEY: TypeAdapter[Journey] = TypeAdapter(Journey)

_WRITE = """
INSERT INTO documents (upload_id, queue, connection, folder, name, state, updated_at, journey)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (upload_id) DO UPDATE SET
    state = excluded.state, updated_at = excluded.updated_at, journey = excluded.journey
"""
_ARROW = "INSERT INTO arrows (upload_id, at, event, state, reason) VALUES (?, ?, ?, ?, ?)"
_COUNT = """
INSERT INTO tallies (queue, outcome, number) VALUES (?, ?, 1)
ON CONFLICT (queue, outcome) DO UPDATE SET number = number + 1
"""
_SETTLE = "INSERT INTO settling VALUES (?, ?) ON CONFLICT (queue) DO UPDATE SET window_s = excluded.window_s"
_OPEN = "SELECT journey FROM documents WHERE state NOT IN ('filed', 'returned') ORDER BY upload_id"
_STATES = """
SELECT queue, state, count(*) FROM documents WHERE state NOT IN ('filed', 'returned') GROUP BY queue, state
"""
_LAST = "SELECT journey FROM documents WHERE queue = ? AND folder = ? AND name = ? ORDER BY upload_id DESC LIMIT 1"
_IDS = """
SELECT json_extract(journey, '$.answer.document_ids') FROM documents
WHERE connection = ? AND upload_id >= ? AND upload_id <> ?
"""
_BY_ID = "SELECT journey FROM documents WHERE upload_id = ?"
_ARROWS = "SELECT at, event, state, reason FROM arrows WHERE upload_id = ? ORDER BY number"


@dataclass(frozen=True, slots=True)
class Entry:
    """One arrow to be written: the journey as it is after it, and when (seconds since 1970)."""

    journey: Journey
    event: Event
    at: float


@dataclass(frozen=True, slots=True)
class _Settled:
    queue: str
    window_s: float


class Reader:
    """Questions to the journal; opens it read-only and may be used beside a running daemon."""

    def __init__(self, state_dir: Path) -> None:
        """Open the journal of a state directory; raises `JournalError`."""
        self._connection = connect(state_dir / FILE_NAME, writable=False)

    def unfinished(self) -> list[Journey]:
        """Return the documents that still need work, oldest first."""
        return [_load(row[0]) for row in self._connection.execute(_OPEN)]

    def states(self) -> dict[tuple[str, str], int]:
        """Return the number of unfinished documents for each (queue, state)."""
        return {(q, s): n for q, s, n in self._connection.execute(_STATES)}

    def tallies(self) -> dict[tuple[str, str], int]:
        """Return the number of filed documents for each (queue, outcome `done` or `failed`)."""
        return {
            (q, o): n for q, o, n in self._connection.execute("SELECT queue, outcome, number FROM tallies")
        }

    def settling(self) -> dict[str, float]:
        """Return the learned settle window of each queue, in seconds."""
        return dict(self._connection.execute("SELECT queue, window_s FROM settling").fetchall())

    def last(self, queue_name: str, folder: bytes, name: bytes) -> Journey | None:
        """Return the newest document dropped under a name."""
        row = self._connection.execute(_LAST, (queue_name, folder, name)).fetchone()
        return _load(row[0]) if row else None

    def find(self, upload_id: str) -> Journey | None:
        """Return one document."""
        row = self._connection.execute(_BY_ID, (upload_id,)).fetchone()
        return _load(row[0]) if row else None

    def document_ids(self, connection: str, since_id: str, but: str) -> frozenset[str]:
        """Return the service's ids of a connection's documents from one upload id on, except of document `but`."""
        rows = self._connection.execute(_IDS, (connection, since_id, but))
        return frozenset(number for (text,) in rows if text for number in json.loads(text))

    def arrows(self, upload_id: str) -> list[tuple[float, str, str, str | None]]:
        """Return a document's history: (seconds since 1970, event, state after it, reason)."""
        return self._connection.execute(_ARROWS, (upload_id,)).fetchall()

    def close(self) -> None:
        """Close the database."""
        self._connection.close()


class Journal:
    """The daemon's journal: entries from any thread are committed together by one thread of its own."""

    def __init__(self, state_dir: Path) -> None:
        """Open, create or migrate the journal; the caller holds the lock of the state directory."""
        self._writer = connect(state_dir / FILE_NAME, writable=True)
        self.reader = Reader(state_dir)
        self._pending: queue.SimpleQueue[tuple[Entry | _Settled, Future[None]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def record(self, entry: Entry, before: State | None) -> Future[None]:
        """Write one arrow from the state `before`; the future is done when the row is committed.

        It is also on stable storage where `states.DURABLE` says so. It fails with `JournalError` where
        the database cannot be written, and cannot be cancelled. Raises `ForbiddenArrowError` at once for
        an arrow that the table does not know.
        """
        if after(before, entry.event) is not entry.journey.state:
            raise AssertionError(f"{entry.event} from {before} does not lead to {entry.journey.state}")
        return self._put(entry)

    def settle(self, queue_name: str, window_s: float) -> Future[None]:
        """Remember how long a queue's files must be quiet."""
        return self._put(_Settled(queue_name, window_s))

    def close(self) -> None:
        """Commit what is pending and close."""
        self._pending.put(None)
        self._thread.join()
        self.reader.close()
        self._writer.close()

    def _put(self, item: Entry | _Settled) -> Future[None]:
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()  # what was asked for is written, whoever stops waiting for it
        self._pending.put((item, future))
        return future

    def _run(self) -> None:
        while (first := self._pending.get()) is not None:
            batch, last = self._gather(first)
            try:
                self._commit([item for item, _ in batch])
            except Exception as problem:  # noqa: BLE001 — every waiting step must hear of it
                for _, future in batch:
                    future.set_exception(problem)
            else:
                for _, future in batch:
                    future.set_result(None)
            if last:
                return

    def _gather(
        self, first: tuple[Entry | _Settled, Future[None]]
    ) -> tuple[list[tuple[Entry | _Settled, Future[None]]], bool]:
        """Return all that waits already, and whether the end was asked for."""
        batch = [first]
        while len(batch) < _LARGEST_COMMIT:
            try:
                item = self._pending.get_nowait()
            except queue.Empty:
                break
            if item is None:
                return batch, True
            batch.append(item)
        return batch, False

    def _commit(self, items: Iterable[Entry | _Settled]) -> None:
        items = list(items)
        durable = any(isinstance(i, Entry) and i.journey.state in DURABLE for i in items)
        try:
            self._writer.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._writer.execute("BEGIN IMMEDIATE")
            for item in items:
                self._write(item)
            self._writer.execute("COMMIT")
        except sqlite3.Error as problem:
            raise JournalError(f"the journal cannot be written: {problem}") from problem
        finally:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")

    def _write(self, item: Entry | _Settled) -> None:
        if isinstance(item, _Settled):
            self._writer.execute(_SETTLE, (item.queue, item.window_s))
            return
        j = item.journey
        row: tuple[Any, ...] = (
            j.upload_id,
            j.queue,
            j.connection,
            j.folder,
            j.name,
            j.state.value,
            item.at,
            _dump(j),
        )
        self._writer.execute(_WRITE, row)
        reason = None if j.reason is None else escaped(j.reason)
        self._writer.execute(_ARROW, (j.upload_id, item.at, item.event.value, j.state.value, reason))
        if j.state is State.FILED:
            self._writer.execute(_COUNT, (j.queue, "failed" if j.error_source else "done"))


def _dump(journey: Journey) -> str:
    plain = _JOURNEY.dump_python(journey, mode="json", exclude_defaults=True)
    return escaped(json.dumps(plain, ensure_ascii=False))


def _load(text: str) -> Journey:
    return _JOURNEY.validate_json(text)
