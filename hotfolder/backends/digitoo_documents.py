"""Ask Digitoo how the work on a document goes, and for what was read in it."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import IO
from urllib.parse import quote

from hotfolder.backends.answers import Secrets, clean
from hotfolder.backends.base import Receipt
from hotfolder.backends.channel import Channel
from hotfolder.backends.findings import Findings, Sink
from hotfolder.backends.moments import iso
from hotfolder.backends.paths import numbers_of

STATUS_PATHS = ("data.status", "status")
DONE = frozenset({"ready-to-export", "exporting", "exported"})
"""People have seen it, and it is on its way into the books. `ready-to-export` and `exported` are spelt so by the vendor,
the rest follows his labels."""
TURNED_DOWN = frozenset({"extraction-rejected", "extraction-errored", "export-errored", "deleted"})
"""It came to nothing after Digitoo had taken it. Every other status, known or not, is on its way: `received`,
`waiting-for-human-validation`, `postponed`, ..."""


class Documents:
    """The questions about documents that one account already has."""

    def __init__(self, channel: Channel, base_url: str, secrets: Secrets, now: Callable[[], float]) -> None:
        self._channel = channel
        self._base_url = base_url
        self._secrets = secrets
        self._now = now

    def taken(self, receipt: Receipt) -> Receipt:
        """Return the receipt of a document whose last word is still to come; without an id nothing can be asked."""
        if not receipt.document_ids:
            return receipt
        addresses = tuple(f"{self._base_url}{_path(one)}" for one in receipt.document_ids)
        remote = replace(receipt.remote, documents=addresses)
        return replace(receipt, final=False, imported=True, remote=remote)

    def followed(self, receipt: Receipt) -> Receipt:
        """Ask each document of a receipt for its status; final once none is on its way any more.

        What people or the service decide after the upload is told as a warning: the upload was good.
        Raises `Unavailable` or `Unauthorized`.
        """
        statuses, warnings, rejected = [], list(receipt.warnings), False
        numbers = numbers_of(receipt.remote)
        for number in numbers:
            reply = self._channel.get(_path(number))
            if reply.status == 404:  # noqa: PLR2004
                warnings.append(f"Digitoo had taken document {number} and does not know it any more")
                rejected = True
                continue
            status = clean(reply.text(*STATUS_PATHS) or "", self._secrets)
            statuses.append(status)
            if spelt(status) in TURNED_DOWN:
                warnings.append(f"Digitoo took document {number}, and later its status is {status}")
                rejected = True
        told = ", ".join(dict.fromkeys(filter(None, statuses))) or receipt.remote.status
        final = set(map(spelt, statuses)) <= DONE | TURNED_DOWN
        remote = replace(receipt.remote, status=told)
        receipt = replace(receipt, final=final, document_ids=numbers, remote=remote, imported=True)
        return (
            replace(receipt, warnings=tuple(dict.fromkeys(warnings)), rejected=rejected) if final else receipt
        )

    def results(self, receipt: Receipt, into: IO[bytes]) -> bool:
        """Write the annotations of a receipt's documents as JSON, each answer as it came; False where there are none."""
        found = Findings(into, self._secrets, "annotations", iso(self._now()))
        there = found.each("annotations", [partial(self._poured, one) for one in numbers_of(receipt.remote)])
        found.nothing("reviews")
        found.end()
        return there > 0

    def _poured(self, number: str, into: Sink) -> bool:
        return self._channel.pour(f"{_path(number)}/annotations", into)


def spelt(status: str) -> str:
    """Return a status as the wire spells it, whichever way it is written (`Ready to export`)."""
    return re.sub(r"[\s_]+", "-", status.strip()).lower()


def _path(number: str) -> str:
    return f"/api/v2/documents/{quote(number, safe='')}"
