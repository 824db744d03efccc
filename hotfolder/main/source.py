"""Find and load the configuration for a command, and end with status 78 where it is wrong."""

import os
import sys
from collections.abc import Callable
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hotfolder.settings import Settings

CONFIG_KEY = "config"
EX_CONFIG = 78  # sysexits.h: something was found in an unconfigured or misconfigured state


CONFIG_FILE = click.Path(readable=False, path_type=Path)
"""Checks nothing: a file that cannot be read is a wrong configuration, which `load` says, not a wrong command line."""


def config_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command take `-c FILE` after its name too."""
    return click.option(
        "-c", "--config", type=CONFIG_FILE, help="The configuration file.", expose_value=True
    )(command)


def load(
    context: click.Context, config: Path | None, *, secrets: bool = True, handed_over: bool = True
) -> "Settings":
    """Return the settings; prints every mistake and exits with 78 where there are any.

    Without `secrets` nothing is asked of passwords and keys: a command that sends nothing may be run by
    somebody who cannot read them. Without `handed_over` nothing is asked of systemd's credentials alone.
    """
    from hotfolder.settings import SettingsError, find_settings_file, load_settings  # noqa: PLC0415

    path = find_settings_file(config or context.ensure_object(dict).get(CONFIG_KEY), os.environ)
    try:
        return load_settings(path, os.environ, look=secrets, handed_over=handed_over)
    except SettingsError as mistakes:
        click.echo(str(mistakes), err=True)
        sys.exit(EX_CONFIG)


def load_as_service(context: click.Context, config: Path | None, *, handed_over: bool = True) -> "Settings":
    """Return the settings as `load` does; root goes on as the service's user, and reads them as he would."""
    if os.geteuid() != 0:
        return load(context, config, handed_over=handed_over)
    from hotfolder.identity import act_as_service, called  # noqa: PLC0415

    settings = load(context, config, secrets=False)
    try:
        user = act_as_service(settings.state_dir, [queue.folder for queue in settings.queues.values()])
    except OSError as problem:
        click.echo(f"{problem.filename or settings.state_dir}: {problem.strerror}", err=True)
        sys.exit(EX_CONFIG)
    if user != 0:
        click.echo(f"root goes on as the service's user, {called(user)}", err=True)
    return load(context, config, handed_over=handed_over)


def ensure_queue(settings: "Settings", queue: str) -> None:
    """End with status 2 and the nearest name where there is no such queue."""
    from hotfolder.checks.names import printable  # noqa: PLC0415

    if queue in settings.queues:
        return
    near = get_close_matches(queue, settings.queues, 1, 0.0)
    meant = f"did you mean {near[0]}?" if near else "none is configured"
    raise click.UsageError(f"there is no queue {printable(os.fsencode(queue))}; {meant}")
