"""How `run` and `once` begin and end."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.builders import wait_until


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(("command", "status"), [("run", 0), ("once", 4)])
def test_told_to_stop_while_starting(
    command: str, status: int, ending: signal.Signals, tmp_path: Path
) -> None:
    """Told to stop before anything was begun, the program ends with the same status as later."""
    config = tmp_path / "config.yaml"
    os.mkfifo(config)  # the start stands still here until somebody writes
    writers: list[int] = []

    def reads() -> bool:
        try:
            writers.append(os.open(config, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:  # ENXIO: nobody reads yet
            return False
        return True

    def ended() -> bool:
        # Again and again: a signal just before the read of the pipe would be noticed only after it.
        process.send_signal(ending)
        return process.poll() is not None

    process = subprocess.Popen([sys.executable, "-m", "hotfolder", "-c", str(config), command])
    try:
        wait_until(reads, "the configuration is opened")
        wait_until(ended, "the program ends")
        assert process.returncode == status
    finally:
        process.kill()
        process.wait()
        for fd in writers:
            os.close(fd)
