"""What the kernel lets somebody do with a file: owner, group, mode and POSIX access control list (pure).

The algorithm is acl(5)'s: the owner's entry, else a user's own entry, else those of his groups, else `others`;
all but the first and the last are limited by the mask.
"""

import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

READ, WRITE, SEARCH = 4, 2, 1
"""Rights as they stand in a mode; of a folder: list its names, make and remove names in it, pass it."""

_VERSION = 2
_HEAD, _ENTRY = struct.Struct("<I"), struct.Struct("<HHI")
"""linux/posix_acl_xattr.h: version; then tag, rights and number of each entry, little endian."""
_NOBODY = 0xFFFFFFFF


class Kind(IntEnum):
    """Whom an entry of an access control list speaks of; the values are the kernel's tags."""

    OWNER = 0x01
    USER = 0x02
    OWNING_GROUP = 0x04
    GROUP = 0x08
    MASK = 0x10
    OTHERS = 0x20


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an access control list; `number` is a user's or group's where the kind names one."""

    kind: Kind
    rights: int
    number: int = _NOBODY


@dataclass(frozen=True, slots=True)
class Access:
    """All that the kernel asks when somebody wants something of a file or folder."""

    path: str
    owner: int
    group: int
    mode: int
    """As in `st_mode`."""
    acl: tuple[Entry, ...] = ()
    """Empty where the mode says everything."""
    handed_on: tuple[Entry, ...] = ()
    """The default list of a folder, which new files in it get."""

    @property
    def is_sticky(self) -> bool:
        """Tell whether only owners may remove and rename what lies in this folder."""
        return bool(self.mode & stat.S_ISVTX)

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Return the list, or what the mode stands for.

        Where the group's bits of the mode (the mask) are all off, Linux does not look at the list: whoever it names
        gets what others get (`acl_permission_check` in fs/namei.c).
        """
        if self.acl and self.mode & stat.S_IRWXG:
            return self.acl
        return (
            Entry(Kind.OWNER, self.mode >> 6 & 7),
            Entry(Kind.OWNING_GROUP, self.mode >> 3 & 7),
            Entry(Kind.OTHERS, self.mode & 7),
        )

    def of(self, kind: Kind, number: int = _NOBODY) -> int | None:
        """Return what an entry gives without regard to the mask, None where there is no such entry."""
        found = (one.rights for one in self.entries if one.kind is kind and one.number in {number, _NOBODY})
        return next(found, None)

    def masked(self, rights: int | None) -> int:
        """Return rights as the mask lets them through."""
        mask = self.of(Kind.MASK)
        return (rights or 0) & (7 if mask is None else mask)


@dataclass(frozen=True, slots=True)
class Subject:
    """Somebody who wants something: a user with all his groups, or anybody of whom only a group is known."""

    name: str
    """As it is told to people: `group scanners`, `user anna`, `everybody`."""
    user: int | None = None
    groups: frozenset[int] = frozenset()
    key: str = ""
    """As setfacl names him, such as `g:scanners`; empty for everybody."""

    def may(self, access: Access) -> int:
        """Return the rights that he has."""
        if self.user == 0:
            return READ | WRITE | SEARCH
        if self.user == access.owner:
            return access.of(Kind.OWNER) or 0
        named = None if self.user is None else access.of(Kind.USER, self.user)
        if named is not None:
            return access.masked(named)
        of_groups = list(self._of_groups(access))
        if not of_groups:
            return access.of(Kind.OTHERS) or 0
        together = 0
        for rights in of_groups:
            together |= rights
        return access.masked(together)

    def _of_groups(self, access: Access) -> Iterator[int]:
        if access.group in self.groups:
            yield access.of(Kind.OWNING_GROUP) or 0
        for one in access.entries:
            if one.kind is Kind.GROUP and one.number in self.groups:
                yield one.rights


EVERYBODY = Subject("everybody on this machine")


def parsed(attribute: bytes) -> tuple[Entry, ...]:
    """Return the entries of `system.posix_acl_access` or `..._default`; raises ValueError for another format."""
    if not attribute:
        return ()
    if len(attribute) < _HEAD.size or _HEAD.unpack_from(attribute)[0] != _VERSION:
        raise ValueError("an access control list of an unknown version")
    found = _ENTRY.iter_unpack(attribute[_HEAD.size :])
    return tuple(Entry(Kind(tag), rights, number) for tag, rights, number in found)


def packed(entries: tuple[Entry, ...]) -> bytes:
    """Return entries as the kernel takes them, in the order that it asks for."""
    ordered = sorted(entries, key=lambda one: (one.kind, one.number))
    return _HEAD.pack(_VERSION) + b"".join(_ENTRY.pack(one.kind, one.rights, one.number) for one in ordered)
