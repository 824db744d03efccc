"""An office whose documents go through the installed service: what was dropped, taken and filed is compared."""

import hashlib
import json
import os
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hotfolder.sandbox.server import SandboxServer
from tests.booted.machine import Machine, until
from tests.e2e.producers import reportlab_pdf

TOP = "/srv/hotfolder"
CONFIG = "/etc/hotfolder/config.yaml"
QUEUES = ("invoices", "receipts", "contracts")
OWN = {"lock", "run"}
"""The service's own small files in a work folder."""
TEXT = """
state_dir: /var/lib/hotfolder
root: {top}
grace: {grace}
{more}
connections:
  acme-rossum:
    backend: rossum
    base_url: {origin}/rossum/api/v1
    username: scanner@sandbox.example
    password: {{file: /etc/hotfolder/rossum-password}}
    {aside}
  acme-digitoo:
    backend: digitoo
    base_url: {origin}/digitoo
    email: scanner@sandbox.example
    password: {{file: /etc/hotfolder/digitoo-password}}
    {aside}
  acme-docdigitizer:
    backend: docdigitizer
    base_url: {origin}/docdigitizer
    api_key: {{credential: docdigitizer-api-key}}
    {aside}
queues:
  invoices: {{connection: acme-rossum, queue_id: 8236, {keys}}}
  receipts: {{connection: acme-digitoo, queue_id: q7, {keys}}}
  contracts: {{connection: acme-docdigitizer, {keys}}}
"""
ASIDE = "ask_after: 1s\n    retry: {first: 100ms, max: 1s}\n    limits: {concurrency: 8, per_second: 2000}"
DROP_IN = """
[Service]
LoadCredential=docdigitizer-api-key:/etc/hotfolder/docdigitizer-api-key
RestartSec=200ms
"""


@dataclass
class Office:
    """Drop folders on a machine, services outside of it."""

    machine: Machine
    sandbox: SandboxServer
    dropped: Counter[str] = field(default_factory=Counter)
    """SHA-256 of each content → how often it was dropped."""
    queues: tuple[str, ...] = QUEUES
    _numbers: int = 0

    def move_in(self) -> None:
        """Configure what the package installed."""
        self.configure()
        self.machine.write("/etc/hotfolder/rossum-password", "sandbox-password", 0o640, "root:hotfolder")
        self.machine.write("/etc/hotfolder/digitoo-password", "sandbox-password", 0o640, "root:hotfolder")
        self.machine.write("/etc/hotfolder/docdigitizer-api-key", "sandbox-api-key", 0o600)
        self.drop_in("office", DROP_IN)
        for queue in QUEUES:
            self.make_folder(queue)

    def configure(self, grace: str = "10s", keys: str = "settle: 100ms", more: str = "") -> None:
        """Write the configuration."""
        told = {"top": TOP, "origin": self.sandbox.origin, "aside": ASIDE}
        text = TEXT.format(grace=grace, keys=keys, more=more, **told)
        self.machine.write(CONFIG, text, 0o640, "root:hotfolder")

    def drop_in(self, name: str, text: str, unit: str = "hotfolder.service") -> None:
        """Add to a unit, as `systemctl edit` does."""
        self.machine.write(f"/etc/systemd/system/{unit}.d/{name}.conf", text)
        self.machine.run("systemctl", "daemon-reload")

    def make_folder(self, queue: str) -> None:
        """Make a drop folder with the rights that the documentation gives it."""
        self.machine.run(
            "install", "-d", "-o", "hotfolder", "-g", "hotfolder", "-m", "3770", f"{TOP}/{queue}"
        )

    def folder(self, queue: str) -> Path:
        """Return a drop folder as it is reached from outside the machine, while that runs."""
        return self.machine.reach(f"{TOP}/{queue}")

    def start(self) -> None:
        """Enable and start the service; returns when it is ready."""
        self.machine.run("systemctl", "enable", "--now", "hotfolder")

    def drop(self, number: int, queues: tuple[str, ...] | None = None) -> None:
        """Drop so many documents, by renames, into the queues, or into all, by turns."""
        queues = queues or self.queues
        for _ in range(number):
            self._numbers += 1
            content = reportlab_pdf(self._numbers)
            folder = self.folder(queues[self._numbers % len(queues)])
            hidden = folder / ".arriving"
            hidden.write_bytes(content)
            name = f"scan{self._numbers:05}.pdf"
            # As a file server leaves it that is told `force user = hotfolder`.
            owner = folder.stat()
            os.chown(hidden, owner.st_uid, owner.st_gid)
            hidden.rename(folder / name)
            self.dropped[hashlib.sha256(content).hexdigest()] += 1

    def status(self) -> dict[str, Any]:
        """Return what the running service says of itself, {} while it does not answer."""
        asked = self.machine.run("hotfolder", "status", "--json", check=False)
        with suppress(ValueError):
            told: dict[str, Any] = json.loads(asked.stdout)
            return told
        return {}

    def queue(self, name: str) -> dict[str, Any]:
        """Return what the running service says of a queue, {} while it does not answer."""
        return next((q for q in self.status().get("queues", ()) if q["name"] == name), {})

    def property(self, name: str) -> str:
        """Return a property of the service's unit."""
        return self.machine.show("hotfolder", name).get(name, "")

    def taken(self) -> Counter[str]:
        """Return how often the services took each content."""
        return Counter(entry.sha256 for entry in self.sandbox.ledger.entries)

    def filed(self, area: str = "done") -> Counter[str]:
        """Return how often each content lies in an archive, with its record."""
        return sum((self.filed_in(queue, area) for queue in self.queues), Counter())

    def filed_in(self, queue: str, area: str = "done") -> Counter[str]:
        """Return how often each content lies in an archive of one queue, with its record."""
        found: Counter[str] = Counter()
        top = self.folder(queue) / area
        for path in top.glob("*.pdf") if top.exists() else ():
            record = json.loads(path.with_name(path.name + ".json").read_text())
            assert record["outcome"] == area, record
            assert record["file"]["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
            found[record["file"]["sha256"]] += 1
        return found

    def lying(self) -> list[Path]:
        """Return the documents that lie in no archive."""
        found = []
        for queue in self.queues:
            top = self.folder(queue)
            found += list(top.glob("*.pdf"))
            work = top / ".hotfolder"
            found += [p for p in work.iterdir() if p.name not in OWN] if work.exists() else []
        return found

    def all_filed(self) -> bool:
        """Tell whether as many documents are in done/ as were dropped."""
        records = (len(list((self.folder(q) / "done").glob("*.pdf.json"))) for q in self.queues)
        return sum(records) >= self.dropped.total()

    def prove(self, within_s: float = 90) -> None:
        """Wait until everything is filed; each content was taken once, is filed once, and the audit finds nothing."""
        until(self.all_filed, within_s, self.told)
        until(lambda: not self.lying(), within_s, lambda: str(self.lying()))
        assert self.filed() == self.dropped
        assert self.filed("failed") == Counter()
        assert self.taken() == self.dropped
        audit = self.machine.run("hotfolder", "audit", "--json", check=False)
        assert (audit.returncode, json.loads(audit.stdout)) == (0, {"problems": []}), (
            audit.stdout + audit.stderr
        )

    def told(self) -> str:
        """Return what helps to understand a test that failed."""
        counted = (
            f"dropped {self.dropped.total()}, filed {self.filed().total()}, taken {self.taken().total()}"
        )
        return f"{counted}, lying {self.lying()[:5]}\n{self.status()}\n{self.machine.log()[-6000:]}"
