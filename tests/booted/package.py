"""The package of this tree, built once for whoever asks."""

import os
import subprocess
from fcntl import LOCK_EX, flock
from pathlib import Path

TOP = Path(__file__).resolve().parents[2]


def built(out: Path, version: str) -> Path:
    """Return the package of a version, built once for all that share `out`; raises AssertionError where it fails."""
    out.mkdir(parents=True, exist_ok=True)
    with (out / "lock").open("w") as lock:
        flock(lock, LOCK_EX)
        if not (found := list(out.glob(f"hotfolder_{version}_*.deb"))):
            environment = {**os.environ, "OUT": str(out), "VERSION": version, "TOOLS": str(TOP / ".venv/bin")}
            build = [str(TOP / "systemd/package/build")]
            done = subprocess.run(
                build, env=environment, capture_output=True, text=True, check=False, timeout=280
            )
            assert done.returncode == 0, done.stdout + done.stderr
            found = list(out.glob(f"hotfolder_{version}_*.deb"))
    return found[0]
