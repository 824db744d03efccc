"""Read from disk and account database what the rights of a queue are judged by."""

import grp
import os
import pwd
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from hotfolder.rights.access import Access, Entry, Kind, Subject, parsed
from hotfolder.rights.verdicts import Site

_ACCESS_LIST, _DEFAULT_LIST = "system.posix_acl_access", "system.posix_acl_default"


def survey(
    drop: Path, own: Iterable[Path], secrets: Iterable[Path], state_dir: Path, service: int | None = None
) -> Site:
    """Gather the facts about a queue for a service's user, ourselves where none is named; raises OSError."""
    user = os.geteuid() if service is None else service
    group, groups = _groups_of(user)
    folder = access_to(drop)
    resolved = Path(os.path.realpath(drop))
    return Site(
        service=Subject(_user_name(user), user, frozenset(groups)),
        service_name=_user_name(user),
        group=group,
        group_name=_group_name(group),
        insiders=sorted(set(_members(group)) - {_user_name(user)}),
        named=list(_named(folder, user, group)),
        drop=folder,
        above=[access_to(one) for one in resolved.parents],
        own=list(_there(own)),
        secrets=[[file, *_way_to(file)] for file in _there(secrets)],
        state=next(_there([state_dir]), None),
    )


def access_to(path: Path) -> Access:
    """Return the rights of a file or folder, through links; raises OSError."""
    status = os.stat(path)
    is_folder = stat.S_ISDIR(status.st_mode)
    return Access(
        path=str(path),
        owner=status.st_uid,
        group=status.st_gid,
        mode=stat.S_IMODE(status.st_mode),
        acl=_list(path, _ACCESS_LIST),
        handed_on=_list(path, _DEFAULT_LIST) if is_folder else (),
    )


def _list(path: Path, attribute: str) -> tuple[Entry, ...]:
    try:
        return parsed(os.getxattr(path, attribute))
    except (OSError, ValueError):  # no list, no lists on this file system, or one that only its kernel reads
        return ()


def _there(paths: Iterable[Path]) -> Iterator[Access]:
    """Yield the rights of what exists and may be looked at."""
    for path in paths:
        with suppress(OSError):
            yield access_to(path)


def _way_to(file: Access) -> Iterator[Access]:
    return _there(Path(os.path.realpath(file.path)).parents)


def _named(folder: Access, user: int, group: int) -> Iterator[Subject]:
    """Yield everybody whom the rights of a folder name, the service, root and the service's own group excepted."""
    users = [folder.owner, *(one.number for one in folder.acl if one.kind is Kind.USER)]
    groups = [folder.group, *(one.number for one in folder.acl if one.kind is Kind.GROUP)]
    for number in dict.fromkeys(users):
        if number not in {user, 0}:
            name = _user_name(number)
            yield Subject(f"user {name}", number, frozenset(_groups_of(number)[1]), f"u:{name}")
    for number in dict.fromkeys(groups):
        if number not in {group, 0}:
            name = _group_name(number)
            members = ", ".join(_members(number)) or "no members"
            yield Subject(f"group {name} ({members})", None, frozenset({number}), f"g:{name}")


def _groups_of(user: int) -> tuple[int, list[int]]:
    """Return a user's own group and all of them; our own where it is us, since a unit may add some."""
    if user == os.geteuid():
        return os.getegid(), [os.getegid(), *os.getgroups()]
    try:
        account = pwd.getpwuid(user)
    except KeyError:
        return user, [user]
    return account.pw_gid, os.getgrouplist(account.pw_name, account.pw_gid)


def _members(group: int) -> list[str]:
    """Return who is in a group, also those whose own group it is."""
    try:
        listed = grp.getgrgid(group).gr_mem
    except KeyError:
        listed = []
    return sorted({*listed, *(one.pw_name for one in pwd.getpwall() if one.pw_gid == group)})


def _user_name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)


def _group_name(group: int) -> str:
    try:
        return grp.getgrgid(group).gr_name
    except KeyError:
        return str(group)
