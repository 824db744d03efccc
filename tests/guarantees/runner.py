"""A process that has loaded the program and forks a run of it for each order, followed or not.

What takes most of the time of a run, the imports, happens once; from the command line on it is the program.
Started as `python -m tests.guarantees.runner`; orders and answers are lines of JSON.
"""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.guarantees.tracer import Strike, Trace, follow

_REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Run:
    """How a run ended: what `waitpid` said, its calls, and how often it was struck."""

    status: int
    calls: list[tuple[str, str]]
    struck: int

    @property
    def code(self) -> int:
        """Return the exit status, negative for a signal."""
        return os.waitstatus_to_exitcode(self.status)


class Runner:
    """The test's end of such a process."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.guarantees.runner"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=_REPOSITORY,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()  # a followed run dies with it (PTRACE_O_EXITKILL)
        self._process.wait()
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.stdout.close()

    def run(
        self, words: list[str], log: Path, *, below: list[Path] | None = None, strike: Strike | None = None
    ) -> Run:
        """Run `hotfolder` with some words, both outputs going to `log`; followed where `below` names folders."""
        order = {
            "words": words,
            "log": str(log),
            "below": None if below is None else [str(path) for path in below],
            "strike": None if strike is None else dataclasses.asdict(strike),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        return Run(told["status"], [(name, path) for name, path in told["calls"]], told["struck"])


def _program(words: list[str], log: str) -> Callable[[], None]:
    """Return what a forked child does: be the program, and end."""

    def work() -> None:
        from hotfolder.__main__ import run  # noqa: PLC0415

        out = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        for fd in (1, 2):
            os.dup2(out, fd)
        sys.argv = ["hotfolder", *words]
        code = 1
        try:
            run()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(bool(end.code))
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    return work


def _carry_out(order: dict[str, Any]) -> Trace:
    work = _program(order["words"], order["log"])
    if order["below"] is not None:
        strike = None if order["strike"] is None else Strike(**order["strike"])
        return follow(work, order["below"], strike)
    child = os.fork()
    if child == 0:
        work()
    return Trace(status=os.waitpid(child, 0)[1])


def main() -> None:
    """Carry out orders until there are no more."""
    import hotfolder.backends  # noqa: PLC0415 — loaded here, so that no run has to
    import hotfolder.main.serve  # noqa: PLC0415
    import hotfolder.service  # noqa: F401, PLC0415

    for line in sys.stdin:
        sys.stdout.write(json.dumps(dataclasses.asdict(_carry_out(json.loads(line)))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
