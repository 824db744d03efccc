"""Credentials that change and disks that fill, under systemd."""

from dataclasses import replace

import pytest

from tests.booted.machine import until
from tests.booted.office import TOP, Office

SMALL = {"state": "/var/lib/hotfolder", "drop": f"{TOP}/invoices"}


def test_credentials_are_changed(office: Office) -> None:
    """A password that is changed in its file is taken without a restart, a systemd credential with one."""
    office.start()
    office.drop(3)
    office.prove()
    changed = {"digitoo_password": "new-digitoo-word", "docdigitizer_api_key": "new-api-key"}
    world = office.sandbox.world
    world.accept_only(replace(world.credentials, **changed))
    office.drop(6, ("receipts", "contracts"))
    for queue in ("receipts", "contracts"):
        until(lambda q=queue: office.queue(q).get("state") == "paused", 60, office.told)
    office.drop(2, ("invoices",))

    office.machine.write("/etc/hotfolder/digitoo-password", "new-digitoo-word", 0o640, "root:hotfolder")
    until(lambda: office.queue("receipts").get("state") == "active", 90, office.told)
    office.machine.write("/etc/hotfolder/docdigitizer-api-key", "new-api-key", 0o600)
    office.machine.run("systemctl", "restart", "hotfolder")
    office.prove()


@pytest.mark.parametrize("where", SMALL)
def test_a_disk_that_fills_and_is_freed(office: Office, where: str) -> None:
    """A full disk pauses what needs it and says so; once there is room again, all goes on by itself and goes once."""
    path = SMALL[where]
    owner = "uid=hotfolder,gid=hotfolder"
    office.machine.run("mkdir", "-p", path)
    office.machine.run("mount", "-t", "tmpfs", "-o", f"size=4m,mode=3770,{owner}", "tmpfs", path)
    office.start()
    office.drop(3)
    office.prove()
    # Documents lie there already when the disk is filled to its last block.
    office.sandbox.play([{"match": {"path": "*", "method": "POST", "file": "*"}, "do": {"delay_s": 3.0}}])
    office.drop(6, ("invoices",))
    until(lambda: len(office.sandbox.ledger) >= 3, 60, office.told)
    office.machine.run("sh", "-c", f"cat /dev/zero > {path}/.filling; true")
    office.sandbox.play([])
    until(lambda: office.queue("invoices").get("state") == "paused", 90, office.told)
    reason = office.queue("invoices")["reason"]
    assert "full" in reason or "space" in reason
    assert office.property("ActiveState") == "active"
    office.machine.run("rm", f"{path}/.filling")
    office.prove()
