"""Ways of OpenSSH's clients, of lftp over SFTP and of rsync over SSH."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.arriving import ftp
from tests.arriving.room import Spot, Way
from tests.arriving.servers import LOOPBACK
from tests.arriving.sluice import sluice
from tests.e2e.harness import wait_for
from tests.tools import need

Command = Callable[[Spot, int], list[str]]
"""The call of a client, by the document's spot and the port."""


def _port(spot: Spot, port: int | None = None) -> list[str]:
    return ["-o", f"Port={port or spot.room.servers.ssh_port}", *spot.room.servers.ssh]


def _run(command: list[str], script: str = "") -> None:
    subprocess.run(command, input=script.encode(), check=True, capture_output=True, timeout=30)


def sftp(spot: Spot, *words: str) -> None:
    """Let sftp do some things in one connection."""
    command = [need("sftp", "openssh-client"), *_port(spot), "-b", "-", spot.room.servers.host]
    _run(command, "\n".join(words) + "\n")


def sftp_put(spot: Spot) -> None:
    """Put."""
    sftp(spot, f"put {spot.file()} {spot.remote}")


def sftp_put_with_its_date(spot: Spot) -> None:
    """Put with mode and times, which are set before the file is closed."""
    sftp(spot, f"put -p {spot.file()} {spot.remote}")


def sftp_put_of_the_rest(spot: Spot) -> None:
    """Half a document is there, and the rest is sent."""
    half = spot.file(spot.half, "half")
    sftp(spot, f"put {half} {spot.remote}", f"reput {spot.file()} {spot.remote}")


def sftp_put_over_a_half_one(spot: Spot) -> None:
    """Half a document is there, and is overwritten."""
    half = spot.file(spot.half, "half")
    sftp(spot, f"put {half} {spot.remote}", f"put {spot.file()} {spot.remote}")


def sftp_put_with_its_folder(spot: Spot) -> None:
    """A folder with the document in it."""
    folder = spot.scratch / spot.path.stem
    folder.mkdir()
    spot.file(name=f"{folder.name}/{spot.name}")
    sftp(spot, f"put -r {folder} {spot.remote.with_name(folder.name)}")


def sftp_put_and_renamed(spot: Spot) -> None:
    """SFTP version 3's rename: the server links the new name and removes the old one."""
    hidden = spot.remote.with_name(f"{spot.name}.filepart")
    sftp(spot, f"put {spot.file()} {hidden}", f"rename -l {hidden} {spot.remote}")


def sftp_put_and_renamed_by_posix(spot: Spot) -> None:
    """OpenSSH's own rename, over half a document."""
    hidden = spot.remote.with_name(f"{spot.name}.filepart")
    half = spot.file(spot.half, "half")
    sftp(spot, f"put {half} {spot.remote}", f"put {spot.file()} {hidden}", f"rename {hidden} {spot.remote}")


def lftp_put_and_renamed(spot: Spot) -> None:
    """`lftp` over SFTP under `.in.NAME.`, renamed as in version 3."""
    ssh = " ".join([need("ssh", "openssh-client"), "-a", "-x", *spot.room.servers.ssh])
    user, _, _ = spot.room.servers.host.partition("@")
    target = f"-u {user}, sftp://{LOOPBACK}:{spot.room.servers.ssh_port}"
    settings = ("set xfer:use-temp-file yes", f'set sftp:connect-program "{ssh}"')
    ftp.lftp(spot, f"put {spot.file()} -o {spot.remote}", target=target, settings=settings)


def _scp(spot: Spot, *options: str, port: int | None = None) -> list[str]:
    target = f"{spot.room.servers.host}:{spot.remote}"
    return [need("scp", "openssh-client"), *_port(spot, port), *options, str(spot.file()), target]


def scp(spot: Spot) -> None:
    """`scp`, which is SFTP today."""
    _run(_scp(spot))


def scp_with_its_date(spot: Spot) -> None:
    """`scp` that keeps the times."""
    _run(_scp(spot, "-p"))


def scp_of_old(spot: Spot) -> None:
    """`scp` by its own protocol."""
    _run(_scp(spot, "-O"))


def _rsync(
    spot: Spot, *options: str, source: Path | None = None, target: Path | None = None, port: int | None = None
) -> list[str]:
    shell = " ".join([need("ssh", "openssh-client"), *_port(spot, port)])
    where = f"{spot.room.servers.host}:{target or spot.path}"
    return [need("rsync", "rsync"), "--rsh", shell, *options, str(source or spot.file()), where]


def rsync(spot: Spot) -> None:
    """`rsync`, under `.NAME.XXXXXX` first."""
    _run(_rsync(spot, "--times"))


def rsync_in_place(spot: Spot) -> None:
    """`rsync` into the file itself."""
    spot.path.write_bytes(spot.half)
    _run(_rsync(spot, "--inplace", "--ignore-times"))


def rsync_of_the_rest(spot: Spot) -> None:
    """`rsync` adds to the half that is there."""
    spot.path.write_bytes(spot.half)
    _run(_rsync(spot, "--append"))


def rsync_with_delayed_updates(spot: Spot) -> None:
    """`rsync` by way of `.~tmp~`."""
    _run(_rsync(spot, "--delay-updates"))


def rsync_of_a_folder(spot: Spot) -> None:
    """`rsync` of a folder with everything that can be kept."""
    folder = spot.scratch / spot.path.stem
    folder.mkdir()
    spot.file(name=f"{folder.name}/{spot.name}")
    _run(_rsync(spot, "--archive", source=folder, target=spot.path.parent))


WAYS: tuple[Way, ...] = (
    sftp_put,
    sftp_put_with_its_date,
    sftp_put_of_the_rest,
    sftp_put_over_a_half_one,
    sftp_put_with_its_folder,
    sftp_put_and_renamed,
    sftp_put_and_renamed_by_posix,
    lftp_put_and_renamed,
    scp,
    scp_with_its_date,
    scp_of_old,
    rsync,
    rsync_in_place,
    rsync_of_the_rest,
    rsync_with_delayed_updates,
    rsync_of_a_folder,
)


def _broken_off(command: Command, spot: Spot, how: int = signal.SIGKILL) -> None:
    """Start a client behind a narrow place, and break it off when it can send nothing more."""
    with sluice(spot.room.servers.ssh_port, len(spot.half)) as narrow:
        line = command(spot, narrow.port)
        with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as client:
            wait_for(lambda: _arriving(spot), 15, f"something of {spot.name}")
            client.send_signal(how)
    spot.wait_for_size()


def _arriving(spot: Spot) -> bool:
    """Tell whether something was written, under whatever name."""
    found = [spot.path, *spot.path.parent.glob(f".{spot.name}.*")]
    return any(path.exists() and path.stat().st_size for path in found)


def sftp_killed(spot: Spot) -> None:
    """`sftp` is killed half way."""
    _broken_off(lambda spot, port: _scp(spot, port=port), spot)


def scp_killed(spot: Spot) -> None:
    """`scp` by its own protocol is killed half way."""
    _broken_off(lambda spot, port: _scp(spot, "-O", port=port), spot)


def rsync_in_place_killed(spot: Spot) -> None:
    """`rsync` --inplace is killed half way."""
    _broken_off(lambda spot, port: _rsync(spot, "--inplace", port=port), spot)


def rsync_partial_interrupted(spot: Spot) -> None:
    """`rsync` --partial is told to end: what it has goes under the final name, dated to 1970."""
    _broken_off(lambda spot, port: _rsync(spot, "--partial", port=port), spot, signal.SIGINT)


BROKEN: dict[Way, Way] = {
    sftp_killed: sftp_put,
    scp_killed: scp,
    rsync_in_place_killed: rsync,
    rsync_partial_interrupted: rsync,
}
"""How a transfer is broken off → how it is sent again."""
