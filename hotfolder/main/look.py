"""`status` and `why`: what the daemon knows, or what journal and folders tell without one."""

import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hotfolder.main.source import config_option, load

if TYPE_CHECKING:
    from hotfolder.settings import Settings


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--watch", is_flag=True, help="Print it again every two seconds.")
@click.pass_context
def status(context: click.Context, config: Path | None, as_json: bool, watch: bool) -> None:  # noqa: FBT001
    """Show every queue: its state, its counts, how it is watched and why, and what waits longest."""
    settings = load(context, config, secrets=False)
    while True:
        report = _status(settings)
        click.echo(json.dumps(report, indent=2) if as_json else _table(report))
        if not watch:
            return
        time.sleep(2)
        click.clear()


def _status(settings: "Settings") -> dict[str, Any]:
    from hotfolder.unixsocket import NoDaemonError, ask  # noqa: PLC0415

    try:
        return ask(settings.state_dir, {"ask": "status"})
    except NoDaemonError:
        from hotfolder.status import report_without_daemon  # noqa: PLC0415

        return report_without_daemon(settings, _reader(settings), time.time())


def _reader(settings: "Settings") -> Any:
    from hotfolder.journal import JournalError, Reader  # noqa: PLC0415

    try:
        return Reader(settings.state_dir)
    except JournalError:
        return None


_HEADINGS = (
    *("QUEUE", "STATE", "WAITING", "CLAIMED", "UNCERTAIN", "DONE", "FAILED"),
    *("OLDEST", "LAST SCAN", "WATCHED BY"),
)


def _table(report: dict[str, Any]) -> str:
    rows = [_HEADINGS]
    notes = []
    for queue in report["queues"]:
        counts, oldest = queue["counts"], queue["oldest_waiting_s"]
        rows.append(
            (
                queue["name"],
                queue["state"],
                *(str(counts[k]) for k in ("waiting", "claimed", "uncertain", "done", "failed")),
                "-" if oldest is None else f"{oldest:.0f} s",
                f"{queue['last_scan'][:19]}Z" if queue["last_scan"] else "-",
                f"{queue['watching']}: {queue['watching_reason']}",
            )
        )
        if queue["reason"]:
            notes.append(f"{queue['name']}: {queue['reason']}")
        if queue["rejected_later"]:
            text = "the service later rejected {} of the delivered documents; their records and the log say which"
            notes.append(f"{queue['name']}: {text.format(queue['rejected_later'])}")
    if refused := report.get("reload_refused"):
        notes.append(f"the last reload was refused, the configuration before it is in use:\n{refused}")
    if hung := report.get("hung"):
        notes.append(f"no progress: {', '.join(hung)}; the log says since when")
    for connection, orphans in report["orphans"].items():
        text = "webhooks of connection {} told {} times of documents that nobody sent; see --json"
        notes.append(text.format(connection, orphans["count"]))
    for target, told in report["notices"].items():
        if told["trouble"]:
            notes.append(f"notices to {target} cannot be sent ({told['waiting']} wait): {told['trouble']}")
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    return "\n".join([*lines, *notes])


@click.command()
@config_option
@click.argument("file", type=click.Path(readable=False, path_type=str))
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def why(context: click.Context, config: Path | None, file: str, as_json: bool) -> None:  # noqa: FBT001
    """Say what the daemon knows and decides about FILE; works without a running daemon too."""
    settings = load(context, config, secrets=False)
    found = _why(settings, os.path.abspath(file))
    if "error" in found:
        click.echo(f"{file}: {found['error']}", err=True)
        sys.exit(1)
    if as_json:
        click.echo(json.dumps(found))
    else:
        since = f", since {found['since']}" if found["since"] else ""
        click.echo(f"{found['file']}: {found['state']} in queue {found['queue']}{since}: {found['reason']}")


def _why(settings: "Settings", path: str) -> dict[str, Any]:
    from hotfolder.status import explain, place_of, unexplained  # noqa: PLC0415
    from hotfolder.unixsocket import NoDaemonError, ask  # noqa: PLC0415

    name = os.fsencode(path)
    try:
        told = ask(settings.state_dir, {"ask": "why", "file": path})
    except NoDaemonError:
        place = place_of(settings, name)
        found = explain(place, name, None, None, _reader(settings)) if place else None
        told = found.as_json() if found else {"error": ""}
    return {"error": unexplained(settings, name)} if "error" in told else told
