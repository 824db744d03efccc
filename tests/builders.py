"""Invented documents, journeys and folders that the tests of many modules start from."""

import hashlib
import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from hotfolder import spool
from hotfolder.arrivals import Arrival
from hotfolder.checks.readiness import Facts, Ready, Unfit
from hotfolder.checks.walk import Wholeness
from hotfolder.claims import Origin, new_upload_id, secure, work_name
from hotfolder.model import Answer, Journey, Stamp, State

PDF = b"%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\nstartxref\n9\n%%EOF\n"
"""Content that stands for a document where nobody looks into it."""
ORIGIN = Origin("invoices", "acme", "memory", "8236", "queue")
STAMP = Stamp(dev=1, ino=2, size=len(PDF), mtime_ns=3, ctime_ns=4)
NOW = 1_700_000_000.0
DEADLINE_S = 20.0

_numbers = itertools.count()


def journey(**changes: Any) -> Journey:
    """Make a journey that has just been claimed, with an upload id of its own."""
    made = Journey(
        upload_id=new_upload_id(NOW + next(_numbers)),
        queue="invoices",
        connection="acme",
        backend="memory",
        queue_id="8236",
        id_source="queue",
        folder=b"",
        name=b"scan.pdf",
        stamp=STAMP,
        media_type="application/pdf",
        state=State.CLAIMED,
        seen_at=NOW - 3,
        ready_at=NOW - 2,
        claimed_at=NOW,
        sha256=hashlib.sha256(PDF).hexdigest(),
    )
    return replace(made, **changes)


def delivered(**changes: Any) -> Journey:
    """Make a journey that only has to be filed in done/."""
    return journey(**{"state": State.DELIVERED, "answer": Answer(202, document_ids=("1",)), **changes})


def facts(**changes: Any) -> Facts:
    """Make the facts of a whole PDF that nobody writes to."""
    whole = Facts(
        stamp=STAMP,
        allocated_bytes=4096,
        blocks_tell=True,
        writer=False,
        media_type="application/pdf",
        looks_like=None,
        whole=Wholeness(whole=True),
        blank=False,
    )
    return replace(whole, **changes)


def drop(
    folders: spool.Folders, name: bytes = b"scan.pdf", content: bytes = PDF, folder: bytes = b""
) -> Arrival:
    """Drop a document into a real folder and return it as an arrival that is ready."""
    top = os.fsencode(folders.path)
    os.makedirs(os.path.join(top, folder), exist_ok=True)
    path = os.path.join(top, folder, name)
    with open(path, "xb") as file:
        file.write(content)
    return arrival(spool.stamp_of(os.lstat(path)), name, folder)


def arrival(
    stamp: Stamp, name: bytes = b"scan.pdf", folder: bytes = b"", verdict: Ready | Unfit | None = None
) -> Arrival:
    """Make an arrival that is ready."""
    return Arrival(folder, name, stamp, verdict or Ready("application/pdf"), NOW - 3, NOW - 2, 0.0)


def claimed(folders: spool.Folders, made: Journey, content: bytes = PDF) -> Journey:
    """Drop the document of a journey, claim it, and return the journey as it is then."""
    found = drop(folders, made.name, content, made.folder)
    stamp, digest = secure(folders, replace(made, stamp=found.stamp))
    return replace(made, stamp=stamp, sha256=digest)


def put_in_work(folders: spool.Folders, made: Journey, content: bytes = PDF) -> None:
    """Put the document of a journey straight into the work folder."""
    with open(os.path.join(os.fsencode(folders.path), spool.WORK_FOLDER, work_name(made)), "xb") as file:
        file.write(content)


def names_in(folder: Path | str | bytes) -> list[bytes]:
    """Return the sorted names of a folder, without the work folder and the archives."""
    own = {spool.WORK_FOLDER, b"done", b"failed"}
    return sorted(name for name in os.listdir(os.fsencode(folder)) if name not in own)


def wait_until(condition: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    """Wait for a condition in this thread; fails with `what` after the deadline."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"waited {deadline_s} s in vain: {what}"
        os.sched_yield()


@contextmanager
def without_privileges() -> Iterator[None]:
    """Have no rights over root's files for the length of a block; a person's tests have none anyway."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
