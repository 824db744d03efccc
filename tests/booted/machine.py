"""A machine with a real systemd as its first process, in name spaces over a copy of this system, up in seconds.

    with Machine(tmp_path) as machine:
        machine.run("systemctl", "start", "hotfolder")

It shares the network, so that services on loopback outside can be reached and outlive it, and nothing else: files
that it writes lie in an overlay, which outlives `power_off` and `switch_off` as a disk does. Its /proc shows its own
processes alone; when it ends, the kernel ends all of them. Needs root and what Debian always has (util-linux).
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).resolve().parent
_BOOTED_WITHIN_S = 60.0
"""It takes one to three seconds on an idle machine."""
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "SYSTEMD_PAGER": "cat",
    "SYSTEMD_COLORS": "0",
    "DEBIAN_FRONTEND": "noninteractive",
}


_TRIAL = """
mount --make-rprivate /
mkdir -p "$0/groups" "$0/upper" "$0/work" "$0/root"
mount -t cgroup2 none "$0/groups"
rmdir "$(mktemp -d "$0/groups/hotfolder-XXXXXXXX")"
mount -t overlay overlay -o "lowerdir=/,upperdir=$0/upper,workdir=$0/work" "$0/root"
"""
"""What a container is often not allowed to do, or cannot, since its own files are an overlay."""


def missing(folder: Path) -> str | None:
    """Say what this system lacks for a machine with its disk below a folder, None where nothing."""
    if os.geteuid() != 0:
        return "a booted systemd needs root (name spaces, mounts)"
    if not Path("/lib/systemd/systemd").exists():
        return "there is no systemd on this system (Debian package systemd)"
    lacking = [name for name in ("unshare", "nsenter", "setpriv", "mount") if shutil.which(name) is None]
    if lacking:
        return f"{', '.join(lacking)} is missing (Debian package util-linux)"
    trial = folder / "trial"
    kinds = ["--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork"]
    tried = ["unshare", *kinds, "sh", "-eu", "-c", _TRIAL, str(trial)]
    asked = subprocess.run(tried, capture_output=True, text=True, check=False, timeout=60)
    shutil.rmtree(trial, ignore_errors=True)
    said = " ".join(asked.stderr.split())
    return f"no machine can be made here: {said}" if asked.returncode else None


def until(condition: Callable[[], Any], within_s: float, what: Callable[[], str] | str = "") -> Any:
    """Wait until `condition` returns something true and return that; fails after `within_s`, with `what` to read."""
    deadline = time.monotonic() + within_s
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what() if callable(what) else what}")
        time.sleep(0.05)
    return found


@dataclass
class Machine:
    """One machine; `state` is an empty folder of its own, on a file system that an overlay can write to."""

    state: Path
    _outside: subprocess.Popen[bytes] | None = field(default=None, init=False)
    _first: int | None = field(default=None, init=False)
    """Number of its first process, as this system counts."""

    def __enter__(self) -> Self:
        self.boot()
        return self

    def __exit__(self, *_: object) -> None:
        self.switch_off()

    def boot(self) -> None:
        """Start it, and wait until systemd has reached its target."""
        self.state.mkdir(parents=True, exist_ok=True)
        script = ["unshare", "--mount", "bash", str(HERE / "outside.sh"), str(self.state)]
        with (self.state / "console").open("ab") as console:
            # Ends with this process, however that ends.
            line = ["setpriv", "--pdeathsig", "TERM", *script]
            self._outside = subprocess.Popen(
                line, stdin=subprocess.DEVNULL, stdout=console, stderr=console, start_new_session=True
            )
        self._first = until(self._find_first, _BOOTED_WITHIN_S, self._console)
        until(self._is_up, _BOOTED_WITHIN_S, self._console)

    def power_off(self, within_s: float = 120) -> None:
        """Shut it down in order, as `poweroff` does."""
        self.run("systemctl", "--no-block", "poweroff", check=False)
        assert self._outside is not None
        self._outside.wait(timeout=within_s)
        self._outside = self._first = None

    def switch_off(self) -> None:
        """End all its processes at once, as a power cut does; what they wrote stays."""
        if self._outside is None:
            return
        if self._first is not None:
            with suppress(ProcessLookupError):
                os.kill(self._first, signal.SIGKILL)
        else:
            self._outside.terminate()
        self._outside.wait(timeout=60)
        self._outside = self._first = None

    def reach(self, path: str) -> Path:
        """Return the way from outside to a path of the machine, while it runs."""
        return Path(f"/proc/{self._first}/root{path}")

    def command(self, *words: str | Path) -> list[str]:
        """Return the command that runs another one in the machine."""
        into = ["nsenter", "-t", str(self._first), "-m", "-p", "-u", "-i", "-C", "-r", "-w"]
        return [*into, "--", "env", "-i", *(f"{k}={v}" for k, v in _ENVIRONMENT.items()), *map(str, words)]

    def run(
        self, *words: str | Path, check: bool = True, within_s: float = 120, feed: bytes | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in the machine and return what it printed; raises AssertionError where it fails."""
        asked = subprocess.run(
            self.command(*words),
            input=None if feed is None else feed.decode(),
            stdin=subprocess.DEVNULL if feed is None else None,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )
        failed = f"{' '.join(map(str, words))}: {asked.returncode}\n{asked.stdout}{asked.stderr}"
        assert not check or asked.returncode == 0, failed
        return asked

    def write(self, path: str, text: str, mode: int = 0o644, owner: str = "root:root") -> None:
        """Write a file in the machine."""
        script = 'mkdir -p "$(dirname "$1")" && cat > "$1" && chmod "$2" "$1" && chown "$3" "$1"'
        self.run("sh", "-c", script, "sh", path, f"{mode:o}", owner, feed=text.encode())

    def read(self, path: str) -> str:
        """Return a file of the machine."""
        return self.run("cat", path).stdout

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Return properties of a unit."""
        told = self.run("systemctl", "show", unit, "--property", ",".join(names)).stdout
        return dict(line.split("=", 1) for line in told.splitlines() if "=" in line)

    def log(self, unit: str = "hotfolder", *more: str) -> str:
        """Return what a unit wrote into the machine's journal."""
        return self.run("journalctl", "--no-pager", "-o", "short-precise", "-u", unit, *more).stdout

    def _find_first(self) -> int | None:
        """Return the process that outside.sh's `unshare` made; raises where the machine did not come to be."""
        assert self._outside is not None
        assert self._outside.poll() is None, self._console()
        found = self._outside.pid
        for _ in range(3):  # outside.sh → unshare → the first process
            children = Path(f"/proc/{found}/task/{found}/children")
            with suppress(OSError, ValueError, IndexError):
                found = int(children.read_text().split()[0])
                if _runs_systemd(found):
                    return found
        return None

    def _is_up(self) -> bool:
        assert self._outside is not None
        assert self._outside.poll() is None, self._console()
        told = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        return told in {"running", "degraded"}

    def _console(self) -> str:
        return (self.state / "console").read_text(errors="replace")


def _runs_systemd(pid: int) -> bool:
    return Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"/lib/systemd/systemd")
