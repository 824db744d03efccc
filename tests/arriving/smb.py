"""Ways of Samba's clients to a share."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.arriving.room import PAUSE_S, Spot, Way
from tests.arriving.sluice import Sluice, sluice
from tests.tools import need


def command(
    spot: Spot, *words: str, share: str | None = None, port: int | None = None, options: tuple[str, ...] = ()
) -> list[str]:
    """Return the call of smbclient that does some things in one connection."""
    servers = spot.room.servers
    where = [*servers.smb_login, "--port", str(port or servers.smb_port), "--directory", spot.queue]
    config = f"--configfile={servers.state}/samba/smb.conf"
    return [
        need("smbclient", "smbclient"),
        config,
        *options,
        *where,
        f"//127.0.0.1/{share or servers.share}",
        "-c",
        "; ".join(words),
    ]


def smb(spot: Spot, *words: str, share: str | None = None, options: tuple[str, ...] = ()) -> None:
    """Let smbclient do some things in one connection."""
    line = command(spot, *words, share=share, options=options)
    subprocess.run(line, check=True, capture_output=True, timeout=30)


@contextmanager
def half_put(spot: Spot, share: str | None = None) -> Iterator[tuple["subprocess.Popen[bytes]", Sluice]]:
    """Have half a document written by a client that the network keeps from going on."""
    with sluice(spot.room.servers.smb_port, len(spot.half)) as narrow:
        line = command(spot, f"put {spot.file()} {spot.name}", share=share, port=narrow.port)
        with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
            try:
                spot.wait_for_size()
                yield client, narrow
            finally:
                client.kill()


def put(spot: Spot) -> None:
    """Put."""
    smb(spot, f"put {spot.file()} {spot.name}")


def put_by_smb1(spot: Spot) -> None:
    """Put by an old scanner's protocol."""
    old = ("--max-protocol=NT1", "--option=client min protocol=NT1")
    smb(spot, f"put {spot.file()} {spot.name}", options=old)


def put_with_reserved_space(spot: Spot) -> None:
    """Put to a share with `strict allocate`."""
    smb(spot, f"put {spot.file()} {spot.name}", share="reserving")


def put_over_a_half_one(spot: Spot) -> None:
    """Half of it is there, and is overwritten."""
    half = spot.file(spot.half, "half")
    smb(spot, f"put {half} {spot.name}", f"put {spot.file()} {spot.name}")


def put_after_an_empty_one(spot: Spot) -> None:
    """Make it empty, close it, open it again and write: many scanners."""
    empty = spot.file(b"", "empty")
    smb(spot, f"put {empty} {spot.name}", f"put {spot.file()} {spot.name}")


def put_after_a_probe(spot: Spot) -> None:
    """Find out first whether the folder can be written, with a file that is removed again."""
    probe = spot.file(b"x", "probe")
    smb(spot, f"put {probe} {spot.name}", f"del {spot.name}", f"put {spot.file()} {spot.name}")


def put_again_with_each_page(spot: Spot) -> None:
    """The whole document again for each page."""
    pages = [spot.file(content, f"page{number}") for number, content in enumerate(spot.pages)]
    puts = [f"put {page} {spot.name}" for page in pages]
    smb(spot, puts[0], f"!sleep {PAUSE_S}", puts[1], f"!sleep {PAUSE_S}", puts[2])


def put_and_renamed(spot: Spot) -> None:
    """Under a temporary name first."""
    smb(spot, f"put {spot.file()} {spot.name}.tmp", f"rename {spot.name}.tmp {spot.name}")


def put_and_renamed_over_a_half_one(spot: Spot) -> None:
    """Under a temporary name, and then over what is there."""
    half = spot.file(spot.half, "half")
    temporary = f"{spot.name}.tmp"
    smb(
        spot,
        f"put {half} {spot.name}",
        f"put {spot.file()} {temporary}",
        f"rename {temporary} {spot.name} -f",
    )


def put_and_dated(spot: Spot) -> None:
    """Date it back and make it read-only when it is closed."""
    old = "2020:01:02-03:04:05"
    smb(
        spot,
        f"put {spot.file()} {spot.name}",
        f"utimes {spot.name} {old} {old} {old} {old}",
        f"setmode {spot.name} +r",
    )


def put_with_its_folder(spot: Spot) -> None:
    """A folder with the document in it."""
    (spot.scratch / "top" / spot.path.stem).mkdir(parents=True)
    spot.file(name=f"top/{spot.path.stem}/{spot.name}")
    smb(spot, "recurse", "prompt", f"lcd {spot.scratch}/top", f"mput {spot.path.stem}")


WAYS: tuple[Way, ...] = (
    put,
    put_by_smb1,
    put_with_reserved_space,
    put_over_a_half_one,
    put_after_an_empty_one,
    put_after_a_probe,
    put_again_with_each_page,
    put_and_renamed,
    put_and_renamed_over_a_half_one,
    put_and_dated,
    put_with_its_folder,
)


def killed(spot: Spot) -> None:
    """The client is killed: its connection ends, and the server closes the file as if it were whole."""
    with half_put(spot):
        pass


def killed_with_reserved_space(spot: Spot) -> None:
    """The same, on a share with `strict allocate`."""
    with half_put(spot, "reserving"):
        pass


BROKEN: dict[Way, Way] = {killed: put, killed_with_reserved_space: put_with_reserved_space}
"""How a transfer is broken off → how it is sent again."""
