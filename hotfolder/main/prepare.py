"""`init`, `check` and `schema`: everything before the first document."""

import json
import os
import sys
from itertools import chain
from pathlib import Path

import click

from hotfolder.main.source import config_option, load_as_service


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=".")
def init(directory: Path) -> None:
    """Write a commented configuration into DIRECTORY and make its folders with safe permissions."""
    from hotfolder.starter import prepare  # noqa: PLC0415

    try:
        for line in prepare(directory):
            click.echo(line)
    except OSError as problem:
        click.echo(f"{problem.filename or directory}: {problem.strerror}; nothing was overwritten", err=True)
        sys.exit(1)


@click.command()
@config_option
@click.option("--online", is_flag=True, help="Log in, and look at the services' queues.")
@click.pass_context
def check(context: click.Context, config: Path | None, online: bool) -> None:  # noqa: FBT001
    """Check configuration, folders, who may do what with them, rename and events, limits, clock and free space."""
    from hotfolder.notices.rehearsal import examine  # noqa: PLC0415
    from hotfolder.premises import examine_all  # noqa: PLC0415

    # systemd hands credentials to the service, not to whoever types this; only to log in they are needed.
    settings = load_as_service(context, config, handed_over=online or "CREDENTIALS_DIRECTORY" in os.environ)
    bad = 0
    for finding in chain(examine_all(settings, dict(os.environ), online=online), examine(settings)):
        bad += not finding.ok
        mark = "BAD " if not finding.ok else "note" if finding.is_note else "ok  "
        click.echo(f"{mark} {finding.text}")
    sys.exit(1 if bad else 0)


@click.command()
@click.argument("what", type=click.Choice(["config", "sidecar", "batch"]))
def schema(what: str) -> None:
    """Print the JSON Schema of the configuration, of the sidecar, or of the report of a batch."""
    if what == "config":
        from hotfolder.settings import config_schema as drawn  # noqa: PLC0415
    elif what == "batch":
        from hotfolder.batches import batch_schema as drawn  # noqa: PLC0415
    else:
        from hotfolder.sidecar import sidecar_schema as drawn  # noqa: PLC0415
    click.echo(json.dumps(drawn(), indent=2))
