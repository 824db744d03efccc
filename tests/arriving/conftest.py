"""One daemon with its file servers, and one office, for all tests of this folder that a worker runs."""

import os
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.arriving.office import Office, office
from tests.arriving.room import Room, Spot, room


@pytest.fixture(scope="session")
def shared() -> Iterator[Room]:
    """The daemon, the services and the file servers."""
    with tempfile.TemporaryDirectory(prefix="hotfolder-arriving-", ignore_cleanup_errors=True) as top:
        os.chmod(top, 0o711)  # servers go there as other users, whom pytest's own folders keep out
        with room(Path(top)) as made:
            yield made


@pytest.fixture
def spot_for(shared: Room, tmp_path: Path) -> Callable[[str, str], Spot]:
    """Makes the spot of a document, by its queue and its name."""
    return lambda queue, name: Spot(shared, queue, name, zlib.crc32(name.encode()), tmp_path)


@pytest.fixture(scope="session")
def staffed() -> Iterator[Office]:
    """An office with all servers, whose daemon runs."""
    with tempfile.TemporaryDirectory(prefix="hotfolder-office-", ignore_cleanup_errors=True) as top:
        os.chmod(top, 0o711)
        with office(Path(top)) as made:
            made.start()
            yield made
            assert made.stop() == 0
