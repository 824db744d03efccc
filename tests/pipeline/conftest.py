"""What the tests of the pipeline share."""

from pathlib import Path
from typing import Any

import pytest

from hotfolder.journal import Journal
from tests.pipeline.workshop import Guarded, Opening, Workshop


@pytest.fixture
def workshop(tmp_path: Path, journal: Journal) -> Opening:
    """Make a pipeline; words are the backend, or settings of the queue."""
    top = tmp_path / "drop"
    top.mkdir()

    def make(backend: Guarded | None = None, **queue: Any) -> Workshop:
        return Workshop(top, journal, backend or Guarded(), **queue)

    return make
