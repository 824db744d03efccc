"""The receiving end of systemd's notifications, and the daemon that is started as systemd starts it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

from hotfolder.sandbox.server import SandboxServer
from tests.e2e.harness import QUICK, Site, site, wait_for

WATCHDOG_S = 3.0
"""A sign of life is due within this time; the daemon gives three."""
LIMIT_S = 2.0
"""How long a loop may stand still in these tests."""

DRIVER = """
import asyncio, os, sys, threading, time
import hotfolder.pulse, hotfolder.service.daemon

hotfolder.pulse.HUNG_S = hotfolder.service.daemon._JOURNAL_HUNG_S = {limit_s}

def told():
    return os.path.exists({sign!r})

async def hangs():
    while told():
        await asyncio.sleep(0.02)

{change}
from hotfolder.__main__ import run
sys.argv[0] = "hotfolder"
run()
"""
"""The program with a part of it changed; the change may ask whether it was told to show."""


@dataclass
class Supervisor:
    """What the daemon has told, and how it is started."""

    place: Site
    told: list[tuple[float, str]] = field(default_factory=list)
    """When (monotonic seconds) → one assignment."""

    def __post_init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._socket.bind(str(self.place.top / "notify"))
        self.sign = self.place.top / "sign"

    def start(self, change: str | None = None, *, ready: bool = True) -> None:
        """Start the daemon, with a part of it changed where `change` says how, and wait for READY."""
        words = ["-m", "hotfolder"]
        if change is not None:
            driver = self.place.top / "driver.py"
            text = DRIVER.format(limit_s=LIMIT_S, sign=str(self.sign), change=dedent(change))
            driver.write_text(text)
            words = [str(driver)]
        environ = {
            **os.environ,
            "NOTIFY_SOCKET": str(self.place.top / "notify"),
            "WATCHDOG_USEC": str(int(WATCHDOG_S * 1e6)),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        with self.place.log.open("ab") as log:
            self.place.process = subprocess.Popen(
                [sys.executable, *words, "run", "-c", str(self.place.config)], stderr=log, env=environ
            )
        if ready:
            self.wait_for("READY=1", within_s=60)

    def heard(self) -> list[str]:
        """Return every assignment so far."""
        while True:
            try:
                lines = self._socket.recv(65536).decode().split("\n")
            except BlockingIOError:
                return [line for _, line in self.told]
            self.told += [(time.monotonic(), line) for line in lines]

    def count(self, line: str) -> int:
        """Return how often an assignment was heard."""
        return self.heard().count(line)

    def wait_for(self, beginning: str, number: int = 1, within_s: float = 30) -> None:
        """Wait until so many assignments with a beginning were heard."""
        assert self.place.process is not None

        def heard() -> bool:
            return sum(line.startswith(beginning) for line in self.heard()) >= number

        try:
            wait_for(heard, within_s)
        except AssertionError:
            raise AssertionError(
                f"{beginning}: {self.heard()[-10:]}\n{self.place.log.read_text()[-3000:]}"
            ) from None

    def fed_after(self, moment: float) -> int:
        """Return how many signs of life came after a moment (monotonic seconds)."""
        self.heard()
        return sum(line == "WATCHDOG=1" and at > moment for at, line in self.told)

    def starves(self, longer_s: float = 1.0) -> None:
        """Wait until no sign of life has come for so much longer than systemd would wait."""

        def starved() -> bool:
            self.heard()
            last = max((at for at, line in self.told if line == "WATCHDOG=1"), default=0.0)
            return time.monotonic() - last > WATCHDOG_S + longer_s

        wait_for(starved, 40, "nobody feeds the watchdog")

    def hang(self) -> None:
        """Let what was changed show itself."""
        self.sign.touch()

    def recover(self) -> None:
        """Let it go on as it should."""
        self.sign.unlink()

    def close(self) -> None:
        """Stop listening."""
        self._socket.close()


@contextmanager
def supervised(top: Path, sandbox: SandboxServer, keys: str = QUICK, text: str = "") -> Iterator[Supervisor]:
    """Have a site whose daemon is supervised, for the length of a block."""
    more = {"text": text} if text else {}
    with site(top, sandbox, keys=keys, **more) as place:
        made = Supervisor(place)
        try:
            yield made
        finally:
            made.close()
