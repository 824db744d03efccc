"""Ask DocDigitizer how its work on a document goes, and for what it found: the document's own links lead the way."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from hotfolder.backends.answers import Reply, Secrets, clean
from hotfolder.backends.base import ANNOTATIONS_SCHEMA, CannotTell, Receipt
from hotfolder.backends.channel import Channel
from hotfolder.backends.docdigitizer_links import kept, path_of
from hotfolder.backends.moments import iso
from hotfolder.backends.paths import last_segment
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
RESULT_BYTES = 16 * 1024 * 1024
"""Most of a document's annotations that is read: far more than any form holds."""


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
        remote, statuses, warnings = receipt.remote, [], list(receipt.warnings)
        numbers = numbers_of(remote)
        for number in numbers:
            reply = self._first_there(self._ways(remote, number, "self", ""))
            if reply is None:
                warnings.append(f"DocDigitizer had taken document {number} and does not know it any more")
                continue
            remote = replace(remote, links=kept(remote.links, reply.document, self._secrets))
            status = clean(reply.text(*STATUS_PATHS) or "", self._secrets)
            statuses.append(status)
            if status.lower() in TURNED_DOWN:
                said = f"DocDigitizer took document {number} and turned it down later: its status is {status}"
                warnings.append(said)
        remote = replace(remote, status=", ".join(dict.fromkeys(filter(None, statuses))) or remote.status)
        final = {status.lower() for status in statuses} <= DONE | TURNED_DOWN
        told = replace(receipt, final=final, document_ids=numbers, remote=remote, imported=True)
        return replace(told, warnings=tuple(dict.fromkeys(warnings))) if final else told

    def results(self, receipt: Receipt) -> bytes | None:
        """Return the annotations and reviews of a receipt's documents as JSON, each answer as it came.

        None where no document is known. Raises `CannotTell`, `Unavailable` or `Unauthorized`.
        """
        found = [self._found_in(receipt.remote, number) for number in numbers_of(receipt.remote)]
        if not found:
            return None
        annotations, reviews = zip(*found, strict=True)
        alone = len(found) == 1
        written = {
            "schema": ANNOTATIONS_SCHEMA,
            "fetched_at": iso(self._now()),
            "source": "annotations",
            "annotations": annotations[0] if alone else list(annotations),
            "reviews": reviews[0] if alone else list(reviews),
        }
        return self._secrets.blot(json.dumps(written, indent=2)).encode()

    def _found_in(self, remote: Remote, number: str) -> tuple[Any, Any]:
        annotations = self._first_there(self._ways(remote, number, "annotations", "/annotations"))
        if annotations is None:
            raise CannotTell(f"DocDigitizer shows no annotations of document {number}")
        reviews = self._first_there(self._ways(remote, number, "reviews", "/reviews"))
        return annotations.document, reviews.document if reviews else None

    def _first_there(self, ways: Iterator[str]) -> Reply | None:
        """Return the answer at the first of some paths that is there, None where all are 404."""
        for path in dict.fromkeys(ways):
            reply = self._channel.follow(path, RESULT_BYTES)
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


def numbers_of(remote: Remote) -> tuple[str, ...]:
    """Return the ids of the documents that are known."""
    return tuple(last_segment(one) for one in remote.documents)
