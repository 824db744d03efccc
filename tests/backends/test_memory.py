"""The in-memory backend keeps the contract."""

import pytest

from hotfolder.backends.base import CannotTell, Refused, Unavailable, Uncertain
from hotfolder.backends.memory import Memory
from tests.backends.contract import BackendContract, Taken, World
from tests.backends.parcels import parcel


class TestMemory(BackendContract):
    """The contract, with two questions before the final word."""

    @pytest.fixture
    def world(self) -> World:
        """A memory of its own for each test."""
        backend = Memory(asks=2)
        return World(
            backend,
            lambda: [Taken(one.name, one.sha256) for one in backend.kept],
            lambda: backend.fail(Uncertain("lost"), taken=True),
            queue_id=None,
        )


def test_fails_on_request() -> None:
    """A failure that was asked for comes once, before anything is kept."""
    memory = Memory()
    memory.fail(Unavailable("asked for"))
    with pytest.raises(Unavailable, match="asked for"):
        memory.upload(parcel())
    assert memory.kept == []
    assert memory.upload(parcel()).final


def test_refuses_identical_documents_if_asked() -> None:
    """`reject_identical` refuses the same name with the same content, nothing else."""
    memory = Memory()
    memory.upload(parcel(reject_identical=True))
    memory.upload(parcel(reject_identical=True, name="other.pdf"))
    with pytest.raises(Refused):
        memory.upload(parcel(reject_identical=True))


def test_can_be_told_not_to_tell() -> None:
    """A memory that does not tell raises instead of saying no."""
    memory = Memory()
    memory.tells = False
    with pytest.raises(CannotTell):
        memory.find(parcel(), 0.0)
