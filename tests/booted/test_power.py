"""A machine that is restarted, or whose plug is pulled, while documents are under way."""

import pytest

from tests.booted.machine import until
from tests.booted.office import Office


@pytest.mark.parametrize("end", ["power_off", "switch_off"])
def test_rebooted_with_documents_in_flight(office: Office, end: str) -> None:
    """After a reboot the enabled service goes on by itself: each document was taken once and is filed once."""
    office.sandbox.play([{"match": {"path": "*", "method": "POST", "file": "*"}, "do": {"delay_s": 2.0}}])
    office.start()
    office.drop(36)
    until(lambda: len(office.sandbox.ledger) >= 12, 60, office.told)
    getattr(office.machine, end)()
    office.sandbox.play([])
    office.machine.boot()
    until(lambda: office.property("ActiveState") == "active", 60, office.told)
    office.drop(3)
    office.prove()
