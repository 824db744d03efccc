"""The main job on real files: a daemon in its own process, three services, a thousand documents."""

import hashlib
import json
import random
from pathlib import Path

import jsonschema
import pytest

from hotfolder.sandbox.server import SandboxServer
from hotfolder.sidecar import Sidecar, sidecar_schema
from tests.e2e.arriving import WAYS, overflow
from tests.e2e.harness import QUEUES, Site, site, wait_for
from tests.e2e.producers import documents, reportlab_pdf

THOUSAND = 1000


@pytest.fixture(scope="module")
def thousand(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bytes]]:
    """A thousand different documents of the four types by ten producers."""
    return list(documents(THOUSAND, tmp_path_factory.mktemp("producers")))


def queue_of(number: int) -> str:
    """Deal the documents out to the three queues."""
    return list(QUEUES)[number % 3]


def assert_each_delivered_once(place: Site, sandbox: SandboxServer, sent: list[tuple[str, bytes]]) -> None:
    """Compare ledger, archives and sidecars with what was dropped: all of it, once, unchanged."""
    expected = sorted(hashlib.sha256(content).hexdigest() for _, content in sent)
    assert sorted(entry.sha256 for entry in sandbox.ledger.entries) == expected
    done = place.archived("done")
    assert sorted(hashlib.sha256(p.read_bytes()).hexdigest() for p in done) == expected
    assert place.archived("failed") == []
    assert place.waiting() == []
    valid = jsonschema.Draft202012Validator(sidecar_schema())
    for number, document in enumerate(done):
        record = place.sidecar(document)
        Sidecar.model_validate(record)
        assert number % 20 or valid.is_valid(record)
        assert record["outcome"] == "done"
        assert record["file"]["sha256"] == hashlib.sha256(document.read_bytes()).hexdigest()
        assert record["response"]["Messages"] is None
        assert record["possible_duplicate"] is False


def all_filed(place: Site, how_many: int) -> bool:
    """Tell whether so many documents are at rest, as the daemon counts them."""
    counts = [queue["counts"] for queue in place.status()]
    return sum(c["done"] + c["failed"] for c in counts) >= how_many


@pytest.mark.timeout(500)
def test_a_thousand_documents_in_all_ways_arrive_exactly_once(
    tmp_path: Path, thousand: list[tuple[str, bytes]]
) -> None:
    """Dropped before the start, in eight ways while it runs, and during an overflow of the event queue."""
    with SandboxServer() as sandbox, site(tmp_path, sandbox) as place:
        early, live, flood = thousand[:100], thousand[100:900], thousand[900:]
        for number, (name, content) in enumerate(early):
            (place.drop(queue_of(number)) / name).write_bytes(content)
        place.start()
        for number, (name, content) in enumerate(live):
            WAYS[number % len(WAYS)](place.drop(queue_of(number)) / name, content)
        overflow(place, "to-digitoo", flood)
        wait_for(lambda: all_filed(place, THOUSAND), 150, "all filed")
        assert place.stop() == 0
        assert_each_delivered_once(place, sandbox, thousand)


@pytest.mark.timeout(300)
def test_an_overflow_of_the_event_queue_costs_no_document(tmp_path: Path) -> None:
    """9,000 files come and go and 300 documents come while the daemon stands still: each is delivered once."""
    flood = [(f"flood{number}.pdf", reportlab_pdf(number)) for number in range(300)]
    keys = "settle: 100ms, patience: 1h, rescan: 1h"  # no scan of the daemon's own finds them in time
    with SandboxServer() as sandbox, site(tmp_path, sandbox, keys=keys) as place:
        place.start()
        overflow(place, "to-digitoo", flood)
        wait_for(lambda: all_filed(place, len(flood)), 100, "all filed")
        assert place.stop() == 0
        assert_each_delivered_once(place, sandbox, flood)


@pytest.mark.timeout(500)
def test_a_thousand_cut_documents_are_not_delivered_and_each_is_explained(
    tmp_path: Path, thousand: list[tuple[str, bytes]]
) -> None:
    """Each is cut at a random place, never within the white space at its end."""
    chance = random.Random(7)
    with SandboxServer() as sandbox, site(tmp_path, sandbox) as place:
        paths = []
        for number, (name, content) in enumerate(thousand):
            whole = content.rstrip(b"\r\n\0 ")
            # pypdf's incremental updates contain a whole older document: cut inside that one.
            limit = whole.find(b"%%EOF") if name.startswith("pypdf") else len(whole) - 1
            paths.append(place.drop(queue_of(number)) / name)
            paths[-1].write_bytes(content[: chance.randrange(limit)])
        place.start()
        wait_for(lambda: all_explained(place, paths), 60, "all explained")
        assert len(sandbox.ledger) == 0
        assert place.archived("done") == place.archived("failed") == []
        place.stop()
        without_daemon = place.command("why", str(paths[0]), "--json")
        assert json.loads(without_daemon.stdout)["state"] == "waiting"


def all_explained(place: Site, paths: list[Path]) -> bool:
    """Tell whether the daemon gives for each file its own reason not to take it yet."""
    for path in paths:
        told = place.why(path)
        assert told["state"] == "waiting", told
        if "must be quiet" in told["reason"]:
            return False
    return True


@pytest.mark.timeout(600)
def test_killed_again_and_again_it_still_delivers_each_document_exactly_once(
    tmp_path: Path, thousand: list[tuple[str, bytes]]
) -> None:
    """SIGKILL at random moments while documents arrive; the service is asked about what was on the wire."""
    chance = random.Random()  # another run, other moments: whenever it is killed, the sum must be right
    with SandboxServer() as sandbox, site(tmp_path, sandbox) as place:
        kills = 0
        drops = list(enumerate(thousand))
        while drops:
            place.start(ready=False)
            batch, drops = drops[:70], drops[70:]
            lifetime = chance.uniform(0.6, 2.5)
            for number, (name, content) in batch:
                WAYS[number % len(WAYS)](place.drop(queue_of(number)) / name, content)
            with pytest.raises(AssertionError, match="not within"):
                wait_for(lambda: False, lifetime)
            place.kill()
            kills += 1
        place.start()
        wait_for(lambda: all_filed(place, THOUSAND), 150, f"all filed after {kills} kills")
        assert place.stop() == 0
        assert_each_delivered_once(place, sandbox, thousand)
