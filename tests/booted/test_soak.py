"""Two thousand documents through the installed service, counted and measured as in the long soak."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.booted import Booted
from benchmarks.place import ledger, sandbox, until
from benchmarks.soak import BROKEN, FAULTS, QUIET_WITHIN_S, Soak, scenario, sums
from benchmarks.usage import exceeded
from tests.booted.machine import Machine

DOCUMENTS, WARM_AFTER = 2_000, 1_000


@pytest.fixture
def origin(tmp_path: Path) -> Iterator[str]:
    """Three services that fail in every way, now and then."""
    with sandbox(scenario(tmp_path, FAULTS)) as address:
        yield address


@pytest.mark.timeout(900)  # half a minute on an idle machine
def test_two_thousand_documents(machine: Machine, package: Path, origin: str) -> None:
    """Each is filed once and taken once, or says otherwise; nothing grows, little is logged, and the figures are right."""
    machine.run("dpkg", "-i", package)
    soak = Soak(Booted(machine), origin, "INFO")
    soak.start()
    soak.run_through(DOCUMENTS, None)
    until(soak.quiet, QUIET_WITHIN_S, soak.unquiet)
    soak.sample()
    soak.scrape()
    soak.home.end()

    found = sums(soak, ledger(origin))
    assert (found["dropped"], found["done"]) == (DOCUMENTS, DOCUMENTS)
    assert {name: found[name] for name in BROKEN} == dict.fromkeys(BROKEN, 0)
    assert exceeded(soak.samples, WARM_AFTER) == []
    assert {sample.life for sample in soak.samples} == {1}
    assert soak.scrapes[-1].filed == DOCUMENTS
    assert soak.scrapes[-1].series <= soak.scrapes[0].series + 10, "labels are bounded"
    assert soak.home.notes()["result"] == "success"
