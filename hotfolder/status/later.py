"""What the services told after the fact: rejections of delivered documents, and what belongs to no document."""

from typing import Any

from hotfolder.journal import Reader
from hotfolder.sidecar import moment

_SHOWN = 20
"""Of the orphans of one connection."""


def with_news(report: dict[str, Any], reader: Reader | None) -> dict[str, Any]:
    """Return a report with `rejected_later` for each queue, and `orphans` for each connection that has some."""
    rejected = reader.rejected_later() if reader else {}
    queues = [{**queue, "rejected_later": rejected.get(queue["name"], 0)} for queue in report["queues"]]
    return {**report, "queues": queues, "orphans": _orphans(reader) if reader else {}}


def with_notices(report: dict[str, Any], reader: Reader | None) -> dict[str, Any]:
    """Return a report with what waits to be told to each target, as the journal alone knows it."""
    targets: dict[str, dict[str, Any]] = {}
    for row in reader.pending_notices() if reader else ():
        found = targets.setdefault(
            row.target, {"waiting": 0, "oldest": moment(row.notice.at), "trouble": None, "last_sent": None}
        )
        found["waiting"] += row.times
    return {**report, "notices": targets}


def _orphans(reader: Reader) -> dict[str, Any]:
    return {
        connection: {
            "count": count,
            "newest": [
                {
                    "document_id": news.document_id,
                    "status": news.status,
                    "received_at": moment(news.received_at),
                    "times": news.times,
                }
                for news in reader.newest_orphans(connection, _SHOWN)
            ],
        }
        for connection, count in sorted(reader.orphans().items())
    }
