"""What the tests in a booted systemd share: the package, built once, and an office with a machine of its own."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotfolder.sandbox.server import SandboxServer
from tests.booted.machine import Machine, missing
from tests.booted.office import Office
from tests.booted.package import built


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all that needs a machine."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.booted)


@pytest.fixture(autouse=True)
def no_secret_is_told() -> None:
    """The disk of a machine is too much to be searched each time; the same program is searched outside of it."""


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of this run's packages."""
    if (lacking := missing(tmp_path_factory.mktemp("system"))) is not None:
        reason = f"{lacking}: the program was NOT tried under systemd"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "packages"


@pytest.fixture
def package(packages: Path) -> Path:
    """The package of the program as it is in this tree."""
    return built(packages, "0.1.0")


@pytest.fixture
def newer_package(packages: Path) -> Path:
    """The same program under a higher version."""
    return built(packages, "0.1.1")


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """The three services, outside of the machine: their ledger outlives it."""
    with SandboxServer() as server:
        yield server


@pytest.fixture
def machine(tmp_path: Path, packages: Path) -> Iterator[Machine]:
    """A machine with nothing installed."""
    del packages  # says what is missing
    with Machine(tmp_path / "machine") as made:
        yield made


@pytest.fixture
def office(machine: Machine, package: Path, sandbox: SandboxServer) -> Office:
    """A machine with the package installed, an account at each service, a queue for each, and nothing started."""
    machine.run("dpkg", "-i", package)
    made = Office(machine, sandbox)
    made.move_in()
    return made
