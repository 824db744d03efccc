"""What a folder stands on, compared with what it stood on."""

import pytest

from hotfolder.checks.ground import Standing, bare_mount_point, is_below, mount_below, mounts_in, standing
from hotfolder.model import Ground

PATH = "/mnt/share/in"
SHARE = Ground("/mnt/share", "cifs", 50, 7)
DISK = Ground("/srv", "ext4", 8, 7)

TABLE = [
    (None, SHARE, Standing.NEW),
    (SHARE, SHARE, Standing.SAME),
    (SHARE, Ground("/mnt/share", "cifs", 51, 99), Standing.SAME),  # numbers of a share mean nothing
    (SHARE, Ground("/", "ext4", 8, 3), Standing.UNMOUNTED),
    (SHARE, Ground("/mnt", "ext4", 8, 3), Standing.UNMOUNTED),
    (SHARE, Ground("/mnt/share", "autofs", 40, 1), Standing.UNMOUNTED),
    (SHARE, Ground("/mnt/share/in", "tmpfs", 60, 1), Standing.COVERED),
    (SHARE, Ground("/mnt/share", "nfs4", 50, 8), Standing.RETYPED),
    (DISK, Ground("/", "ext4", 9, 8), Standing.ELSEWHERE),
    (Ground("/mnt", "ext4", 8, 7), Ground("/mnt", "ext4", 9, 7), Standing.SAME),  # renumbered by a reboot
    (Ground("/mnt", "ext4", 8, 7), Ground("/mnt", "ext4", 8, 9), Standing.REMADE),
    (Ground("/mnt/share", "ext4", 8, 7), Ground("/", "ext4", 8, 7), Standing.SAME),  # a bind mount of itself
    (Ground("/", "ext4", 8, 7), SHARE, Standing.COVERED),
]


@pytest.mark.parametrize(("before", "now", "expected"), TABLE)
def test_standing(before: Ground | None, now: Ground, expected: Standing) -> None:
    """Each way in which the ground may have changed."""
    assert standing(PATH, before, now) is expected


def test_a_neighbour_with_the_same_beginning_is_not_below() -> None:
    """/mnt/shared does not lie in /mnt/share; everything lies in the root."""
    assert not is_below("/mnt/shared", "/mnt/share")
    assert is_below("/mnt/share/x", "/mnt/share")
    assert is_below("/mnt", "/")


MOUNTINFO = rb"""25 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 25 254:0 /srv/hotfolder /srv/hotfolder rw - ext4 /dev/vda rw
31 30 0:44 / /srv/hotfolder/a\040\134\303\251 rw shared:9 master:2 - fuse.sshfs host:/ rw
32 25 254:0 /elsewhere /srv/bound rw - ext4 /dev/vda rw
"""


def test_mounts_are_read_as_the_kernel_writes_them() -> None:
    """Spaces and backslashes are escaped, and there may be fields of any number before the dash."""
    found = mounts_in(MOUNTINFO)[31]
    assert (found.point, found.fs_type) == ("/srv/hotfolder/a \\é", "fuse.sshfs")


@pytest.mark.parametrize(
    ("number", "point"), [(25, "/"), (30, "/"), (31, "/srv/hotfolder/a \\é"), (32, "/srv/bound")]
)
def test_a_mount_that_repeats_what_is_below_it_is_none(number: int, point: str) -> None:
    """The writable folders of a unit are bound onto themselves by systemd; a bind of another folder is a mount point."""
    found = mount_below(mounts_in(MOUNTINFO), number)
    assert found is not None
    assert found.point == point
    assert mount_below(mounts_in(MOUNTINFO), 99) is None


def test_the_reason_says_what_to_do() -> None:
    """What was where, and both ways out."""
    text = bare_mount_point(PATH, SHARE, "invoices")
    assert "cifs mounted at /mnt/share" in text
    assert "hotfolder resume invoices" in text
