"""Where the daemon of a soak lives: here, from this tree; `booted` has the other place."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class Home(Protocol):
    """A place for one daemon; the paths are those by which this process reaches it."""

    state: Path
    drops: Path
    log: Path
    proc: Path
    pid: int
    """As `proc` counts."""

    def furnish(self, text: str, queues: Sequence[str]) -> None:
        """Write the configuration, with `state_dir` and `root` before the rest of it, and make the drop folders."""

    def start(self) -> None:
        """Begin a life of the daemon."""

    def kill(self) -> None:
        """End it without warning."""

    def end(self) -> None:
        """End it for good; its files stay."""

    def lay(self, path: Path, content: bytes) -> None:
        """Write a file as a file server does, so that it belongs to the daemon's user."""

    def audit(self) -> int:
        """Return the exit status of `hotfolder audit`."""

    def restarts(self) -> int:
        """Return how often a supervisor began a life by itself."""

    def notes(self) -> dict[str, object]:
        """Return what else is to be told of its lives."""


class Here:
    """A process of this system that runs this tree."""

    proc = Path("/proc")

    def __init__(self, top: Path) -> None:
        self.state, self.drops, self.log = top / "state", top / "in", top / "log"
        self._config = top / "config.yaml"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Return its number."""
        assert self._process is not None
        return self._process.pid

    def furnish(self, text: str, queues: Sequence[str]) -> None:
        """Write the configuration and make the drop folders."""
        for queue in queues:
            (self.drops / queue).mkdir(parents=True)
        self._config.write_text(f"state_dir: {self.state}\nroot: {self.drops}\n{text}")

    def start(self) -> None:
        """Begin a life of the daemon."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command("run"), stderr=log)

    def kill(self) -> None:
        """End it without warning."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    end = kill

    def lay(self, path: Path, content: bytes) -> None:
        """Write a file."""
        path.write_bytes(content)

    def audit(self) -> int:
        """Return the exit status of `hotfolder audit`."""
        return subprocess.run(self._command("audit"), check=False).returncode

    def restarts(self) -> int:
        """Return 0: nobody would."""
        return 0

    def notes(self) -> dict[str, object]:
        """Return nothing: all is known."""
        return {}

    def _command(self, word: str) -> list[str]:
        return [sys.executable, "-m", "hotfolder", "-c", str(self._config), word]
