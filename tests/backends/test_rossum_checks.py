"""What a queue wants to send is held against Rossum's rules before the first document."""

from contextlib import closing
from typing import Any

import pytest

from hotfolder.backends import open_backend
from hotfolder.backends.base import JPEG, PDF, PNG, TIFF, Unauthorized, Wanted
from hotfolder.backends.rossum_checks import METADATA_BYTES, filtered_out, metadata, unsent
from hotfolder.sandbox.options import SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from tests.backends.parcels import rossum

ALL = frozenset({PDF, JPEG, PNG, TIFF})


@pytest.mark.parametrize(
    ("accepted", "missing"),
    [
        ([], []),
        (["*/*"], []),
        (["application/*", "image/*"], []),
        (["application/pdf", " Image/JPEG "], [PNG, TIFF]),
        (["image/*"], [PDF]),
        (["text/html"], [PDF, JPEG, PNG, TIFF]),
    ],
)
def test_types_that_the_queue_leaves_out(accepted: list[str], missing: list[str]) -> None:
    """Each type that the queue's globs do not match is named, and it is bad."""
    found = filtered_out(Wanted("8236", ALL), accepted)
    assert [one.ok for one in found] == [False] * bool(missing)
    assert all(f"leave out {', '.join(sorted(missing))};" in one.text for one in found)


def test_a_type_that_is_not_sent_may_be_left_out() -> None:
    """A queue that sends PDFs alone may feed one that accepts PDFs alone."""
    assert filtered_out(Wanted("8236", frozenset({PDF})), [PDF]) == []


@pytest.mark.parametrize(
    ("size", "verdicts"), [(3000, []), (4000, []), (4001, [True]), (4096, [True]), (4097, [False])]
)
def test_long_metadata(size: int, verdicts: list[bool]) -> None:
    """Metadata that Rossum may refuse is told, and is bad where every document would be refused; bytes count."""
    room = size - len(metadata({"n": ""}, "u" * 36, "s" * 64))
    own = {"n": "č" * (room // 2) + "x" * (room % 2)}
    assert [one.ok for one in unsent(Wanted("1", ALL, own), raw=False)] == verdicts
    assert METADATA_BYTES == 4096


def test_values_without_their_prefix() -> None:
    """A value that no schema can refer to is named."""
    (found,) = unsent(Wanted("1", ALL, {}, {"upload:unit": 1, "unit": 2}), raw=False)
    assert found.ok
    assert found.text.endswith(": unit")
    assert unsent(Wanted("1", ALL, {}, {"upload:unit": 1}), raw=False) == []


@pytest.mark.parametrize("wanted", [Wanted("1", ALL, {"a": 1}), Wanted("1", ALL, {}, {"upload:a": 1})])
def test_raw_bodies_carry_neither(wanted: Wanted) -> None:
    """With raw bodies, metadata and values would pause the queue at its first document."""
    assert [one.ok for one in unsent(wanted, raw=True)] == [False]
    assert unsent(Wanted("1", ALL), raw=True) == []


@pytest.mark.parametrize("auth", ["login", "basic"])
def test_the_queue_is_asked_what_it_accepts(sandbox: SandboxServer, auth: Any) -> None:
    """The types are those of the service's queue; with basic credentials nobody can look."""
    sandbox.world.options = SandboxOptions(rossum_accepted_mime_types=("image/*",))
    wanted = Wanted("8236", ALL, {}, {"unit": 2})
    with closing(open_backend(rossum(sandbox.rossum_url, auth=auth))) as backend:
        found = backend.check_wanted(wanted)
        assert [one.ok for one in found] == [False, True][auth == "basic" :]
        assert len(backend.check_wanted(Wanted("1", ALL))) == 0, (
            "that there is no such queue is said elsewhere"
        )


def test_a_queue_that_cannot_be_asked(sandbox: SandboxServer) -> None:
    """Refused credentials are no finding but an error, as for a document."""
    sandbox.play([{"match": {"path": "*/queues/*"}, "do": {"status": 403}}])
    with closing(open_backend(rossum(sandbox.rossum_url))) as backend, pytest.raises(Unauthorized):
        backend.check_wanted(Wanted("8236", ALL))
