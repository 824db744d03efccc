"""Three services with faults, a daemon that is killed every half minute, documents at a steady rate; then the sum.

`python -m benchmarks soak --minutes 30`, and `--rate 10` documents a second. Two thirds of the time the daemon is
killed every `KILL_EVERY_S`, one third it is left alone, so that growth shows; with `--no-kills` it is left alone all
the time. What was dropped must be filed, each document once; memory, threads, descriptors, processor time, log and the
journal's size are sampled all the while. Ends with a table and writes `soak.json` into the current directory.

`--documents 50000` drops so many as fast as they are filed (or at `--rate`), kills nobody, logs what a daemon logs
unless told otherwise, and ends with a table of what each tenth cost, and what has grown; where that is more than
`usage.MOST` allows, it exits with 1. `--booted` does any of it with the package, installed in a machine with a real
systemd (needs root).
"""

import argparse
import hashlib
import json
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.booted import booted as machine_of_its_own
from benchmarks.home import Here, Home
from benchmarks.place import DIGITOO, DOCDIGITIZER, ROSSUM, ledger, machine, png_of, sandbox, until
from benchmarks.scrapes import Scrape, free_port, scrape
from benchmarks.usage import Meter, Usage, exceeded, show
from hotfolder.sidecar import Sidecar
from hotfolder.unixsocket import NoDaemonError, ask

QUEUES = {"rossum": (ROSSUM, "8236"), "digitoo": (DIGITOO, "q7"), "docdigitizer": (DOCDIGITIZER, "null")}
OWN = {"lock", "run"}
"""The service's own files in a work folder."""
KILL_EVERY_S, SAMPLE_EVERY_S = 30.0, 2.0
QUIET_WITHIN_S = 600.0
MOST_WAITING, LOOK_EVERY_S = 300, 0.25
"""Documents that are dropped and not filed yet, and time between two looks, where they come as fast as they go."""
SCRAPE_EVERY = 20
"""Samples."""
LINES, TELLING = 50, 10_000
"""Lines that tell how it goes, of a run through at least so many documents."""
DOCUMENT_BYTES = 3_000
BROKEN = ("lost", "filed twice", "strange files", "doubled unasked", "audit", "restarts unasked")
"""Sums that must be 0."""
SHARE = 0.01
"""Of the requests, for each kind of fault."""
FAULTS: list[dict[str, Any]] = [
    {"reset": "after_commit"},
    {"reset": "mid_body"},
    {"reset": "after_body"},
    {"rate_limit": 1},
    {"status": 500},
    {"delay_s": 2.0},
]
ASIDE = "ask_after: 2s, retry: {first: 200ms, max: 5s}, limits: {concurrency: 8, per_second: 200}"


@dataclass
class Soak:
    """A daemon that is fed and killed."""

    home: Home
    origin: str
    """Where the services answer."""
    level: str = "WARNING"
    began: float = field(default_factory=time.monotonic)
    lives: int = 0
    dropped: dict[str, str] = field(default_factory=dict)
    """SHA-256 of every document → its queue."""
    samples: list[Usage] = field(default_factory=list)
    scrapes: list[Scrape] = field(default_factory=list)
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        lines = [
            f"log: {{level: {self.level}}}",
            f"http: {{listen: '127.0.0.1:{self.port}'}}",
            "connections:",
        ]
        lines += [
            f"  {name}: {{{how.format(origin=self.origin)}, {ASIDE}}}" for name, (how, _) in QUEUES.items()
        ]
        lines.append("queues:")
        for name, (_, queue_id) in QUEUES.items():
            lines.append(f"  {name}: {{connection: {name}, queue_id: {queue_id}, settle: 100ms}}")
        self.home.furnish("\n".join(lines) + "\n", list(QUEUES))
        self.meter = Meter(self.home.state, self.home.log, self.home.proc)

    def drop(self, queue: str) -> Path:
        """Return a drop folder."""
        return self.home.drops / queue

    def start(self) -> None:
        """Begin a life of the daemon."""
        self.lives += 1
        self.home.start()

    def feed(self) -> None:
        """Drop one document, by a rename."""
        number = len(self.dropped)
        queue = list(QUEUES)[number % len(QUEUES)]
        content = png_of(DOCUMENT_BYTES, number)
        hidden = self.drop(queue) / ".arriving"
        self.home.lay(hidden, content)
        hidden.rename(self.drop(queue) / f"scan{number}.png")
        self.dropped[hashlib.sha256(content).hexdigest()] = queue

    def sample(self) -> None:
        """Take note of what the daemon uses."""
        with suppress(NoDaemonError, OSError):
            at_s = time.monotonic() - self.began
            self.samples.append(self.meter.read(self.home.pid, at_s, self.lives, self.at_rest()))
            if len(self.samples) % SCRAPE_EVERY == 1:
                self.scrape()

    def scrape(self) -> None:
        """Take note of what /metrics answers."""
        self.scrapes.append(scrape(self.port))

    def at_rest(self) -> int:
        """Return how many documents are filed, as the daemon says."""
        queues = ask(self.home.state, {"ask": "status"})["queues"]
        return sum(queue["counts"][outcome] for queue in queues for outcome in ("done", "failed"))

    def work(self, for_s: float, rate: float, *, kills: bool) -> None:
        """Feed at a steady rate for a while, sampling, and killing where that is asked for."""
        begin = time.monotonic()
        fed, next_kill, next_sample = 0, begin + KILL_EVERY_S, begin + SAMPLE_EVERY_S
        while (now := time.monotonic()) < begin + for_s:
            if kills and now >= next_kill:
                self.home.kill()
                self.start()
                next_kill = now + KILL_EVERY_S
            if now >= next_sample:
                self.sample()
                next_sample = now + SAMPLE_EVERY_S
            if fed < (now - begin) * rate:
                self.feed()
                fed += 1
            else:
                time.sleep(0.01)

    def run_through(self, documents: int, rate: float | None) -> None:
        """Feed so many documents at a steady rate, or as fast as they are filed, sampling."""
        until(self.quiet, QUIET_WITHIN_S, self.unquiet)
        begin, next_sample, next_line = time.monotonic(), 0.0, documents // LINES
        while (fed := len(self.dropped)) < documents:
            now = time.monotonic()
            if fed >= next_line and documents >= TELLING:
                print(f"{fed} dropped: {self.samples[-1]}", flush=True)
                next_line += documents // LINES
            if now >= next_sample:
                self.sample()
                next_sample = now + LOOK_EVERY_S
            if fed < self.samples[-1].filed + MOST_WAITING if rate is None else fed < (now - begin) * rate:
                self.feed()
            else:
                time.sleep(0.01)

    def quiet(self) -> bool:
        """Tell whether nothing is under way any more."""
        try:
            queues = ask(self.home.state, {"ask": "status"})["queues"]
        except (NoDaemonError, OSError):
            return False
        return not any(q["counts"][k] for q in queues for k in ("waiting", "claimed", "uncertain"))

    def unquiet(self) -> str:
        """Say what is still under way, with the end of the log."""
        with suppress(NoDaemonError, OSError):
            for queue in ask(self.home.state, {"ask": "status"})["queues"]:
                print(json.dumps(queue, indent=1))
        return "\n".join(self.home.log.read_text().splitlines()[-60:])

    def filed(self) -> tuple[Counter[str], dict[str, Sidecar], list[str]]:
        """Return how often each content is filed, its record, and the files that are neither."""
        found: Counter[str] = Counter()
        records: dict[str, Sidecar] = {}
        strange: list[str] = []
        for queue in QUEUES:
            for path in (p for p in self.drop(queue).rglob("*") if p.is_file() and p.name not in OWN):
                beside = path.with_name(path.name + ".json")
                if path.suffix == ".json" and path.with_suffix("").exists():
                    continue
                if path.parent.name not in {"done", "failed"} or not beside.exists():
                    strange.append(str(path))
                    continue
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                found[digest] += 1
                records[digest] = Sidecar.model_validate_json(beside.read_bytes())
        return found, records, strange


def main() -> None:
    """Soak, print the table, write the JSON; exits with 1 where a guarantee did not hold."""
    reader = argparse.ArgumentParser(prog="benchmarks soak", description=__doc__)
    reader.add_argument("--minutes", type=float, default=3.0)
    reader.add_argument("--documents", type=int, help="drop so many, and kill nobody")
    reader.add_argument(
        "--rate", type=float, help="documents a second (default 10; with --documents: as many as go)"
    )
    reader.add_argument("--no-faults", action="store_true", help="the services answer well, and at once")
    reader.add_argument("--no-kills", action="store_true", help="let the daemon live from begin to end")
    reader.add_argument(
        "--booted", action="store_true", help="the installed package in a machine with systemd"
    )
    asked = reader.parse_args([word for word in sys.argv[1:] if word != "soak"])
    print(machine())
    # Else a machine's disk would stay behind, a gigabyte of it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM; nothing was counted"))
    with (
        _home(booted=asked.booted) as (folder, home),
        sandbox(scenario(Path(folder), [] if asked.no_faults else FAULTS)) as origin,
    ):
        soak = Soak(home, origin, "INFO" if asked.documents else "WARNING")
        soak.start()
        try:
            quiet_from = _work(soak, asked)
            until(soak.quiet, QUIET_WITHIN_S, soak.unquiet)
            soak.sample()
        finally:
            home.end()
        report = _report(soak, sums(soak, ledger(origin)), quiet_from)
    Path("soak.json").write_text(json.dumps(report, indent=1) + "\n")
    if broken := [name for name in BROKEN if report["sums"][name]]:
        sys.exit(f"a guarantee did not hold ({', '.join(broken)}); soak.json has the sums")
    if asked.documents and report["exceeded"]:
        sys.exit("more than there may be: " + "; ".join(report["exceeded"]))


@contextmanager
def _home(*, booted: bool) -> Iterator[tuple[str, Home]]:
    """Have a scratch folder and a home for the daemon."""
    with tempfile.TemporaryDirectory(prefix="hotfolder-soak-") as folder:
        if not booted:
            yield folder, Here(Path(folder))
            return
        with machine_of_its_own() as home:
            yield folder, home


def _work(soak: Soak, asked: argparse.Namespace) -> int:
    """Feed as asked for; return the first sample after the last kill."""
    if asked.documents:
        soak.run_through(asked.documents, asked.rate)
        return 0
    rate, killing_s = asked.rate or 10.0, 0.0 if asked.no_kills else asked.minutes * 40
    soak.work(killing_s, rate, kills=True)
    quiet_from = len(soak.samples)
    soak.work(asked.minutes * 60 - killing_s, rate, kills=False)
    return quiet_from


def scenario(folder: Path, faults: list[dict[str, Any]]) -> Path:
    """Write faults as a scenario."""
    match = {"probability": SHARE}
    rules = [{"match": {**match, "seed": seed}, "do": do} for seed, do in enumerate(faults)]
    path = folder / "scenario.json"
    path.write_text(json.dumps(rules))
    return path


def sums(soak: Soak, taken: list[dict[str, Any]]) -> dict[str, int]:
    """Compare what was dropped with what is filed and what the services took."""
    found, records, strange = soak.filed()
    times = Counter(entry["sha256"] for entry in taken)
    doubled = {digest for digest, number in times.items() if number > 1}
    unasked = {d for d in doubled if soak.dropped[d] == "rossum" or not records[d].possible_duplicate}
    return {
        "dropped": len(soak.dropped),
        "done": sum(r.outcome == "done" for r in records.values()),
        "failed": sum(r.outcome == "failed" for r in records.values()),
        "recovered": sum(r.recovered for r in records.values()),
        "lost": len(soak.dropped.keys() - found.keys()),
        "filed twice": sum(number > 1 for number in found.values()),
        "strange files": len(strange),
        "doubled and said so": len(doubled - unasked),
        "doubled unasked": len(unasked),
        "audit": soak.home.audit(),
        "restarts unasked": soak.home.restarts(),
        "kills": soak.lives - 1,
    }


def _report(soak: Soak, summed: dict[str, int], quiet_from: int) -> dict[str, Any]:
    """Print the table and return it with all samples."""
    for name, number in summed.items():
        print(f"{name:22} {number}")
    alone = soak.samples[quiet_from:]
    report = {"machine": machine(), "sums": summed, **show(alone), "exceeded": exceeded(alone)}
    return report | {"home": _told(soak.home.notes()), "scrapes": _scraped(soak.scrapes)}


def _told(notes: dict[str, object]) -> dict[str, object]:
    for name, note in notes.items():
        print(f"{name:24}{note}")
    return notes


def _scraped(scrapes: list[Scrape]) -> list[dict[str, Any]]:
    """Print how the answers of /metrics fared; return all of them."""
    if scrapes:
        first, last, slowest = scrapes[0], scrapes[-1], max(scrapes, key=lambda one: one.took_ms)
        print(
            f"/metrics: {len(scrapes)} times, {first.series} series, {last.series} at last, the slowest {slowest}"
        )
    return [asdict(one) for one in scrapes]


if __name__ == "__main__":
    main()
