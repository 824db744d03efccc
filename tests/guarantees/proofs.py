"""What the three guarantees mean for folders, journal and the service's books: lists of what does not hold."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hotfolder.claims import original_name
from hotfolder.filing import sidecar_name
from hotfolder.model import Journey
from hotfolder.sidecar import Sidecar

_CONFLICT = 409


@dataclass(frozen=True, slots=True)
class Taken:
    """A document that the service took, and whether it told later that it could not import it."""

    upload_id: str
    sha256: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Resting:
    """A document in an archive, with its sidecar (None: it has none that can be read)."""

    area: str
    name: bytes
    sha256: str
    sidecar: Sidecar | None
    problem: str = ""


@dataclass(slots=True)
class Survey:
    """Everything that lies in the folders of a queue."""

    drop: dict[bytes, str] = field(default_factory=dict)
    work: dict[bytes, str] = field(default_factory=dict)
    """Name → SHA-256."""
    resting: list[Resting] = field(default_factory=list)
    alone: list[bytes] = field(default_factory=list)
    """Sidecars without their document."""
    temporary: list[bytes] = field(default_factory=list)

    @property
    def contents(self) -> Counter[str]:
        """Count every content, wherever it lies."""
        return Counter([*self.drop.values(), *self.work.values(), *(one.sha256 for one in self.resting)])


def survey(drop: Path) -> Survey:
    """Look at the folders of a queue with `done` and `failed` at their usual places; nobody else moves anything."""
    found = Survey()
    top = os.fsencode(drop)
    found.drop = dict(_files(top))
    work = dict(_files(os.path.join(top, b".hotfolder")))
    found.work = {name: digest for name, digest in work.items() if original_name(name)}
    found.temporary = [name for name in work if name not in found.work and name not in {b"lock", b"run"}]
    for area in ("done", "failed"):
        _survey_archive(os.path.join(top, area.encode()), area, found)
    return found


def _survey_archive(folder: bytes, area: str, found: Survey) -> None:
    files = dict(_files(folder))
    found.temporary += [name for name in files if name.startswith(b".") and name.endswith(b".tmp")]
    sidecars = {name for name in files if name.endswith(b".json")}
    for name in files.keys() - sidecars - set(found.temporary):
        beside = sidecar_name(name)
        sidecars.discard(beside)
        found.resting.append(Resting(area, name, files[name], *_read(os.path.join(folder, beside))))
    found.alone += sorted(sidecars)


def _read(path: bytes) -> tuple[Sidecar | None, str]:
    try:
        with open(path, encoding="utf-8") as file:
            return Sidecar.model_validate(json.load(file)), ""
    except (OSError, ValueError, ValidationError) as problem:
        return None, str(problem)


def _files(folder: bytes) -> Iterator[tuple[bytes, str]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_file(follow_symlinks=False):
            with open(entry.path, "rb") as file:
                yield entry.name, hashlib.sha256(file.read()).hexdigest()


def always(found: Survey, dropped: Counter[str], taken: Iterable[Taken]) -> list[str]:
    """Return what does not hold and must hold at every instant.

    `dropped` counts each content (SHA-256) that was dropped and that its owner has left as it is.
    """
    taken = list(taken)
    wrong = [f"lost: {number} of {sha256}" for sha256, number in (dropped - found.contents).items()]
    wrong += [
        f"in {one.area}/ without a valid sidecar: {one.name!r}: {one.problem}"
        for one in found.resting
        if not one.sidecar
    ]
    wrong += [
        f"sidecar untrue: {one.name!r}: {what}"
        for one in found.resting
        if one.sidecar
        for what in _untrue(one)
    ]
    ids = Counter(one.sidecar.upload_id for one in found.resting if one.sidecar)
    wrong += [f"two documents of one upload: {upload_id}" for upload_id, n in ids.items() if n > 1]
    again = Counter(one.upload_id for one in taken)
    wrong += [f"taken twice: upload {upload_id}" for upload_id, number in again.items() if number > 1]
    ours = found.contents - Counter(found.drop.values())
    delivered = Counter(one.sha256 for one in taken)
    wrong += [f"taken oftener than claimed: {number} of {sha}" for sha, number in (delivered - ours).items()]
    return wrong


def _untrue(one: Resting) -> Iterator[str]:
    record = one.sidecar
    assert record is not None
    if record.outcome != one.area:
        yield f"its outcome is {record.outcome}"
    if record.file.sha256 not in {None, one.sha256}:
        yield "another SHA-256"
    if record.response is None:
        yield "no response"
    elif record.outcome == "done":
        if not record.recovered and not any(a.error is None for a in record.attempts):
            yield "done, and no attempt went well"
        if record.response.DocumentIDs is None or record.response.Messages is not None:
            yield "a response that is no success"
    elif not record.response.Messages or record.error_source is None:
        yield "a failure without words"


def at_rest(
    found: Survey, dropped: Counter[str], taken: Iterable[Taken], journeys: Mapping[str, Journey]
) -> list[str]:
    """Return what does not hold once everything is quiet; `journeys` are the open rows, by upload id."""
    taken = list(taken)
    wrong = always(found, dropped, taken)
    wrong += [f"in two places: {n} of {sha256}" for sha256, n in (found.contents - dropped).items()]
    wrong += [f"still in the drop folder: {name!r}" for name in found.drop]
    wrong += [f"still in the work folder: {name!r}" for name in found.work]
    wrong += [f"left behind: {name!r}" for name in found.temporary]
    wrong += [f"a sidecar without its document: {name!r}" for name in found.alone]
    wrong += [f"an open row: {key} is {j.state}: {j.reason}" for key, j in journeys.items() if not j.held]
    wrong += list(_disagreements(found.resting, taken))
    return wrong


def _disagreements(resting: Iterable[Resting], taken: list[Taken]) -> Iterator[str]:
    """Compare the archives with the service's books, upload by upload."""
    filed: dict[str, Any] = {one.sidecar.upload_id: one for one in resting if one.sidecar}
    books = {one.upload_id: one for one in taken}
    for upload_id, one in filed.items():
        entry = books.get(upload_id)
        if one.area == "done" and (entry is None or entry.failed):
            yield f"in done/ and not taken: {one.name!r}"
        if one.area == "failed" and entry is not None and not entry.failed and not _told(one):
            yield f"in failed/ and taken: {one.name!r}: {one.sidecar.response}"
        if entry is not None and entry.sha256 != one.sha256:
            yield f"taken with another content: {one.name!r}"
    for upload_id in books.keys() - filed.keys():
        yield f"taken and in no archive: {upload_id}"


def _told(one: Resting) -> bool:
    """Tell whether a sidecar says that the service has the content already and cannot find the upload."""
    record = one.sidecar
    return record is not None and record.response is not None and record.response.StatusCode == _CONFLICT
