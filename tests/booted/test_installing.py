"""docs/installing.md, followed word by word; only the account's address and name are the sandbox's."""

import json
import re
from pathlib import Path

import pytest

from hotfolder.sandbox.server import SandboxServer
from tests.booted.machine import Machine, until
from tests.booted.office import CONFIG, DROP_IN, TOP, Office
from tests.e2e.producers import reportlab_pdf
from tests.pages import blocks
from tests.tools import need

PAGE = "installing.md"
DROP_INS = "/etc/systemd/system/hotfolder.service.d"


@pytest.fixture(scope="module", autouse=True)
def _lists() -> None:
    """The machine is a copy of this system, so what the page uses must be here before."""
    need("setfacl", "acl")


def told(name: str) -> str:
    """Return a block of the page."""
    return blocks(PAGE)[name]


def follow(machine: Machine, name: str) -> str:
    """Run the commands of the page, each of which must succeed; returns what they print."""
    script = told(name).replace('systemd-ask-password -n "Password:"', "printf sandbox-password")
    return machine.run("sh", "-e", "-c", script).stdout


def drop_in(machine: Machine, name: str) -> None:
    """Write a drop-in as it stands in the page."""
    path = f"{DROP_INS}/{name}.conf"
    machine.write(path, told(path))
    machine.run("systemctl", "daemon-reload")


def put(machine: Machine, path: str, number: int, owner: str = "hotfolder") -> None:
    """Drop a document, as a file server does that renames."""
    folder, name = path.rsplit("/", 1)
    hidden = f"{folder}/.arriving"
    machine.reach(hidden).write_bytes(reportlab_pdf(number))
    machine.run("chown", f"{owner}:hotfolder", hidden)
    machine.run("mv", hidden, f"{folder}/{name}")


def test_from_nothing_to_a_document(machine: Machine, package: Path, sandbox: SandboxServer) -> None:
    """Who does what the page says has a document delivered and filed, and `check` has nothing to complain of."""
    machine.run("dpkg", "-i", package)
    text = told(CONFIG).replace("https://acme.rossum.app/api/v1", f"{sandbox.origin}/rossum/api/v1")
    machine.write(CONFIG, text.replace("scanner@acme.example", "scanner@sandbox.example"))
    follow(machine, "prepare")
    said = follow(machine, "start")
    assert "BAD" not in said
    put(machine, f"{TOP}/invoices/scan.pdf", 1)
    record = machine.reach(f"{TOP}/invoices/done/scan.pdf.json")
    until(record.exists, 60, machine.log)
    assert json.loads(record.read_text())["outcome"] == "done"
    assert len(sandbox.ledger) == 1
    stat = machine.run("stat", "-c", "%U:%G %a", CONFIG, "/etc/hotfolder/rossum-password").stdout
    assert stat.split("\n")[:2] == ["root:hotfolder 640"] * 2


def test_a_folder_elsewhere(office: Office) -> None:
    """With the page's drop-in a queue works on another disk, below the page's folder."""
    machine = office.machine
    machine.run("mkdir", "-p", "/mnt/scans")
    machine.run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", "/mnt/scans")
    owner = ("-o", "hotfolder", "-g", "hotfolder", "-m", "3770")
    machine.run("install", "-d", *owner, "/mnt/scans/letters")
    queue = "  letters: {connection: acme-digitoo, queue_id: q7, settle: 100ms, folder: /mnt/scans/letters}\n"
    machine.write(CONFIG, machine.read(CONFIG) + queue, 0o640, "root:hotfolder")
    drop_in(machine, "folders")
    office.start()
    put(machine, "/mnt/scans/letters/scan.pdf", 7)
    until(machine.reach("/mnt/scans/letters/done/scan.pdf.json").exists, 60, office.told)


@pytest.mark.parametrize("allowed", [False, True], ids=["without", "with"])
def test_leases_on_documents_of_others(office: Office, *, allowed: bool) -> None:
    """With the page's drop-in, and only with it, a document that somebody else still has open waits until he closes it."""
    machine = office.machine
    if allowed:
        drop_in(machine, "leases")
    machine.run("useradd", "--groups", "hotfolder-drop", "someone")
    machine.run("setfacl", "-m", "g:hotfolder-drop:rwx,d:u::rwx,d:g::rwx,d:o::-", f"{TOP}/invoices")
    office.start()
    path = f"{TOP}/invoices/open.pdf"
    machine.write("/var/tmp/open.pdf", "")
    machine.reach("/var/tmp/open.pdf").write_bytes(reportlab_pdf(3))
    keep = f"exec 3>>{path}; cat /var/tmp/open.pdf >&3; exec sleep 1000"
    machine.run("systemd-run", "--unit=writer", "-p", "User=someone", "sh", "-c", keep)
    done = machine.reach(f"{TOP}/invoices/done/open.pdf.json")
    if allowed:
        ask = ("hotfolder", "why", path, "--json")
        until(
            lambda: "open" in json.loads(machine.run(*ask, check=False).stdout or "{}").get("reason", ""), 60
        )
        put(machine, f"{TOP}/invoices/later.pdf", 4)
        until(machine.reach(f"{TOP}/invoices/done/later.pdf.json").exists, 60, office.told)
        assert not done.exists()
        machine.run("systemctl", "stop", "writer")
    until(done.exists, 60, office.told)


def test_credentials_and_networks(office: Office) -> None:
    """The page's drop-in hands over the credential, its command checks with it, and a proxy's network is enough."""
    machine = office.machine
    drop_in(machine, "credentials")
    machine.write(f"{DROP_INS}/office.conf", DROP_IN.replace("LoadCredential", "#LoadCredential"))
    drop_in(machine, "network")
    said = follow(machine, "check-with-credentials")
    assert "BAD" not in said
    office.start()
    office.drop(3)
    office.prove()


def test_restored_without_its_journal(office: Office) -> None:
    """Folders that are put back as they were while documents were on the wire are gone through without a duplicate."""
    machine = office.machine
    office.start()
    office.drop(6)
    office.prove()
    slow = [{"match": {"path": "*", "method": "POST", "file": "*"}, "do": {"delay_s": 5.0}}]
    office.sandbox.play(slow)
    office.drop(6)
    until(lambda: len(office.sandbox.ledger) >= 12, 60, office.told)
    machine.run("cp", "-a", TOP, "/var/tmp/backup")
    until(office.all_filed, 60, office.told)
    machine.run("systemctl", "stop", "hotfolder")
    office.sandbox.play([])
    machine.run("sh", "-c", f"rm -rf {TOP} && mv /var/tmp/backup {TOP}")
    assert office.lying(), "the backup came too late to show anything"
    follow(machine, "restore")
    office.prove()


def test_an_older_program_leaves_a_newer_journal_alone(office: Office) -> None:
    """A journal of a later schema is refused with status 78 and words, is not changed, and not tried again."""
    machine = office.machine
    office.start()
    office.drop(3)
    office.prove()
    machine.run("systemctl", "stop", "hotfolder")
    newer = (
        "import sqlite3; c = sqlite3.connect('/var/lib/hotfolder/journal.sqlite3'); "
        "c.execute('PRAGMA user_version = {}')"
    )
    machine.run("/opt/hotfolder/bin/python3", "-c", newer.format(999))
    assert machine.run("systemctl", "start", "hotfolder", check=False).returncode != 0
    assert (office.property("ExecMainStatus"), office.property("NRestarts")) == ("78", "0")
    assert re.search(r"written by a newer hotfolder .*Install that version again", machine.log())
    schema = len(list((Path(__file__).parents[2] / "hotfolder/journal/migrations").glob("*.sql")))
    machine.run("/opt/hotfolder/bin/python3", "-c", newer.format(schema))
    office.start()
    office.drop(3)
    office.prove()
