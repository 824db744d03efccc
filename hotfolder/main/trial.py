"""`sandbox` and `demo`: the whole journey without an account anywhere."""

import sys
from pathlib import Path

import click


@click.command()
@click.option(
    "--listen", metavar="A", default="127.0.0.1:8650", show_default=True, help="Loopback address and port."
)
@click.option(
    "--scenario", type=click.Path(path_type=Path, exists=True), help="Rules for faults, YAML or JSON."
)
def sandbox(listen: str, scenario: Path | None) -> None:
    """Serve the three services on loopback, with faults on request and a ledger of what was received."""
    from hotfolder.sandbox.server import serve  # noqa: PLC0415

    try:
        serve(listen, scenario)
    except (ValueError, OSError) as problem:
        click.echo(f"sandbox: {problem}", err=True)
        sys.exit(1)


@click.command()
@click.option("--keep", is_flag=True, help="Keep the folders and say where they are.")
def demo(keep: bool) -> None:  # noqa: FBT001
    """Show a document's whole journey: sandbox, daemon, one queue per service, good and bad documents."""
    from hotfolder.main.demo import show  # noqa: PLC0415

    sys.exit(show(keep=keep))
