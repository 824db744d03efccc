"""Bring home what a power cut has parted from its document: companions, markers, and what was found in it."""

from collections.abc import Callable
from contextlib import suppress

from loguru import logger

from hotfolder import results, spool
from hotfolder.attendants import InWork
from hotfolder.checks.names import printable
from hotfolder.model import OPEN, Journey, State
from hotfolder.recovery import evidence


def deserted(
    folders: spool.Folders,
    find: Callable[[str], Journey | None],
    busy: Callable[[], frozenset[str]],
    now: float,
) -> list[Journey]:
    """Return the documents at rest whose further files still have to follow; what belongs to none goes back.

    An attendant whose document lies in the work folder, or is in hand (`busy`), or has an open row, stays.
    """
    found = evidence.attendants_in(folders)
    fetched = results.all_in(folders)
    present = busy() | evidence.claimed_in(folders).keys()
    follow: dict[str, Journey] = {}
    for kept in fetched:
        row = find(kept.upload_id)
        if kept.upload_id in present or (row is not None and row.state in OPEN):
            continue
        if row is not None and row.state is State.FILED and any(b.in_work == kept.name for b in row.beside):
            follow[row.upload_id] = row
        else:  # the service has it, and no document is here that it could rest beside
            spool.remove(kept.name, folders.work)
    for one, _ in found:
        row = find(one.upload_id)
        if one.upload_id in present or (row is not None and row.state in OPEN):
            continue
        if row is None or row.state is State.RETURNED:
            _give_back(folders, one, row, now)
        elif one.kept:
            follow[row.upload_id] = row
        else:
            spool.remove(one.in_work, folders.work)
    return list(follow.values())


def _give_back(folders: spool.Folders, one: InWork, row: Journey | None, now: float) -> None:
    dropped = (a.name for a in row.attendants if a.kept == one.kept) if row else iter(())
    wanted = next(dropped, one.name)
    with suppress(FileNotFoundError):
        folder = row.folder if row else b""
        with spool.below(folders.drop, folder) as target:
            name = spool.move_to_free(one.in_work, folders.work, wanted, target, now, one.upload_id)
        logger.warning("{}: put back, its document is not here: {}", folders.path, printable(name))
