"""A share that hangs: sshfs whose server is stopped; everything else goes on."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from hotfolder.sandbox.server import SandboxServer
from tests.arriving.servers import free_port
from tests.e2e.harness import CONFIG, QUICK, Site, filed, site, wait_for
from tests.e2e.producers import reportlab_pdf
from tests.tools import need

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")

SSHD = """
ListenAddress 127.0.0.1:{port}
HostKey {top}/host
AuthorizedKeysFile {top}/user.pub
PidFile none
StrictModes no
PermitRootLogin yes
PasswordAuthentication no
UsePAM no
Subsystem sftp internal-sftp
"""


def ended(process: "subprocess.Popen[bytes] | None") -> bool:
    """Tell whether a process has called exit: the kernel frees a thread when its file system answers, not before."""
    assert process is not None
    stat = Path(f"/proc/{process.pid}/stat").read_text()
    return stat.rpartition(")")[2].split()[0] == "Z"


class Server:
    """An SSH server of its own; `hang` stops it and whoever works for it."""

    def __init__(self, top: Path) -> None:
        self.top, self.port = top, free_port()
        for key in ("host", "user"):
            command = [
                need("ssh-keygen", "openssh-client"),
                "-q",
                "-t",
                "ed25519",
                "-N",
                "",
                "-f",
                str(top / key),
            ]
            subprocess.run(command, check=True)
        (top / "sshd_config").write_text(SSHD.format(top=top, port=self.port))
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd's own, made by its service elsewhere
        program = need("sshd", "openssh-server")
        self.process = subprocess.Popen(
            [program, "-D", "-e", "-f", str(top / "sshd_config")], stderr=subprocess.DEVNULL
        )
        wait_for(self.listens, 10, "sshd listens")

    def listens(self) -> bool:
        """Tell whether somebody answers."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
            return True
        return False

    def family(self) -> list[int]:
        """Return the server's process and all those below it."""
        found = [self.process.pid]
        for pid in found:
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                found += map(int, task.read_text().split())
        return found

    def signal(self, number: int) -> None:
        """Send a signal to all of them."""
        for pid in self.family():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def end(self) -> None:
        """End them, stopped or not."""
        self.signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def shared(server: Server, source: Path, at: Path) -> Iterator[None]:
    """Have a folder mounted by sshfs."""
    options = f"port={server.port},IdentityFile={server.top}/user,dir_cache=no"
    options += ",StrictHostKeyChecking=no,UserKnownHostsFile=/dev/null"
    command = [need("sshfs", "sshfs"), f"root@127.0.0.1:{source}", str(at), "-o", options]
    subprocess.run(command, check=True, timeout=30)
    try:
        yield
    finally:
        server.end()
        subprocess.run(
            [need("umount", "mount"), "-l", str(at)], check=False, capture_output=True
        )  # it may be gone


@pytest.fixture
def place(tmp_path: Path, sandbox: SandboxServer) -> Iterator[Site]:
    """Two queues of one connection: one on a share, one on the disk."""
    text = CONFIG + "  near: {{connection: g, queue_id: q7, {keys}}}\n"
    with site(tmp_path, sandbox, keys=QUICK, text=text) as found:
        (tmp_path / "in/near").mkdir()
        yield found


def test_a_share_that_hangs_stops_nobody_else(place: Site, sandbox: SandboxServer, tmp_path: Path) -> None:
    """The other queue delivers, `status` answers and says so, SIGTERM ends it; alive again, work goes on."""
    (tmp_path / "ssh").mkdir()
    (tmp_path / "far").mkdir()
    server = Server(tmp_path / "ssh")
    drop = place.drop("to-digitoo")
    with shared(server, tmp_path / "far", drop):
        place.start()
        (tmp_path / "far/first.pdf").write_bytes(reportlab_pdf(1))
        filed(place, "done", "first.pdf", 30)
        (tmp_path / "far/second.pdf").write_bytes(reportlab_pdf(2))
        server.signal(signal.SIGSTOP)
        for number in range(5):  # more than the connection may have under way
            (tmp_path / f"in/near/near{number}.pdf").write_bytes(reportlab_pdf(10 + number))
        near = tmp_path / "in/near/done"
        wait_for(lambda: near.exists() and len(list(near.glob("*.pdf"))) == 5, 20, "the other queue delivers")

        def said() -> bool:
            began = time.monotonic()
            queues = {q["name"]: q for q in place.status()}
            assert time.monotonic() - began < 2
            found = queues["to-digitoo"]
            return found["state"] == "offline" and "does not answer since" in found["reason"]

        wait_for(said, 30, "said to be silent")
        assert place.why(tmp_path / "in/near/near0.pdf")["state"] == "delivered"
        wait_for(lambda: "does not answer" in place.log.read_text(), 5)
        server.signal(signal.SIGCONT)
        wait_for((tmp_path / "far/done/second.pdf").exists, 40, "the share is back")
        assert "answers again" in place.log.read_text()
        assert len(sandbox.ledger) == 7
        server.signal(signal.SIGSTOP)
        wait_for(said, 30, "silent again")
        assert place.process is not None
        place.process.terminate()
        wait_for(lambda: ended(place.process), 15, "it has ended, but for a thread that the kernel keeps")
        server.signal(signal.SIGCONT)
        assert place.process.wait(timeout=20) == 0
