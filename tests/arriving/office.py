"""A daemon under the service's own account, and file servers set up word by word as docs/scanners.md says."""

import os
import signal
import subprocess
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any, Protocol

import pytest

from hotfolder.sandbox.server import SandboxServer
from hotfolder.unixsocket import NoDaemonError, ask
from tests.arriving.documented import blocks, commands
from tests.arriving.estate import estate
from tests.arriving.room import Room, Spot
from tests.arriving.servers import LOOPBACK, Servers, free_port, serving
from tests.e2e.harness import wait_for
from tests.tools import need, need_server, python_for_all

DROP = Path("/srv/hotfolder/invoices")
SERVERS = ("samba", "vsftpd", "proftpd", "sshd")
DEVICES, PEOPLE = ("scanner1", "scanner2"), ("anna", "bert")
CONFIG = """
state_dir: /var/lib/hotfolder
root: /srv/hotfolder
log: {{level: DEBUG}}
limits: {{concurrency: 4, per_second: 2000}}
connections:
  g: {{backend: digitoo, base_url: "{origin}/digitoo", token: sandbox-service-token}}
queues:
  invoices: {{connection: g, queue_id: q7, recursive: true, settle: 3s, settle_max: 3s, patience: 1h}}
"""
"""Quiet for longer than any client here pauses between two pages."""
PROFTPD = ("proftpd-core", "libhiredis0.14", "libmemcached11", "libmemcachedutil2", "libhashkit2")
PROFTPD_TOO = ("libsasl2-2", "libpcre2-posix3")
"""Debian's packages of proftpd and what it loads; not installed, since vsftpd's package excludes it."""


class Land(Protocol):
    """Where accounts and servers live: an `Estate`, or a machine with a systemd of its own."""

    def run(self, *command: str | Path, check: bool = True) -> "subprocess.CompletedProcess[str]":
        """Run a command there."""

    def shell(self, script: str) -> object:
        """Run lines of a shell there."""

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file there."""

    def bring(self, file: Path) -> Path:
        """Make a file of ours known there, and return its path."""

    def outside(self, path: str | Path) -> Path:
        """Return where something below /srv or /var/lib/hotfolder lies as seen from here."""


@dataclass
class Office:
    """The machine, the service and where each server listens; `start`, `stop` and `hotfolder` take an `Estate`."""

    land: Any
    sandbox: SandboxServer
    ports: dict[str, int]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None
    expected: list[str] = field(default_factory=list)

    def hotfolder(self, *words: str, **how: Any) -> "subprocess.CompletedProcess[str]":
        """Run `hotfolder` inside as root."""
        program, environ = python_for_all()
        config = ("-c", "/etc/hotfolder/config.yaml")
        return self.land.run(*program, *config, *words, env=environ, check=False, **how)

    def start(self) -> None:
        """Start the daemon as root, which goes on as the service's user, and wait until it has looked around."""
        program, environ = python_for_all()
        line = self.land.line([*program, "-c", "/etc/hotfolder/config.yaml", "run"])
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(line, stderr=log, stdin=subprocess.DEVNULL, env=environ)
        wait_for(self._looked, 60, "the queue was scanned")

    def _looked(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()
        with suppress(NoDaemonError, OSError):
            return all(queue["last_scan"] for queue in self.ask("status")["queues"])
        return False

    def ask(self, what: str, **more: str) -> dict[str, Any]:
        """Ask the daemon."""
        return ask(self.land.outside("/var/lib/hotfolder"), {"ask": what, **more})

    def why(self, path: Path) -> dict[str, Any]:
        """Return what the daemon says of a document, by its path as seen from outside."""
        return self.ask("why", file=str("/srv" / path.relative_to(self.land.outside("/srv"))))

    def filed(self, area: str = "done") -> dict[str, Path]:
        """Return the documents of an archive by their names."""
        top = self.land.outside(DROP / area)
        found = [path for path in top.rglob("*") if path.is_file()] if top.exists() else []
        records = {
            path for path in found if path.with_name(path.name.removesuffix(".json")) in set(found) - {path}
        }
        return {path.name: path for path in found if path not in records}

    def stop(self) -> int:
        """End the daemon as systemd does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


class Desk(Spot):
    """The spot of a document that an account leaves through a server; `queue` is the folder that its clients see."""

    folder = DROP

    @property
    def path(self) -> Path:
        """Where it is to lie, as seen from outside."""
        office: Any = self.room
        land: Land = office.site.land
        return land.outside(self.folder / self.name)

    @property
    def remote(self) -> Path:
        """What an SFTP client calls it, whose root is /srv/hotfolder."""
        return Path("/invoices", self.name)


class OwnDesk(Desk):
    """The same for an account with a folder of its own in the drop folder."""

    @property
    def path(self) -> Path:
        """Where it is to lie, as seen from outside."""
        office: Any = self.room
        land: Land = office.site.land
        return land.outside(self.folder / self.room.servers.user / self.name)

    def wait_for_size(self, at_least: int = 1, path: Path | None = None) -> None:
        """Wait until so much has arrived, also under the name that proftpd hides it by."""
        del path
        names = (self.path, self.path.with_name(f".in.{self.name}."))

        def arrived() -> bool:
            return any(name.exists() and name.stat().st_size >= at_least for name in names)

        wait_for(arrived, 30, f"{at_least} bytes of {self.path}")


def desk(office: Office, server: str, user: str, name: str, scratch: Path, edge: int = 900) -> Spot:
    """Return the spot of a document that an account leaves through one of the servers."""
    ports = office.ports
    ftp = ports.get("proftpd" if server == "proftpd" else "vsftpd", 0)
    served = Servers(
        state=office.log.parent / "clients",
        smb_port=ports.get("samba", 0),
        ftp_port=ftp,
        strict_ftp_port=ftp,
        ssh_port=ports.get("sshd", 0),
        user=user,
        password=f"pw-{user}",
        share="invoices" if user in PEOPLE else "scans",
    )
    made = Room(office, office.sandbox, served, office.expected)  # type: ignore[arg-type]  # asked for `why` alone
    kind = Desk if user in PEOPLE or server == "sshd" else OwnDesk
    return kind(made, ".", name, zlib.crc32(name.encode()), scratch, edge)


# Setting up --------------------------------------------------------------------------------------


def service_account(land: Land) -> None:
    """Make the service's account as its package does."""
    land.shell(
        "useradd --system --user-group --home-dir /var/lib/hotfolder --shell /usr/sbin/nologin hotfolder\n"
        "chown hotfolder:hotfolder /var/lib/hotfolder && chmod 0750 /var/lib/hotfolder"
    )


def accounts(land: Land) -> None:
    """Make everybody else as the page says, with the folders that Debian's units of the servers make."""
    land.shell(
        "mkdir -p /run/samba /var/log/samba /run/sshd /run/vsftpd/empty /run/proftpd /etc/ssh/hotfolder-keys"
    )
    land.shell(commands("folders"))
    for name in (*DEVICES, *PEOPLE):
        land.shell(commands("account", name, f"pw-{name}"))
        land.shell(commands("samba-account", name, f"pw-{name}"))


def samba(land: Land, port: int) -> list[str]:
    """Set up Samba, and return what starts it."""
    here = f"""[global]
    smb ports = {port}
    interfaces = {LOOPBACK}/8
    bind interfaces only = yes
    disable netbios = yes
    smb2 max write = 65536
"""  # pieces small enough to be broken off between two of them
    land.write("/etc/samba/smb.conf", blocks()["/etc/samba/smb.conf"].replace("[global]\n", here, 1))
    return [need_server("smbd", "samba"), "--foreground", "--no-process-group"]


def vsftpd(land: Land, port: int) -> list[str]:
    """Set up vsftpd, and return what starts it."""
    land.write("/etc/pam.d/hotfolder-ftp", blocks()["/etc/pam.d/hotfolder-ftp"])
    here = f"listen_address={LOOPBACK}\nlisten_port={port}\nbackground=NO\n"
    land.write("/etc/vsftpd.conf", blocks()["/etc/vsftpd.conf"] + here)
    return [need_server("vsftpd", "vsftpd"), "/etc/vsftpd.conf"]


def sshd(land: Land, port: int, clients: Path) -> list[str]:
    """Set up OpenSSH with the key of the clients, and return what starts it."""
    keygen = [need("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-f"]
    subprocess.run([*keygen, str(clients / "key")], check=True)
    land.run(*keygen, "/etc/ssh/hotfolder_test_key")
    for name in (*DEVICES, *PEOPLE):
        land.write(f"/etc/ssh/hotfolder-keys/{name}", (clients / "key.pub").read_text())
    path = "/etc/ssh/sshd_config.d/hotfolder.conf"
    land.write(path, blocks()[path])
    text = f"Port {port}\nListenAddress {LOOPBACK}\nHostKey /etc/ssh/hotfolder_test_key\nPidFile none\nUsePAM yes\n"
    land.write("/etc/ssh/hotfolder_test", f"{text}Subsystem sftp internal-sftp\nInclude {path}\n")
    return [need_server("sshd", "openssh-server"), "-D", "-e", "-f", "/etc/ssh/hotfolder_test"]


def proftpd(land: Land, port: int) -> list[str]:
    """Unpack and set up proftpd, and return what starts it."""
    for archive in downloaded():
        land.run("dpkg-deb", "-x", land.bring(archive), "/etc/unpacked")
    land.shell(
        "cp -a /etc/unpacked/usr/. /usr/; cp -an /etc/unpacked/etc/proftpd /etc/; mkdir -p /var/log/proftpd"
    )
    land.shell("useradd --system --home-dir /run/proftpd --shell /usr/sbin/nologin proftpd")
    here = f"\nPort {port}\nDefaultAddress {LOOPBACK}\n"
    land.write("/etc/proftpd/proftpd.conf", blocks()["/etc/proftpd/proftpd.conf"] + here)
    for name in (*DEVICES, *PEOPLE):
        land.shell(commands("proftpd-account", name, f"pw-{name}"))
    return ["/usr/sbin/proftpd", "--nodaemon", "--quiet", "--config", "/etc/proftpd/proftpd.conf"]


def client_files(top: Path) -> Path:
    """Make the folder for what clients need, and return it."""
    made = top / "clients"
    (made / "samba").mkdir(parents=True)
    (made / "samba" / "smb.conf").write_text("[global]\nclient min protocol = SMB2_10\n")
    return made


def set_up(name: str, land: Land, port: int, clients: Path) -> list[str]:
    """Set up one of the servers as the page says, and return what starts it."""
    if name == "sshd":
        return sshd(land, port, clients)
    return {"samba": samba, "vsftpd": vsftpd, "proftpd": proftpd}[name](land, port)


def downloaded(packages: Sequence[str] = (*PROFTPD, *PROFTPD_TOO)) -> list[Path]:
    """Return Debian's archives of proftpd, fetched once for all tests of this machine."""
    cache = Path(tempfile.gettempdir()) / "hotfolder-tests-archives"
    cache.mkdir(exist_ok=True)
    with (cache / "lock").open("w") as lock:
        flock(lock, LOCK_EX)
        missing = [one for one in packages if not list(cache.glob(f"{one}_*.deb"))]
        if missing:
            options = ["-qq", "-o", "APT::Sandbox::User=root", "-o", "DPkg::Lock::Timeout=300"]
            done = subprocess.run(
                ["apt-get", *options, "download", *missing],
                cwd=cache,
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                reason = f"{', '.join(missing)} cannot be had, so proftpd was NOT tried: {done.stderr}"
                (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    return [next(cache.glob(f"{one}_*.deb")) for one in packages]


@contextmanager
def office(top: Path, servers: Sequence[str] = SERVERS) -> Iterator[Office]:
    """Have an office with some of the servers for the length of a block."""
    clients = client_files(top)
    with estate(top) as land, SandboxServer() as sandbox, ExitStack() as stack:
        service_account(land)
        accounts(land)
        made = Office(land, sandbox, {name: free_port() for name in servers}, top / "log")
        land.write("/etc/hotfolder/config.yaml", CONFIG.format(origin=sandbox.origin), 0o640)
        land.shell(
            "chown root:hotfolder /etc/hotfolder /etc/hotfolder/config.yaml; chmod 0750 /etc/hotfolder"
        )
        for name, port in made.ports.items():
            line = land.line(set_up(name, land, port, clients))
            stack.enter_context(serving(line, port, top / f"{name}.log"))
        try:
            yield made
        finally:
            if made.process is not None and made.process.poll() is None:
                made.process.kill()
                made.process.wait()
