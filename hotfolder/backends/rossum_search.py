"""Ask Rossum whether it has a document: by our mark in the annotations' metadata, then by its name.

There is no idempotency key and no filter by metadata, so a queue's recent annotations are listed and compared
here. The mark is exact. A name is not: scanners number from one again, so a document of this name counts
only if nothing says that it belongs to another upload.
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, NoReturn
from urllib.parse import urlencode, urlsplit

from hotfolder.backends import rossum_batch as batch
from hotfolder.backends.base import CannotTell, Listed, Parcel, Receipt, Unauthorized, Unavailable
from hotfolder.backends.channel import Channel
from hotfolder.backends.moments import iso, moment
from hotfolder.backends.paths import as_text, last_segment
from hotfolder.model import Remote

PAGE = 100
"""Largest page (API docs, pagination)."""
PAGES_MAX = 100
"""Ten thousand annotations since the upload: at Rossum's 10 requests/s a quarter of an hour of nothing but uploads."""
IMPORT_S = 600.0
"""After this long a document without annotation gets none: hooks run some minutes (API docs, hooks)."""

Object = Mapping[str, Any]


class Search:
    """The questions about one account's documents."""

    def __init__(self, channel: Channel, now: Callable[[], float]) -> None:
        self._channel = channel
        self._now = now
        self._creator: str | None = None

    def find(self, parcel: Parcel, since: float, known: Container[str]) -> Receipt | None:
        """Return a receipt for the document, None for a clear no; `known` documents belong to other uploads.

        Raises `CannotTell`, `Unavailable` or `Unauthorized`.
        """
        try:
            return self._by_either(parcel, since, known)
        except Unauthorized as error:
            if error.status == 403:  # noqa: PLR2004 — may upload, may not look
                raise CannotTell(f"this user may not ask Rossum for its documents: {error}") from None
            raise

    def listed(self, queue_id: str, limit: int) -> Iterator[Listed]:
        """Yield up to `limit` documents of a queue by their annotations, the newest first, with names from `/documents`.

        Raises `CannotTell`, `Unavailable` or `Unauthorized`.
        """
        size = min(limit, PAGE)
        query = {"queue": queue_id, "ordering": "-created_at", "page_size": str(size)}
        annotations = islice(self._all("/annotations", query), limit)
        while listed := list(islice(annotations, size)):
            names = self._names([last_segment(as_text(one.get("document"))) for one in listed])
            yield from (_listed(one, names) for one in listed)

    def _names(self, numbers: list[str]) -> dict[str, str]:
        """Return the names of documents by their ids; what is not shown is missing."""
        wanted = ",".join(filter(None, numbers))
        found = self._all("/documents", {"id": wanted}) if wanted else iter(())
        return {as_text(one.get("id")): as_text(one.get("original_file_name")) for one in found}

    def _by_either(self, parcel: Parcel, since: float, known: Container[str]) -> Receipt | None:
        try:
            marked = self._marked(parcel, since)
        except CannotTell:  # too many to look at; those of one name are few
            named = self._by_name(parcel, since, known)
            if named is None:
                raise
            return named
        if own := [one for one in marked if not batch.is_shared(one)] or self._of_name(marked, parcel):
            return _receipt(own, [as_text(one.get("document")) for one in own])
        named = self._by_name(parcel, since, known)
        if named is None and marked:  # its request did arrive
            self._not_yet(
                marked[0], f"Rossum has other documents of the request of {parcel.name!r}, not this one"
            )
        return named

    def _marked(self, parcel: Parcel, since: float) -> list[Object]:
        """Return the annotations whose mark names a document, alone or among others."""
        query = {"queue": parcel.queue_id or "", "arrived_at_after": iso(since), "ordering": "created_at"}
        marked: list[Object] = []
        try:
            for one in self._all("/annotations", query):
                if parcel.upload_id in batch.marks(one):
                    marked.append(one)  # noqa: PERF401 — what was found before the list proves too long counts
        except CannotTell:
            if not marked:
                raise
        return marked

    def _of_name(self, marked: list[Object], parcel: Parcel) -> list[Object]:
        """Pick out of the annotations of a request's documents those of one, by its name; none: it is not there.

        Raises `CannotTell` where a document has a name that was not sent, so that it may be this one.
        """
        numbers = [last_segment(as_text(one.get("document"))) for one in marked]
        names = self._names(list(dict.fromkeys(numbers)))
        owners = [batch.mark_of(one, names.get(number)) for one, number in zip(marked, numbers, strict=True)]
        own = [i for i, owner in enumerate(owners) if owner == parcel.upload_id]
        if len({numbers[i] for i in own}) > 1 or (not own and None in owners):
            raise CannotTell(f"Rossum does not say which document of its request is {parcel.name!r}")
        return [marked[i] for i in own]

    def _by_name(self, parcel: Parcel, since: float, known: Container[str]) -> Receipt | None:
        named = [(one, self._annotations(one)) for one in self._named(parcel, since, known)]
        ours = [(one, annotations) for one, annotations in named if _may_be(annotations, parcel)]
        if not ours:
            return None
        if len(ours) > 1:
            raise CannotTell(f"Rossum has {len(ours)} documents named {parcel.name!r} from that time")
        document, annotations = ours[0]
        if not annotations:
            # What no annotation claims may be another upload of this name.
            said = (
                f"Rossum has a document named {parcel.name!r}, but no annotation that says which upload it is"
            )
            self._not_yet(document, said)
        return _receipt(annotations, [as_text(document.get("url"))])

    def _named(self, parcel: Parcel, since: float, known: Container[str]) -> list[Object]:
        found: dict[str, Object] = {}
        for name in batch.spellings(parcel.name):
            query = {
                "original_file_name": name,
                "creator": self._user(),
                "created_at_after": iso(since),
                "ordering": "created_at",
            }
            for one in self._all("/documents", query):
                if (number := as_text(one.get("id"))) not in known:
                    found[number] = one
        return list(found.values())

    def _annotations(self, document: Object) -> list[Object]:
        addresses = document.get("annotations")
        numbers = [last_segment(as_text(one)) for one in addresses] if isinstance(addresses, list) else []
        return list(self._all("/annotations", {"id": ",".join(numbers[:PAGE])})) if numbers else []

    def _not_yet(self, found: Object, said: str) -> NoReturn:
        """Leave alone what may still be on its way, `found` being its document, or one that came with it."""
        created = moment(found.get("created_at"))
        if created is not None and self._now() + (self._channel.ahead_s or 0.0) - created < IMPORT_S:
            raise Unavailable(f"{said} yet", retry_after_s=30.0)
        raise CannotTell(said)

    def _user(self) -> str:
        if self._creator is None:
            user = self._channel.get("/auth/user")
            self._creator = user.text("id") or last_segment(user.text("url") or "")
        if not self._creator:
            raise CannotTell("Rossum does not say who we are, so our documents cannot be told from others'")
        return self._creator

    def _all(self, path: str, query: Mapping[str, str]) -> Iterator[Object]:
        """Yield the objects of a list page by page; of `next` only the query is used, no host."""
        asked: str | None = urlencode({"page_size": PAGE, **query}, safe=",")
        for number in range(PAGES_MAX):
            ask = self._channel.further if number else self._channel.get
            document = ask(f"{path}?{asked}").document
            if not isinstance(document, Mapping) or not isinstance(document.get("results"), list):
                # The shape is documented: another one is somebody else's, or half an answer.
                raise Unavailable(f"Rossum's answer to {path} is no list of results")
            yield from (one for one in document["results"] if isinstance(one, Mapping))
            if not (asked := _next_query(document)):
                return
        raise CannotTell(f"Rossum lists more than {PAGE * PAGES_MAX} objects from that time")


def _next_query(document: Object) -> str | None:
    pagination = document.get("pagination")
    following = as_text(pagination.get("next")) if isinstance(pagination, Mapping) else ""
    return urlsplit(following).query if following else None


def _listed(annotation: Object, names: Mapping[str, str]) -> Listed:
    number = last_segment(as_text(annotation.get("document")))
    status = as_text(annotation.get("status")) or None
    name = names.get(number) or None
    mark = batch.mark_of(annotation, name)
    return Listed(number, name, moment(annotation.get("created_at")), status, mark)


def _may_be(annotations: Iterable[Object], parcel: Parcel) -> bool:
    """Tell whether no annotation says that its document belongs to another upload or another queue."""
    marks = {mark for one in annotations for mark in batch.marks(one)}
    queues = {last_segment(queue) for one in annotations if (queue := as_text(one.get("queue")))}
    return (not marks or parcel.upload_id in marks) and (not queues or parcel.queue_id in queues)


def _receipt(annotations: list[Object], documents: Iterable[str]) -> Receipt:
    """Make the receipt of a found document: its import is followed up from the annotations on."""
    addresses = tuple(dict.fromkeys(one for one in documents if one))
    links = tuple(filter(None, (as_text(one.get("url")) for one in annotations)))
    remote = Remote(documents=addresses, annotations=links)
    return Receipt(202, final=False, document_ids=tuple(map(last_segment, addresses)), remote=remote)
