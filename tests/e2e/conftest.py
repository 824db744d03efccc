"""What the tests of the whole program share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from hotfolder.sandbox.server import SandboxServer
from tests.e2e.harness import QUICK, Site, site


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """The three services."""
    with SandboxServer() as server:
        yield server


@pytest.fixture
def place(tmp_path: Path, sandbox: SandboxServer) -> Iterator[Site]:
    """Three queues that settle quickly and have little patience."""
    with site(tmp_path, sandbox, keys=QUICK) as found:
        yield found
