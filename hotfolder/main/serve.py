"""`run` and `once`: the daemon, for ever or until the folders are empty."""

import asyncio
import errno
import faulthandler
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

import click

from hotfolder.main.source import EX_CONFIG, config_option, load_as_service

if TYPE_CHECKING:
    from hotfolder.service import Service
    from hotfolder.settings import Settings

EX_TEMPFAIL = 75
"""sysexits.h: somebody else holds what we need; trying later may help."""
_MAY_PASS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ESTALE}
"""Trouble of a disk that may be over when systemd starts us again."""
_EX_NOT_ALL = 4
"""What `once` says where it ended before everything was filed."""


@click.command()
@config_option
@click.pass_context
def run(context: click.Context, config: Path | None) -> None:
    """Watch, upload and file until told to stop (SIGTERM); SIGHUP reads the configuration anew."""
    _until_started(0)
    _stay_small()
    settings = load_as_service(context, config)
    asyncio.run(_run(settings))


@click.command()
@config_option
@click.option("--timeout", metavar="T", help="Give up after this long, such as 10m; exit status 4.")
@click.pass_context
def once(context: click.Context, config: Path | None, timeout: str | None) -> None:
    r"""Take what is in the folders, wait until it is filed, and exit.

    \b
    0 all done, 1 some failed, 3 a queue is paused or stopped, 4 timeout, 78 configuration
    """
    _until_started(_EX_NOT_ALL)
    _stay_small()
    from hotfolder.settings.quantities import parse_duration_s  # noqa: PLC0415

    settings = load_as_service(context, config)
    try:
        timeout_s = None if timeout is None else parse_duration_s(timeout)
    except ValueError as mistake:
        raise click.BadParameter(str(mistake), param_hint="--timeout") from None
    outcome = asyncio.run(_once(settings, timeout_s))
    click.echo(outcome.text)
    _end(outcome.code)


def _stay_small() -> None:
    """Have all threads share one arena: before any is started, as reading a configuration does for shares that hang."""
    from hotfolder.allocator import stay_small  # noqa: PLC0415

    stay_small()


def _until_started(code: int) -> None:
    """Let SIGTERM and SIGINT end the process with a status until the event loop listens to them.

    At once, without unwinding: nothing is claimed yet, and a half-done import would turn the exit into an error.
    """

    def end(*_: object) -> None:
        os._exit(code)

    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, end)


async def _run(settings: "Settings") -> NoReturn:
    service = _service(settings)
    try:
        await service.run()
    except Exception as problem:  # noqa: BLE001 — the last place that can say what ended the program
        _give_up(problem)
    # From within the loop, whose end would wait for its threads. One may be stuck: in a request that outlived the
    # grace period, whose document is journalled as uncertain, or in a share that hangs. Nothing depends on either.
    _end(0)


def _end(code: int) -> NoReturn:
    """Exit at once, when what was said is out."""
    from hotfolder import logs  # noqa: PLC0415

    logs.flush()
    if sys.stdout is not None:
        with suppress(OSError):  # nobody reads it
            sys.stdout.flush()
    os._exit(code)


async def _once(settings: "Settings", timeout_s: float | None) -> Any:
    service = _service(settings)
    with _Bar() as bar:
        try:
            return await service.once(timeout_s, bar.show)
        except Exception as problem:  # noqa: BLE001 — the last place that can say what ended the program
            _give_up(problem)


def _service(settings: "Settings") -> "Service":
    from hotfolder.allocator import leave_alone  # noqa: PLC0415
    from hotfolder.journal import JournalError  # noqa: PLC0415
    from hotfolder.logs import set_up  # noqa: PLC0415
    from hotfolder.service import AlreadyRunningError, Service  # noqa: PLC0415

    set_up(settings.log.level, settings.log.format)
    if sys.stderr is not None:
        faulthandler.enable()
    leave_alone()
    # Taking a lease raises SIGIO when it is broken in that instant; its default action ends the process.
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    try:
        service = Service(settings, dict(os.environ))
    except (AlreadyRunningError, JournalError, OSError) as problem:
        _give_up(problem, starting=True)
    loop = asyncio.get_running_loop()
    for ending in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(ending, service.ask_to_stop)
    loop.add_signal_handler(signal.SIGHUP, service.ask_to_reload)
    return service


def _give_up(problem: BaseException, *, starting: bool = False) -> NoReturn:
    from loguru import logger  # noqa: PLC0415

    from hotfolder.journal import JournalError  # noqa: PLC0415
    from hotfolder.service import AlreadyRunningError  # noqa: PLC0415

    known = isinstance(problem, AlreadyRunningError | OSError)
    logger.opt(exception=None if known else problem).error("{}", problem)
    full = isinstance(problem, JournalError) and problem.may_pass
    if (
        isinstance(problem, AlreadyRunningError)
        or (isinstance(problem, OSError) and problem.errno in _MAY_PASS)
        or full
    ):
        _end(EX_TEMPFAIL)
    # While starting, trouble with files is for a person to mend; later it may pass, and systemd starts us again.
    _end(EX_CONFIG if known and starting else 1)


class _Bar:
    """A progress bar on a terminal, nothing elsewhere."""

    def __init__(self) -> None:
        self._progress: Any = None
        self._task: Any = None

    def __enter__(self) -> Self:
        if sys.stdout.isatty():
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn  # noqa: PLC0415

            self._progress = Progress("filed", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._task = self._progress.add_task("filed", total=None)
            self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.stop()

    def show(self, works: Any) -> None:
        """Draw how many documents of how many are at rest."""
        if self._progress is None:
            return
        lines = [line for _, line in works.lines()]
        filed = sum(sum(line.filed.values()) for line in lines)
        waiting = sum(line.drop.inbox.counts()["waiting"] + len(line.carried) for line in lines)
        self._progress.update(self._task, completed=filed, total=filed + waiting)
