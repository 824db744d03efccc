"""Let root act as the service's user, so that nothing is left behind that the service cannot use."""

import errno
import os
import pwd
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from hotfolder.answering import answers
from hotfolder.journal import JOURNAL_FILES

SERVICE_USER = "hotfolder"
"""The account that systemd/sysusers.d makes for the service."""
ROOT = 0
_STATE_MODE = 0o750
"""As StateDirectoryMode= in the unit."""
_UMASK = 0o007
"""As UMask= in the unit."""
_UNNAMED = "number "
_LEFT_BEHIND = {"lock", "control.sock"}
"""What a command of root's may have left in a state directory that has no journal yet."""


class IdentityError(OSError):
    """Root cannot go on as the service's user; `strerror` says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Traces:
    """What tells who the service is, each by a user's number; None where there is no such thing."""

    state_owner: int | None
    """Whoever the state directory belongs to."""
    has_journal: bool
    """Whether a daemon has run there already."""
    folder_owners: Sequence[int]
    """Whoever the drop folders belong to that exist."""
    account: int | None
    """The account called like `SERVICE_USER`."""


def service_user(traces: Traces) -> int:
    """Decide whom root stands in for: whoever owns the state, else the drop folders, else the service's account.

    A state directory of root's counts only once it holds a journal: before, a command may have made it by mistake.
    """
    if traces.state_owner is not None and (traces.state_owner != ROOT or traces.has_journal):
        return traces.state_owner
    for owner in traces.folder_owners:
        if owner != ROOT:
            return owner
    return ROOT if traces.account is None else traces.account


def act_as_service(state_dir: Path, folders: Iterable[Path]) -> int:
    """Let root go on as the service's user, whose state directory is made or handed over; returns the user's number.

    Anybody else stays who he is. Raises `IdentityError`, or OSError where the state directory cannot be made.
    """
    if os.geteuid() != ROOT:
        return os.geteuid()
    user = service_user(_traces(state_dir, folders))
    if user == ROOT:
        return user
    group, groups = _groups_of(user, _group_there(state_dir, folders, user))
    _hand_over(state_dir, user, group)
    _become(user, group, groups)
    for needed in (__file__, os.__file__):  # what is imported later must be readable, too
        if not os.access(needed, os.R_OK):
            text = (
                f"cannot be read by user {called(user)}, as whom root goes on; "
                "install the program where everybody can read it, such as /opt/hotfolder"
            )
            raise IdentityError(errno.EACCES, text, needed)
    if not os.access(state_dir, os.W_OK | os.X_OK):
        text = (
            f"user {called(user)}, as whom root goes on, cannot use it; set `state_dir` in the configuration"
        )
        raise IdentityError(errno.EACCES, text, str(state_dir))
    return user


def become_owner(state_dir: Path) -> None:
    """Let root go on as the owner of a state directory; raises OSError where there is none."""
    owner = os.stat(state_dir)
    if os.geteuid() != ROOT or owner.st_uid == ROOT:
        return
    _become(owner.st_uid, *_groups_of(owner.st_uid, owner.st_gid))


def account_named(name: str = SERVICE_USER) -> int | None:
    """Return the number of an account, None where there is none."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def called(user: int) -> str:
    """Return the name of a user, or `number N` where the system knows none."""
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:  # as in a container
        return f"{_UNNAMED}{user}"


def _traces(state_dir: Path, folders: Iterable[Path]) -> Traces:
    # A share that does not answer tells nothing of who the service is.
    found = [status for status in answers(_status, folders).values() if status is not None]
    state = _status(state_dir)
    return Traces(
        state_owner=None if state is None else state.st_uid,
        has_journal=os.path.lexists(state_dir / os.fsdecode(JOURNAL_FILES[0])),
        folder_owners=[status.st_uid for status in found],
        account=account_named(),
    )


def _status(path: Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _group_there(state_dir: Path, folders: Iterable[Path], user: int) -> int:
    """Return the group of what belongs to a user without an account."""
    for status in answers(_status, (state_dir, *folders)).values():
        if status is not None and status.st_uid == user:
            return status.st_gid
    return user


def _groups_of(user: int, otherwise: int) -> tuple[int, list[int]]:
    """Return a user's own group and all groups; a user without an account has the one that is given."""
    try:
        account = pwd.getpwuid(user)
    except KeyError:
        return otherwise, [otherwise]
    return account.pw_gid, os.getgrouplist(account.pw_name, account.pw_gid)


def _hand_over(state_dir: Path, user: int, group: int) -> None:
    """Make the state directory for a user, or give him one that root has left there without a journal.

    Nothing else is ever given away: a link that somebody has put there could lead to anything of root's.
    """
    with suppress(FileExistsError):
        state_dir.parent.mkdir(parents=True, exist_ok=True)
        state_dir.mkdir(mode=_STATE_MODE)
    fd = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if os.fstat(fd).st_uid != ROOT:
            return
        names = os.listdir(fd)
        if os.path.islink(state_dir) or not set(names) <= _LEFT_BEHIND:
            text = f"it belongs to root; run: chown {called(user).removeprefix(_UNNAMED)} {state_dir}"
            raise IdentityError(errno.EPERM, text, str(state_dir))
        for name in names:
            os.chown(name, user, group, dir_fd=fd, follow_symlinks=False)
        os.fchown(fd, user, group)
    finally:
        os.close(fd)


def _become(user: int, group: int, groups: list[int]) -> None:
    os.umask(_UMASK)
    os.setgroups(groups)
    os.setgid(group)
    os.setuid(user)
