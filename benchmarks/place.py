"""A daemon on a scratch folder, for the benchmarks."""

import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from PIL import Image

from hotfolder.unixsocket import NoDaemonError, ask

ROSSUM = "backend: rossum, base_url: '{origin}/rossum/api/v1', username: scanner@sandbox.example, password: sandbox-password"
DIGITOO = "backend: digitoo, base_url: '{origin}/digitoo', email: scanner@sandbox.example, password: sandbox-password"
DOCDIGITIZER = "backend: docdigitizer, base_url: '{origin}/docdigitizer', api_key: sandbox-api-key"


@dataclass(frozen=True)
class Place:
    """Where a daemon works, and the daemon."""

    top: Path
    process: subprocess.Popen[bytes]

    def drop(self, queue: str) -> Path:
        """Return a drop folder."""
        return self.top / "in" / queue

    def done(self) -> int:
        """Return how many documents are filed in done/, as the daemon says."""
        return sum(q["counts"]["done"] for q in ask(self.top / "state", {"ask": "status"})["queues"])

    def peak_mib(self) -> float:
        """Return the daemon's largest resident set since its start, in MiB."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) / 1024


@contextmanager
def daemon(
    connection: str, origin: str, *, queues: int = 1, concurrency: int = 4, keys: str = "settle: 0s"
) -> Iterator[Place]:
    """Have a daemon with queues `q0`, `q1`, … on one connection."""
    with tempfile.TemporaryDirectory(prefix="hotfolder-bench-") as folder:
        top = Path(folder)
        lines = [
            f"state_dir: {top}/state\nroot: {top}/in\nlimits: {{concurrency: {concurrency}, per_second: 10000}}",
            f"log: {{level: WARNING}}\nconnections:\n  c: {{{connection.format(origin=origin)}}}\nqueues:",
        ]
        for number in range(queues):
            (top / "in" / f"q{number}").mkdir(parents=True)
            queue_id = "8236" if "rossum" in connection else "q7"
            lines.append(f"  q{number}: {{connection: c, queue_id: {queue_id}, {keys}}}")
        (top / "config.yaml").write_text("\n".join(lines) + "\n")
        process = subprocess.Popen([sys.executable, "-m", "hotfolder", "run", "-c", str(top / "config.yaml")])
        place = Place(top, process)
        try:
            until(lambda: all(q["last_scan"] for q in ask(top / "state", {"ask": "status"})["queues"]), 30)
            yield place
        finally:
            process.terminate()
            process.wait(60)


@contextmanager
def sandbox(scenario: Path | None = None) -> Iterator[str]:
    """Have a sandbox in a process of its own, so that it and the measurement do not wait for each other."""
    command = [sys.executable, "-m", "hotfolder", "sandbox", "--listen", "127.0.0.1:0"]
    command += [] if scenario is None else ["--scenario", str(scenario)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1].removesuffix("/rossum/api/v1")
    finally:
        process.terminate()
        process.communicate(timeout=60)


def ledger(origin: str) -> list[dict[str, Any]]:
    """Return what a sandbox has received."""
    with urlopen(f"{origin}/admin/ledger", timeout=600) as answer:
        received: list[dict[str, Any]] = json.load(answer)
        return received


def until(condition: object, within_s: float, else_say: Callable[[], str] = str) -> None:
    """Wait until a callable returns something true; exits with a message, and `else_say`'s, after `within_s` seconds."""
    assert callable(condition)
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with suppress(NoDaemonError, OSError):
            if condition():
                return
        time.sleep(0.02)
    sys.exit(f"not within {within_s} s {else_say()}")


def png_of(size_bytes: int, number: int) -> bytes:
    """Return a whole PNG of about `size_bytes`, different for each number: noise does not compress."""
    side = max(int((size_bytes / 3) ** 0.5), 8)
    noise = Image.frombytes("RGB", (side, side), number.to_bytes(8) + os.urandom(side * side * 3 - 8))
    out = io.BytesIO()
    noise.save(out, "PNG", compress_level=0)
    return out.getvalue()


def machine() -> str:
    """Return one line about this machine and its load."""
    load = os.getloadavg()[0]
    return f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, load {load:.1f}"


def share(values: list[float], part: float) -> float:
    """Return the value below which `part` of them lie."""
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]
