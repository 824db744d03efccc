"""Decide whether a folder still stands on what it stood on, so that a bare mount point is no empty folder (pure)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from os.path import join, relpath

from hotfolder.model import Ground

_ESCAPED = re.compile(rb"\\([0-7]{3})")
_NO_STABLE_NUMBERS = ("fuse", "cifs", "smb", "9p", "vfat", "exfat")
"""File systems that may give a folder another inode number each time they are mounted."""


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of /proc/self/mountinfo (proc(5)): numbers, the device, which part of it lies where."""

    parent: int
    device: bytes
    root: str
    point: str
    fs_type: str


def mounts_in(table: bytes) -> dict[int, Mount]:
    """Read the text of /proc/self/mountinfo; raises ValueError for what the kernel never writes."""
    mounts = {}
    for line in table.splitlines():
        fields = line.split(b" ")
        kind = fields[fields.index(b"-", 6) + 1]
        mounts[int(fields[0])] = Mount(
            int(fields[1]), fields[2], _path(fields[3]), _path(fields[4]), kind.decode("ascii", "replace")
        )
    return mounts


def _path(field: bytes) -> str:
    plain = _ESCAPED.sub(lambda found: bytes([int(found[1], 8)]), field)
    return plain.decode("utf-8", "surrogateescape")


def mount_below(mounts: Mapping[int, Mount], number: int) -> Mount | None:
    """Return the mount of a number, or the one that it merely repeats; None where there is none.

    systemd binds each writable folder of a unit onto itself (ReadWritePaths=, systemd.exec(5)): that is a mount
    point for the service and none for a person's shell, and what lies in the folder is the same.
    """
    mount = mounts.get(number)
    while mount is not None and (above := mounts.get(mount.parent)) is not None and _repeats(mount, above):
        mount = above
    return mount


def _repeats(mount: Mount, above: Mount) -> bool:
    if mount is above or mount.device != above.device or not is_below(mount.point, above.point):
        return False
    way = relpath(mount.point, above.point)
    return mount.root == (above.root if way == "." else join(above.root, way))


def is_below(path: str, top: str) -> bool:
    """Tell whether an absolute path is another one or lies below it."""
    return path == top or path.startswith(top.rstrip("/") + "/")


class Standing(StrEnum):
    """How what a folder stands on compares with what it stood on."""

    NEW = "nothing was known of it"
    SAME = "it is the folder that it was"
    REMADE = "it is another folder than before, on the same file system"
    RETYPED = "another kind of file system is mounted there"
    COVERED = "another file system was mounted over it"
    ELSEWHERE = "it leads to another place than before"
    UNMOUNTED = "its file system is not mounted"


def standing(path: str, before: Ground | None, now: Ground) -> Standing:
    """Compare what a folder (absolute path, links resolved) stood on with what it stands on."""
    if before is None:
        return Standing.NEW
    if (before.dev, before.ino) == (now.dev, now.ino):
        return Standing.SAME
    if not is_below(path, before.mount_point):
        return Standing.ELSEWHERE
    if now.mount_point != before.mount_point:
        bare = is_below(before.mount_point, now.mount_point)
        return Standing.UNMOUNTED if bare else Standing.COVERED
    if now.fs_type == "autofs" != before.fs_type:
        return Standing.UNMOUNTED  # the automounter holds the place, and nothing is mounted
    if now.fs_type != before.fs_type:
        return Standing.RETYPED
    stable = not now.fs_type.startswith(_NO_STABLE_NUMBERS)
    return Standing.REMADE if stable and before.ino != now.ino else Standing.SAME


def bare_mount_point(path: str, before: Ground, queue: str) -> str:
    """Say in a sentence for people that a folder's file system is not mounted, and what to do."""
    return (
        f"{path} was on {before.fs_type} mounted at {before.mount_point}, which is not mounted now; "
        f"mount it, or accept the folder as it is with `hotfolder resume {queue}`"
    )
