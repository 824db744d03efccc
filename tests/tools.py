"""Programs that some tests need: found, or installed where that is possible, or the test is skipped."""

import os
import shutil
import subprocess
import sys
import tempfile
from fcntl import LOCK_EX, flock
from functools import cache
from pathlib import Path

import pytest


@cache
def need(program: str, package: str) -> str:
    """Return the path of a program; Debian's package is installed if we are root, else the test is skipped.

    In CI (CI=true) a program that cannot be had is a failure, not a skip.
    """
    found = shutil.which(program) or _installed(program, package)
    if found:
        return found
    reason = f"{program} is missing; install Debian's package {package}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def need_server(program: str, package: str) -> str:
    """Return the path of a server like `need`, but never install one where the system would start it at once."""
    if shutil.which(program) is None and Path("/run/systemd/system").exists():
        pytest.skip(f"{program} is missing, and installing {package} would also start it on this machine")
    return need(program, package)


@cache
def python_for_all() -> tuple[list[str], dict[str, str]]:
    """Return how any user can start this project's Python, and with which environment; else the test is skipped.

    An interpreter below root's home cannot be read by others; Debian's own can, with the packages of ours.
    """
    paths = [str(Path(__file__).resolve().parents[1]), *(p for p in sys.path if p.endswith("site-packages"))]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONDONTWRITEBYTECODE": "1"}
    trial = "import os; os.setuid(65534); os.stat(os.__file__); import hotfolder.main, pydantic, sqlite3"
    for program in (sys.executable, "/usr/bin/python3"):
        done = subprocess.run([program, "-c", trial], env=environ, capture_output=True, check=False)
        if done.returncode == 0:
            return [program, "-m", "hotfolder"], environ
    pytest.skip("no Python here can be read by other users, so nothing was run as one")


def _installed(program: str, package: str) -> str | None:
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        return None
    # Tests run side by side, and apt does not like that.
    with (Path(tempfile.gettempdir()) / "hotfolder-tests-apt.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if found := shutil.which(program):
            return found
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        options = ["-o", "DPkg::Lock::Timeout=300", "-qq", "-y", "--no-install-recommends"]
        for command in ([apt, "-qq", "update"], [apt, *options, "install", package]):
            subprocess.run(command, env=environ, capture_output=True, timeout=280, check=False)
    return shutil.which(program)
