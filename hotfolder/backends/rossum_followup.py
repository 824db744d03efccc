"""Ask Rossum how an accepted document fares: task → upload → documents and annotations, one thing after the other."""

import time
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import inf
from threading import Lock
from typing import IO, Any
from urllib.parse import quote, urlencode, urlsplit

from hotfolder.backends import rossum_batch
from hotfolder.backends import rossum_objects as objects
from hotfolder.backends.answers import Reply, clean
from hotfolder.backends.base import PROCESSED, DeliveryError, Parcel, Receipt, Uncertain
from hotfolder.backends.channel import NOT_THERE, Channel
from hotfolder.backends.findings import Findings, Sink
from hotfolder.backends.moments import iso
from hotfolder.backends.paths import as_text, last_segment, numbers_of, texts
from hotfolder.backends.policy import Judge
from hotfolder.model import Remote

ASKED_AT_ONCE = 100
"""Largest page (API docs, pagination), and so the most annotations that one question covers."""
SEE_OTHER, MISSING = 303, 404
FRESH, FRESH_S = 16, 1.0
"""How many answers about requests of several documents are kept, and for how long: the first wait between two looks."""
LEFT_OUT_ADVICE = (
    "Check the queue's `accepted_mime_types` at Rossum and that the document opens; then drop it again."
)


class FollowUp:
    """The questions about one account's accepted documents."""

    def __init__(self, channel: Channel, judge: Judge) -> None:
        self._channel = channel
        self._judge = judge
        self._recent = _Recent()

    def ask(self, receipt: Receipt, parcel: Parcel) -> Receipt:
        """Ask for what is not known yet, as far as the annotations; raises as `Backend.follow_up` does."""
        if receipt.remote.annotations:
            return self._told(self.ask_many([(receipt, parcel)])[0])
        if receipt.remote.upload is None and not receipt.remote.annotations:
            receipt = replace(receipt, remote=self._after_task(receipt.remote))
        if receipt.remote.upload is not None:
            receipt = self._after_upload(receipt, parcel)
        # How its annotations fare is the next question, which is one for many documents.
        return _named(receipt)

    def ask_many(self, asked: Sequence[tuple[Receipt, Parcel]]) -> list[Receipt | DeliveryError]:
        """Ask how the known annotations of documents fare, a hundred with one request."""
        numbers = list(dict.fromkeys(number for one, _ in asked for number in _numbers(one)))
        found = _Found()
        for start in range(0, len(numbers), ASKED_AT_ONCE):
            page = numbers[start : start + ASKED_AT_ONCE]
            try:
                document = self._channel.get(f"/annotations?{_ids(tuple(page))}&sideload=documents").document
            except DeliveryError as error:
                found.failed.update(dict.fromkeys(page, error))
            else:
                found.annotations += objects.listed(document)
                found.documents += objects.listed(document, "documents")
        alone = len(asked) == 1
        return [self._of(found if alone else found.only(one), one, parcel) for one, parcel in asked]

    def results(self, remote: Remote, into: IO[bytes]) -> bool:
        """Write the content of a document's annotations as JSON, each answer as it came; False where there is none."""
        found = Findings(into, self._judge.secrets, "content", iso(self._judge.now()))
        there = found.each("annotations", [partial(self._poured, one) for one in _own_numbers(remote)])
        found.nothing("reviews")
        found.end()
        return there > 0

    def _poured(self, number: str, into: Sink) -> bool:
        return self._channel.pour(f"/annotations/{quote(number, safe='')}/content", into)

    def _of(self, found: "_Found", receipt: Receipt, parcel: Parcel) -> Receipt | DeliveryError:
        for number in _numbers(receipt):
            if (error := found.failed.get(number)) is not None:
                return error
        try:
            told = self.judged(_named(receipt), found.annotations, found.documents)
            waits = parcel.wait_for == PROCESSED and not told.rejected
            return self._to_the_end(told, found) if told.final and waits else told
        except DeliveryError as error:
            return error

    def _to_the_end(self, receipt: Receipt, found: "_Found") -> Receipt:
        """Judge an imported document by what people do with it; what they decide is a warning: the upload was good."""
        own = [one for one in found.annotations if _own(one, receipt.remote)] or found.annotations
        told = objects.statuses(own)
        if not set(told) <= objects.SETTLED:
            return replace(receipt, final=False)
        against = [status for status in told if status in objects.TURNED_DOWN]
        said = (
            f"Rossum imported it, and later its status is {clean(one, self._judge.secrets)}"
            for one in against
        )
        return replace(receipt, warnings=(*receipt.warnings, *said), rejected=bool(against))

    def _gone(self, receipt: Receipt) -> bool:
        """Ask for each annotation of an imported document that the list does not show any more."""
        ways = (f"/annotations/{quote(number, safe='')}" for number in _numbers(receipt))
        return all(self._channel.get(way).status == MISSING for way in ways)

    def _told(self, answer: Receipt | DeliveryError) -> Receipt:
        if isinstance(answer, DeliveryError):
            raise answer
        return answer

    def _after_task(self, remote: Remote) -> Remote:
        if remote.task is None:
            raise Uncertain("nothing is known of the document but that Rossum took it")
        path = f"/tasks/{quote(last_segment(remote.task), safe='')}?no_redirect=true"
        reply = self._look(path, remote, {SEE_OTHER, MISSING})
        if reply.status == MISSING:
            raise Uncertain(
                "Rossum has deleted the task of this upload (it keeps them for hours)", status=MISSING
            )
        if reply.status == SEE_OTHER and (upload := uploaded_at(reply.headers.get("location", ""))):
            # Something on the way drops `no_redirect`.
            return replace(remote, upload=upload, status="succeeded")
        self._judge.read(reply)  # any other redirect is a portal's or a proxy's
        remote = self._kept(remote, task=reply.document)
        status = reply.text("status")
        if status == "failed":
            words = texts(("detail",), reply.document, reply.headers)
            if remote.shared:
                told = clean("; ".join(words) or "no reason given", self._judge.secrets)
                said = "Rossum failed with the request of several documents that this one was part of"
                raise Uncertain(f"{said} ({told}), which may be another's fault")
            raise self._judge.failed_later(words, reply.text("code") or "import_failed", remote)
        if status != "succeeded":
            return replace(remote, status=status)
        upload = reply.text("content.upload", "result_url")
        if upload is None:
            raise Uncertain("Rossum's task succeeded but does not say with what", status=reply.status)
        return replace(remote, upload=upload, status=status)

    def _after_upload(self, receipt: Receipt, parcel: Parcel) -> Receipt:
        remote = receipt.remote
        reply = self._look(f"/uploads/{quote(last_segment(remote.upload or ''), safe='')}", remote)
        if reply.status == MISSING:
            raise Uncertain("Rossum does not know this upload any more", status=MISSING)
        documents = objects.addresses(reply.document, "documents")
        annotations = objects.addresses(reply.document, "annotations")
        if remote.shared:
            documents, annotations = self._own_of(documents, remote, parcel.name)
        remote = self._kept(
            replace(remote, documents=documents, annotations=annotations), upload=reply.document
        )
        queue = last_segment(reply.text("queue") or "")
        if queue and parcel.queue_id and queue != parcel.queue_id:
            said = clean(
                f"Rossum has it in queue {queue}, it was sent to {parcel.queue_id}", self._judge.secrets
            )
            receipt = replace(receipt, warnings=(*receipt.warnings, said))
        if documents and not annotations:
            remote = self._without_annotations(remote)
        return replace(receipt, remote=remote)

    def _own_of(
        self, documents: tuple[str, ...], remote: Remote, name: str
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return which of an upload's documents was sent under a name, and its annotations; nothing until all are shown.

        Raises `Uncertain` where it is not exactly one.
        """
        if not documents:
            return (), ()
        numbers = {last_segment(one): one for one in documents}
        shown = objects.listed(self._look(f"/documents?{_ids(documents)}", remote).document)
        known = [one for one in shown if as_text(one.get("id")) in numbers]
        if len(known) < min(len(numbers), ASKED_AT_ONCE):
            return (), ()
        mine = rossum_batch.named(known, name)
        if len(mine) != 1:
            raise Uncertain(f"of the {len(known)} documents of its upload Rossum calls {len(mine)} {name!r}")
        return (numbers[as_text(mine[0].get("id"))],), objects.addresses(mine[0], "annotations")

    def _look(self, path: str, remote: Remote, told: Container[int] = NOT_THERE) -> Reply:
        """Ask what one answer tells of all documents of a request: they share it for a moment."""
        if not remote.shared:
            return self._channel.get(path, told)
        return self._recent.reply(path, lambda: self._channel.get(path, told))

    def _without_annotations(self, remote: Remote) -> Remote:
        """Look at the documents that no annotation tells of; raises `Refused` where there will be none.

        Otherwise the import is still to come, or a hook prevents it, which nothing in the API tells.
        """
        found = objects.listed(self._channel.get(f"/documents?{_ids(remote.documents)}").document)
        remote = self._kept(remote, documents=[objects.only(one, objects.DOCUMENT) for one in found])
        if reasons := objects.left_out(found):
            told = f"Rossum took the document and left it out of the import: {', '.join(reasons)}."
            raise self._judge.failed_later((told,), reasons[0], remote, LEFT_OUT_ADVICE)
        return remote

    def judged(
        self, receipt: Receipt, annotations: list[objects.Object], documents: list[objects.Object]
    ) -> Receipt:
        """Decide what the annotations of a document say of its import; raises `Refused` where it failed."""
        own = [one for one in annotations if _own(one, receipt.remote)] or annotations
        told = objects.statuses(own)
        remote = self._kept(
            replace(receipt.remote, status=", ".join(told) or receipt.remote.status),
            annotations=[objects.only(one, objects.ANNOTATION) for one in annotations],
        )
        if documents:
            remote = self._kept(remote, documents=[objects.only(one, objects.DOCUMENT) for one in documents])
        receipt = replace(receipt, remote=remote)
        if not told and receipt.imported and self._gone(receipt):
            said = "Rossum had imported it, and does not know its annotation any more"
            return replace(receipt, final=True, rejected=True, warnings=(*receipt.warnings, said))
        if not told or objects.PENDING & set(told):
            return receipt
        if objects.FAILED in told:
            raise self._judge.failed_later(objects.words(own), objects.FAILED, remote)
        if objects.FAILED in objects.statuses(annotations):
            said = "Rossum could not import an additional document, which a hook made of this one"
            receipt = replace(receipt, warnings=(*receipt.warnings, said))
        return replace(receipt, final=True, imported=True)

    def _kept(self, remote: Remote, **new: Any) -> Remote:
        """Keep objects by kind for the sidecar, as the service gave them."""
        return replace(remote, objects=objects.keep(remote.objects, self._judge.secrets, **new))


@dataclass(slots=True)
class _Found:
    """What the answers to one round of questions hold, and by the number of an annotation which one failed."""

    annotations: list[objects.Object] = field(default_factory=list)
    documents: list[objects.Object] = field(default_factory=list)
    failed: dict[str, DeliveryError] = field(default_factory=dict)

    def only(self, receipt: Receipt) -> "_Found":
        """Return what concerns one document."""
        mine = set(_numbers(receipt))
        annotations = [one for one in self.annotations if as_text(one.get("id")) in mine]
        named = (*receipt.remote.documents, *(as_text(one.get("document")) for one in annotations))
        wanted = set(map(last_segment, named))
        documents = [one for one in self.documents if as_text(one.get("id")) in wanted]
        return _Found(annotations, documents, self.failed)


def _numbers(receipt: Receipt) -> list[str]:
    return [last_segment(one) for one in receipt.remote.annotations]


def _own_numbers(remote: Remote) -> list[str]:
    """Return the ids of the annotations of what was sent; those of documents that a hook added are somebody else's."""
    kept = {as_text(one.get("id")): one for one in objects.listed(remote.objects, "annotations")}
    numbers = list(map(last_segment, remote.annotations))
    return [one for one in numbers if one not in kept or _own(kept[one], remote)] or numbers


def _named(receipt: Receipt) -> Receipt:
    return replace(receipt, document_ids=numbers_of(receipt.remote))


class _Recent:
    """The latest answers, for the threads of a connection."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._replies: dict[str, tuple[float, Reply]] = {}

    def reply(self, path: str, ask: Callable[[], Reply]) -> Reply:
        """Return the answer of a moment ago, else ask; what fails is not kept."""
        with self._lock:
            asked_at, reply = self._replies.get(path, (-inf, None))
        if reply is not None and time.monotonic() < asked_at + FRESH_S:
            return reply
        asked_at, reply = time.monotonic(), ask()
        with self._lock:
            self._replies.pop(path, None)
            self._replies[path] = asked_at, reply
            while len(self._replies) > FRESH:
                del self._replies[next(iter(self._replies))]
        return reply


def uploaded_at(location: str) -> str | None:
    """Return an address that is one of an upload, None for any other."""
    try:
        path = urlsplit(location).path
    except ValueError:
        return None
    kind, _, number = path.rstrip("/").rpartition("/")
    return location if number.isdecimal() and kind.rpartition("/")[2] == "uploads" else None


def _ids(addresses: tuple[str, ...]) -> str:
    asked = [last_segment(one) for one in addresses[:ASKED_AT_ONCE]]
    return urlencode({"id": ",".join(asked), "page_size": ASKED_AT_ONCE}, safe=",")


def _own(annotation: Mapping[str, Any], remote: Remote) -> bool:
    """Tell whether an annotation may belong to the document that was sent, not to one that a hook added."""
    document = as_text(annotation.get("document"))
    upload = remote.objects.get("upload")
    added = {last_segment(one) for one in objects.addresses(upload, "additional_documents")}
    return not document or last_segment(document) not in added
