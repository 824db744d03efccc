"""Tell what an open file or folder lies on: the file system, what it can tell, and where it is mounted."""

import os
import stat

from hotfolder.checks.ground import mount_below, mounts_in
from hotfolder.model import Ground

_BLOCKS_TELL = frozenset({"ext2", "ext3", "ext4", "xfs", "tmpfs"})
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "afs", "glusterfs", "lustre"})


def ground_of(fd: int) -> Ground | None:
    """Return what an open folder stands on; None where the kernel does not tell (its mount is gone)."""
    try:
        with open(f"/proc/self/fdinfo/{fd}", encoding="ascii") as lines:
            number = next(int(line.split()[1]) for line in lines if line.startswith("mnt_id:"))
        with open("/proc/self/mountinfo", "rb") as table:
            mount = mount_below(mounts_in(table.read()), number)
        status = os.fstat(fd)
    except (OSError, StopIteration, ValueError):
        return None
    return Ground(mount.point, mount.fs_type, status.st_dev, status.st_ino) if mount else None


def file_system(fd: int) -> str:
    """Return the type of the file system that an open file lies on, as the kernel names it; "" if unknown."""
    ground = ground_of(fd)
    return ground.fs_type if ground else ""


def blocks_tell(fs_type: str) -> bool:
    """Tell whether allocated blocks below a file's size prove that it was not written to its end."""
    return fs_type in _BLOCKS_TELL


def keeps_numbers(fs_type: str) -> bool:
    """Tell whether a file keeps its inode number when it is moved: sshfs gives out one for each new name."""
    return not fs_type.startswith("fuse")


def is_remote(fs_type: str) -> bool:
    """Tell whether other machines may write to this file system without the kernel here knowing."""
    return fs_type in _NETWORK or fs_type.startswith("fuse")


def lets_go(folder: int, status: os.stat_result) -> bool:
    """Tell whether our rights let a file be moved out of its open folder; raises OSError."""
    user = os.geteuid()
    if user == 0:
        return True
    above = os.fstat(folder)
    if above.st_mode & stat.S_ISVTX and user not in {above.st_uid, status.st_uid}:
        return False
    return os.access(".", os.W_OK | os.X_OK, dir_fd=folder, effective_ids=True)
