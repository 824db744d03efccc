"""The other home of a soak: the package, installed and supervised in a machine with a real systemd (needs root)."""

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.booted.machine import Machine, missing, until
from tests.booted.package import built

CONFIG, STATE, ROOT = "/etc/hotfolder/config.yaml", "/var/lib/hotfolder", "/srv/hotfolder"
LOG = "/var/log/soak"
"""A copy of what the service wrote into journald, which itself keeps only so much."""
AUDIT_WITHIN_S = 7200.0
END_WITHIN_S = 120.0


class Booted:
    """The installed service of a machine; its files are reached through the machine's first process."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.state, self.drops = machine.reach(STATE), machine.reach(ROOT)
        self.log, self.proc = machine.reach(LOG), machine.reach("/proc")
        self.pid = 0

    def furnish(self, text: str, queues: Sequence[str]) -> None:
        """Write the configuration, make the drop folders, and have all that is logged copied."""
        whole = f"state_dir: {STATE}\nroot: {ROOT}\n{text}"
        self._machine.write(CONFIG, whole, 0o640, "root:hotfolder")
        for queue in queues:
            owned = ["-o", "hotfolder", "-g", "hotfolder", "-m", "3770"]
            self._machine.run("install", "-d", *owned, f"{ROOT}/{queue}")
        self._machine.write(LOG, "")
        copy = f"exec journalctl --follow --lines=all --output=cat --unit=hotfolder > {LOG}"
        self._machine.run("systemd-run", "--unit=soak-log", "sh", "-c", copy)

    def start(self) -> None:
        """Start the service and wait until it is ready."""
        self._machine.run("systemctl", "enable", "--now", "hotfolder")
        self.pid = int(self._machine.show("hotfolder", "MainPID")["MainPID"])

    def kill(self) -> None:
        """Kill its process; systemd would start it again by itself after a while."""
        self._machine.run("systemctl", "kill", "--kill-whom=main", "--signal=KILL", "hotfolder")
        until(lambda: not (self.proc / str(self.pid)).exists(), END_WITHIN_S)

    def end(self) -> None:
        """Stop the service, in order."""
        self._machine.run("systemctl", "stop", "hotfolder", check=False)

    def lay(self, path: Path, content: bytes) -> None:
        """Write a file that belongs to the owner of the drop folder, as `force user` has it."""
        path.write_bytes(content)
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)

    def audit(self) -> int:
        """Return the exit status of `hotfolder audit`, which tells its findings on standard output."""
        told = self._machine.run("hotfolder", "audit", check=False, within_s=AUDIT_WITHIN_S)
        print(told.stdout + told.stderr)
        return told.returncode

    def restarts(self) -> int:
        """Return how often systemd began a life by itself since the last start by hand."""
        return int(self._machine.show("hotfolder", "NRestarts")["NRestarts"])

    def notes(self) -> dict[str, object]:
        """Return how the last life ended, and what journald holds."""
        warnings = self._machine.run(
            "journalctl", "--unit=hotfolder", "--priority=warning", "--output=cat", "--quiet"
        ).stdout.splitlines()
        kept = self._machine.run("journalctl", "--disk-usage").stdout
        return {
            "result": self._machine.show("hotfolder", "Result")["Result"],
            "warnings": len(warnings),
            "the first of them": warnings[:5],
            "journald": kept.strip(),
        }


@contextmanager
def booted() -> Iterator[Booted]:
    """Have a machine with the package of this tree installed; exits where this system cannot have one."""
    with tempfile.TemporaryDirectory(prefix="hotfolder-booted-", ignore_cleanup_errors=True) as folder:
        if (lacking := missing(Path(folder))) is not None:
            sys.exit(f"no booted machine: {lacking}")
        package = built(Path(folder, "packages"), "0.1.0")
        with Machine(Path(folder, "machine")) as machine:
            machine.run("dpkg", "-i", package)
            yield Booted(machine)
