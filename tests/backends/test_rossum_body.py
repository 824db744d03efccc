"""Rossum's other form of upload, the document as the request's body, keeps the contract as well."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hotfolder.backends import open_backend
from hotfolder.backends.base import Backend
from hotfolder.sandbox.server import SandboxServer
from tests.backends.contract import NAMES, Taken, World
from tests.backends.parcels import KNOWN, parcel, rossum
from tests.backends.service_contract import Expected, ServiceContract, check_outcome
from tests.backends.test_rossum import SPECIFIED

Connect = Callable[..., Backend]
PRESENT = "document \N{WRAPPED PRESENT}.pdf"
"""The name of the specification's example."""
IN_THE_HEADER = {"encoding": "body", "path": "/uploads?queue={queue_id}"}


@pytest.fixture
def connect(sandbox: SandboxServer) -> Iterator[Connect]:
    """Make backends that send raw bodies, with other settings."""
    opened: list[Backend] = []

    def make(**changes: Any) -> Backend:
        opened.append(open_backend(rossum(sandbox.rossum_url, **{"upload": {"encoding": "body"}, **changes})))
        return opened[-1]

    yield make
    for backend in opened:
        backend.close()


class TestRossumBody(ServiceContract):
    """The contract against the sandbox's Rossum, with raw bodies."""

    service = "rossum"
    upload_path = "*/uploads/*"
    secret = KNOWN.rossum_password

    @pytest.fixture
    def world(self, sandbox: SandboxServer, connect: Connect) -> World:
        """A logged-out backend and the sandbox's ledger."""
        return World(
            connect(),
            lambda: [Taken(one.file_name, one.sha256) for one in sandbox.ledger.entries],
            lambda: self.strike(sandbox, reset="after_commit"),
            queue_id="8236",
        )

    @pytest.mark.parametrize(("status", "expected"), SPECIFIED)
    def test_specified_status(
        self, world: World, sandbox: SandboxServer, status: int, expected: Expected
    ) -> None:
        """Every status of the Upload API has the outcome and the record that the product promises."""
        self.strike(sandbox, status=status)
        with pytest.raises(expected.kind) as raised:
            world.backend.upload(world.parcel())
        check_outcome(raised.value, status, expected)
        assert world.taken() == []


@pytest.mark.parametrize(
    ("upload", "target"),
    [
        ({"encoding": "body"}, "/uploads/document%20%F0%9F%8E%81.pdf?queue=8236"),
        (IN_THE_HEADER, "/uploads?queue=8236"),
        ({}, "/uploads?queue=8236"),
    ],
)
def test_the_specifications_own_name(
    sandbox: SandboxServer, connect: Connect, upload: dict[str, str], target: str
) -> None:
    """The name of the specification's example arrives in the path, in the header and in the form."""
    connect(upload=upload).upload(parcel(name=PRESENT))
    (entry,) = sandbox.ledger.entries
    assert entry.file_name == PRESENT
    assert entry.media_type == "application/pdf"
    assert sandbox.ledger.requests[-1].target == "/rossum/api/v1" + target


@pytest.mark.parametrize("name", NAMES)
def test_names_in_the_header(sandbox: SandboxServer, connect: Connect, name: str) -> None:
    """Where the path has no place for it, any name travels in a header of the request."""
    connect(upload=IN_THE_HEADER).upload(parcel(name=name))
    assert [one.file_name for one in sandbox.ledger.entries] == [name]


def test_a_name_in_the_query_is_none(sandbox: SandboxServer, connect: Connect) -> None:
    """Rossum reads the name in the path or in the header, nowhere else."""
    upload = {"encoding": "body", "path": "/uploads?queue={queue_id}&origin={name}"}
    connect(upload=upload).upload(parcel(name="a b.pdf"))
    assert [one.file_name for one in sandbox.ledger.entries] == ["a b.pdf"]
