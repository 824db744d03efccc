"""`remote list`: look at the documents that a queue's service holds, whoever sent them."""

import json
import sys
from contextlib import closing
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hotfolder.main.source import config_option, ensure_queue, load

if TYPE_CHECKING:
    from hotfolder.backends.base import Listed
    from hotfolder.settings import Settings

_HEADINGS = ("ID", "NAME", "CREATED", "STATUS", "OURS")


@click.group()
def remote() -> None:
    """Look at what the services hold; nothing is changed there."""


@remote.command("list")
@config_option
@click.argument("queue")
@click.option(
    "--limit",
    metavar="N",
    type=click.IntRange(1, 10_000),
    default=100,
    show_default=True,
    help="At most so many.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def list_documents(
    context: click.Context,
    config: Path | None,
    queue: str,
    limit: int,
    as_json: bool,  # noqa: FBT001
) -> None:
    """List the documents that the service of QUEUE holds: id, name, time, status, and which uploads are ours."""
    from hotfolder.backends.base import CannotTell, DeliveryError  # noqa: PLC0415

    settings = load(context, config)
    ensure_queue(settings, queue)
    try:
        found = _listed(settings, queue, limit + 1)
    except (CannotTell, DeliveryError) as problem:
        click.echo(f"queue {queue}: {problem}", err=True)
        sys.exit(1)
    shown, more = found[:limit], len(found) > limit
    if as_json:
        service_queue, _ = settings.service_queue(settings.queues[queue])
        told = {"queue": queue, "queue_id": service_queue, "documents": [*map(_record, shown)], "more": more}
        click.echo(json.dumps(told, indent=2))
        return
    click.echo(_table(shown))
    if more:
        click.echo(f"the service holds more than {limit}; see more with --limit", err=True)


def _listed(settings: "Settings", name: str, limit: int) -> "list[Listed]":
    from hotfolder.backends import open_backend  # noqa: PLC0415

    queue = settings.queues[name]
    with closing(open_backend(settings.limited(settings.connection_of(queue)))) as backend:
        return list(islice(backend.documents(settings.service_queue(queue)[0], limit), limit))


def _record(one: "Listed") -> dict[str, Any]:
    created = None if one.created_at is None else _moment(one.created_at)
    return {
        "id": one.number,
        "name": one.name,
        "created": created,
        "status": one.status,
        "upload_id": one.upload_id,
    }


def _moment(seconds: float) -> str | None:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return None  # nothing that a clock shows


def _table(documents: "list[Listed]") -> str:
    from hotfolder.checks.names import printable  # noqa: PLC0415

    rows: list[tuple[str, ...]] = [_HEADINGS]
    for one in documents:
        cells = (text or "-" for text in _record(one).values())
        # A name is whatever somebody called a file: it may hold what steers a terminal.
        rows.append(tuple(printable(cell.encode("utf-8", "surrogatepass")) for cell in cells))
    widths = [max(len(row[n]) for row in rows) for n in range(len(_HEADINGS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
