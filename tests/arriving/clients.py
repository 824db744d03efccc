"""Clients of all servers of docs/scanners.md: how each sends, how it is broken off, and two hundred at once."""

from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from pathlib import Path

from tests.arriving import explorer, ftp, smb, ssh
from tests.arriving.office import DEVICES, PEOPLE, Office, desk
from tests.arriving.room import Spot, Way
from tests.e2e.harness import wait_for

DOCUMENTS = 200
AT_ONCE = 6
"""Clients at the same time."""
NOT_HERE = {smb.put_by_smb1, smb.put_with_reserved_space, ssh.scp_of_old, ssh.sftp_put_with_its_folder}
"""SMB 1 is switched off, the share is another one, there is no shell behind SFTP, and folders see below."""
SMB_WAYS = [way for way in (*smb.WAYS, *explorer.WAYS) if way not in NOT_HERE]
SFTP_WAYS = [way for way in ssh.WAYS if way not in NOT_HERE and "rsync" not in way.__name__]
# `HiddenStores` of proftpd refuses REST: nothing is resumed there.
WAYS: list[tuple[str, tuple[str, ...], Way]] = [
    *(("samba", PEOPLE, way) for way in SMB_WAYS),
    *(("samba", DEVICES, way) for way in SMB_WAYS),
    *(("vsftpd", DEVICES, way) for way in ftp.WAYS),
    *(("proftpd", DEVICES, way) for way in ftp.WAYS if way is not ftp.stor_from_the_middle),
    *(("sshd", PEOPLE, way) for way in SFTP_WAYS),
]
BROKEN: list[tuple[str, str, Way, Way]] = [
    ("samba", "anna", smb.killed, smb.put),
    ("samba", "scanner1", smb.killed, explorer.copied_over),
    ("vsftpd", "scanner1", ftp.finished_early, ftp.stor),
    ("vsftpd", "scanner2", ftp.reset_early, ftp.stor_from_the_middle),
    ("vsftpd", "scanner2", ftp.aborted, ftp.lftp_put),
    ("proftpd", "scanner1", ftp.finished_early, ftp.stor),
    ("sshd", "bert", ssh.sftp_killed, ssh.sftp_put),
]


def arrived_once(place: Office, spots: list[Spot]) -> None:
    """Wait until documents are filed; each was sent once, and as it was meant."""

    def missing() -> list[Spot]:
        filed = place.filed()
        return [spot for spot in spots if spot.name not in filed]

    try:
        wait_for(lambda: not missing(), 120)
    except AssertionError:
        reasons = [f"{spot.path}: {place.why(spot.path)}" for spot in missing()]
        raise AssertionError("\n".join(["not filed:", *reasons])) from None
    filed = place.filed()
    for spot in spots:
        found = filed[spot.name].read_bytes()
        assert found == spot.content, spot.name
        assert len(spot.room.sent(spot.name)) == 1, spot.name
        assert filed[spot.name].with_name(f"{spot.name}.json").exists()


def all_dropped(place: Office, scratch: Path) -> list[Spot]:
    """Send so many documents in every way that a client can, through every server, and return them."""

    def drop(case: tuple[int, tuple[str, tuple[str, ...], Way]]) -> Spot:
        number, (server, users, way) = case
        folder = scratch / str(number)
        folder.mkdir()
        name = f"{server}-{way.__name__}-{number}.pdf"
        spot = desk(place, server, users[number % len(users)], name, folder, edge=220)
        way(spot)
        return spot

    with ThreadPoolExecutor(AT_ONCE) as clients:
        return list(clients.map(drop, enumerate(islice(cycle(WAYS), DOCUMENTS))))
