import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotfolder.sandbox.server import SandboxServer
from tests.guarantees.plant import Ground, ground
from tests.guarantees.services import sandbox_of


@pytest.fixture(autouse=True)
def no_secret_is_told() -> None:
    """Thousands of examples say too much to be searched each time; the same code is searched in the other tests."""


@pytest.fixture(scope="module")
def base() -> Iterator[Ground]:
    """A ground in memory: an example syncs some hundred times."""
    shared = Path("/dev/shm")
    top = Path(tempfile.mkdtemp(prefix="hotfolder-", dir=shared if os.access(shared, os.W_OK) else None))
    try:
        with ground(top) as made:
            yield made
    finally:
        shutil.rmtree(top)


@pytest.fixture(scope="module")
def sandbox(base: Ground) -> Iterator[SandboxServer]:
    """A sandbox in the time of the ground."""
    with sandbox_of(lambda: base.clock) as shared:
        yield shared
