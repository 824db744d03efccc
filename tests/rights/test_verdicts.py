"""What is said of rights that differ from the model."""

from dataclasses import replace
from typing import Any

import pytest

from hotfolder.rights import Access, Entry, Kind, Site, Subject, Weight, judged

SERVICE, GROUP, DROP_GROUP, ANNA = 900, 901, 902, 1001
DROPPERS = Subject("group hotfolder-drop (anna)", None, frozenset({DROP_GROUP}), "g:hotfolder-drop")
USER = Subject("user anna", ANNA, frozenset({DROP_GROUP}), "u:anna")
BASE = (Entry(Kind.OWNER, 7), Entry(Kind.OWNING_GROUP, 7), Entry(Kind.OTHERS, 0))
LISTED = (*BASE, Entry(Kind.GROUP, 7, DROP_GROUP), Entry(Kind.MASK, 7))
DROP = Access("/srv/q", SERVICE, GROUP, 0o3770, LISTED, BASE)
ABOVE = (Access("/srv", 0, GROUP, 0o751), Access("/", 0, 0, 0o755))
DONE = Access("/srv/q/done", SERVICE, GROUP, 0o2770, BASE)
SECRET = Access("/etc/hotfolder/password", 0, GROUP, 0o640)
WAY = (Access("/etc/hotfolder", 0, GROUP, 0o750), *ABOVE[1:])


def site(**changes: Any) -> Site:
    """Make what the model asks for, with some changes."""
    made = Site(
        service=Subject("hotfolder", SERVICE, frozenset({GROUP})),
        service_name="hotfolder",
        group=GROUP,
        group_name="hotfolder",
        insiders=(),
        named=(DROPPERS,),
        drop=DROP,
        above=ABOVE,
        own=(DONE,),
        secrets=((SECRET, *WAY),),
        state=Access("/var/lib/hotfolder", SERVICE, GROUP, 0o750),
    )
    return replace(made, **changes)


def test_the_model_is_fine() -> None:
    """Who may drop is named, and that they can do nothing else."""
    told = [(one.weight, one.text) for one in judged(site())]
    assert told == [
        (Weight.FINE, "/srv/q takes documents of: group hotfolder-drop (anna)"),
        (
            Weight.FINE,
            "who drops into /srv/q cannot read what others drop, nor enter done/, failed/ and .hotfolder/",
        ),
    ]


def test_a_folder_of_ones_own_is_fine() -> None:
    """Where nobody else may drop there is nothing to complain about."""
    told = [one.text for one in judged(site(named=(), drop=Access("/srv/q", SERVICE, GROUP, 0o750)))]
    assert told == ["/srv/q takes documents of: only hotfolder, and servers that write as that user"]


MODEL = (
    "chown hotfolder:hotfolder /srv/q && chmod 3770 /srv/q && setfacl -b -k -m g:hotfolder-drop:rwx,d:u::rwx,"
)
CASES: list[tuple[dict[str, Any], Weight, str, str]] = [
    (
        {"drop": replace(DROP, mode=0o2770)},
        Weight.NOTE,
        "whoever may drop into /srv/q may remove what others dropped",
        MODEL,
    ),
    (
        {"drop": replace(DROP, handed_on=())},
        Weight.NOTE,
        "what somebody drops into /srv/q can be read by group hotfolder-drop",
        MODEL,
    ),
    (
        {"drop": replace(DROP, mode=0o1770, handed_on=())},
        Weight.NOTE,
        "what somebody drops into /srv/q can be read by group hotfolder-drop",
        MODEL,
    ),
    (
        {"drop": replace(DROP, mode=0o1770, handed_on=BASE)},
        Weight.NOTE,
        "may be unreadable for hotfolder",
        MODEL,
    ),
    (
        {"drop": Access("/srv/q", SERVICE, DROP_GROUP, 0o3770)},
        Weight.NOTE,
        "what somebody drops into /srv/q can be read by group hotfolder-drop",
        MODEL,
    ),
    (
        {"drop": Access("/srv/q", SERVICE, GROUP, 0o1777), "named": ()},
        Weight.NOTE,
        "everybody on this machine may write to /srv/q",
        MODEL,
    ),
    ({"drop": replace(DROP, owner=0)}, Weight.BAD, "hotfolder cannot move", "chown hotfolder /srv/q"),
    (
        {"drop": replace(DROP, owner=ANNA), "named": (USER, DROPPERS)},
        Weight.NOTE,
        "/srv/q belongs to user anna",
        "chown hotfolder:hotfolder /srv/q",
    ),
    (
        {"above": (Access("/srv", 0, GROUP, 0o750), *ABOVE[1:])},
        Weight.NOTE,
        "cannot pass /srv on the way",
        "setfacl -m g:hotfolder-drop:x /srv",
    ),
    (
        {"above": (Access("/srv", SERVICE, DROP_GROUP, 0o771), *ABOVE[1:])},
        Weight.BAD,
        "may rename or remove /srv/q",
        "chgrp hotfolder /srv",
    ),
    (
        {"above": (Access("/srv", SERVICE, GROUP, 0o757), *ABOVE[1:])},
        Weight.BAD,
        "may rename or remove /srv/q",
        "chmod o-w /srv",
    ),
    (
        {"own": (replace(DONE, acl=(), mode=0o2775),)},
        Weight.NOTE,
        "may read what lies in /srv/q/done",
        "chmod o-rwx /srv/q/done",
    ),
    (
        {"own": (replace(DONE, acl=LISTED),)},
        Weight.BAD,
        "may change what lies in /srv/q/done",
        "setfacl -x g:hotfolder-drop /srv/q/done",
    ),
    (
        {"own": (Access("/srv/q/done", SERVICE, DROP_GROUP, 0o750),)},
        Weight.NOTE,
        "may read what lies in /srv/q/done",
        "chgrp hotfolder /srv/q/done",
    ),
    (
        {"secrets": ((replace(SECRET, group=DROP_GROUP), replace(WAY[0], mode=0o755), WAY[1]),)},
        Weight.BAD,
        "may read the secrets in /etc/hotfolder/password",
        "chgrp hotfolder /etc/hotfolder/password",
    ),
    (
        {"state": Access("/var/lib/hotfolder", SERVICE, GROUP, 0o755)},
        Weight.NOTE,
        "everybody on this machine may read the journal",
        "chmod o-rwx /var/lib/hotfolder",
    ),
    (
        {"state": Access("/var/lib/hotfolder", 0, GROUP, 0o750)},
        Weight.BAD,
        "/var/lib/hotfolder does not belong to hotfolder",
        "chown hotfolder /var/lib/hotfolder",
    ),
    (
        {"insiders": ("anna",)},
        Weight.NOTE,
        "user anna is in the group hotfolder",
        "gpasswd -a anna hotfolder-drop",
    ),
]


@pytest.mark.parametrize(("changes", "weight", "text", "command"), CASES)
def test_each_deviation_is_told_with_its_command(
    changes: dict[str, Any], weight: Weight, text: str, command: str
) -> None:
    """What is not as the model says is told with its weight, and with what mends it."""
    found = [one for one in judged(site(**changes)) if text in one.text]
    assert [one.weight for one in found] == [weight]
    assert found[0].command.startswith(command)
    assert str(found[0]).endswith(f"; run: {found[0].command}")


@pytest.mark.parametrize(
    "changes",
    [
        {"secrets": ((replace(SECRET, mode=0o644), *WAY),)},  # its folder keeps them out
        {"above": (Access("/srv", 0, DROP_GROUP, 0o1771), *ABOVE[1:])},  # sticky
        {"own": (Access("/srv/q/.hotfolder", SERVICE, GROUP, 0o700),)},
        {
            "named": (replace(USER, groups=frozenset()),),
            "drop": replace(DROP, acl=(*BASE, Entry(Kind.USER, 7, ANNA))),
        },
        {"service": Subject("root", 0), "drop": replace(DROP, owner=5)},
        {"state": None},
    ],
)
def test_what_is_harmless_is_not_complained_about(changes: dict[str, Any]) -> None:
    """A right that nobody can use, or that the service does not need, is no deviation."""
    assert {one.weight for one in judged(site(**changes))} == {Weight.FINE}
