"""What services tell by themselves: a hundred times a second, twice, in any order, of strangers, by strangers."""

import http.client
import json
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hotfolder.journal import Reader
from hotfolder.sandbox.server import SandboxServer
from tests.e2e.harness import CONFIG, QUICK, Site, filed, site, wait_for
from tests.e2e.producers import reportlab_pdf
from tests.web.callers import PATH_WEBHOOK, WEBHOOKS, Caller, signed

HEARING = "http: {{listen: 127.0.0.1:0}}" + CONFIG.replace(
    "/digitoo\n", "/digitoo" + WEBHOOKS.replace("{", "{{").replace("}", "}}") + "\n"
).replace("/docdigitizer\n", "/docdigitizer" + PATH_WEBHOOK.replace("{", "{{").replace("}", "}}") + "\n")
PER_SECOND, LASTS_S = 100, 10
CALLERS = 8
LIMIT_BYTES = 64 * 1024
EARLY, LATE = 12, 12
"""Documents that are filed before the storm, and that are dropped into it."""


@pytest.fixture
def hearing(tmp_path: Path, sandbox: SandboxServer) -> Iterator[Site]:
    """Three queues, and a web server that Digitoo and DocDigitizer may call."""
    with site(tmp_path, sandbox, keys=QUICK, text=HEARING) as found:
        yield found


def port_of(place: Site) -> int:
    """Wait until the daemon says where it listens, and return the port; the last start counts."""
    pattern = r"the web server listens on 127\.0\.0\.1:(\d+)"
    return int(wait_for(lambda: re.findall(pattern, place.log.read_text()), 15)[-1])


def started(place: Site) -> Caller:
    """Start the daemon and return a caller."""
    place.log.write_text("")
    place.start()
    return Caller(port_of(place))


def drop(place: Site, queue: str, names: list[str]) -> None:
    """Drop documents, each of another content."""
    for name in names:
        (place.drop(queue) / name).write_bytes(reportlab_pdf(int(name.partition(".")[0])))


def events(place: Site) -> dict[str, list[dict[str, Any]]]:
    """Return the events in each document's sidecar, by the document's id."""
    return {
        place.sidecar(path)["response"]["DocumentIDs"][0]["DocumentID"]: place.sidecar(path)["events"]
        for path in place.archived("done")
        if not path.name.startswith(".")  # a record that is just being replaced
    }


@dataclass
class Storm:
    """Calls of every kind at a steady rate, and what came of them."""

    port: int
    known: list[str]
    chance: random.Random = field(default_factory=lambda: random.Random(4))
    told: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(document, status) of each record that was answered with 202 → how often."""
    wrong: list[str] = field(default_factory=list)
    took_s: list[float] = field(default_factory=list)
    refused: Counter[int] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _said: list[dict[str, str]] = field(default_factory=list)
    _ready: list[tuple[int, bytes, dict[str, str]]] = field(default_factory=list)

    def rage(self) -> None:
        """Call for the whole time, from several connections at once."""
        began = time.monotonic()
        threads = [threading.Thread(target=self._call, args=(began, n)) for n in range(CALLERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _call(self, began: float, which: int) -> None:
        caller = Caller(self.port, keep=True)
        for number in range(which, PER_SECOND * LASTS_S, CALLERS):
            time.sleep(max(began + number / PER_SECOND - time.monotonic(), 0.0))
            with self._lock:
                kind, record = self._next(number)
            self._judge(kind, record, *self._tell(caller, kind, record))
        caller.close()

    def _next(self, number: int) -> tuple[str, dict[str, str]]:
        kinds = ("fresh", "repeat", "stranger", "forged", "unproven", "huge", "nonsense")
        kind = self.chance.choices(kinds, (50, 15, 10, 10, 5, 5, 5))[0]
        if kind == "repeat" and self._said:
            return kind, self.chance.choice(self._said)
        document = f"stranger-{number}" if kind == "stranger" else self.chance.choice(self.known)
        status = "extraction-rejected" if number % 97 == 0 else f"status-{number}"
        if kind in {"forged", "unproven", "huge", "nonsense"}:
            return kind, {"id": document, "status": f"evil-{number}"}
        shapes: list[dict[str, str]] = [
            {"document_id": document, "queue_id": "q7", "status": status},
            {"document_id": document, "queue_id": "q7", "status": status, "webhook_event": "changed"},
            {"webhook_event": "changed", "id": document, "status": status, "queue_id": "q7"},
        ]
        record = self.chance.choice(shapes)
        self._said.append(record)
        return kind, record

    def _tell(self, caller: Caller, kind: str, record: dict[str, str]) -> tuple[int, float]:
        began = time.monotonic()
        body = json.dumps(record).encode()
        if kind == "forged":
            status = caller.tell(record, **{"X-Signature": signed(body, "another key")})
        elif kind == "unproven":
            status = caller.tell(record, **{"X-Webhook-Secret": "guessed"})
        elif kind == "huge":
            status = caller.tell({**record, "padding": "x" * LIMIT_BYTES})
        elif kind == "nonsense":
            status = caller.tell([record])
        else:
            status = caller.tell(record)
        return status, time.monotonic() - began

    def _judge(self, kind: str, record: dict[str, str], status: int, took_s: float) -> None:
        expected = {"forged": 401, "unproven": 401, "huge": 413, "nonsense": 400}.get(kind, 202)
        with self._lock:
            self.took_s.append(took_s)
            if status != expected:
                self.wrong.append(f"{kind}: {status}")
            elif status == 202:
                self.told[record.get("document_id") or record["id"], json.dumps(record, sort_keys=True)] += 1
            else:
                self.refused[status] += 1


def test_a_storm_of_webhooks_loses_none_and_lets_none_in(hearing: Site, sandbox: SandboxServer) -> None:
    """Each record that was taken stands in its document's sidecar or among the orphans, once, and no other does."""
    port = started(hearing).port
    drop(hearing, "to-digitoo", [f"{n}.pdf" for n in range(EARLY)])
    wait_for(lambda: len(hearing.archived("done")) == EARLY, 30)
    storm = Storm(port, [entry.ids["document"] for entry in sandbox.ledger.entries])
    raging = threading.Thread(target=storm.rage)
    raging.start()
    drop(hearing, "to-digitoo", [f"{n}.pdf" for n in range(EARLY, EARLY + LATE)])
    while (
        raging.is_alive()
    ):  # what arrives in between is told of at once: before, while and after it is filed
        storm.known = [entry.ids["document"] for entry in sandbox.ledger.entries]
        raging.join(0.01)
    assert storm.wrong == []
    assert min(storm.refused[status] for status in (400, 401, 413)) > 10
    assert sorted(storm.took_s)[len(storm.took_s) * 9 // 10] < 0.5, "nine of ten calls, on a busy machine"
    wait_for(lambda: len(hearing.archived("done")) == EARLY + LATE, 10, "documents go on meanwhile")
    mine = {key: times for key, times in storm.told.items() if not key[0].startswith("stranger")}
    wait_for(
        lambda: sum(e["times"] for found in events(hearing).values() for e in found) == sum(mine.values()), 15
    )
    found = events(hearing)
    assert {(d, json.dumps(e["body"], sort_keys=True)): e["times"] for d in found for e in found[d]} == mine
    for told in found.values():
        assert told == sorted(told, key=lambda event: event["received_at"])
    _look_at_the_rest(hearing, storm)


def _look_at_the_rest(hearing: Site, storm: Storm) -> None:
    """Check orphans, rejections, and that nothing else happened."""
    with closing(Reader(hearing.top / "state")) as reader:
        orphans = {(o.document_id, o.body) for o in reader.newest_orphans("g", 10_000)}
        rejected = reader.rejected_later()
    strangers = [key for key in storm.told if key[0].startswith("stranger")]
    assert len(strangers) > 10
    assert {(d, json.dumps(json.loads(body), sort_keys=True)) for d, body in orphans if body} == set(
        strangers
    )
    assert len(orphans) == len(strangers)
    told = [json.loads(body) for document, body in storm.told if not document.startswith("stranger")]
    unlucky = {r.get("document_id") or r["id"] for r in told if r["status"] == "extraction-rejected"}
    assert rejected == {"to-digitoo": len(unlucky)}
    assert "the service says later that it is extraction-rejected" in hearing.log.read_text()
    [report] = [q for q in hearing.status() if q["name"] == "to-digitoo"]
    assert (report["state"], report["rejected_later"]) == ("active", len(unlucky))
    assert hearing.archived("failed") == []
    audit = hearing.command("audit")
    assert audit.returncode == 0, audit.stdout
    assert hearing.stop() == 0
    assert "s3cret" not in hearing.log.read_text()
    assert "Traceback" not in hearing.log.read_text()


def test_what_was_taken_outlives_the_daemon(hearing: Site, sandbox: SandboxServer) -> None:
    """A daemon that is killed right after its answer writes the sidecar when it is back; told again, it is counted."""
    caller = started(hearing)
    drop(hearing, "to-digitoo", ["1.pdf"])
    document = filed(hearing, "done", "1.pdf")
    number = sandbox.ledger.entries[0].ids["document"]
    record = {"webhook_event": "changed", "id": number, "status": "ready-to-export", "queue_id": "elsewhere"}
    assert caller.tell(record) == 202
    hearing.kill()
    again = started(hearing)
    [event] = wait_for(lambda: hearing.sidecar(document)["events"], 15)
    assert again.tell(record) == 202
    wait_for(lambda: hearing.sidecar(document)["events"][0]["times"] == 2, 15)
    event = hearing.sidecar(document)["events"][0]
    assert (event["id"], event["status"], event["body"]) == (number, "ready-to-export", record)
    assert event["warning"] == "it was sent to queue q7"
    assert len(hearing.sidecar(document)["events"]) == 1


def test_callbacks_by_get_and_the_health_of_the_daemon(hearing: Site, sandbox: SandboxServer) -> None:
    """DocDigitizer's values stand in the query; /healthz says that the loops run, and other addresses are not there."""
    caller = started(hearing)
    assert caller.send("/healthz", method="GET") == (200, {"status": "ok"})
    assert caller.send("/api/nothing", method="GET")[0] == 404
    drop(hearing, "to-docdigitizer", ["1.pdf"])
    document = filed(hearing, "done", "1.pdf")
    number = hearing.sidecar(document)["response"]["DocumentIDs"][0]["DocumentID"]
    assert caller.call_back(f"docid={number}&status=annotated") == 202
    assert caller.call_back(f"document_id={number}&status=rejected", "POST") == 202
    assert caller.send(f"/webhooks/z/guessed?docid={number}&status=evil")[0] == 404
    wait_for(lambda: len(hearing.sidecar(document)["events"]) == 2, 15)
    record = hearing.sidecar(document)
    assert [event["status"] for event in record["events"]] == ["annotated", "rejected"]
    assert (record["outcome"], record["warnings"]) == ("done", ["the service said later: rejected"])
    assert document.exists()
    said = f"{document.name}: the service says later that it is rejected"
    wait_for(lambda: said in hearing.log.read_text(), 15)


def test_a_new_configuration_changes_who_may_call(hearing: Site) -> None:
    """SIGHUP keeps the listener and takes the new secrets; without `http` nobody is heard any more."""
    caller = started(hearing)
    record = {"id": "1", "status": "a"}
    assert caller.tell(record) == 202
    hearing.write_config(HEARING.replace("s3cret-of-the-header", "another-s3cret"))
    assert hearing.process is not None
    hearing.process.send_signal(1)
    wait_for(lambda: "read anew" in hearing.log.read_text(), 15)
    assert caller.tell(record) == 401
    assert caller.tell(record, **{"X-Webhook-Secret": "another-s3cret"}) == 202
    hearing.write_config(CONFIG)
    hearing.process.send_signal(1)
    wait_for(lambda: hearing.log.read_text().count("read anew") == 2, 15)
    with pytest.raises((OSError, http.client.HTTPException)):
        Caller(caller.port).tell(record)
