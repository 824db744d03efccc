"""Drop folders for the tests of listening."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A drop folder."""
    path = tmp_path / "in"
    path.mkdir()
    return path


@pytest.fixture
def nobodys() -> Iterator[Path]:
    """A drop folder that belongs to a user without privileges, where that user can reach it."""
    with tempfile.TemporaryDirectory(prefix="hotfolder-nobodys-") as top:
        os.chmod(top, 0o711)
        path = Path(top) / "in"
        path.mkdir()
        if os.geteuid() == 0:
            os.chown(path, 65534, 65534)
        yield path
