"""A machine of its own as far as files go: accounts, /srv, /var and /run that nobody else sees, on this kernel."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.tools import need

_FOUNDED = "founded"
_FOUNDING = f"""
set -eu
mount -t tmpfs -o mode=0755 tmpfs "$1/over"
for folder in etc var usr; do
    mkdir -p "$1/over/$folder/upper" "$1/over/$folder/work"
    mount -t overlay overlay -o "lowerdir=/$folder,upperdir=$1/over/$folder/upper,workdir=$1/over/$folder/work" "/$folder"
done
mount -t tmpfs -o mode=0755 tmpfs /run
mount --bind "$1/srv" /srv
mkdir -p /var/lib/hotfolder
mount --bind "$1/state" /var/lib/hotfolder
echo {_FOUNDED}
exec setpriv --pdeathsig KILL sleep infinity
"""
"""Upper layers on a tmpfs: an overlay, for instance, cannot be one. /srv and the state are seen from outside, too."""


@dataclass
class Estate:
    """The namespace, held by a process that sleeps."""

    top: Path
    holder: "subprocess.Popen[bytes]"

    def bring(self, file: Path) -> Path:
        """Return where a file of ours lies inside: at the same place."""
        return file

    def outside(self, path: str | Path) -> Path:
        """Return where something below /srv or /var/lib/hotfolder lies as seen from outside."""
        for inside, name in (("/srv", "srv"), ("/var/lib/hotfolder", "state")):
            if Path(path).is_relative_to(inside):
                return self.top / name / Path(path).relative_to(inside)
        raise ValueError(f"{path} is seen from inside alone")

    def line(self, command: Sequence[str | Path]) -> list[str]:
        """Return the command line that runs a command inside."""
        enter = [need("nsenter", "util-linux"), f"--target={self.holder.pid}", "--mount"]
        return [*enter, "--wd=/", "--", *map(str, command)]

    def run(self, *command: str | Path, check: bool = True, **how: Any) -> "subprocess.CompletedProcess[str]":
        """Run a command inside and return what it said; fails the test where the command does."""
        done = subprocess.run(
            self.line(command), capture_output=True, text=True, check=False, timeout=60, **how
        )
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def shell(self, script: str, **how: Any) -> "subprocess.CompletedProcess[str]":
        """Run lines of a shell inside."""
        return self.run("sh", "-eu", "-c", script, **how)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file inside."""
        self.run("sh", "-c", f"mkdir -p '{os.path.dirname(path)}' && cat > '{path}'", input=text)
        self.run("chmod", f"{mode:o}", path)


@contextmanager
def estate(top: Path) -> Iterator[Estate]:
    """Have a machine of files for the length of a block; skipped for whoever may not mount."""
    if os.geteuid() != 0:
        pytest.skip("accounts and mounts of one's own take root")
    for name in ("over", "srv", "state"):
        (top / name).mkdir()
    script = ["sh", "-c", _FOUNDING, "sh", str(top)]
    unshared = [need("unshare", "util-linux"), "--mount", "--propagation=private", *script]
    with subprocess.Popen(unshared, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stderr is not None
            if holder.stdout.readline().strip() != _FOUNDED.encode():
                reason = holder.stderr.read().decode(errors="replace")
                pytest.skip(f"this machine mounts nothing for us, so nothing was tried: {reason}")
            yield Estate(top, holder)
        finally:
            holder.kill()
            holder.wait()
