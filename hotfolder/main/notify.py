"""`notify-test`: send a message for a trial to everybody who is told when something is wrong."""

import sys
from pathlib import Path

import click

from hotfolder.main.source import config_option, load


@click.command(name="notify-test")
@config_option
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.pass_context
def notify_test(context: click.Context, config: Path | None, targets: tuple[str, ...]) -> None:
    """Send a message for a trial to each TARGET of `notify:` (all, where none is named) and say what happened.

    Exit status 1 where one was not taken.
    """
    from hotfolder.notices.rehearsal import rehearse, this_machine  # noqa: PLC0415

    settings = load(context, config)
    if settings.notify is None:
        click.echo("nobody is told anything: the configuration has no `notify:`", err=True)
        sys.exit(1)
    unknown = [name for name in targets if name not in settings.notify.targets]
    if unknown:
        known = ", ".join(settings.notify.targets)
        raise click.UsageError(f"there is no target of that name; there are: {known}")
    bad = 0
    for finding in rehearse(settings.notify, this_machine(), targets or tuple(settings.notify.targets)):
        bad += not finding.ok
        click.echo(f"{'ok  ' if finding.ok else 'BAD '} {finding.text}")
    sys.exit(1 if bad else 0)
