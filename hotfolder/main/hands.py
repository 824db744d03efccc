"""`retry`, `pause`, `resume` and `resolve`: orders of a person to the daemon, or carried out without one."""

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hotfolder.main.serve import EX_TEMPFAIL
from hotfolder.main.source import config_option, ensure_queue, load

if TYPE_CHECKING:
    from hotfolder.settings import Settings

_PATIENCE_S = 10.0
"""For a daemon that is just starting, or another command that has the state directory."""
_LOOKS_S = 0.1
_ANSWER_S = 600.0
"""Longest wait for the daemon's answer: `retry` may copy a large document to another disk."""


@click.command()
@config_option
@click.argument("queue")
@click.pass_context
def pause(context: click.Context, config: Path | None, queue: str) -> None:
    """Take nothing more from QUEUE until `resume`; what was taken and not sent goes back."""
    _order(context, config, queue, "pause")


@click.command()
@config_option
@click.argument("queue")
@click.pass_context
def resume(context: click.Context, config: Path | None, queue: str) -> None:
    """Let QUEUE go on: ends a pause by hand, tries anew after trouble, accepts its folder as it is."""
    _order(context, config, queue, "resume")


@click.command()
@config_option
@click.argument("files", nargs=-1, type=click.Path(path_type=str))
@click.option("--queue", metavar="Q", help="All failed documents of one queue.")
@click.option("--all", "every", is_flag=True, help="All failed documents of all queues.")
@click.pass_context
def retry(
    context: click.Context, config: Path | None, files: tuple[str, ...], queue: str | None, *, every: bool
) -> None:
    """Move failed documents back into the drop folder, to be sent again; FILES lie in failed/."""
    if bool(files) + (queue is not None) + every != 1:
        raise click.UsageError("name documents in failed/, or --queue Q, or --all")
    settings = load(context, config, secrets=False)
    bad = 0
    for name in [queue] if queue else settings.queues if every else ():
        ensure_queue(settings, name)
        found = _answer(settings, {"ask": "failed", "queue": name})
        if "error" in found:
            click.echo(f"queue {name}: {found['error']}")
            bad += 1
        files += tuple(found.get("files", ()))
    for file in files:
        bad += not _retried(settings, file)
    if not files and not bad:
        click.echo("nothing to send again: no document lies in failed/")
    sys.exit(1 if bad else 0)


def _retried(settings: "Settings", file: str) -> bool:
    answer = _answer(settings, {"ask": "retry", "path": os.path.abspath(file)})
    click.echo(f"{_shown(file)}: {answer.get('error') or answer['text']}")
    return "error" not in answer


@click.command()
@config_option
@click.argument("file", type=click.Path(path_type=str))
@click.option("--sent", metavar="ID", help="It arrived: the service calls it ID.")
@click.option("--resend", is_flag=True, help="Send it again, marked as a possible duplicate.")
@click.option("--fail", is_flag=True, help="Give it up: it goes to failed/.")
@click.pass_context
def resolve(
    context: click.Context,
    config: Path | None,
    file: str,
    sent: str | None,
    resend: bool,  # noqa: FBT001
    fail: bool,  # noqa: FBT001
) -> None:
    """Settle an uncertain document: FILE is its path as it was dropped, or in .hotfolder/, or its upload id."""
    chosen = [
        name for name, given in (("sent", sent is not None), ("resend", resend), ("fail", fail)) if given
    ]
    if len(chosen) != 1:
        raise click.UsageError("say one of --sent ID, --resend, --fail")
    if sent is not None and not (sent.strip() and sent.isprintable()):
        raise click.BadParameter("this is no id of a document", param_hint="--sent")
    settings = load(context, config, secrets=False)
    question = {"ask": "resolve", "file": file, "path": os.path.abspath(file), "verdict": chosen[0]}
    answer = _answer(settings, {**question, "id": sent and sent.strip()})
    if "error" in answer:
        click.echo(f"{_shown(file)}: {answer['error']}", err=True)
        sys.exit(1)
    click.echo(answer["text"])


def _order(context: click.Context, config: Path | None, queue: str, word: str) -> None:
    settings = load(context, config, secrets=False)
    ensure_queue(settings, queue)
    answer = _answer(settings, {"ask": word, "queue": queue})
    if "error" in answer:
        click.echo(answer["error"], err=True)
        sys.exit(1)
    click.echo(answer["text"])


def _shown(text: str) -> str:
    from hotfolder.checks.names import printable  # noqa: PLC0415

    return printable(os.fsencode(text))


def _answer(settings: "Settings", question: dict[str, Any]) -> dict[str, Any]:
    """Have an order carried out, by the daemon where one runs; ends with status 75 where neither can for long."""
    from hotfolder.unixsocket import NoDaemonError, ask  # noqa: PLC0415

    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            return ask(settings.state_dir, question, _ANSWER_S)
        except NoDaemonError:
            pass
        except OSError as problem:
            return {"error": f"the daemon does not answer: {problem.strerror or problem}; {_WHO}"}
        from hotfolder.service import AlreadyRunningError, carry_out  # noqa: PLC0415 — with a daemon, not needed

        try:
            return carry_out(settings, question)
        except AlreadyRunningError as held:
            if time.monotonic() > deadline:
                click.echo(f"{held}; try again when it has ended", err=True)
                sys.exit(EX_TEMPFAIL)
        time.sleep(_LOOKS_S)


_WHO = "run the command as the service's user, or as root"
