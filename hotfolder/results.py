"""Fetch what a service found in a document, and keep it in the work folder until it rests beside the document."""

import re
from dataclasses import dataclass
from typing import IO

from hotfolder import spool
from hotfolder.backends.base import Backend, CannotTell, DeliveryError, Parcel, Receipt, fault_in_words
from hotfolder.model import Beside, Journey

PATTERN = "{name}.annotations.json"
"""Its name in the archive."""
_NAME = re.compile(rb"(\.?)results\.([0-9a-f-]{36})(?:\.tmp)?")
_PIECE_BYTES = 1 << 20


def in_work(upload_id: str) -> bytes:
    """Return the name of a document's results in the work folder."""
    return b"results." + upload_id.encode()


def _making(upload_id: str) -> bytes:
    """Return the name that they have there until they are whole."""
    return b"." + in_work(upload_id) + b".tmp"


@dataclass(frozen=True, slots=True)
class InWork:
    """A file of results in a work folder: its name there, whose it is, and whether it is whole."""

    name: bytes
    upload_id: str
    whole: bool


def taken_apart(name: bytes) -> InWork | None:
    """Take a name of the work folder apart; None for anything else."""
    hit = _NAME.fullmatch(name)
    upload_id = hit[2].decode() if hit else ""
    if name not in {in_work(upload_id), _making(upload_id)}:
        return None
    return InWork(name, upload_id, whole=name == in_work(upload_id))


def with_results(journey: Journey) -> tuple[Beside, ...]:
    """Return the further files of a document whose results are in the work folder (pure)."""
    name = in_work(journey.upload_id)
    return (*(one for one in journey.beside if one.in_work != name), Beside(name, PATTERN))


def lie(folders: spool.Folders, upload_id: str) -> bool:
    """Tell whether the results of a document are whole in the work folder; raises OSError."""
    try:
        spool.look(in_work(upload_id), folders.work)
    except FileNotFoundError:
        return False
    return True


def fetch(
    backend: Backend, journey: Journey, parcel: Parcel, into: IO[bytes]
) -> DeliveryError | CannotTell | None:
    """Fetch what a service found in a document into a file, None: it is there; blocks."""
    answer = journey.answer
    ids = (answer.document_ids if answer else None) or ()
    receipt = Receipt(journey.accepted_status or 200, True, ids, journey.remote)
    try:
        there = backend.results(receipt, parcel, into)
    except (DeliveryError, CannotTell) as known:
        return known
    except Exception as surprise:  # noqa: BLE001 — a fault in reading an answer is no answer
        return CannotTell(fault_in_words(surprise))
    return None if there else CannotTell("the service has none")


def keep(folders: spool.Folders, upload_id: str, found: IO[bytes]) -> None:
    """Lay fetched results into the work folder, durably, in place of earlier ones; blocks. Raises OSError."""
    found.seek(0)
    with spool.renewed(in_work(upload_id), folders.work, _making(upload_id)) as file:
        while piece := found.read(_PIECE_BYTES):
            file.write(piece)


def forget(folders: spool.Folders, journey: Journey) -> None:
    """Remove what was fetched for a document and was not filed with it."""
    if journey.results_from is not None:
        for name in (in_work(journey.upload_id), _making(journey.upload_id)):
            if all(one.in_work != name for one in journey.beside):
                spool.remove(name, folders.work)


def all_in(folders: spool.Folders) -> list[InWork]:
    """Return the files of results in a work folder, of whatever document."""
    return list(filter(None, map(taken_apart, spool.names_in(folders.work))))
