"""What all tests share: invented journeys are made in `tests/builders.py`, real folders here."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from loguru import logger

from hotfolder import spool
from hotfolder.journal import Journal
from tests.secrecy import no_secret_is_told

__all__ = ["no_secret_is_told"]

# How long one example takes says nothing on a machine that runs several tests at once.
settings.register_profile("hotfolder", deadline=None)
settings.load_profile("hotfolder")


@pytest.fixture(autouse=True, scope="session")
def _lease_signal() -> None:
    """A lease that is broken in the instant it is held raises SIGIO; the program ignores it too."""
    signal.signal(signal.SIGIO, signal.SIG_IGN)


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[spool.Folders]:
    """An open drop folder with its work folder."""
    drop = tmp_path / "invoices"
    drop.mkdir()
    opened = spool.Folders(str(drop))
    yield opened
    opened.close()


@pytest.fixture
def drop_path(folders: spool.Folders) -> Path:
    """The path of the drop folder."""
    return Path(folders.path)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal of its own for each test."""
    state = tmp_path / "state"
    state.mkdir()
    opened = Journal(state)
    yield opened
    opened.close()


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """What is logged from INFO on while the test runs, each line with its level first."""
    lines: list[str] = []
    sink = logger.add(lambda line: lines.append(str(line)), level="INFO", format="{level} {message}")
    yield lines
    logger.remove(sink)
