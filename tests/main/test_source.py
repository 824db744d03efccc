"""How a command finds its configuration, and how it ends where there is none that it can use."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def hotfolder(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line in its own process, without root's rights over files."""
    # What is imported later may be root's own; 65534 is `nobody` everywhere.
    start = (
        "import os, sys; from hotfolder.main import program; import hotfolder.allocator, hotfolder.settings; "
    )
    drop = "os.setuid(65534); " if os.geteuid() == 0 else ""
    code = f"{start}{drop}program(sys.argv[1:], prog_name='hotfolder')"
    line = [sys.executable, "-c", code, *words]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(line, cwd=cwd, env=environ, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("words", ["-c config.yaml {}", "{} -c config.yaml"])
@pytest.mark.parametrize(
    ("kind", "says"),
    [("missing", "there is no such file"), ("folder", "cannot be read"), ("forbidden", "cannot be read")],
)
@pytest.mark.parametrize("command", ["run", "once", "status"])
def test_a_file_that_cannot_be_read(command: str, kind: str, says: str, words: str, tmp_path: Path) -> None:
    """A configuration that is missing, a folder or forbidden ends every command with 78 and names the file."""
    tmp_path.chmod(0o755)
    file = tmp_path / "config.yaml"
    if kind == "folder":
        file.mkdir()
    elif kind == "forbidden":
        file.write_text("queues: {}")
        file.chmod(0)
    ended = hotfolder(*words.format(command).split(), cwd=tmp_path)
    assert ended.returncode == 78, ended.stderr
    assert says in ended.stderr
    assert "config.yaml" in ended.stderr
    assert "Usage" not in ended.stderr
