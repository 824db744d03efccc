"""Make drop folders with the rights of the model: who drops can write, and neither read nor touch the rest."""

import grp
import os
from contextlib import suppress
from pathlib import Path

from hotfolder.rights.access import READ, SEARCH, WRITE, Entry, Kind, packed
from hotfolder.rights.verdicts import DROPPERS

_ALL = READ | WRITE | SEARCH
_MODE = 0o3770
"""The group is handed on to what is dropped, and only owners remove and rename."""


def lay(path: Path, user: int, group: int) -> str:
    """Make a drop folder for a service's user and his group; returns who may drop. Raises OSError.

    The group `DROPPERS` may drop where there is one and the file system keeps access control lists.
    """
    path.mkdir(mode=0o700)
    os.chown(path, user, group)
    os.chmod(path, _MODE)
    with suppress(OSError):  # no access control lists here: then nobody else may drop
        os.setxattr(path, "system.posix_acl_default", packed(_handed_on()))
        droppers = _droppers()
        if droppers is not None:
            os.setxattr(path, "system.posix_acl_access", packed(_access(droppers)))
            return f"members of the group {DROPPERS}, and servers that write as its owner"
    return "its owner, and servers that write as its owner"


def _droppers() -> int | None:
    try:
        return grp.getgrnam(DROPPERS).gr_gid
    except KeyError:
        return None


def _access(droppers: int) -> tuple[Entry, ...]:
    return (
        Entry(Kind.OWNER, _ALL),
        Entry(Kind.OWNING_GROUP, _ALL),
        Entry(Kind.GROUP, _ALL, droppers),
        Entry(Kind.MASK, _ALL),
        Entry(Kind.OTHERS, 0),
    )


def _handed_on() -> tuple[Entry, ...]:
    """What new files get: their owner and the service's group read and write, nobody else does anything."""
    return (Entry(Kind.OWNER, _ALL), Entry(Kind.OWNING_GROUP, _ALL), Entry(Kind.OTHERS, 0))
