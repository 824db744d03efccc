"""`audit`: prove the guarantees from disk and journal."""

import json
import sys
import time
from pathlib import Path

import click

from hotfolder.main.source import config_option, load


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--quick", is_flag=True, help="Do not read the content of documents.")
@click.pass_context
def audit(context: click.Context, config: Path | None, as_json: bool, quick: bool) -> None:  # noqa: FBT001
    """Prove that nothing is lost, doubled or silent, also beside a running daemon; exit status 1 where it fails."""
    from hotfolder.audit import audited  # noqa: PLC0415
    from hotfolder.checks.names import printable  # noqa: PLC0415

    found = audited(load(context, config, secrets=False), time.sleep, quick=quick)
    told = [{"file": printable(p.file), "problem": p.problem} for p in found.problems]
    if as_json:
        click.echo(json.dumps({"problems": told}, indent=2))
    else:
        for one in told:
            click.echo(f"{one['file']}: {one['problem']}")
        archived, at_work, known = found.evidence.numbers
        read = "their content unread" if quick else "their content read"
        click.echo(
            f"looked at {archived} archived documents ({read}), {at_work} on their way and {known} rows of the "
            f"journal, in {len(found.evidence.sites)} queues: {len(told) or 'no'} problem{'s' * (len(told) != 1)}"
        )
    sys.exit(1 if told else 0)
