"""Ways of FTP clients: Python's, which does exactly what it is told, and lftp."""

import ftplib
import io
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.arriving.room import Spot, Way, pause
from tests.arriving.servers import LOOPBACK
from tests.e2e.harness import wait_for
from tests.tools import need


@contextmanager
def connection(spot: Spot, *, strict: bool = False) -> Iterator[ftplib.FTP]:
    """Have a connection to an FTP server, in the drop folder."""
    servers = spot.room.servers
    client = ftplib.FTP()
    try:
        client.connect(LOOPBACK, servers.strict_ftp_port if strict else servers.ftp_port, timeout=15)
        client.login(*servers.ftp_login)
        client.cwd(spot.queue)
        yield client
    finally:
        client.close()


def _store(client: ftplib.FTP, command: str, content: bytes, rest: int | None = None) -> None:
    client.storbinary(command, io.BytesIO(content), rest=rest)


def stor(spot: Spot) -> None:
    """STOR."""
    with connection(spot) as client:
        _store(client, f"STOR {spot.name}", spot.content)


def stor_over_a_half_one(spot: Spot) -> None:
    """STOR over half a document."""
    with connection(spot) as client:
        _store(client, f"STOR {spot.name}", spot.half)
        _store(client, f"STOR {spot.name}", spot.content)


def stor_after_an_empty_one(spot: Spot) -> None:
    """STOR of nothing, then of the document."""
    with connection(spot) as client:
        _store(client, f"STOR {spot.name}", b"")
        _store(client, f"STOR {spot.name}", spot.content)


def stor_from_the_middle(spot: Spot) -> None:
    """Half a document is there; REST and STOR write the other half."""
    with connection(spot) as client:
        _store(client, f"STOR {spot.name}", spot.half)
        _store(client, f"STOR {spot.name}", spot.content[len(spot.half) :], rest=len(spot.half))


def appe_page_by_page(spot: Spot) -> None:
    """STOR of the first page, APPE of the others."""
    with connection(spot) as client:
        _store(client, f"STOR {spot.name}", spot.pages[0])
        for before, after in zip(spot.pages, spot.pages[1:], strict=False):
            pause()
            _store(client, f"APPE {spot.name}", after[len(before) :])


def stor_and_renamed(spot: Spot) -> None:
    """STOR under a temporary name, RNFR and RNTO."""
    with connection(spot) as client:
        _store(client, f"STOR {spot.name}.part", spot.content)
        client.rename(f"{spot.name}.part", spot.name)


def lftp(spot: Spot, *words: str, target: str | None = None, settings: tuple[str, ...] = ()) -> None:
    """Let lftp do some things in one connection."""
    target = (
        target or f"-u {','.join(spot.room.servers.ftp_login)} ftp://{LOOPBACK}:{spot.room.servers.ftp_port}"
    )
    before = ("set net:max-retries 1", "set net:timeout 10", "set ftp:use-site-chmod no", *settings)
    script = "; ".join([*before, f"open {target}", *words])
    subprocess.run([need("lftp", "lftp"), "-c", script], check=True, capture_output=True, timeout=30)


def lftp_put(spot: Spot) -> None:
    """`lftp`'s put, which dates the file back."""
    lftp(spot, f"put {spot.file()} -o {spot.queue}/{spot.name}")


def lftp_put_by_a_temporary_name(spot: Spot) -> None:
    """`lftp`'s put under `.in.NAME.`, and RNTO."""
    lftp(spot, f"put {spot.file()} -o {spot.queue}/{spot.name}", settings=("set xfer:use-temp-file yes",))


def lftp_put_of_the_rest(spot: Spot) -> None:
    """`lftp` finds half a document and sends the rest."""
    with connection(spot) as client:
        _store(client, f"STOR {spot.name}", spot.half)
    lftp(spot, f"put -c {spot.file()} -o {spot.queue}/{spot.name}")


def lftp_mirror(spot: Spot) -> None:
    """`lftp` mirrors a folder into the drop folder."""
    folder = spot.scratch / spot.path.stem
    folder.mkdir()
    spot.file(name=f"{folder.name}/{spot.name}")
    lftp(spot, f"mirror -R --no-perms {folder} {spot.queue}/{folder.name}")


WAYS: tuple[Way, ...] = (
    stor,
    stor_over_a_half_one,
    stor_after_an_empty_one,
    stor_from_the_middle,
    appe_page_by_page,
    stor_and_renamed,
    lftp_put,
    lftp_put_by_a_temporary_name,
    lftp_put_of_the_rest,
    lftp_mirror,
)


@contextmanager
def half_stored(spot: Spot, *, strict: bool = False) -> Iterator[tuple[ftplib.FTP, socket.socket]]:
    """Have half a document stored by a client that has not ended; yields its two connections."""
    with connection(spot, strict=strict) as client:
        client.voidcmd("TYPE I")
        with client.transfercmd(f"STOR {spot.name}") as pipe:
            pipe.sendall(spot.half)
            spot.wait_for_size(len(spot.half))
            yield client, pipe


def reset(pipe: socket.socket) -> None:
    """Close a connection with RST, as a box in the middle or a crashed client does."""
    pipe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    pipe.close()


def finished_early(spot: Spot) -> None:
    """The client ends its data connection, which in FTP is the end of the file."""
    with half_stored(spot) as (client, pipe):
        pipe.close()
        client.voidresp()


def reset_early(spot: Spot) -> None:
    """The data connection is reset."""
    with half_stored(spot) as (_, pipe):
        reset(pipe)


def aborted(spot: Spot) -> None:
    """The client says ABOR."""
    with half_stored(spot) as (client, pipe):
        client.putcmd("ABOR")
        pipe.close()
        client.getmultiline()


def finished_early_at_a_strict_server(spot: Spot) -> None:
    """A server with `delete_failed_uploads` does not know either that the file is half."""
    with half_stored(spot, strict=True) as (client, pipe):
        pipe.close()
        client.voidresp()


BROKEN: dict[Way, Way] = {
    finished_early: stor,
    reset_early: stor_from_the_middle,
    aborted: lftp_put,
    finished_early_at_a_strict_server: stor_and_renamed,
}
"""How a transfer is broken off → how it is sent again."""


def reset_at_a_strict_server(spot: Spot) -> None:
    """A server with `delete_failed_uploads` removes what was reset."""
    with half_stored(spot, strict=True) as (_, pipe):
        reset(pipe)
        wait_for(lambda: not spot.path.exists(), 15, "vsftpd removes it")
