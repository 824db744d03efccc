"""Rossum is asked whether it has a document: by the mark, then by the name, never by guessing."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest

from hotfolder.backends import rossum_search
from hotfolder.backends.base import CannotTell, Unavailable
from hotfolder.backends.rossum import Rossum
from hotfolder.sandbox.options import SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from tests.backends.parcels import parcel, rossum

Connect = Callable[..., Rossum]


@pytest.fixture
def connect(sandbox: SandboxServer) -> Iterator[Connect]:
    """Make backends with other settings."""
    opened: list[Rossum] = []

    def make(now: Callable[[], float] | None = None, **changes: Any) -> Rossum:
        connection = rossum(sandbox.rossum_url, **changes)
        opened.append(Rossum(connection, now) if now else Rossum(connection))
        return opened[-1]

    yield make
    for backend in opened:
        backend.close()


def test_found_by_mark_among_namesakes(sandbox: SandboxServer, connect: Connect) -> None:
    """Of twenty documents of one name the one with the mark is found, over several pages."""
    backend = connect()
    sent = [parcel() for _ in range(120)]
    for one in sent:
        backend.upload(one)
    found = backend.find(sent[-1], sandbox.ledger.entries[0].arrived_at)
    assert found is not None
    assert found.document_ids == (sandbox.ledger.entries[-1].ids["document"],)
    assert backend.find(parcel(), sandbox.ledger.entries[0].arrived_at) is None


@pytest.mark.parametrize("wanted", [0, 3, None])
def test_found_although_the_list_is_too_long(
    sandbox: SandboxServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, wanted: int | None
) -> None:
    """Where more has arrived than is looked through, the first pages or the name still find it; else nobody can tell."""
    monkeypatch.setattr(rossum_search, "PAGES_MAX", 1)
    monkeypatch.setattr(rossum_search, "PAGE", 2)
    backend = connect()
    sent = [parcel(name=f"{number}.pdf") for number in range(5)]
    for one in sent:
        backend.upload(one)
    since = sandbox.ledger.entries[0].arrived_at
    if wanted is None:
        with pytest.raises(CannotTell, match="more than 2"):
            backend.find(parcel(name="none.pdf"), since)
        return
    found = backend.find(sent[wanted], since)
    assert found is not None
    assert found.document_ids == (sandbox.ledger.entries[wanted].ids["document"],)


def test_listing_takes_one_queue_and_no_more_than_asked_for(sandbox: SandboxServer, connect: Connect) -> None:
    """Of two queues one is listed, the newest first, in a page of the size that is asked for."""
    sandbox.world.options = SandboxOptions(rossum_queues=(8236, 8237))
    backend = connect()
    for number in range(6):
        backend.upload(parcel(name=f"{number}.pdf", queue_id="8237" if number % 2 else "8236"))
    assert [one.name for one in backend.documents("8237", 2)] == ["5.pdf", "3.pdf"]
    asked = [line.query for line in sandbox.ledger.requests if line.path.endswith("/annotations")]
    assert [parse_qs(query)["page_size"] for query in asked] == [["2"]]


def test_found_by_name_without_mark(sandbox: SandboxServer, connect: Connect) -> None:
    """A document whose mark is gone is found by its name if there is one; two of that name cannot be told."""
    backend = connect(upload={"encoding": "body"})
    sent = parcel(name='with "quotes".pdf')
    backend.upload(sent)
    since = sandbox.ledger.entries[0].arrived_at
    found = backend.find(sent, since)
    assert found is not None
    assert found.document_ids == (sandbox.ledger.entries[0].ids["document"],)
    backend.upload(parcel(name='with "quotes".pdf'))
    with pytest.raises(CannotTell, match="2 documents"):
        backend.find(sent, since)


def test_document_without_annotation_is_not_adopted(
    sandbox: SandboxServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A namesake that no annotation explains is asked for again while young by Rossum's clock, then left to people."""
    sandbox.play([{"match": {"path": "*/uploads*"}, "do": {"fate": "no_annotation"}}])
    backend = connect()
    backend.upload(parcel())
    since = sandbox.ledger.entries[0].arrived_at
    for one in (backend, connect(now=lambda: since + 3600.0)):
        with pytest.raises(Unavailable, match="yet"):
            one.find(parcel(), since)
    monkeypatch.setattr(rossum_search, "IMPORT_S", -10.0)
    with pytest.raises(CannotTell):
        backend.find(parcel(), since)


def test_no_right_to_look(sandbox: SandboxServer, connect: Connect) -> None:
    """A user who may upload but not look cannot be told anything."""
    sandbox.play([{"match": {"method": "GET"}, "do": {"status": 403}}])
    with pytest.raises(CannotTell):
        connect().find(parcel(), 0.0)
