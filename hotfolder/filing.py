"""Lay documents to rest in done/ or failed/: sidecar first, durable, then the document, never over another.

A filing that was cut off anywhere is simply done again: the names to try depend on the document alone,
and a sidecar that carries its upload id shows how far it got.
"""

import errno
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace

from loguru import logger

from hotfolder import attendants, spool
from hotfolder.checks.names import MAX_NAME_BYTES, free_names, printable, shorten, split
from hotfolder.claims import forget_note, original_name, work_name
from hotfolder.model import Beside, Journey
from hotfolder.results import forget as forget_results
from hotfolder.sidecar import draw, render


class MissingError(OSError):
    """The document is neither in the work folder nor, with our sidecar, in the archive."""


@dataclass(frozen=True, slots=True)
class Order:
    """One document to file: into which archive folder (absolute path)."""

    journey: Journey
    archive: str
    filed_at: float


@dataclass(frozen=True, slots=True)
class Filed:
    """It rests under this name, beside its further files."""

    name: bytes
    beside: tuple[Beside, ...] = ()


@dataclass(frozen=True, slots=True)
class NotFiled:
    """It stays in the work folder, or is missing from it."""

    problem: OSError

    @property
    def gone(self) -> bool:
        """Tell whether the document has left the work folder without us."""
        return isinstance(self.problem, MissingError)


def file_all(folders: spool.Folders, orders: Sequence[Order]) -> list[Filed | NotFiled]:
    """File documents of one queue together, syncing each directory once for all; blocks.

    Returns one result an order, in their order; one that fails does not hold up the others.
    """
    results: list[Filed | NotFiled] = [NotFiled(OSError(errno.EAGAIN, "not tried"))] * len(orders)
    places: dict[tuple[str, bytes], list[int]] = defaultdict(list)
    for number, order in enumerate(orders):
        places[order.archive, order.journey.folder].append(number)
    for (archive, folder), numbers in places.items():
        try:
            with folders.archive(archive, folder) as target:
                _file_in(folders, target, orders, numbers, results)
        except OSError as problem:
            for number in numbers:
                results[number] = NotFiled(problem)
    spool.sync_folder(folders.work)
    return results


def clear_up(failed: str, filed: Iterable[Journey]) -> None:
    """Remove the sidecars that documents left behind in failed/ (absolute path) when they came back; blocks.

    Only one that carries the old upload id and has no document beside it goes, and only once the document rests
    beside its new one.
    """
    for earlier in filter(None, (journey.retries for journey in filed)):
        try:
            with ExitStack() as stack:
                top = spool.open_folder(os.path.realpath(failed))
                stack.callback(os.close, top)
                folder = stack.enter_context(spool.below(top, earlier.folder))
                beside = sidecar_name(earlier.name)
                ours = _is_ours(folder, beside, earlier.upload_id)
                if ours and not _exists(earlier.name, folder) and not _has_further(beside, folder):
                    spool.remove(beside, folder)
        except FileNotFoundError:
            continue
        except OSError as problem:
            logger.warning("{}: an old record cannot be removed: {}", failed, problem.strerror or problem)


def _has_further(beside: bytes, folder: int) -> bool:
    """Tell whether a further file of a document still lies beside its sidecar, which then explains it."""
    try:
        further = json.loads(spool.read_small(beside, folder)).get("beside") or ()
    except (OSError, ValueError, AttributeError):
        return True
    return any(printable(name) in further for name in spool.names_in(folder))


def _file_in(
    folders: spool.Folders,
    target: int,
    orders: Sequence[Order],
    numbers: list[int],
    results: list[Filed | NotFiled],
) -> None:
    reserved: list[tuple[int, bytes]] = []
    for number in numbers:
        try:
            reserved.append(
                (number, _filed_earlier(folders, target, orders[number]) or _reserve(target, orders[number]))
            )
        except OSError as problem:
            results[number] = NotFiled(problem)
    spool.sync_folder(target)
    for number, name in reserved:
        try:
            _move(folders, target, orders[number].journey, name)
            forget_note(folders, orders[number].journey)
            attendants.remove_markers(folders, orders[number].journey)
            forget_results(folders, orders[number].journey)
            results[number] = Filed(name, _resting(target, orders[number].journey, name))
        except OSError as problem:
            results[number] = NotFiled(problem)
    spool.sync_folder(target)


def _resting(target: int, journey: Journey, name: bytes) -> tuple[Beside, ...]:
    """Return a document's further files with the version of each that rests in the archive, to know it again."""
    found = []
    for one, beside in zip(journey.beside, names_beside(journey, name), strict=True):
        stamp = spool.look(beside, target)[1] if _exists(beside, target) else None
        found.append(replace(one, stamp=stamp))
    return tuple(found)


def _temporary(journey: Journey) -> bytes:
    return f".{journey.upload_id}.tmp".encode()


def remove_leftovers(folders: spool.Folders, archive: str) -> None:
    """Remove the temporary files of filings that were cut off, where no row leads to them any more; blocks."""
    pending = [b""]
    while pending:
        folder = pending.pop()
        with suppress(FileNotFoundError), folders.archive(archive, folder, make=False) as fd:
            for entry in list(os.scandir(fd)):
                name = os.fsencode(entry.name)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(os.path.join(folder, name))
                elif name[:1] == b"." and name[-4:] == b".tmp" and original_name(name[1:]) is not None:
                    spool.remove(name, fd)


def _reserve(target: int, order: Order) -> bytes:
    """Write the sidecar under the first free name, or find the one that an earlier try wrote."""
    journey = order.journey
    for name in _names(journey):
        beside, further = sidecar_name(name), names_beside(journey, name)
        if _is_ours(target, beside, journey.upload_id):
            spool.remove(_temporary(journey), target)  # a publication that was cut off leaves both names
            return name
        if any(_exists(one, target) for one in (name, *further)):
            continue
        content = render(draw(journey, order.filed_at, further))
        with suppress(FileExistsError):
            spool.write_new(beside, content, target, _temporary(journey))
            return name
    raise FileExistsError(errno.EEXIST, "no free name in the archive")


def _names(journey: Journey) -> Iterator[bytes]:
    """Yield the names to try; first the one that an earlier filing is known to have used."""
    if journey.filed_name is not None:
        yield journey.filed_name
    yield from free_names(journey.name, journey.claimed_at, journey.upload_id)


def sidecar_name(name: bytes) -> bytes:
    """Return the name of the sidecar beside a document."""
    return shorten(name, MAX_NAME_BYTES - 5) + b".json"


def names_beside(journey: Journey, name: bytes) -> tuple[bytes, ...]:
    """Return the names of a document's further files beside `name` in an archive, none of them its sidecar's (pure)."""
    stem = split(name)[0]
    found: list[bytes] = []
    for one in journey.beside:
        before, _, after = one.pattern.replace("{stem}", "{name}").encode().partition(b"{name}")
        middle = stem if "{stem}" in one.pattern else name
        wanted = before + shorten(middle, MAX_NAME_BYTES - len(before) - len(after)) + after
        while wanted in {name, sidecar_name(name), *found}:
            wanted = b"_" + shorten(wanted, MAX_NAME_BYTES - 1)
        found.append(wanted)
    return tuple(found)


def _exists(name: bytes, at: int) -> bool:
    try:
        spool.look(name, at)
    except FileNotFoundError:
        return False
    return True


def _is_ours(target: int, beside: bytes, upload_id: str) -> bool:
    try:
        return bool(json.loads(spool.read_small(beside, target))["upload_id"] == upload_id)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _filed_earlier(folders: spool.Folders, target: int, order: Order) -> bytes | None:
    """Return the name under which an earlier try filed a document that has left the work folder.

    Only filing takes it out of there, so its sidecar in the archive is proof, even where a person has
    taken the document away since. Raises `MissingError` where there is neither.
    """
    journey = order.journey
    if _exists(work_name(journey), folders.work):
        return None
    for name in _names(journey):
        if _is_ours(target, sidecar_name(name), journey.upload_id):
            return name
    missing = "the document is missing from the work folder"
    raise MissingError(errno.ENOENT, missing, os.fsdecode(work_name(journey)))


def _move(folders: spool.Folders, target: int, journey: Journey, name: bytes) -> None:
    """Move the document beside its sidecar, its further files first; an earlier try may have done so."""
    for one, beside in zip(journey.beside, names_beside(journey, name), strict=True):
        _carry(folders, target, _Way(one.in_work, beside, _temporary(journey), name))
    _carry(folders, target, _Way(work_name(journey), name, _temporary(journey), name))


@dataclass(frozen=True, slots=True)
class _Way:
    """From which name in the work folder to which one in the archive; `document` is the name that its sidecar has."""

    source: bytes
    name: bytes
    temporary: bytes
    document: bytes


def _carry(folders: spool.Folders, target: int, way: _Way) -> None:
    if not _exists(way.source, folders.work):
        return
    try:
        spool.move(way.source, folders.work, way.name, target)
    except FileExistsError:
        _drop_copy(folders, target, way)
    except OSError as problem:
        if problem.errno != errno.EXDEV:
            raise
        _copy(folders, target, way)


def _copy(folders: spool.Folders, target: int, way: _Way) -> None:
    """Carry it to another file system: the original goes when the copy and its name are durable."""
    with ExitStack() as stack:
        fd, _ = spool.open_document(way.source, folders.work)
        stack.callback(os.close, fd)
        try:
            spool.copy_over(fd, way.name, target, way.temporary)
        except FileExistsError:
            _drop_copy(folders, target, way)
            return
    spool.sync_folder(target)
    spool.remove(way.source, folders.work)


def _drop_copy(folders: spool.Folders, target: int, way: _Way) -> None:
    """Finish a copy that was cut off between its publication and the removal of the original."""
    if not spool.same_bytes(way.name, target, way.source, folders.work):
        spool.remove(sidecar_name(way.document), target)  # so that the next try looks for another name
        raise FileExistsError(
            errno.EEXIST, "another file took its name in the archive", os.fsdecode(way.name)
        )
    spool.remove(way.source, folders.work)
