"""The command line: one small module for each group of commands, each importing what it needs when it runs."""

from pathlib import Path

import click

from hotfolder import __version__
from hotfolder.main.hands import pause, resolve, resume, retry
from hotfolder.main.look import status, why
from hotfolder.main.notify import notify_test
from hotfolder.main.prepare import check, init, schema
from hotfolder.main.prove import audit
from hotfolder.main.remote import remote
from hotfolder.main.serve import once, run
from hotfolder.main.source import CONFIG_FILE, CONFIG_KEY
from hotfolder.main.trial import demo, sandbox


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hotfolder")
@click.option("-c", "--config", type=CONFIG_FILE, help="The configuration file.")
@click.pass_context
def program(context: click.Context, config: Path | None) -> None:
    """Watch drop folders and upload every new document to the queue it is mapped to."""
    context.ensure_object(dict)[CONFIG_KEY] = config


for command in (
    *(init, check, notify_test, run, once, status, why),
    *(retry, pause, resume, resolve, audit, remote),
    *(schema, sandbox, demo),
):
    program.add_command(command)
