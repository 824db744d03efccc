"""What the tests of all backends share."""

from collections.abc import Iterator

import pytest

from hotfolder.sandbox.server import SandboxServer

pytest.register_assert_rewrite("tests.backends.contract", "tests.backends.service_contract")


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """The three services on loopback, new for each test."""
    with SandboxServer() as server:
        yield server
