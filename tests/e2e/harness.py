"""A real daemon in its own process, its folders, and the sandbox that it talks to."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotfolder.sandbox.server import SandboxServer
from hotfolder.unixsocket import NoDaemonError, ask
from tests.secrecy import hear

QUEUES = {"to-rossum": "rossum", "to-digitoo": "digitoo", "to-docdigitizer": "docdigitizer"}

CONFIG = """
state_dir: {top}/state
root: {top}/in
grace: 10s
log: {{level: DEBUG}}
limits: {{concurrency: 4, per_second: 2000}}
connections:
  r:
    backend: rossum
    base_url: {origin}/rossum/api/v1
    username: scanner@sandbox.example
    password: sandbox-password
    ask_after: 1s
    retry: {{first: 100ms, max: 1s}}
  g:
    backend: digitoo
    base_url: {origin}/digitoo
    email: scanner@sandbox.example
    password: sandbox-password
    ask_after: 1s
    retry: {{first: 100ms, max: 1s}}
  z:
    backend: docdigitizer
    base_url: {origin}/docdigitizer
    api_key: sandbox-api-key
    ask_after: 1s
    retry: {{first: 100ms, max: 1s}}
queues:
  to-rossum: {{connection: r, queue_id: 8236, {keys}}}
  to-digitoo: {{connection: g, queue_id: q7, {keys}}}
  to-docdigitizer: {{connection: z, {keys}}}
"""
"""Three queues, one for each service; `keys` goes to every queue."""


def wait_for(condition: Callable[[], Any], within_s: float, what: str = "") -> Any:
    """Wait until `condition` returns something true, and return that; fails the test after `within_s`."""
    deadline = time.monotonic() + within_s
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s: {what or condition}")
        time.sleep(0.02)


QUICK = "settle: 50ms, patience: 400ms"
"""Keys of queues that settle quickly and have little patience."""


@dataclass
class Site:
    """A directory with configuration, drop folders and state, and the daemon that works there."""

    top: Path
    origin: str
    keys: str = "settle: 100ms, patience: 1h, recursive: true"
    text: str = CONFIG
    process: subprocess.Popen[bytes] | None = None
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.config = self.top / "config.yaml"
        self.log = self.top / "log"
        self.write_config()
        for queue in self.queues():
            self.drop(queue).mkdir(parents=True, exist_ok=True)

    def write_config(self, text: str | None = None) -> None:
        """Write the configuration, anew or another one."""
        self.config.write_text((text or self.text).format(top=self.top, origin=self.origin, keys=self.keys))

    def queues(self) -> list[str]:
        """Return the queues of the configuration."""
        return [q for q in QUEUES if f"\n  {q}:" in self.text]

    def drop(self, queue: str) -> Path:
        """Return a drop folder."""
        return self.top / "in" / queue

    def command(self, *words: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Run `hotfolder` with some words and return what it printed."""
        line = [sys.executable, "-m", "hotfolder", "-c", str(self.config), *words]
        return subprocess.run(line, capture_output=True, text=True, timeout=timeout_s, check=False)

    def start(self, *, ready: bool = True) -> None:
        """Start the daemon and wait until every queue was scanned once."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hotfolder", "run", "-c", str(self.config)], stderr=log
            )
        if ready:
            wait_for(self.scanned, 30, "every queue scanned")

    def scanned(self) -> bool:
        """Tell whether the daemon answers and has looked at every folder."""
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        with suppress(NoDaemonError, OSError):
            return all(q["last_scan"] for q in self.status())
        return False

    def status(self) -> list[dict[str, Any]]:
        """Return the queues as the daemon reports them."""
        queues: list[dict[str, Any]] = hear(ask(self.top / "state", {"ask": "status"}))["queues"]
        return queues

    def why(self, path: Path) -> dict[str, Any]:
        """Return what the daemon says of a file."""
        found: dict[str, Any] = hear(ask(self.top / "state", {"ask": "why", "file": os.fspath(path)}))
        return found

    def kill(self) -> None:
        """End the daemon as a power switch would end a process."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """End the daemon as systemd does; returns its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def archived(self, area: str) -> list[Path]:
        """Return the documents (not the sidecars) in `done` or `failed` of all queues."""
        found = []
        for queue in self.queues():
            top = self.drop(queue) / area
            files = [p for p in top.rglob("*") if p.is_file()] if top.exists() else []
            sidecars = {p for p in files if p.name.endswith(".json") and p.with_name(p.name[:-5]) in files}
            found += [p for p in files if p not in sidecars]
        return found

    def waiting(self) -> list[Path]:
        """Return every file that is in no archive: dropped, or claimed; the service's own small files are none."""
        return [
            p
            for queue in self.queues()
            for p in self.drop(queue).rglob("*")
            if p.is_file()
            and not ({"done", "failed"} & set(p.relative_to(self.drop(queue)).parts))
            and p.name not in {"lock", "run"}
            and not p.name.startswith("origin.")
        ]

    def sidecar(self, document: Path) -> dict[str, Any]:
        """Return the record beside an archived document."""
        record: dict[str, Any] = json.loads(document.with_name(document.name + ".json").read_text())
        return record


@contextmanager
def site(top: Path, sandbox: SandboxServer, **how: Any) -> Iterator[Site]:
    """Have a site for the length of a block; its daemon is ended with it."""
    place = Site(top, sandbox.origin, **how)
    try:
        yield place
    finally:
        if place.process is not None and place.process.poll() is None:
            place.process.kill()
            place.process.wait()


def filed(place: Site, area: str, name: str, within_s: float = 15) -> Path:
    """Wait until a document is archived with its sidecar, and return its path."""
    return wait_for(
        lambda: next((p for p in place.archived(area) if p.name == name and place.sidecar(p)), None),
        within_s,
        f"{name} in {area}/",
    )
