"""What every backend must do, and what every backend that speaks HTTP must do besides."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import pytest

from hotfolder.backends.base import (
    Backend,
    ContentChanged,
    Parcel,
    Receipt,
    Uncertain,
)
from tests.backends.parcels import CONTENT, parcel, zeros

NAMES = [
    "faktura č. 12/2026.pdf".replace("/", "-"),
    'a "quoted" name.pdf',
    "a;b=c, d & e.pdf",
    "back\\slash.pdf",
    "e\u0301 and \u00e9.pdf",
    "🎁.pdf",
    "%22 stays.pdf",
    "n" * 251 + ".pdf",
    "€" * 83 + "ab.pdf",
]


@dataclass(frozen=True)
class Taken:
    """A document as the service got it."""

    name: str | None
    sha256: str


@dataclass(frozen=True)
class World:
    """A backend and the service that it speaks to."""

    backend: Backend
    taken: Callable[[], list[Taken]]
    lose_answer: Callable[[], None]
    """Let the service take the next document and its answer be lost."""
    queue_id: str | None

    def parcel(self, content: bytes = CONTENT, **changes: Any) -> Parcel:
        """Make a parcel for the service's queue."""
        return parcel(content, **{"queue_id": self.queue_id} | changes)


def finished(backend: Backend, receipt: Receipt, sent: Parcel) -> Receipt:
    """Follow up until the receipt is final; a service that needs more than ten questions fails the test."""
    for _ in range(10):
        if receipt.final:
            return receipt
        receipt = backend.follow_up(receipt, sent)
    pytest.fail(f"not final after ten questions: {receipt}")


class BackendContract:
    """Inherit, and give a fixture `world`."""

    def test_takes_a_document_once_and_whole(self, world: World) -> None:
        """One upload is one document, byte for byte, under its name."""
        sent = world.parcel(b"x" * 700_001, name="big.pdf")
        world.backend.upload(sent)
        assert world.taken() == [Taken("big.pdf", sent.sha256)]

    def test_final_receipt_names_the_document(self, world: World) -> None:
        """Asked often enough, an accepted document is final and has an id."""
        sent = world.parcel()
        receipt = finished(world.backend, world.backend.upload(sent), sent)
        assert receipt.document_ids
        assert 200 <= receipt.status < 300

    def test_lists_what_it_took(self, world: World) -> None:
        """The service's documents can be listed, no more of them than asked for, with our mark where it keeps one."""
        sent = [world.parcel(bytes([number]) * 9, name=f"{number}.pdf") for number in range(3)]
        for one in sent:
            finished(world.backend, world.backend.upload(one), one)
        listed = list(world.backend.documents(world.queue_id, 10))
        assert {one.name for one in listed} == {"0.pdf", "1.pdf", "2.pdf"}
        assert len({one.number for one in listed}) == 3
        marks = {one.upload_id for one in listed}
        assert marks == ({one.upload_id for one in sent} if world.backend.traits.keeps_mark else {None})
        assert len(list(world.backend.documents(world.queue_id, 2))) == 2

    def test_final_receipt_stays_as_it_is(self, world: World) -> None:
        """A question about a final receipt changes nothing."""
        sent = world.parcel()
        receipt = finished(world.backend, world.backend.upload(sent), sent)
        assert world.backend.follow_up(receipt, sent) == receipt

    @pytest.mark.parametrize("size", [1, 2, 3, 255, 262_144, 262_145, 1_048_577])
    def test_sizes(self, world: World, size: int) -> None:
        """Documents of every size arrive, also where pieces, groups of base64 and joined bodies end."""
        sent = world.parcel(bytes(i % 251 for i in range(size)), piece=1000)
        world.backend.upload(sent)
        assert [one.sha256 for one in world.taken()] == [sent.sha256]

    @pytest.mark.parametrize("name", NAMES)
    def test_names(self, world: World, name: str) -> None:
        """A document of any name arrives whole."""
        sent = world.parcel(name=name)
        world.backend.upload(sent)
        assert [one.sha256 for one in world.taken()] == [sent.sha256]

    def test_lost_answer_is_found(self, world: World) -> None:
        """A document whose answer was lost is uncertain, and found when the service is asked."""
        since = time.time()
        sent = world.parcel()
        world.lose_answer()
        with pytest.raises(Uncertain):
            world.backend.upload(sent)
        assert len(world.taken()) == 1
        found = world.backend.find(sent, since)
        assert found is not None
        assert finished(world.backend, found, sent).document_ids

    def test_time_is_told_before_a_document_goes_out(self, world: World) -> None:
        """Where documents are looked for by time, the service's clock is known first; it is this machine's here."""
        world.backend.learn_time()
        if world.backend.traits.finds_by_time:
            assert world.backend.ahead_s is not None
            assert abs(world.backend.ahead_s) < 60.0
        assert world.taken() == []

    def test_unsent_document_is_not_found(self, world: World) -> None:
        """A document that was never sent is a clear no."""
        world.backend.upload(world.parcel())
        assert world.backend.find(world.parcel(name="other.pdf"), time.time()) is None

    def test_namesake_is_no_hit(self, world: World) -> None:
        """Another upload's document of the same name is not taken for this one."""
        first = world.parcel()
        known = finished(world.backend, world.backend.upload(first), first).document_ids
        assert world.backend.find(world.parcel(), time.time(), frozenset(known)) is None

    def test_growing_file_is_not_sent(self, world: World) -> None:
        """Content longer than announced is a changed file, and nothing is taken."""
        with pytest.raises(ContentChanged):
            world.backend.upload(replace(world.parcel(), size_bytes=len(CONTENT) - 1))
        assert world.taken() == []

    @pytest.mark.parametrize("size", [1000, 3_000_000])
    def test_change_seen_at_the_end_is_not_sent(self, world: World, size: int) -> None:
        """A change that is noticed only after the last byte still stops the document."""

        def pieces() -> Iterator[bytes]:
            yield from zeros(size)()
            raise ContentChanged("the hash is another")

        with pytest.raises(ContentChanged, match="hash"):
            world.backend.upload(replace(world.parcel(), pieces=pieces, size_bytes=size))
        assert world.taken() == []

    def test_works_after_a_failure(self, world: World) -> None:
        """A failed upload leaves nothing behind that spoils the next."""
        with pytest.raises(ContentChanged):
            world.backend.upload(replace(world.parcel(), size_bytes=10_000_000))
        world.backend.upload(world.parcel())
        assert len(world.taken()) == 1

    def test_threads(self, world: World) -> None:
        """Eight threads send at once, and each document arrives once."""
        contents = [str(number).encode() * 1000 for number in range(40)]
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda content: world.backend.upload(world.parcel(content)), contents))
        assert sorted(one.sha256 for one in world.taken()) == sorted(sha256(c).hexdigest() for c in contents)

    def test_check_of_a_good_queue(self, world: World) -> None:
        """A queue that is there is reported as good."""
        findings = world.backend.check((world.queue_id,) if world.queue_id else ())
        assert all(finding.ok and finding.text for finding in findings)
