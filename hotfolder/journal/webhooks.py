"""The statements about what services tell by themselves, and how its rows are read and written (pure)."""

import json
from typing import Any

from hotfolder.checks.names import escaped
from hotfolder.model import Journey
from hotfolder.news import News

HEAR = """
INSERT INTO webhooks (connection, key, document_id, received_at, last_at, rejected, record, upload_id)
VALUES (?, ?, ?, ?, ?, ?, ?, (SELECT upload_id FROM remote_ids WHERE connection = ? AND document_id = ?))
ON CONFLICT (connection, key) DO UPDATE SET times = times + 1, last_at = max(last_at, excluded.last_at)
"""
TURNED_DOWN = """
INSERT INTO webhooks (connection, key, document_id, received_at, last_at, rejected, record, upload_id, written)
VALUES (?, ?, ?, ?, ?, 1, ?, ?, 1) ON CONFLICT (connection, key) DO NOTHING
"""
"""What was heard by asking, and stands in the sidecar from the beginning: it counts like what was told."""
KNOW = "INSERT OR IGNORE INTO remote_ids VALUES (?, ?, ?)"
ADOPT = "UPDATE webhooks SET upload_id = ? WHERE connection = ? AND document_id = ? AND upload_id IS NULL"
WRITTEN = "UPDATE webhooks SET written = max(written, ?) WHERE number = ?"
FORGET_OLD = "DELETE FROM webhooks WHERE last_at < ? AND (upload_id IS NULL OR written >= times)"
FORGET_ORPHANS = """
DELETE FROM webhooks INDEXED BY webhooks_of_nobody WHERE upload_id IS NULL AND number <= (
    SELECT number FROM webhooks INDEXED BY webhooks_of_nobody WHERE upload_id IS NULL ORDER BY number DESC LIMIT 1 OFFSET ?
)
"""

_COLUMNS = """
w.connection, w.key, w.document_id, w.received_at, w.last_at, w.times, w.rejected, w.record, w.upload_id, w.number,
w.written
"""
UNWRITTEN = f"""
SELECT d.journey, {_COLUMNS} FROM webhooks AS w INDEXED BY webhooks_unwritten CROSS JOIN documents AS d
WHERE d.upload_id = w.upload_id AND w.upload_id IS NOT NULL AND w.written < w.times AND d.queue = ? AND d.state = 'filed'
ORDER BY w.upload_id, w.number LIMIT ?
"""  # noqa: S608 — the names of columns above
ORPHANS = """
SELECT connection, count(*) FROM webhooks INDEXED BY webhooks_of_nobody WHERE upload_id IS NULL GROUP BY connection
"""
NEWEST_ORPHANS = f"""
SELECT {_COLUMNS} FROM webhooks AS w INDEXED BY webhooks_of_nobody
WHERE w.upload_id IS NULL AND w.connection = ? ORDER BY w.number DESC LIMIT ?
"""  # noqa: S608 — the names of columns above
REJECTED = """
SELECT d.queue, count(DISTINCT w.upload_id) FROM webhooks AS w INDEXED BY webhooks_rejected CROSS JOIN documents AS d
WHERE d.upload_id = w.upload_id AND w.upload_id IS NOT NULL AND w.rejected GROUP BY d.queue
"""


def heard(news: News) -> tuple[Any, ...]:
    """Return the values of `HEAR`."""
    record = {"event": news.event, "status": news.status, "queue_id": news.queue_id, "body": news.body}
    said = json.dumps({key: value for key, value in record.items() if value is not None})
    times = (news.received_at, news.last_at)
    place = (news.connection, news.document_id)
    return (news.connection, news.key, news.document_id, *times, int(news.rejected), said, *place)


def turned_down(journey: Journey, at: float) -> tuple[Any, ...]:
    """Return the values of `TURNED_DOWN` for a document that came to nothing after its import."""
    said = json.dumps({"status": journey.remote.status})
    ids = (journey.answer and journey.answer.document_ids) or ("",)
    return (
        journey.connection,
        f"asked {journey.upload_id}",
        escaped(ids[0]),
        at,
        at,
        said,
        journey.upload_id,
    )


def news_of(row: tuple[Any, ...]) -> News:
    """Return what a row tells."""
    connection, key, document_id, received_at, last_at, times, rejected, said, upload_id, number, written = (
        row
    )
    record = json.loads(said)
    return News(
        connection=connection,
        key=key,
        document_id=document_id,
        status=record.get("status"),
        event=record.get("event"),
        queue_id=record.get("queue_id"),
        body=record.get("body"),
        received_at=received_at,
        rejected=bool(rejected),
        times=times,
        last_at=last_at,
        upload_id=upload_id,
        number=number,
        fresh=not written,
    )
