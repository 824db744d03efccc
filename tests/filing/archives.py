"""Documents that are ready to be filed, and what rests in an archive."""

import errno
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hotfolder import spool
from hotfolder.filing import Filed, NotFiled, Order, file_all, sidecar_name
from hotfolder.model import Beside, Journey
from tests.builders import NOW, PDF, delivered, put_in_work


def file(folders: spool.Folders, archive: Path, *journeys: Journey) -> list[Filed | NotFiled]:
    """File journeys in one archive."""
    return file_all(folders, [Order(j, str(archive), NOW) for j in journeys])


def ready(folders: spool.Folders, content: bytes = PDF, **changes: Any) -> Journey:
    """Put a delivered document into the work folder."""
    made = delivered(**changes)
    put_in_work(folders, made, content)
    return made


def companions(folders: spool.Folders, made: Journey, *patterns: str) -> Journey:
    """Put further files beside a document in the work folder."""
    beside = tuple(Beside(f"{p.rpartition('.')[2]}.{made.upload_id}".encode(), p) for p in patterns)
    for one in beside:
        fd = os.open(one.in_work, os.O_WRONLY | os.O_CREAT, 0o600, dir_fd=folders.work)
        os.write(fd, b"of " + made.upload_id.encode())
        os.close(fd)
    return replace(made, beside=beside)


def at_rest(archive: Path) -> dict[bytes, str]:
    """Return the documents of an archive with the upload ids of their sidecars; fails where the two do not pair."""
    names = sorted(os.listdir(os.fsencode(archive)))
    sidecars, further = {}, set[bytes]()
    for name in names:
        content = Path(os.fsdecode(os.path.join(os.fsencode(archive), name))).read_bytes()
        if content[:1] == b"{":
            record = json.loads(content)
            sidecars[name] = record["upload_id"]
            for one in record.get("beside", ()):
                assert (archive / one).read_text() == f"of {record['upload_id']}"
                further.add(one.encode())
    documents = [name for name in names if name not in sidecars and name not in further]
    assert sorted(sidecar_name(name) for name in documents) == sorted(sidecars)
    return {name: sidecars[sidecar_name(name)] for name in documents}


def carry_by(patch: pytest.MonkeyPatch, way: str) -> None:
    """Choose how files get to the archive."""
    if way != "move":
        real = spool.move

        def move(name: bytes, at: int, new_name: bytes, new_at: int) -> None:
            if os.fstat(at).st_ino != os.fstat(new_at).st_ino:
                raise OSError(errno.EXDEV, "Invalid cross-device link")
            real(name, at, new_name, new_at)

        patch.setattr(spool, "move", move)
