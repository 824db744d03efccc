"""Real file servers on loopback that write into the drop folders: Samba, vsftpd, OpenSSH."""

import getpass
import os
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.harness import wait_for
from tests.tools import need, need_server

LOOPBACK = "127.0.0.1"

SMB_CONF = """
[global]
netbios name = HOTFOLDER
server role = standalone server
server min protocol = NT1
smb2 max write = 65536
map to guest = Bad User
guest account = nobody
passdb backend = tdbsam:{state}/passdb.tdb
private dir = {state}
lock directory = {state}
state directory = {state}
cache directory = {state}
pid directory = {state}
ncalrpc dir = {state}/ncalrpc
log file = {state}/smbd.log
smb ports = {port}
interfaces = 127.0.0.1/8
bind interfaces only = yes
disable netbios = yes
load printers = no
printcap name = /dev/null
disable spoolss = yes
[scan]
path = {folder}
read only = no
guest ok = yes
force user = {user}
[reserving]
copy = scan
path = {folder}
strict allocate = yes
[nobodys]
copy = scan
path = {folder}
force user = nobody
"""
"""`force user`: files belong to the user of the daemon, who may then ask the kernel for their writers."""

VSFTPD_CONF = """
listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
anonymous_enable=YES
no_anon_password=YES
anon_root={folder}
anon_umask=022
allow_writeable_chroot=YES
write_enable=YES
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
ftp_username=ftp
secure_chroot_dir={state}
pasv_address=127.0.0.1
xferlog_enable=NO
isolate=NO
isolate_network=NO
seccomp_sandbox=NO
{more}
"""
"""A scanner that logs in as anonymous, and is the daemon's user."""

SSHD_CONF = """
ListenAddress 127.0.0.1:{port}
HostKey {state}/host_key
PidFile none
AuthorizedKeysFile {state}/key.pub
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
UsePAM no
Subsystem sftp internal-sftp
"""


def free_port() -> int:
    """Return a port of loopback that was free a moment ago: none of the three servers can tell which it took."""
    with closing(socket.socket()) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def answers(port: int) -> bool:
    """Tell whether somebody listens."""
    with closing(socket.socket()) as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


@contextmanager
def serving(command: Sequence[str], port: int, log: Path) -> Iterator[None]:
    """Have a server in the foreground for the length of a block; it and its children end with it."""
    with log.open("wb") as out:
        server = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        wait_for(lambda: server.poll() is not None or answers(port), 20, f"{command[0]} listens")
        assert server.poll() is None, log.read_text(errors="replace")
        yield
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(10)


@dataclass(frozen=True)
class Servers:
    """Where each server listens, and how its clients are called."""

    state: Path
    smb_port: int
    ftp_port: int
    strict_ftp_port: int
    """vsftpd with `delete_failed_uploads`."""
    ssh_port: int
    user: str = ""
    """The account of the clients; without one they come as guests, and to OpenSSH as ourselves."""
    password: str = ""
    share: str = "scan"

    @property
    def smb_login(self) -> list[str]:
        """Return how smbclient is told who comes."""
        return ["--user", f"{self.user}%{self.password}"] if self.user else ["--no-pass"]

    @property
    def ftp_login(self) -> tuple[str, str]:
        """Return name and password for FTP."""
        return (self.user, self.password) if self.user else ("anonymous", "x")

    @property
    def ssh(self) -> list[str]:
        """Return what every program of OpenSSH is told."""
        options = {
            "IdentityFile": f"{self.state}/key",
            "IdentitiesOnly": "yes",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "BatchMode": "yes",
        }
        return [
            "-F",
            "/dev/null",
            *(word for key, value in options.items() for word in ("-o", f"{key}={value}")),
        ]

    @property
    def host(self) -> str:
        """Return the user and the host for OpenSSH's programs."""
        return f"{self.user or getpass.getuser()}@{LOOPBACK}"


def _samba(state: Path, folder: Path, port: int) -> list[str]:
    program = need_server("smbd", "samba")
    state.mkdir(mode=0o700)
    config = state / "smb.conf"
    config.write_text(SMB_CONF.format(state=state, folder=folder, port=port, user=getpass.getuser()))
    return [
        program,
        "--foreground",
        "--no-process-group",
        "--configfile",
        str(config),
        f"--log-basename={state}",
    ]


def _vsftpd(state: Path, folder: Path, port: int, more: str = "") -> list[str]:
    program = need_server("vsftpd", "vsftpd")
    (state / "empty").mkdir(parents=True)
    config = state / "vsftpd.conf"
    config.write_text(
        VSFTPD_CONF.format(state=state / "empty", folder=folder, port=port, user=getpass.getuser(), more=more)
    )
    return [program, str(config)]


def _sshd(state: Path, port: int) -> list[str]:
    program = need_server("sshd", "openssh-server")
    Path("/run/sshd").mkdir(
        exist_ok=True
    )  # compiled in; Debian's unit makes it, and it goes with the next boot
    for name in ("key", "host_key"):
        command = [
            need("ssh-keygen", "openssh-client"),
            "-q",
            "-t",
            "ed25519",
            "-N",
            "",
            "-f",
            str(state / name),
        ]
        subprocess.run(command, check=True)
    config = state / "sshd_config"
    config.write_text(SSHD_CONF.format(state=state, port=port))
    return [program, "-D", "-e", "-f", str(config)]


@contextmanager
def all_servers(state: Path, folder: Path) -> Iterator[Servers]:
    """Serve a folder in all ways for the length of a block; skipped for whoever is not root."""
    if os.geteuid() != 0:
        pytest.skip("smbd, vsftpd and sshd take other users' names, which only root can")
    ports = [free_port() for _ in range(4)]
    commands = [
        _samba(state / "samba", folder, ports[0]),
        _vsftpd(state / "vsftpd", folder, ports[1]),
        _vsftpd(state / "strict-vsftpd", folder, ports[2], "delete_failed_uploads=YES"),
        _sshd(state, ports[3]),
    ]
    with ExitStack() as stack:
        for number, (command, port) in enumerate(zip(commands, ports, strict=True)):
            stack.enter_context(serving(command, port, state / f"server{number}.log"))
        yield Servers(state, *ports)
