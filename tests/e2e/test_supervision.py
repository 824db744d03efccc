"""The daemon under a supervisor's watchdog: what starves it, and what does not."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotfolder.pulse import LATE_S
from hotfolder.sandbox.server import SandboxServer
from hotfolder.unixsocket import ask
from tests.e2e.harness import CONFIG, filed, wait_for
from tests.e2e.producers import reportlab_pdf
from tests.e2e.supervisor import LIMIT_S, Supervisor, supervised
from tests.e2e.test_silence import Server, shared
from tests.tools import need

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")

ONE = "\n".join(line for line in CONFIG.splitlines() if "to-rossum" not in line and "to-docd" not in line)
"""One queue, `to-digitoo`."""
ALONE = ONE[: ONE.index("  r:")] + ONE[ONE.index("  g:") : ONE.index("  z:")] + ONE[ONE.index("queues:") :]

HANGS = {
    "arrivals of to-digitoo": """
        from hotfolder.arrivals.drop import DropFolder
        before = DropFolder._round
        async def after(self):
            await hangs()
            await before(self)
        DropFolder._round = after
    """,
    "filing of to-digitoo": """
        from hotfolder.pipeline.line import Line
        before = Line._file
        async def after(self, batch):
            await hangs()
            await before(self, batch)
        Line._file = after
    """,
    "additions to records of to-digitoo": """
        from hotfolder.pipeline.postscripts import Postscripts
        before = Postscripts._write_some
        async def after(self):
            await hangs()
            return await before(self)
        Postscripts._write_some = after
    """,
    "requests of g": """
        from hotfolder.pipeline.carriage import Carriage
        before = Carriage._send
        async def after(self, line, journey):
            await hangs()
            await before(self, line, journey)
        Carriage._send = after
    """,
    "deliveries of g": """
        from hotfolder.pipeline.lane import Lane
        from contextlib import suppress
        async def run(self):
            while True:
                self.beat.works()
                await hangs()
                self._start_what_may()
                self.beat.rests(0.1)
                with suppress(TimeoutError):
                    async with asyncio.timeout(0.1):
                        await self._crew.wake.wait()
                self._crew.wake.clear()
        Lane.run = run
    """,
    "journal": """
        from hotfolder.journal.book import Journal
        before = Journal._commit
        def after(self, items):
            while told():
                time.sleep(0.02)
            before(self, items)
        Journal._commit = after
    """,
    "web server": """
        from hotfolder.web.server import _Uvicorn
        before = _Uvicorn.on_tick
        async def after(self, counter):
            while told():
                time.sleep(0.02)
            return await before(self, counter)
        _Uvicorn.on_tick = after
    """,
}
"""Loop → how the program is changed so that it comes no further once it is told to."""


@pytest.fixture
def manager(tmp_path: Path, sandbox: SandboxServer) -> Iterator[Supervisor]:
    """A supervisor of one queue."""
    text = ALONE.replace("grace: 10s", "grace: 10s\nhttp: {{listen: 127.0.0.1:0}}")
    with supervised(tmp_path, sandbox, text=text) as made:
        yield made


def drop(manager: Supervisor, number: int) -> str:
    """Drop a document, and return its name."""
    name = f"scan{number}.pdf"
    (manager.place.drop("to-digitoo") / name).write_bytes(reportlab_pdf(number))
    return name


def test_a_daemon_that_works_is_ready_once_and_fed(manager: Supervisor) -> None:
    """READY comes once, with the counts, after the folder was looked at; then a sign of life at least each second."""
    name = drop(manager, 1)
    manager.start()
    wait_for(lambda: "WATCHDOG=1" in manager.heard(), 20)
    filed(manager.place, "done", name)
    manager.wait_for("WATCHDOG=1", manager.count("WATCHDOG=1") + 3)
    assert manager.count("READY=1") == 1
    ready = manager.heard().index("READY=1")
    assert manager.heard()[ready + 1].startswith("STATUS=1 queue, ")
    assert manager.place.stop() == 0
    assert "STOPPING=1" in manager.heard()
    assert manager.count("READY=1") == 1


@pytest.mark.parametrize("loop", HANGS)
def test_one_loop_that_hangs_starves_the_watchdog(manager: Supervisor, loop: str) -> None:
    """Whichever loop comes no further: it is named once in the log and in status, and no sign of life is given.

    One that goes on after all is fed again, and no document is lost or doubled by it.
    """
    manager.start(HANGS[loop])
    filed(manager.place, "done", drop(manager, 1))
    manager.hang()
    drop(manager, 2)
    manager.starves()
    status = ask(manager.place.top / "state", {"ask": "status"})
    assert loop in status["hung"]
    said = [line for line in manager.place.log.read_text().splitlines() if "has not come any further" in line]
    assert sum(loop in line for line in said) == 1, said
    assert any("STATUS=" in line and loop in line for line in manager.heard())
    manager.recover()
    before = time.monotonic()
    wait_for(lambda: manager.fed_after(before) >= 2, 30, "fed again")
    assert f"{loop} goes on again" in manager.place.log.read_text()
    filed(manager.place, "done", "scan2.pdf", 30)
    assert manager.place.stop() == 0
    assert len(manager.place.archived("done")) == 2


def test_an_event_loop_that_hangs_starves_the_watchdog(manager: Supervisor) -> None:
    """Nobody is left to give a sign of life; SIGABRT then shows each thread's stack and ends the program."""
    manager.start(
        """
        from hotfolder.pipeline.line import Line
        async def after(self, batch):
            time.sleep(1000)
        Line._file = after
        """
    )
    drop(manager, 1)
    manager.starves()
    process = manager.place.process
    assert process is not None
    process.send_signal(signal.SIGABRT)  # as systemd does
    assert process.wait(timeout=20) == -signal.SIGABRT
    stacks = manager.place.log.read_text()
    assert "in after" in stacks
    assert stacks.count("hread 0x") > 2, "of each thread"


def test_slow_is_not_hung(manager: Supervisor) -> None:
    """A folder that takes far longer to look through than a loop may stand still, and an upload, starve nobody."""
    slow_s = 3 * LIMIT_S
    manager.place.keys += ", rescan: 1s"
    manager.place.write_config()
    for number in range(20):
        drop(manager, number)
    manager.start(
        f"""
        from hotfolder.arrivals import scan
        before = scan.entries
        def after(*args, **keys):
            for one in before(*args, **keys):
                time.sleep({slow_s / 20})
                yield one
        scan.entries = after
        from hotfolder.pipeline import carriage
        handed = carriage.hand_over
        def slowly(*args):
            time.sleep({slow_s})
            return handed(*args)
        carriage.hand_over = slowly
        """,
        ready=False,
    )
    manager.wait_for("READY=1", within_s=90)
    assert any(line.startswith("EXTEND_TIMEOUT_USEC=") for line in manager.heard())
    assert "STATUS=looking at every folder: 0 of 1 so far" in manager.heard()
    wait_for(lambda: len(manager.place.archived("done")) >= 8, 90)
    assert "has not come any further" not in manager.place.log.read_text()
    assert manager.count("WATCHDOG=1") > slow_s


def test_a_start_that_hangs_gets_no_more_time(manager: Supervisor) -> None:
    """Before READY a loop that comes no further asks for nothing, so that the time limit of the start ends it."""
    manager.hang()
    manager.start(HANGS["arrivals of to-digitoo"], ready=False)
    wait_for(lambda: "has not come any further" in manager.place.log.read_text(), 60)
    asked = sum(line.startswith("EXTEND_TIMEOUT_USEC=") for line in manager.heard())
    manager.starves()
    assert sum(line.startswith("EXTEND_TIMEOUT_USEC=") for line in manager.heard()) == asked
    assert "READY=1" not in manager.heard()
    manager.recover()
    manager.wait_for("READY=1")


@needs_root
def test_a_share_that_hangs_keeps_nobody_from_being_ready(tmp_path: Path, sandbox: SandboxServer) -> None:
    """READY comes although one folder does not answer; its queue is offline, STATUS says so, and all is fed."""
    text = ALONE + "\n  near: {{connection: g, queue_id: q7, {keys}}}\n"
    with supervised(tmp_path, sandbox, text=text) as manager:
        for name in ("ssh", "far", "in/near"):
            (tmp_path / name).mkdir()
        server = Server(tmp_path / "ssh")
        with shared(server, tmp_path / "far", manager.place.drop("to-digitoo")):
            server.signal(signal.SIGSTOP)
            manager.start()
            assert any("to-digitoo is offline" in line for line in manager.heard())
            (tmp_path / "in/near/near.pdf").write_bytes(reportlab_pdf(1))
            wait_for((tmp_path / "in/near/done/near.pdf").exists, 30)
            fed = manager.count("WATCHDOG=1")
            manager.wait_for("WATCHDOG=1", fed + 5)
            assert "has not come any further" not in manager.place.log.read_text()
            server.signal(signal.SIGCONT)
            (tmp_path / "far/far.pdf").write_bytes(reportlab_pdf(2))
            wait_for((tmp_path / "far/done/far.pdf").exists, 60)


@needs_root
def test_a_full_disk_is_no_hang(manager: Supervisor) -> None:
    """While the journal cannot be written everything waits, far longer than a loop may stand still, and is fed."""
    state = manager.place.top / "state"
    state.mkdir()
    subprocess.run([need("mount", "mount"), "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(state)], check=True)
    try:
        manager.start("")
        filed(manager.place, "done", drop(manager, 1))
        with (state / "filling").open("wb", buffering=0) as filling:
            try:
                while True:
                    filling.write(bytes(4096))
            except OSError:
                pass
        drop(manager, 2)
        wait_for(lambda: "everything waits until it can" in manager.place.log.read_text(), 30)
        since = time.monotonic()
        wait_for(lambda: manager.fed_after(since + 4 * LIMIT_S) > 2, 60)
        assert "has not come any further" not in manager.place.log.read_text()
        (state / "filling").unlink()
        filed(manager.place, "done", "scan2.pdf", 60)
    finally:
        manager.place.kill()
        subprocess.run([need("umount", "mount"), "-l", str(state)], check=True)


def test_a_program_that_was_stopped_accuses_nobody(manager: Supervisor) -> None:
    """After a stop of all of it, as of a virtual machine, the log says that nothing ran, and no loop is blamed."""
    manager.start("")
    process = manager.place.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    manager.starves(LATE_S)
    process.send_signal(signal.SIGCONT)
    since = time.monotonic()
    wait_for(lambda: manager.fed_after(since) > 2, 30)
    log = manager.place.log.read_text()
    assert "has not come any further" not in log
    assert "nothing ran for" in log
