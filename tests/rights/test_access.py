"""What is said of rights is what the kernel does."""

import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from hotfolder.rights import Access, Entry, Kind, Subject, packed, parsed
from hotfolder.rights.survey import access_to

CASES = 150
NUMBERS = (7001, 7002, 7003)
"""Of users and groups alike; nobody on this machine has them."""
ASK = """
import json, os, sys
for path, user, groups in json.load(sys.stdin):
    if not (child := os.fork()):
        os.setgroups(groups[1:]); os.setgid(groups[0]); os.setuid(user)
        os._exit(sum(right for right in (4, 2, 1) if os.access(path, right)))
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def drawn(chance: random.Random) -> tuple[Entry, ...]:
    """Draw a list as setfacl could have made it."""
    entries = [Entry(kind, chance.randrange(8)) for kind in (Kind.OWNER, Kind.OWNING_GROUP, Kind.OTHERS)]
    for kind in (Kind.USER, Kind.GROUP):
        named = chance.sample(NUMBERS, chance.randrange(3))
        entries += [Entry(kind, chance.randrange(8), number) for number in named]
    if len(entries) > 3:
        entries.append(Entry(Kind.MASK, chance.randrange(8)))
    return tuple(entries)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can ask as somebody else: NOT checked")
def test_the_kernel_gives_the_same_rights() -> None:
    """Of files with all kinds of lists, users in all kinds of groups get what `may` says."""
    chance = random.Random(20)
    asked, said = [], []
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        for number in range(CASES):
            path = Path(top, str(number))
            path.write_bytes(b"")
            os.chown(path, chance.choice(NUMBERS), chance.choice(NUMBERS))
            try:
                os.setxattr(path, "system.posix_acl_access", packed(drawn(chance)))
            except OSError as problem:
                pytest.skip(f"no access control lists on the file system of {top}: {problem}")
            user, groups = chance.choice((*NUMBERS, 7009)), chance.sample((*NUMBERS, 7009), 2)
            asked.append((str(path), user, groups))
            said.append(Subject("", user, frozenset(groups)).may(access_to(path)))
        told = subprocess.run(
            [sys.executable, "-c", ASK], input=json.dumps(asked), capture_output=True, text=True, check=True
        )
    assert [int(line) for line in told.stdout.split()] == said
    assert len(set(said)) == 8, "the draw has become one-sided"


def test_a_list_survives_packing() -> None:
    """What is written is what is read, in the kernel's order."""
    chance = random.Random(21)
    for _ in range(50):
        entries = drawn(chance)
        assert parsed(packed(entries)) == tuple(sorted(entries, key=lambda one: (one.kind, one.number)))


def test_another_format_is_an_error() -> None:
    """A list that is not understood is not taken for an empty one."""
    with pytest.raises(ValueError, match="unknown version"):
        parsed(b"\1\0\0\0")
    assert parsed(b"") == ()


def test_a_mode_alone_says_everything() -> None:
    """Without a list the mode counts, and a member of the group does not get what others get."""
    file = Access("f", 1, 2, 0o604)
    assert [
        Subject("", *one).may(file) for one in ((1, frozenset()), (9, frozenset({2})), (9, frozenset()))
    ] == [
        6,
        0,
        4,
    ]
    assert Subject("root", 0).may(file) == 7
