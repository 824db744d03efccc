"""What `status` and `why` print."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """\
state_dir: {top}/state
connections: {{acme: {{backend: digitoo, token: t0ken}}}}
queues:
  invoices: {{connection: acme, queue_id: 8236, folder: {top}/invoices}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """One queue with its drop folder and an archive, and no daemon."""
    (tmp_path / "invoices" / "done").mkdir(parents=True)
    (tmp_path / "elsewhere").mkdir()
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.format(top=tmp_path))
    return file


def hotfolder(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in its own process."""
    line = [sys.executable, "-m", "hotfolder", "-c", str(config), *words]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


def test_status_counts_what_lies_there(config: Path, tmp_path: Path) -> None:
    """Without a daemon `status` counts the files of the drop folder."""
    for name in ("a.pdf", "b.tmp"):
        (tmp_path / "invoices" / name).touch()
    (queue,) = json.loads(hotfolder(config, "status", "--json").stdout)["queues"]
    assert (queue["state"], queue["counts"]["waiting"], queue["counts"]["ignored"]) == ("stopped", 1, 1)
    assert queue["oldest_waiting_s"] >= 0


def test_why_behind_a_link(config: Path, tmp_path: Path) -> None:
    """A file behind a linked folder of the drop folder is ignored because of the link."""
    (tmp_path / "invoices" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "a.pdf").touch()
    told = json.loads(
        hotfolder(config, "why", "--json", str(tmp_path / "invoices" / "link" / "a.pdf")).stdout
    )
    assert told["state"] == "ignored"
    assert "symbolic link" in told["rule"]


def test_why_of_no_document(config: Path, tmp_path: Path) -> None:
    """What is no document is told in a sentence on stderr, with exit status 1."""
    for name in ("a.pdf", "a.pdf.json"):
        (tmp_path / "invoices" / "done" / name).touch()
    for path, says in (
        ("invoices", "the drop folder of queue invoices"),
        ("invoices/done/a.pdf.json", "beside a.pdf"),
    ):
        ended = hotfolder(config, "why", str(tmp_path / path))
        assert (ended.returncode, ended.stdout) == (1, "")
        assert says in ended.stderr
