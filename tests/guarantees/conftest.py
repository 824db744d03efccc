import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guarantees.plant import Ground, ground


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
