"""Judge what droppers may do with a queue against what they should: write, and neither read nor touch the rest (pure)."""

import shlex
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from hotfolder.rights.access import EVERYBODY, READ, SEARCH, WRITE, Access, Kind, Subject

DROPPERS = "hotfolder-drop"
"""The group of those who may drop; systemd/sysusers.d makes it."""
DROP = WRITE | SEARCH
_USUAL_MODE = 0o644
"""What programs make of a new file under the usual umask of 022."""
_WITHOUT_UMASK = 0o666
"""The same where the folder hands on a list: then the umask does not count (acl(5))."""


class Weight(StrEnum):
    """How much a remark matters."""

    FINE = "fine"
    NOTE = "note"
    """Works, and is less private than it could be; some sites want it so."""
    BAD = "bad"
    """Documents, records or secrets are exposed, or the service cannot do its work."""


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing to say, with the command that mends it where there is one."""

    weight: Weight
    text: str
    command: str = ""

    def __str__(self) -> str:
        return f"{self.text}; run: {self.command}" if self.command else self.text


@dataclass(frozen=True, slots=True)
class Site:
    """What the rights of one queue are judged by."""

    service: Subject
    service_name: str
    group: int
    """The service's own group, whose members read secrets."""
    group_name: str
    insiders: Sequence[str]
    """Members of that group besides the service."""
    named: Sequence[Subject]
    """Everybody else whom the rights of the drop folder name, with the folder's owner."""
    drop: Access
    above: Sequence[Access]
    """The folders that lead to the drop folder, the nearest first."""
    own: Sequence[Access]
    """The work folder and the archives."""
    secrets: Sequence[Sequence[Access]]
    """Each file that holds a password or key, with the folders that lead to it."""
    state: Access | None

    @property
    def droppers(self) -> list[Subject]:
        """Return all who may drop besides the service; everybody counts as one."""
        return [one for one in (*self.named, EVERYBODY) if one.may(self.drop) & DROP == DROP]


def judged(site: Site) -> Iterator[Remark]:
    """Yield who may drop, and each deviation from the model; without one, that it holds."""
    droppers = site.droppers
    names = [one.name for one in droppers]
    told = ", ".join(names) or f"only {site.service_name}, and servers that write as that user"
    yield Remark(Weight.FINE, f"{site.drop.path} takes documents of: {told}")
    found = [
        *_service(site, droppers),
        *_drop_folder(site, droppers),
        *_way_there(site, droppers),
        *_own_folders(site, droppers),
        *_secrets(site, droppers),
        *_insiders(site),
    ]
    yield from found
    if droppers and not found:
        yield Remark(
            Weight.FINE,
            f"who drops into {site.drop.path} cannot read what others drop, nor enter done/, failed/ and .hotfolder/",
        )


def model_command(site: Site, droppers: Sequence[Subject]) -> str:
    """Return the command that gives a drop folder the rights of the model, for those who may drop now."""
    kept = [one for one in droppers if one.key] or [Subject(DROPPERS, key=f"g:{DROPPERS}")]
    entries = [f"{one.key}:rwx" for one in kept] + ["d:u::rwx", "d:g::rwx", "d:o::-"]
    path = shlex.quote(site.drop.path)
    return (
        f"chown {site.service_name}:{site.group_name} {path} && chmod 3770 {path} && "
        f"setfacl -b -k -m {','.join(entries)} {path}"
    )


def future(drop: Access) -> Access:
    """Return what the rights of a new file in a folder will be, made by somebody else with the usual mode."""
    group = drop.group if drop.mode & stat.S_ISGID else -1
    if not drop.handed_on:
        return Access("", -1, group, _USUAL_MODE)
    has_mask = any(one.kind is Kind.MASK for one in drop.handed_on)
    limits = {
        Kind.OWNER: _WITHOUT_UMASK >> 6 & 7,
        Kind.MASK if has_mask else Kind.OWNING_GROUP: _WITHOUT_UMASK >> 3 & 7,
        Kind.OTHERS: _WITHOUT_UMASK & 7,
    }
    entries = tuple(replace(one, rights=one.rights & limits.get(one.kind, 7)) for one in drop.handed_on)
    rights = {one.kind: one.rights for one in entries if one.kind not in {Kind.USER, Kind.GROUP}}
    shown = rights[Kind.MASK if has_mask else Kind.OWNING_GROUP]
    mode = rights[Kind.OWNER] << 6 | shown << 3 | rights[Kind.OTHERS]
    return Access("", -1, group, mode, acl=entries)


def _service(site: Site, droppers: Sequence[Subject]) -> Iterator[Remark]:
    path = site.drop.path
    if droppers and site.drop.is_sticky and site.service.user not in {0, site.drop.owner}:
        text = f"{site.service_name} cannot move what others drop into {path}: it is sticky and not the service's"
        yield Remark(Weight.BAD, text, f"chown {site.service_name} {shlex.quote(path)}")
    if droppers and not site.service.may(future(site.drop)) & READ:
        text = f"what is dropped into {path} may be unreadable for {site.service_name}"
        yield Remark(Weight.NOTE, text, model_command(site, droppers))
    state = site.state
    if state is None:
        return
    if site.service.user not in {state.owner, 0}:
        text = f"{state.path} does not belong to {site.service_name}"
        yield Remark(Weight.BAD, text, f"chown {site.service_name} {shlex.quote(state.path)}")
    for one in _readers([*droppers, EVERYBODY], state, READ | SEARCH):
        text = f"{one.name} may read the journal in {state.path}"
        yield Remark(Weight.NOTE, text, taking_away(site, state, one))


def _drop_folder(site: Site, droppers: Sequence[Subject]) -> Iterator[Remark]:
    path = site.drop.path
    command = model_command(site, droppers)
    if EVERYBODY in droppers:
        yield Remark(Weight.NOTE, f"everybody on this machine may write to {path}", command)
    if droppers and not site.drop.is_sticky:
        text = f"whoever may drop into {path} may remove what others dropped, and rename .hotfolder away"
        yield Remark(Weight.NOTE, text, command)
    owner = next((one for one in site.named if one.user == site.drop.owner), None)
    if owner is not None:
        text = f"{path} belongs to {owner.name}, who may do everything with it"
        yield Remark(Weight.NOTE, text, command)
    alone = len(droppers) == 1 and droppers[0].user is not None
    inside = [one for one in (*([] if alone else droppers), EVERYBODY) if one.may(site.drop) & SEARCH]
    for one in _readers(inside, future(site.drop), READ):
        text = f"what somebody drops into {path} can be read by {one.name}"
        yield Remark(Weight.NOTE, text, command)


def _way_there(site: Site, droppers: Sequence[Subject]) -> Iterator[Remark]:
    below = site.drop
    for folder in site.above:
        for one in droppers:
            rights = one.may(folder)
            if not rights & SEARCH:
                text = f"{one.name} cannot pass {folder.path} on the way to {site.drop.path}"
                yield Remark(Weight.NOTE, text, f"setfacl -m {one.key or 'o:'}:x {shlex.quote(folder.path)}")
            movable = not folder.is_sticky or one.user in {folder.owner, below.owner}
            if rights & DROP == DROP and movable:
                text = f"{one.name} may rename or remove {below.path}, and put another folder there"
                yield Remark(Weight.BAD, text, taking_away(site, folder, one, "w"))
        below = folder


def _own_folders(site: Site, droppers: Sequence[Subject]) -> Iterator[Remark]:
    for folder in site.own:
        for one in _unique([*droppers, EVERYBODY]):
            rights = one.may(folder) if _passes(one, site.drop, folder) else 0
            if rights & DROP == DROP:
                text = f"{one.name} may change what lies in {folder.path}"
                yield Remark(Weight.BAD, text, taking_away(site, folder, one))
            elif rights & (READ | SEARCH):
                text = f"{one.name} may read what lies in {folder.path}"
                yield Remark(Weight.NOTE, text, taking_away(site, folder, one))


def _passes(one: Subject, drop: Access, folder: Access) -> bool:
    """Tell whether somebody gets as far as a folder, which may lie in the drop folder or elsewhere."""
    return not folder.path.startswith(f"{drop.path}/") or bool(one.may(drop) & SEARCH)


def _secrets(site: Site, droppers: Sequence[Subject]) -> Iterator[Remark]:
    for file, *way in site.secrets:
        there = [one for one in (*droppers, EVERYBODY) if all(one.may(folder) & SEARCH for folder in way)]
        for one in _readers(there, file, READ):
            text = f"{one.name} may read the secrets in {file.path}"
            yield Remark(Weight.BAD, text, taking_away(site, file, one))


def _insiders(site: Site) -> Iterator[Remark]:
    for name in site.insiders:
        text = f"user {name} is in the group {site.group_name}, and so may read its secrets and all that is filed"
        command = f"gpasswd -a {name} {DROPPERS}; gpasswd -d {name} {site.group_name}"
        yield Remark(Weight.NOTE, text, command)


def _unique(subjects: Sequence[Subject]) -> list[Subject]:
    return list(dict.fromkeys(subjects))


def _readers(subjects: Sequence[Subject], file: Access, rights: int) -> list[Subject]:
    """Return who has all of some rights; where everybody has, nobody else is named."""
    if EVERYBODY in subjects and EVERYBODY.may(file) & rights == rights:
        return [EVERYBODY]
    return [one for one in _unique(subjects) if one.may(file) & rights == rights]


def taking_away(site: Site, access: Access, one: Subject, rights: str = "rwx") -> str:
    """Return the command that takes rights from somebody, by the entry that gives them to him."""
    path = shlex.quote(access.path)
    if one.user is not None and one.user == access.owner:
        return f"chown {site.service_name} {path}"
    if one.user is not None and access.of(Kind.USER, one.user) is not None:
        return f"setfacl -x {one.key} {path}"
    if any(access.of(Kind.GROUP, group) is not None for group in one.groups):
        return f"setfacl -x {one.key} {path}"
    if access.group in one.groups:
        return f"chgrp {site.group_name} {path}"
    return f"chmod o-{rights} {path}"
