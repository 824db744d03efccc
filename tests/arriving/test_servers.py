"""Documents that file servers write into the folders of a running daemon."""

import os
from collections.abc import Callable

import pytest

from hotfolder.arrivals.scan import examine
from tests.arriving import ftp, smb, ssh
from tests.arriving.room import PATIENT, Spot, Way
from tests.builders import without_privileges

SpotFor = Callable[[str, str], Spot]

QUEUES = {smb: "to-docdigitizer", ftp: "to-digitoo", ssh: "to-docdigitizer"}
PAGE_BY_PAGE = {smb.put_again_with_each_page, ftp.appe_page_by_page}
WAYS = [
    (PATIENT if way in PAGE_BY_PAGE else queue, way)
    for server, queue in QUEUES.items()
    for way in server.WAYS
]
BROKEN = [(queue, *both) for server, queue in QUEUES.items() for both in server.BROKEN.items()]


def called(way: object) -> str | None:
    """Name a case after its function."""
    return f"{way.__module__.rpartition('.')[2]}-{way.__name__}" if callable(way) else None


@pytest.mark.parametrize(("queue", "way"), WAYS, ids=called)
def test_what_a_client_sends_arrives_once(queue: str, way: Way, spot_for: SpotFor) -> None:
    """Whatever the server does to the file, the service gets what the client meant, once."""
    spot = spot_for(queue, f"{called(way)}.pdf")
    way(spot)
    spot.room.assert_arrived_once(spot.name, spot.content)


@pytest.mark.parametrize(("queue", "broken", "again"), BROKEN, ids=called)
def test_a_broken_transfer_waits_and_arrives_once_it_is_whole(
    queue: str, broken: Way, again: Way, spot_for: SpotFor
) -> None:
    """The server closed half a document as if it were a whole one: it is kept back, explained, and mended."""
    spot = spot_for(queue, f"{called(broken)}.pdf")
    broken(spot)
    assert len(spot.path.read_bytes()) < len(spot.pages[0])
    spot.why("bytes, but only [0-9]+ are here")
    assert spot.room.sent(spot.name) == []
    again(spot)
    spot.room.assert_arrived_once(spot.name, spot.content)


def test_a_stalled_smb_client_is_said_to_have_it_open(spot_for: SpotFor) -> None:
    """Half a document of a client that says nothing more is told from one that was broken off."""
    spot = spot_for("to-docdigitizer", "stalled-smb.pdf")
    with smb.half_put(spot) as (client, narrow):
        spot.why("still has it open for writing")
        narrow.open()
        assert client.wait(15) == 0
    spot.room.assert_arrived_once(spot.name, spot.content)


def test_a_stalled_ftp_client_is_said_to_have_it_open(spot_for: SpotFor) -> None:
    """The same by FTP, where the file even belongs to another user."""
    spot = spot_for("to-digitoo", "stalled-ftp.pdf")
    with ftp.half_stored(spot) as (_, pipe):
        spot.why("still has it open for writing")
        pipe.sendall(spot.content[len(spot.half) :])
    spot.room.assert_arrived_once(spot.name, spot.content)


def test_what_vsftpd_removed_is_forgotten(spot_for: SpotFor) -> None:
    """`delete_failed_uploads` removes what was reset; sent again, it arrives."""
    spot = spot_for("to-digitoo", "reset-at-a-strict-server.pdf")
    ftp.reset_at_a_strict_server(spot)
    assert spot.room.sent(spot.name) == []
    ftp.stor(spot)
    spot.room.assert_arrived_once(spot.name, spot.content)


@pytest.mark.parametrize(("share", "known"), [("nobodys", True), ("scan", None)])
def test_writers_of_ones_own_files_are_seen_without_privileges(
    share: str,
    known: bool | None,  # noqa: FBT001 — a parameter
    spot_for: SpotFor,
) -> None:
    """`force user` with the service's own user lets it ask the kernel; of others' files nothing is known."""
    spot = spot_for("to-docdigitizer", f"forced-{share}.pdf")
    drop = os.open(spot.path.parent, os.O_RDONLY)
    try:
        with smb.half_put(spot, share) as (client, narrow):
            with without_privileges():
                facts = examine(drop, b"", spot.name.encode(), fs_type="ext4")
            assert facts.writer is known
            narrow.open()
            assert client.wait(15) == 0
    finally:
        os.close(drop)
    spot.room.assert_arrived_once(spot.name, spot.content)
