"""Ask DocDigitizer how its work on a document goes, and for what it found: the document's own links lead the way."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import IO
from urllib.parse import quote, unquote, urlsplit

from hotfolder.backends.answers import Reply, Secrets, clean
from hotfolder.backends.base import Receipt
from hotfolder.backends.channel import Channel
from hotfolder.backends.docdigitizer_links import kept, path_of
from hotfolder.backends.findings import Findings, Sink
from hotfolder.backends.moments import iso
from hotfolder.backends.paths import numbers_of
from hotfolder.model import Remote

STATUS_PATHS = (
    "document.annotation_status",
    "document.annotationStatus",
    "annotation_status",
    "annotationStatus",
)
DONE = frozenset({"success", "reviewed", "annotated"})
"""Public clients wait for `success`; the specification calls a document that people saw "reviewed", and the callbacks
call one that is done `annotated`."""
TURNED_DOWN = frozenset({"invalid", "rejected"})
"""Public clients give up at `Invalid`; the callbacks call it `rejected`. Every other status, known or not, is on its way."""
NODES = ("document", "task.document", "answer")
"""Where the links of a document may stand, by the names that `docdigitizer_links.kept` gives."""
STATUS_BYTES = 16 * 1024 * 1024
"""Most of the answer that holds a document's status that is read: its annotations may stand in it."""


class Documents:
    """The questions about documents that one account already has."""

    def __init__(self, channel: Channel, base_url: str, secrets: Secrets, now: Callable[[], float]) -> None:
        self._channel = channel
        self._base_url = base_url
        self._secrets = secrets
        self._now = now

    def followed(self, receipt: Receipt) -> Receipt:
        """Ask each document of a receipt for its status; final once none is on its way any more.

        What people or the service decide after the import is told as a warning: the upload was good.
        Raises `Unavailable` or `Unauthorized`.
        """
        remote, statuses, warnings, rejected = receipt.remote, [], list(receipt.warnings), False
        numbers = numbers_of(remote)
        for number in numbers:
            reply = self._first_there(self._ways(remote, number, "self", ""))
            if reply is None:
                rejected = True
                warnings.append(f"DocDigitizer had taken document {number} and does not know it any more")
                continue
            remote = replace(remote, links=kept(remote.links, reply.document, self._secrets))
            status = clean(reply.text(*STATUS_PATHS) or "", self._secrets)
            statuses.append(status)
            if status.lower() in TURNED_DOWN:
                said = f"DocDigitizer took document {number} and turned it down later: its status is {status}"
                warnings.append(said)
                rejected = True
        remote = replace(remote, status=", ".join(dict.fromkeys(filter(None, statuses))) or remote.status)
        final = {status.lower() for status in statuses} <= DONE | TURNED_DOWN
        told = replace(receipt, final=final, document_ids=numbers, remote=remote, imported=True)
        if not final:
            return told
        return replace(told, warnings=tuple(dict.fromkeys(warnings)), rejected=rejected)

    def results(self, receipt: Receipt, into: IO[bytes]) -> bool:
        """Write the annotations and reviews of a receipt's documents as JSON, each answer as it came.

        False where there are none. Raises `CannotTell`, `Unavailable` or `Unauthorized`.
        """
        remote = receipt.remote
        numbers = numbers_of(remote)
        found = Findings(into, self._secrets, "annotations", iso(self._now()))
        there = found.each(
            "annotations", [partial(self._poured, remote, one, "annotations") for one in numbers]
        )
        if there:
            found.each("reviews", [partial(self._poured, remote, one, "reviews") for one in numbers])
        found.end()
        return there > 0

    def _poured(self, remote: Remote, number: str, name: str, into: Sink) -> bool:
        """Have the answer at the first of a document's ways that is there poured out; False where all are 404."""
        ways = dict.fromkeys(self._ways(remote, number, name, f"/{name}"))
        return any(self._channel.pour(path, into, rooted=True) for path in ways)

    def _first_there(self, ways: Iterator[str]) -> Reply | None:
        """Return the answer at the first of some paths that is there, None where all are 404."""
        for path in dict.fromkeys(ways):
            reply = self._channel.follow(path, STATUS_BYTES)
            if reply.status != 404:  # noqa: PLR2004
                return reply
        return None

    def _ways(self, remote: Remote, number: str, name: str, below: str) -> Iterator[str]:
        """Yield where to ask about a document: its own link of a name, then where the service usually has it."""
        mine = f"/documents/{quote(number, safe='')}{below}"
        nodes = (node for place in NODES if isinstance(node := remote.links.get(place), Mapping))
        linked = (path_of(node.get(name), self._base_url) for node in nodes)
        # A document's links name it; those of a list or of another document that stood there before do not.
        yield from (path for path in linked if path is not None and number in map(unquote, path.split("/")))
        yield f"{urlsplit(self._base_url).path}/api/v1{mine}"
