"""A service in this process: keeps what it is sent, fails on request; for tests and dry runs."""

from collections import deque
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from threading import Lock
from typing import ClassVar

from hotfolder.backends.base import (
    JPEG,
    PDF,
    PNG,
    TIFF,
    Backend,
    CannotTell,
    ContentChanged,
    Finding,
    Listed,
    Parcel,
    Receipt,
    Refused,
    Traits,
    Uncertain,
)
from hotfolder.model import Answer, Remote


@dataclass(frozen=True, slots=True)
class Kept:
    """A document that was taken."""

    number: str
    upload_id: str
    queue_id: str | None
    name: str
    size_bytes: int
    sha256: str


class Memory(Backend):
    """Takes every document, says its final word after `asks` questions."""

    traits: ClassVar[Traits] = Traits(
        "memory", frozenset({PDF, JPEG, PNG, TIFF}), None, needs_queue_id=False, follows_up=True
    )

    def __init__(self, asks: int = 0) -> None:
        self.tells = True
        """False: `find` cannot tell."""
        self._asks = asks
        self._lock = Lock()
        self._kept: dict[str, Kept] = {}
        self._asked: dict[str, int] = {}
        self._before: deque[Exception] = deque()
        self._after: deque[Exception] = deque()
        self.closed = False

    @property
    def kept(self) -> list[Kept]:
        """What was taken, in order."""
        with self._lock:
            return list(self._kept.values())

    def fail(self, error: Exception, *, taken: bool = False) -> None:
        """Let the next upload fail; with `taken`, after the document was kept: the lost answer."""
        (self._after if taken else self._before).append(error)

    def upload(self, parcel: Parcel) -> Receipt:
        """Keep one document."""
        self._raise(self._before)
        digest, size = sha256(), 0
        for piece in parcel.pieces():
            digest.update(piece)
            size += len(piece)
        if size != parcel.size_bytes:
            raise ContentChanged(f"{parcel.name!r} is not {parcel.size_bytes} bytes long any more")
        kept = self._keep(parcel, digest.hexdigest(), size)
        self._raise(self._after)
        return self._receipt(kept)

    def follow_up(self, receipt: Receipt, parcel: Parcel) -> Receipt:
        """Count the question; the last one gets the final word."""
        del parcel
        if receipt.final or receipt.remote.task is None:
            return receipt
        with self._lock:
            number = receipt.remote.task
            if number not in self._kept:
                raise Uncertain("the memory does not know this document any more", status=404)
            self._asked[number] = self._asked.get(number, 0) + 1
            return self._final(receipt) if self._asked[number] >= self._asks else receipt

    def find(self, parcel: Parcel, since: float, known: Container[str] = ()) -> Receipt | None:
        """Look for the upload's id."""
        del since, known
        if not self.tells:
            raise CannotTell("the memory was told not to tell")
        found = next((one for one in self.kept if one.upload_id == parcel.upload_id), None)
        return self._receipt(found) if found else None

    def check(self, queue_ids: tuple[str, ...]) -> list[Finding]:
        """Find every queue good."""
        return [Finding(ok=True, text=f"queue {one} exists") for one in queue_ids]

    def documents(self, queue_id: str | None, limit: int) -> Iterator[Listed]:
        """List what was taken for a queue, the newest first."""
        mine = [one for one in reversed(self.kept) if one.queue_id == queue_id]
        return iter([Listed(one.number, one.name, upload_id=one.upload_id) for one in mine[:limit]])

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True

    def _raise(self, errors: deque[Exception]) -> None:
        with self._lock:
            if errors:
                raise errors.popleft()

    def _keep(self, parcel: Parcel, digest: str, size: int) -> Kept:
        with self._lock:
            same = (one for one in self._kept.values() if (one.name, one.sha256) == (parcel.name, digest))
            if parcel.reject_identical and any(same):
                raise Refused(Answer(409, "conflict", ("The service has an identical document.",)))
            kept = Kept(
                str(len(self._kept) + 1), parcel.upload_id, parcel.queue_id, parcel.name, size, digest
            )
            self._kept[kept.number] = kept
            return kept

    def _receipt(self, kept: Kept) -> Receipt:
        receipt = Receipt(202, final=False, remote=Remote(task=kept.number))
        return receipt if self._asks else self._final(receipt)

    def _final(self, receipt: Receipt) -> Receipt:
        number = receipt.remote.task or ""
        remote = replace(receipt.remote, documents=(number,), status="kept")
        return replace(receipt, final=True, document_ids=(number,), remote=remote)
