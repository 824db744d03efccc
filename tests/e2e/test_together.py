"""Several documents in one request to Rossum, with a real daemon: own ids, refusals taken apart, crashes in the middle."""

import json
from collections import Counter
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from hotfolder.journal import Reader
from hotfolder.model import State
from hotfolder.sandbox.options import SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from tests.e2e.harness import QUICK, Site, site, wait_for
from tests.e2e.producers import reportlab_pdf

NAMES = [f"{letter}.pdf" for letter in "abcdefgh"]
KEYS = f"{QUICK}, mode: batch"
QUEUE = "to-rossum"


def put_all(place: Site) -> None:
    """Drop all documents, each with a content of its own."""
    for name in NAMES:
        (place.top / "outside").write_bytes(reportlab_pdf(ord(name[0])))
        (place.top / "outside").rename(place.drop(QUEUE) / name)


def filed(place: Site, area: str = "done") -> dict[str, dict[str, Any]]:
    """Return the records of an archive by the names of their documents."""
    folder = place.drop(QUEUE) / area
    return {
        p.name: json.loads(p.with_name(p.name + ".json").read_text())
        for p in (folder.glob("*.pdf") if folder.exists() else ())
        if p.with_name(p.name + ".json").exists()
    }


def in_state(place: Site, state: State) -> int:
    """Count the documents whose row names a state."""
    with closing(Reader(place.top / "state")) as reader:
        return sum(j.state is state for j in reader.unfinished())


def arrived(sandbox: SandboxServer, *, all_of_it: bool) -> bool:
    """Tell whether the request is at the service, or its documents are."""
    if all_of_it:
        return len(sandbox.ledger) == len(NAMES)
    return any(line.method == "POST" and line.path.endswith("/uploads") for line in sandbox.ledger.requests)


def has_own_ids(place: Site, sandbox: SandboxServer) -> None:
    """Hold every record against what the service knows of the document's content."""
    known = {entry.sha256: entry for entry in sandbox.ledger.entries}
    for name, record in filed(place).items():
        entry = known[sha256((place.drop(QUEUE) / "done" / name).read_bytes()).hexdigest()]
        assert record["response"]["DocumentIDs"] == [{"DocumentID": entry.ids["document"]}]
        (annotation,) = record["remote"]["annotations"]
        assert annotation.rpartition("/")[2] == entry.ids["annotation"]


def test_one_request_each_its_own_ids(tmp_path: Path, sandbox: SandboxServer) -> None:
    """Eight documents are one request, whose documents Rossum names in another order; the audit finds nothing wrong."""
    sandbox.world.options = SandboxOptions(rossum_shuffle=True)
    with site(tmp_path, sandbox, keys=KEYS) as place:
        put_all(place)
        assert place.command("once").returncode == 0
        assert len({entry.number for entry in sandbox.ledger.entries}) == 1
        assert [entry.file_name for entry in sandbox.ledger.entries] == NAMES
        assert sorted(filed(place)) == NAMES
        has_own_ids(place, sandbox)
        remotes = [record["remote"] for record in filed(place).values()]
        assert (
            len({remote["upload"] for remote in remotes}) == len({remote["task"] for remote in remotes}) == 1
        )
        places = {name: record["batch"]["place"] for name, record in filed(place).items()}
        assert places == {name: number for number, name in enumerate(NAMES, 1)}
        assert place.command("audit").returncode == 0


@pytest.mark.parametrize(
    ("fault", "key"),
    [
        ({"status": 400}, "bad_request"),
        ({"status": 413}, "payload_too_large"),
        ({"failed_import": True}, "failed_import"),
        ({"failed_task": True}, "error"),
    ],
)
def test_one_bad_file_fails_alone(
    tmp_path: Path, sandbox: SandboxServer, fault: dict[str, Any], key: str
) -> None:
    """Whether Rossum refuses the request, its task or one document: the others are delivered, once."""
    sandbox.play([{"match": {"service": "rossum", "file": "c.pdf"}, "do": fault}])
    with site(tmp_path, sandbox, keys=KEYS) as place:
        put_all(place)
        assert place.command("once").returncode == 1
        assert sorted(filed(place)) == [name for name in NAMES if name != "c.pdf"]
        assert filed(place, "failed")["c.pdf"]["response"]["ErrorKey"] == key
        (report,) = (place.drop(QUEUE) / "done").glob("*.batch.json")
        outcomes = [file["outcome"] for file in json.loads(report.read_text())["files"]]
        assert outcomes == ["done", "done", "failed", *["done"] * 5]
        if "failed_task" not in fault:  # whose first request left its entries in the ledger
            assert Counter(e.file_name for e in sandbox.ledger.entries) <= Counter(NAMES)
            has_own_ids(place, sandbox)
        assert place.command("audit").returncode == 0


@pytest.mark.parametrize(
    ("fault", "requests"),
    [
        ({"hang": "after_commit"}, 1),
        ({"hang": "after_body"}, 8),
        ({"hang": "mid_body"}, 8),
        ({"reset": "after_commit"}, 1),
    ],
)
def test_killed_in_the_middle_of_a_request(
    tmp_path: Path, sandbox: SandboxServer, fault: dict[str, Any], requests: int
) -> None:
    """Killed for real while eight documents are on the wire: each is asked for, none is lost, none is there twice."""
    stalls = "hang" in fault
    sandbox.play([{"match": {"method": "POST", "path": "*/uploads"}, "do": fault}])
    with site(tmp_path, sandbox, keys=KEYS) as place:
        put_all(place)
        place.start()
        if stalls:
            wait_for(lambda: in_state(place, State.SENDING) == len(NAMES), 20)
            wait_for(lambda: arrived(sandbox, all_of_it=fault["hang"] == "after_commit"), 20)
        place.kill()
        sandbox.play([])
        place.start()
        wait_for(lambda: len(filed(place)) == len(NAMES), 40)
        assert Counter(entry.file_name for entry in sandbox.ledger.entries) == Counter(NAMES)
        assert len({entry.number for entry in sandbox.ledger.entries}) == requests
        has_own_ids(place, sandbox)
        assert all(r["batch"]["place"] == NAMES.index(n) + 1 for n, r in filed(place).items())
        assert place.stop() == 0
        assert place.command("audit").returncode == 0


def test_accepted_together_and_killed(tmp_path: Path, sandbox: SandboxServer) -> None:
    """A daemon killed while Rossum is at work on the request goes on asking, and still tells the documents apart."""
    sandbox.world.options = SandboxOptions(rossum_task_polls=100_000)
    with site(tmp_path, sandbox, keys=KEYS) as place:
        put_all(place)
        place.start()
        wait_for(lambda: in_state(place, State.ACCEPTED) == len(NAMES), 20)
        place.kill()
        sandbox.world.options = SandboxOptions(rossum_task_polls=0, rossum_shuffle=True)
        place.start()
        wait_for(lambda: len(filed(place)) == len(NAMES), 40)
        assert len(sandbox.ledger) == len(NAMES)
        assert not any(record["recovered"] for record in filed(place).values())
        has_own_ids(place, sandbox)
