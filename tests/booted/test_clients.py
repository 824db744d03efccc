"""Samba, FTP and SFTP clients and the installed service in a booted systemd, servers set up as docs/scanners.md says."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hotfolder.sandbox.server import SandboxServer
from tests.arriving import attacks
from tests.arriving.clients import BROKEN, all_dropped, arrived_once
from tests.arriving.office import SERVERS, Office, accounts, client_files, desk, downloaded, set_up
from tests.arriving.servers import answers, free_port
from tests.booted.machine import Machine, until
from tests.booted.office import Office as Installed
from tests.booted.package import built
from tests.tools import need, need_server

KEYS = "settle: 3s, settle_max: 3s, patience: 1h, recursive: true"


class Booted:
    """The machine as the set-up of the servers wants it."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def run(self, *command: str | Path, check: bool = True) -> Any:
        """Run a command in the machine."""
        return self.machine.run(*command, check=check)

    def shell(self, script: str) -> Any:
        """Run lines of a shell in the machine."""
        return self.machine.run("sh", "-eu", "-c", script)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file in the machine."""
        self.machine.write(path, text, mode)

    def bring(self, file: Path) -> Path:
        """Copy a file into the machine."""
        shutil.copyfile(file, self.machine.reach(f"/var/cache/{file.name}"))
        return Path("/var/cache", file.name)

    def outside(self, path: str | Path) -> Path:
        """Return where a path of the machine is reached from here."""
        return self.machine.reach(str(path))


class Staffed(Office):
    """The office whose service is the installed one."""

    def hotfolder(self, *words: str, **how: Any) -> Any:
        """Run the installed command as root."""
        return self.land.machine.run("hotfolder", *words, check=False, **how)


@pytest.fixture(scope="module")
def programs(packages: Path) -> Path:
    """What the machine is a copy of must be there before it boots; returns the folder of the packages."""
    for program, package in (("smbd", "samba"), ("vsftpd", "vsftpd"), ("sshd", "openssh-server")):
        need_server(program, package)
    need("setfacl", "acl")
    downloaded()
    return packages


@pytest.fixture(scope="module")
def staffed(programs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """A machine with the package, all servers and the service started."""
    top = tmp_path_factory.mktemp("clients")
    with SandboxServer() as sandbox, Machine(top / "machine") as machine:
        machine.run("dpkg", "-i", built(programs, "0.1.0"))
        installed = Installed(machine, sandbox)
        installed.move_in()
        installed.configure(keys=KEYS)
        land = Booted(machine)
        machine.run("systemctl", "start", "hotfolder")  # the first start makes the home that vsftpd asks for
        clients = client_files(top)
        accounts(land)
        made = Staffed(land, sandbox, {name: free_port() for name in SERVERS}, top / "log")
        for name, port in made.ports.items():
            line = set_up(name, land, port, clients)
            machine.run("systemd-run", f"--unit=scanners-{name}", "--property=KillMode=mixed", *line)
            until(lambda port=port: answers(port), 60, lambda name=name: machine.log(f"scanners-{name}"))
        yield made


def test_two_hundred_documents_into_the_installed_service(staffed: Office, tmp_path: Path) -> None:
    """In every way and through every server, each arrives whole and once; the ledger, done/ and the audit agree."""
    spots = all_dropped(staffed, tmp_path)
    arrived_once(staffed, spots)
    names = {spot.name for spot in spots}
    assert sorted(e.file_name for e in staffed.sandbox.ledger.entries if e.file_name in names) == sorted(
        names
    )
    assert staffed.filed("failed") == {}
    audit = staffed.hotfolder("audit")
    assert audit.returncode == 0, audit.stdout


def test_half_documents_are_explained(staffed: Office, tmp_path: Path) -> None:
    """What was broken off at any server waits with the reason, and arrives when it is sent again."""
    spots = []
    for number, (server, user, broken, again) in enumerate(BROKEN):
        scratch = tmp_path / str(number)
        scratch.mkdir()
        spot = desk(staffed, server, user, f"half-{number}.pdf", scratch)
        broken(spot)
        spots.append((spot, again))
    for spot, again in spots:
        until(lambda spot=spot: "bytes, but only" in staffed.why(spot.path)["reason"], 60, spot.name)
        assert spot.room.sent(spot.name) == []
        again(spot)
    arrived_once(staffed, [spot for spot, _ in spots])


def test_check_finds_what_the_page_says(staffed: Office) -> None:
    """On the installed service's own folders `hotfolder check` names who may drop, and has nothing to complain about."""
    said = staffed.hotfolder("check").stdout
    assert "takes documents of: group hotfolder-drop (anna, bert, scanner1, scanner2)" in said
    assert "cannot read what others drop" in said
    assert [
        line for line in said.splitlines() if line.startswith(("note", "BAD")) and "invoices" in line
    ] == []


def test_a_droppers_account_gets_no_further(staffed: Office, tmp_path: Path) -> None:
    """Nobody reads another's document, lists or changes done/, or renames what is the service's, through any server."""
    for number, attack in enumerate(
        (
            lambda scratch: attacks.through_samba("anna", "bert", staffed, scratch),
            lambda scratch: attacks.through_samba("scanner1", "scanner2", staffed, scratch),
            lambda scratch: attacks.through_ftp("vsftpd", staffed, scratch),
            lambda scratch: attacks.through_ftp("proftpd", staffed, scratch),
            lambda scratch: attacks.through_sftp(staffed, scratch),
            lambda scratch: attacks.on_the_machine_itself(staffed, scratch),
        )
    ):
        scratch = tmp_path / str(number)
        scratch.mkdir()
        attack(scratch)
