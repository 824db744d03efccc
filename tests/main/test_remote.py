"""What `remote list` prints of each service, and what it says where it cannot."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hotfolder.backends import open_backend
from hotfolder.sandbox.options import SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from hotfolder.settings import load_settings
from tests.backends.contract import finished
from tests.backends.parcels import parcel

CONFIG = """\
root: {top}
connections:
  rossum: {{backend: rossum, base_url: "{url.rossum_url}", auth: token, token: sandbox-rossum-token}}
  digitoo: {{backend: digitoo, base_url: "{url.digitoo_url}", token: sandbox-service-token}}
  docdigitizer: {{backend: docdigitizer, base_url: "{url.docdigitizer_url}", api_key: sandbox-api-key}}
queues:
  rossum: {{connection: rossum, queue_id: 8236}}
  digitoo: {{connection: digitoo, queue_id: q7}}
  docdigitizer: {{connection: docdigitizer}}
"""
HOSTILE = "inv\u202eoice \x1b[31mred.pdf"


@pytest.fixture
def sandbox() -> Iterator[SandboxServer]:
    """The three services."""
    with SandboxServer(SandboxOptions(rossum_task_polls=0, rossum_annotation_polls=0)) as server:
        yield server


@pytest.fixture
def config(tmp_path: Path, sandbox: SandboxServer) -> Path:
    """A queue of each service; there is neither a daemon nor a folder."""
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.format(top=tmp_path, url=sandbox))
    return file


def uploaded(config: Path, queue: str, *names: str) -> list[str]:
    """Upload a document of each name and return the uploads' ids."""
    settings = load_settings(config, {"HOME": str(config.parent)})
    section = settings.queues[queue]
    sent = [parcel(queue_id=section.queue_id, name=name) for name in names]
    with closing(open_backend(settings.connection_of(section))) as backend:
        for one in sent:
            finished(backend, backend.upload(one), one)
    return [one.upload_id for one in sent]


def listed(config: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run the command in its own process."""
    line = [sys.executable, "-m", "hotfolder", "-c", str(config), "remote", "list", *words]
    return subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("queue", ["rossum", "digitoo", "docdigitizer"])
def test_each_service_lists_its_documents(config: Path, sandbox: SandboxServer, queue: str) -> None:
    """Id, name, time and status are the service's, the upload's id is ours where the service keeps our mark."""
    ours = uploaded(config, queue, "a.pdf", "č 🎁.pdf")
    told = json.loads(listed(config, queue, "--json").stdout)
    assert (told["queue"], told["more"]) == (queue, False)
    assert told["queue_id"] == {"rossum": "8236", "digitoo": "q7", "docdigitizer": None}[queue]
    entries = {entry.file_name: entry.ids for entry in sandbox.ledger.entries}
    assert {one["name"] for one in told["documents"]} == set(entries)
    by_name: dict[str, Any] = {one["name"]: one for one in told["documents"]}
    for mine, (name, ids) in zip(ours, entries.items(), strict=True):
        assert by_name[name]["id"] == str(ids["document"])
        assert by_name[name]["upload_id"] == (None if queue == "digitoo" else mine)
        assert by_name[name]["status"] in {"to_review", "received", "success"}
        assert by_name[name]["created"].endswith("Z")


def test_a_foreign_name_steers_no_terminal(config: Path) -> None:
    """What somebody called a file reaches the terminal with its control characters spelt out."""
    uploaded(config, "docdigitizer", HOSTILE)
    ended = listed(config, "docdigitizer")
    assert ended.returncode == 0
    headings, row = ended.stdout.splitlines()
    assert headings.split() == ["ID", "NAME", "CREATED", "STATUS", "OURS"]
    assert "inv\\u202eoice" in row
    assert row.isprintable()


def test_no_more_than_asked_for(config: Path) -> None:
    """A limit is kept, and that there is more is said apart from the data."""
    uploaded(config, "digitoo", "1.pdf", "2.pdf", "3.pdf")
    ended = listed(config, "digitoo", "--limit", "2")
    assert (ended.returncode, len(ended.stdout.splitlines())) == (0, 3)
    assert "holds more than 2" in ended.stderr
    assert json.loads(listed(config, "digitoo", "--limit", "2", "--json").stdout)["more"] is True
    assert "more" not in listed(config, "digitoo", "--limit", "3").stderr


def test_listing_keeps_the_rate(config: Path, sandbox: SandboxServer) -> None:
    """The pages of a list come no faster than the common `limits.per_second` allows, and half as fast as that."""
    uploaded(config, "rossum", "a.pdf")
    config.write_text(config.read_text() + "limits: {per_second: 1}\n")
    sandbox.ledger.clear()
    assert "a.pdf" in listed(config, "rossum").stdout
    asked = [line.at for line in sandbox.ledger.requests]
    assert min(after - before for before, after in pairwise(asked)) > 1.8


def test_a_service_that_does_not_tell(config: Path, sandbox: SandboxServer) -> None:
    """A refusal is one sentence on stderr, with exit status 1 and no data."""
    sandbox.play([{"match": {"method": "GET"}, "do": {"status": 403}}])
    for queue, says in (("docdigitizer", "may not list"), ("digitoo", "may not list"), ("rossum", "403")):
        ended = listed(config, queue, "--json")
        assert (ended.returncode, ended.stdout) == (1, "")
        assert ended.stderr.startswith(f"queue {queue}: ")
        assert says in ended.stderr


def test_an_unknown_queue(config: Path) -> None:
    """A name that is no queue's ends with status 2 and the nearest one."""
    ended = listed(config, "rosum")
    assert ended.returncode == 2
    assert "did you mean rossum?" in ended.stderr
