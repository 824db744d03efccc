"""From the package to a delivered document; upgrade, removal and purge."""

import json
from pathlib import Path

from tests.booted.machine import Machine, until
from tests.booted.office import TOP, Office

READY_WITHIN_S = 3.0
"""What a sysadmin is promised, from the start of the process."""
TRIES = 5


def test_installed_enabled_started_it_delivers(office: Office) -> None:
    """After install, enable and start, documents of all three queues are delivered and filed, each once."""
    office.start()
    assert office.property("ActiveState") == "active"
    assert office.property("StatusText").startswith("3 queues")
    office.drop(30)
    office.prove()
    user = office.machine.run("ps", "-o", "user=", "-p", office.property("MainPID")).stdout.strip()
    assert user == "hotfolder"


def test_it_is_ready_within_three_seconds(office: Office) -> None:
    """From the start of its process until systemd hears READY, three seconds pass at most; the best of some counts."""
    times = []
    for _ in range(TRIES):
        office.machine.run("systemctl", "restart", "hotfolder")
        names = ("ExecMainStartTimestampMonotonic", "ActiveEnterTimestampMonotonic")
        stamps = office.machine.show("hotfolder", *names)
        times.append((int(stamps[names[1]]) - int(stamps[names[0]])) / 1e6)
    assert min(times) < READY_WITHIN_S, times


def test_nothing_is_started_before_it_is_configured(machine: Machine, package: Path) -> None:
    """The package alone starts nothing, and a start without a configuration says what is missing and is not repeated."""
    said = machine.run("dpkg", "-i", package).stdout
    assert "hotfolder check --online" in said
    assert machine.show("hotfolder", "ActiveState", "UnitFileState") == {
        "ActiveState": "inactive",
        "UnitFileState": "disabled",
    }
    assert machine.run("systemctl", "start", "hotfolder", check=False).returncode != 0
    assert machine.show("hotfolder", "ExecMainStatus", "NRestarts") == {
        "ExecMainStatus": "78",
        "NRestarts": "0",
    }
    assert "/etc/hotfolder/config.yaml" in machine.log()


def test_who_may_read_what(machine: Machine, package: Path) -> None:
    """The service reads its configuration and writes it not; droppers are in a group that reads no secret."""
    machine.run("dpkg", "-i", package)
    stat = machine.run("stat", "-c", "%U:%G %a", "/etc/hotfolder", TOP).stdout.splitlines()
    assert stat == ["root:hotfolder 750", "root:hotfolder 751"]
    assert machine.run("getent", "group", "hotfolder-drop").stdout.startswith("hotfolder-drop:")
    assert "hotfolder-drop" not in machine.run("id", "-nG", "hotfolder").stdout


def test_an_upgrade_under_load_loses_nothing(office: Office, newer_package: Path) -> None:
    """A newer package that is installed while documents are under way takes over, and each goes once."""
    office.sandbox.play([{"match": {"path": "*"}, "do": {"delay_s": 0.2}}])
    office.start()
    office.drop(45)
    until(lambda: len(office.sandbox.ledger) >= 3, 60, office.told)
    office.machine.run("dpkg", "-i", newer_package)
    assert office.property("ActiveState") == "active"
    office.drop(15)
    office.prove()


def test_removed_and_purged_it_leaves_documents_alone(office: Office, package: Path) -> None:
    """Removal stops the service; a purge takes the configuration. Documents and journal stay, and a new install goes on."""
    office.start()
    office.drop(9)
    office.prove()
    office.machine.run("dpkg", "-r", "hotfolder")
    assert office.machine.run("pgrep", "-u", "hotfolder", check=False).stdout == ""
    assert office.machine.run("test", "-e", "/opt/hotfolder", check=False).returncode == 1
    office.drop(3)
    office.machine.run("dpkg", "-P", "hotfolder")
    assert office.machine.run("test", "-e", "/etc/hotfolder", check=False).returncode == 1
    assert office.filed().total() == 9
    assert len(office.lying()) == 3
    office.machine.run("dpkg", "-i", package)
    office.move_in()
    office.start()
    office.prove()
    assert office.queue("invoices")["counts"]["done"] == 4, "the journal was kept"


def test_instances_have_a_journal_and_a_configuration_each(office: Office) -> None:
    """Two instances of the template unit deliver beside each other, and each is found by its configuration."""
    text = office.machine.read("/etc/hotfolder/config.yaml")
    for name in ("north", "south"):
        own = text.replace("state_dir: /var/lib/hotfolder", f"state_dir: /var/lib/hotfolder/{name}")
        office.machine.write(
            f"/etc/hotfolder/{name}.yaml", own.replace(TOP, f"{TOP}/{name}"), 0o640, "root:hotfolder"
        )
        office.drop_in(
            "office",
            "[Service]\nLoadCredential=docdigitizer-api-key:/etc/hotfolder/docdigitizer-api-key\n",
            f"hotfolder@{name}.service",
        )
        for queue in ("invoices", "receipts", "contracts"):
            office.make_folder(f"{name}/{queue}")
        office.machine.run("systemctl", "enable", "--now", f"hotfolder@{name}")
    office.drop(4, ("north/invoices", "south/receipts"))
    done = [f"{TOP}/north/invoices/done", f"{TOP}/south/receipts/done"]
    until(lambda: all(len(list(office.machine.reach(d).glob("*.json"))) == 2 for d in done), 60, office.told)
    for name in ("north", "south"):
        told = office.machine.run("hotfolder", "-c", f"/etc/hotfolder/{name}.yaml", "status", "--json").stdout
        assert '"done": 2' in told
        audit = office.machine.run("hotfolder", "-c", f"/etc/hotfolder/{name}.yaml", "audit", "--json")
        assert json.loads(audit.stdout) == {"problems": []}
    assert office.taken() == office.dropped
