"""Servers that are set up as docs/scanners.md says, and the service behind them under its own account."""

import io
import random
import re
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.arriving import explorer, ftp, smb, ssh
from tests.arriving.clients import BROKEN, DOCUMENTS, all_dropped, arrived_once
from tests.arriving.office import Office, desk
from tests.arriving.room import Way
from tests.e2e.harness import wait_for
from tests.tools import need


def test_two_hundred_documents_through_every_server(staffed: Office, tmp_path: Path) -> None:
    """In every way that a client can, through every server of the page: each arrives whole and once."""
    spots = all_dropped(staffed, tmp_path)
    arrived_once(staffed, spots)
    assert len({spot.name for spot in spots}) == DOCUMENTS
    assert staffed.filed("failed") == {}
    audit = staffed.hotfolder("audit")
    assert audit.returncode == 0, audit.stdout


def called(way: object) -> str | None:
    """Name a case after its function."""
    return way.__name__ if callable(way) else None


@pytest.mark.parametrize(("server", "user", "broken", "again"), BROKEN, ids=called)
def test_half_a_document_is_explained_and_waits(
    server: str, user: str, broken: Way, again: Way, staffed: Office, tmp_path: Path
) -> None:
    """Every server closes what was broken off as if it were whole: it waits, with the reason, for the rest."""
    name = f"half-{server}-{user}-{called(broken)}.pdf"
    spot = desk(staffed, server, user, name, tmp_path)
    broken(spot)
    wait_for(lambda: "bytes, but only" in staffed.why(spot.path)["reason"], 30, "the reason is told")
    assert spot.room.sent(name) == []
    again(spot)
    arrived_once(staffed, [spot])


def test_a_client_that_fell_silent_is_noticed(staffed: Office, tmp_path: Path) -> None:
    """The kernel asks after an SMB client within a minute, not after two hours."""
    spot = desk(staffed, "samba", "scanner1", "silent.pdf", tmp_path)
    port = staffed.ports["samba"]
    ask = [need("ss", "iproute2"), "-Htno", "state", "established", f"sport = :{port}"]

    def seconds() -> list[str]:
        told = subprocess.run(ask, capture_output=True, text=True, check=True).stdout
        return re.findall(r"timer:\(keepalive,(\d+)(?:sec|\.\d+)?(?:ms)?,", told)

    with smb.half_put(spot) as (client, narrow):
        found = wait_for(seconds, 30, "a keep-alive timer")
        assert all(int(one) <= 60 for one in found)
        narrow.open()
        assert client.wait(30) == 0
    arrived_once(staffed, [spot])


@pytest.mark.parametrize("user", ["anna", "scanner1"])
def test_a_tiff_that_was_cut_off_at_full_length_waits(user: str, staffed: Office, tmp_path: Path) -> None:
    """Its directory is in front, so that only the blocks that are missing tell: the shares must not reserve them."""
    spot = desk(staffed, "samba", user, f"cut-off-{user}.tif", tmp_path)
    out = io.BytesIO()
    Image.frombytes("RGB", (900, 900), random.Random(spot.number).randbytes(900 * 900 * 3)).save(out, "TIFF")
    explorer.cut_off(spot, out.getvalue())
    wait_for(lambda: "bytes have been written" in staffed.why(spot.path)["reason"], 30, "the reason is told")
    staffed.land.run("rm", "/srv" / spot.path.relative_to(staffed.land.outside("/srv")))


def test_proftpd_removes_what_was_reset(staffed: Office, tmp_path: Path) -> None:
    """`HiddenStores` and `DeleteAbortedStores`: of a connection that was reset nothing is left."""
    spot = desk(staffed, "proftpd", "scanner2", "reset-at-proftpd.pdf", tmp_path)
    ftp.reset_early(spot)
    wait_for(lambda: not list(spot.path.parent.glob(f"*{spot.name}*")), 30, "proftpd removes it")
    ftp.stor(spot)
    arrived_once(staffed, [spot])


@pytest.mark.parametrize("server", ["samba", "vsftpd", "proftpd"])
def test_the_service_sees_who_still_writes(server: str, staffed: Office, tmp_path: Path) -> None:
    """Where a server writes as the service's user, the kernel tells it of open files, without any privilege."""
    spot = desk(staffed, server, "scanner1", f"open-{server}.pdf", tmp_path)
    if server == "samba":
        with smb.half_put(spot) as (client, narrow):
            wait_for(lambda: "still has it open" in staffed.why(spot.path)["reason"], 30, "it is open")
            narrow.open()
            assert client.wait(30) == 0
    else:
        with ftp.half_stored(spot) as (client, pipe):
            hidden = spot.path.with_name(f".in.{spot.name}.")
            if not hidden.exists():
                wait_for(lambda: "still has it open" in staffed.why(spot.path)["reason"], 30, "it is open")
            pipe.sendall(spot.content[len(spot.half) :])
            pipe.close()
            client.voidresp()
    arrived_once(staffed, [spot])


def test_a_folder_that_its_owner_keeps_to_himself_is_told(staffed: Office, tmp_path: Path) -> None:
    """SFTP clients give a folder the rights of the original: what the service may not move waits, others do not."""
    spot = desk(staffed, "sshd", "bert", "kept.pdf", tmp_path)
    ssh.sftp_put_with_its_folder(spot)
    kept = spot.path.with_name("kept") / spot.name
    wait_for(lambda: "may not move it out of its folder" in staffed.why(kept)["reason"], 30, "it is told")
    other = desk(staffed, "sshd", "bert", "not-kept.pdf", tmp_path)
    ssh.sftp_put(other)
    arrived_once(staffed, [other])
    ssh.sftp(spot, f"chmod 770 {spot.remote.with_name('kept')}")
    arrived_once(staffed, [spot])
