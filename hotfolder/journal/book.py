"""Write journeys in group commits from one thread."""

import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hotfolder.checks.names import escaped
from hotfolder.journal.notices import Change
from hotfolder.journal.reader import FILE_NAME, Reader
from hotfolder.journal.rows import dump, place_in_words, plan_text
from hotfolder.journal.schema import DamagedError, JournalError, connect
from hotfolder.journal.webhooks import (
    ADOPT,
    FORGET_OLD,
    FORGET_ORPHANS,
    HEAR,
    KNOW,
    TURNED_DOWN,
    WRITTEN,
    heard,
    turned_down,
)
from hotfolder.model import Batch, Ground, Journey, State
from hotfolder.news import News
from hotfolder.pulse import Beat
from hotfolder.states import DURABLE, Event, after

_LARGEST_COMMIT = 512

_WRITE = """
INSERT INTO documents (upload_id, queue, connection, folder, name, state, updated_at, sha256, journey)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (upload_id) DO UPDATE SET
    state = excluded.state, updated_at = excluded.updated_at, sha256 = excluded.sha256,
    journey = excluded.journey
"""
_ARROW = "INSERT INTO arrows (upload_id, at, event, state, reason) VALUES (?, ?, ?, ?, ?)"
_COUNT = """
INSERT INTO tallies (queue, outcome, number) VALUES (?, ?, 1)
ON CONFLICT (queue, outcome) DO UPDATE SET number = number + 1
"""
_GROUND = """
INSERT INTO grounds (path, mount_point, fs_type, dev, ino) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (path) DO UPDATE SET
    mount_point = excluded.mount_point, fs_type = excluded.fs_type, dev = excluded.dev, ino = excluded.ino
"""
_PAUSE = "INSERT INTO pauses VALUES (?, ?, ?) ON CONFLICT (queue) DO UPDATE SET reason = excluded.reason"
_RETIRE = "UPDATE documents SET retired_at = ?, retired_as = ? WHERE upload_id = ? AND state = 'filed'"
_LOOKED = "INSERT INTO upkeep VALUES (?, ?) ON CONFLICT (queue) DO UPDATE SET looked_at = excluded.looked_at"
_STOP = "INSERT INTO stops VALUES (?, ?, ?, ?) ON CONFLICT (queue) DO NOTHING"
_BATCH = "INSERT INTO batches (id, queue, began, plan) VALUES (?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
_LEARN = """
INSERT INTO batches (id, queue, began, plan, ended, report) VALUES (?, ?, ?, '', ?, ?) ON CONFLICT (id) DO NOTHING
"""
_RUN = "INSERT INTO runs VALUES (?, ?) ON CONFLICT (run) DO UPDATE SET began = excluded.began"
_SETTLE = "INSERT INTO settling VALUES (?, ?) ON CONFLICT (queue) DO UPDATE SET window_s = excluded.window_s"


@dataclass(frozen=True, slots=True)
class Entry:
    """One arrow to be written: the journey as it is after it, and when (seconds since 1970)."""

    journey: Journey
    event: Event
    at: float

    @property
    def durable(self) -> bool:
        """Tell whether it must be on stable storage before the next step."""
        return self.journey.state in DURABLE


@dataclass(frozen=True, slots=True)
class _Note:
    """A statement that is no arrow."""

    sql: str
    values: tuple[Any, ...]
    durable: bool


@dataclass(frozen=True, slots=True)
class _Notes:
    """Statements that are executed together or not at all."""

    statements: tuple[tuple[str, tuple[Any, ...]], ...]
    durable: bool


_Item = Entry | _Note | _Notes


class Journal:
    """The daemon's journal: entries from any thread are committed together by one thread of its own."""

    def __init__(self, state_dir: Path) -> None:
        """Open, create or migrate the journal; the caller holds the lock of the state directory."""
        self._writer = connect(state_dir / FILE_NAME, writable=True)
        self.reader = Reader(state_dir)
        try:
            self.reader.unfinished()
        except ValueError as problem:
            self._writer.close()
            raise DamagedError(f"{state_dir / FILE_NAME}: the journal is damaged: {problem}") from problem
        self.beat = Beat()
        """Of the thread that commits."""
        self.on_commit: Callable[[int, float], None] = lambda *_: None
        """Told in the journal's thread how many rows each commit wrote, and in how many seconds; it must not raise."""
        self._pending: queue.SimpleQueue[tuple[_Item, Future[None]] | None] = queue.SimpleQueue()
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
        return self._put(_Note(_SETTLE, (queue_name, window_s), durable=False))

    def note_ground(self, path: str, ground: Ground) -> Future[None]:
        """Remember what a folder (absolute path) stands on."""
        values = (path, ground.mount_point, ground.fs_type, str(ground.dev), str(ground.ino))
        return self._put(_Note(_GROUND, values, durable=True))

    def forget_ground(self, path: str) -> Future[None]:
        """Forget what a folder stood on: whatever it stands on next is accepted."""
        return self._put(_Note("DELETE FROM grounds WHERE path = ?", (path,), durable=True))

    def pause(self, queue_name: str, since: float, reason: str) -> Future[None]:
        """Remember that a queue is paused until somebody resumes it (`since` in seconds since 1970)."""
        return self._put(_Note(_PAUSE, (queue_name, since, reason), durable=True))

    def resume(self, queue_name: str) -> Future[None]:
        """Forget that a queue is paused."""
        return self._put(_Note("DELETE FROM pauses WHERE queue = ?", (queue_name,), durable=True))

    def retire(self, upload_id: str, at: float, how: str) -> Future[None]:
        """Remember when (seconds since 1970) and how a document at rest went out of the care of `retain`."""
        return self._put(_Note(_RETIRE, (at, how, upload_id), durable=False))

    def looked_through(self, queue_name: str, at: float) -> Future[None]:
        """Remember what the clock said (seconds since 1970) when a queue's archives were looked through."""
        return self._put(_Note(_LOOKED, (queue_name, at), durable=False))

    def end_stop(self, queue_name: str, upload_id: str) -> Future[None]:
        """Forget that a queue stopped at a document; a stop at another one stays."""
        statement = "DELETE FROM stops WHERE queue = ? AND upload_id = ?"
        return self._put(_Note(statement, (queue_name, upload_id), durable=True))

    def begin_batch(self, batch: Batch) -> Future[None]:
        """Take note of a batch before its first document is claimed."""
        values = (batch.batch_id, batch.queue, batch.began, plan_text(batch.plan))
        return self._put(_Note(_BATCH, values, durable=False))

    def end_batch(self, batch_id: str, at: float, report: str) -> Future[None]:
        """Take note that all documents of a batch are at rest, and of the name of its report."""
        statement = "UPDATE batches SET ended = ?, report = ? WHERE id = ?"
        return self._put(_Note(statement, (at, report, batch_id), durable=True))

    def learn_report(self, batch: Batch, ended: float, report: str) -> Future[None]:
        """Take note of a batch of which nothing is known but its report."""
        values = (batch.batch_id, batch.queue, batch.began, ended, report)
        return self._put(_Note(_LEARN, values, durable=False))

    def retire_report(self, batch_id: str, at: float, how: str) -> Future[None]:
        """Remember when (seconds since 1970) and how the report of a batch went out of the care of `retain`."""
        statement = "UPDATE batches SET retired_at = ?, retired_as = ? WHERE id = ?"
        return self._put(_Note(statement, (at, how, batch_id), durable=False))

    def begin_run(self, run: str, at: float) -> Future[None]:
        """Take note of a run of the daemon before it leaves its mark in any folder; all earlier rows are durable then."""
        return self._put(_Note(_RUN, (run, at), durable=True))

    def hear(self, news: News) -> Future[None]:
        """Write what a service told by itself; what it told before is counted."""
        return self._put(_Note(HEAR, heard(news), durable=True))

    def note_written(self, news: News) -> Future[None]:
        """Remember that a sidecar holds what was told, so many times."""
        return self._put(_Note(WRITTEN, (news.times, news.number), durable=False))

    def forget_news(self, before: float, most_orphans: int) -> Future[None]:
        """Forget what was last told before a moment and waits for nothing, and the oldest of too many orphans."""
        self._put(_Note(FORGET_OLD, (before,), durable=False))
        return self._put(_Note(FORGET_ORPHANS, (most_orphans,), durable=False))

    def tell(self, change: Change) -> Future[None]:
        """Write what changes together in what is told to people."""
        return self._put(_Notes(tuple(change.statements()), durable=change.matters))

    def close(self) -> None:
        """Commit what is pending and close."""
        self._pending.put(None)
        self._thread.join()
        self.reader.close()
        self._writer.close()

    def _put(self, item: _Item) -> Future[None]:
        future: Future[None] = Future()
        future.set_running_or_notify_cancel()  # what was asked for is written, whoever stops waiting for it
        self._pending.put((item, future))
        return future

    def _run(self) -> None:
        while (first := self._pending.get()) is not None:
            self.beat.works()
            batch, last = self._gather(first)
            began = time.monotonic()
            try:
                self._commit([item for item, _ in batch])
            except Exception as problem:  # noqa: BLE001 — every waiting step must hear of it
                for _, future in batch:
                    future.set_exception(problem)
            else:
                took_s = time.monotonic() - began
                for _, future in batch:
                    future.set_result(None)
                self.on_commit(len(batch), took_s)
            self.beat.rests()
            if last:
                return

    def _gather(self, first: tuple[_Item, Future[None]]) -> tuple[list[tuple[_Item, Future[None]]], bool]:
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

    def _commit(self, items: Iterable[_Item]) -> None:
        items = list(items)
        durable = any(i.durable for i in items)
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

    def _write(self, item: _Item) -> None:
        if isinstance(item, _Note):
            self._writer.execute(item.sql, item.values)
            return
        if isinstance(item, _Notes):
            for sql, values in item.statements:
                self._writer.execute(sql, values)
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
            j.sha256,
            dump(j),
        )
        self._writer.execute(_WRITE, row)
        reason = None if j.reason is None else escaped(j.reason)
        self._writer.execute(_ARROW, (j.upload_id, item.at, item.event.value, j.state.value, reason))
        if j.state is State.REFUSED and j.on_error != "continue" and j.filed_at is None:
            # In the commit of the refusal, so that no crash lets the queue go on. One that recovery only files
            # again has been filed before, and stopped its queue then.
            self._writer.execute(_STOP, (j.queue, item.at, j.upload_id, place_in_words(j)))
        for document_id in (j.answer and j.answer.document_ids) or ():
            told = escaped(document_id)
            self._writer.execute(KNOW, (j.connection, told, j.upload_id))
            self._writer.execute(ADOPT, (j.upload_id, j.connection, told))
        if j.rejected and j.state is State.DELIVERED:
            self._writer.execute(TURNED_DOWN, turned_down(j, item.at))
        if j.state is State.FILED:
            self._writer.execute(_COUNT, (j.queue, "failed" if j.error_source else "done"))
