"""Archives."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def done(drop_path: Path) -> Path:
    """The archive."""
    return drop_path / "done"


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """An archive on another file system."""
    shm = Path("/dev/shm")
    if not os.access(shm, os.W_OK) or shm.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("no second file system at /dev/shm")
    path = Path(tempfile.mkdtemp(dir=shm))
    yield path
    shutil.rmtree(path)
