"""What a process uses, and how that grows with the documents that it has filed."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

WARM_AFTER = 10_000
"""Documents after which caches are full and every kind of trouble has been met: what grows later is a fault."""
MOST = {
    "rss MiB": 16,
    "threads": 4,
    "descriptors": 16,
    "log lines a document": 6,
    "log bytes a document": 1000,
}
"""Growth after `WARM_AFTER` documents, and what may be logged about each of them where one request in fifteen fails."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Usage:
    """What a daemon uses at a moment (seconds since the start), in its nth life, when so many documents are filed."""

    at_s: float
    life: int
    filed: int
    rss_mib: float
    threads: int
    descriptors: int
    journal_mib: float
    processor_s: float
    log_lines: int
    log_bytes: int


class Meter:
    """Reads what a daemon uses from /proc, its state directory and its log, of which it remembers how far it read."""

    def __init__(self, state_dir: Path, log: Path, proc: Path = Path("/proc")) -> None:
        self._state_dir = state_dir
        self._log = log
        self._proc = proc
        self._lines = self._bytes = 0

    def read(self, pid: int, at_s: float, life: int, filed: int) -> Usage:
        """Return the usage of a process; raises OSError where it has ended."""
        proc = self._proc / str(pid)
        told = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
        times = (proc / "stat").read_text().rpartition(") ")[2].split()[11:13]  # utime, stime: proc(5)
        self._read_on()
        return Usage(
            at_s=round(at_s, 1),
            life=life,
            filed=filed,
            rss_mib=round(int(told["VmRSS"].split()[0]) / 1024, 1),
            threads=int(told["Threads"]),
            descriptors=len(os.listdir(proc / "fd")),
            journal_mib=round(sum(p.stat().st_size for p in self._state_dir.glob("journal*")) / 2**20, 2),
            processor_s=sum(map(int, times)) / _TICKS,
            log_lines=self._lines,
            log_bytes=self._bytes,
        )

    def _read_on(self) -> None:
        with self._log.open("rb") as log:
            log.seek(self._bytes)
            while piece := log.read(1 << 20):
                self._lines += piece.count(b"\n")
                self._bytes += len(piece)


def tenths(samples: list[Usage]) -> list[dict[str, Any]]:
    """Return what was used in each tenth of the documents of one life: levels at its end, costs a document within it."""
    last, rows = samples[0], []
    for part in range(1, 11):
        upto = samples[0].filed + (samples[-1].filed - samples[0].filed) * part / 10
        here = next(sample for sample in samples if sample.filed >= upto)
        if here.filed == last.filed:
            continue
        number = here.filed - last.filed
        rows.append(
            {
                "filed": here.filed,
                "documents/s": round(number / max(here.at_s - last.at_s, 0.1), 1),
                "rss MiB": here.rss_mib,
                "threads": here.threads,
                "descriptors": here.descriptors,
                "journal KiB a document": round((here.journal_mib - last.journal_mib) * 1024 / number, 2),
                "processor ms a document": round((here.processor_s - last.processor_s) * 1000 / number, 2),
                "log lines a document": round((here.log_lines - last.log_lines) / number, 2),
                "log bytes a document": round((here.log_bytes - last.log_bytes) / number),
            }
        )
        last = here
    return rows


def growth(samples: list[Usage], warm_after: int = WARM_AFTER) -> dict[str, float]:
    """Return by how much the last sample is above the first one after `warm_after` documents, each with its unit."""
    warm = [sample for sample in samples if sample.filed >= warm_after] or samples[-1:]
    first, last = warm[0], warm[-1]
    return {
        "documents": last.filed - first.filed,
        "rss MiB": round(last.rss_mib - first.rss_mib, 1),
        "threads": last.threads - first.threads,
        "descriptors": last.descriptors - first.descriptors,
    }


def exceeded(samples: list[Usage], warm_after: int = WARM_AFTER) -> list[str]:
    """Return what has grown after `warm_after` documents, or was logged for each, beyond its bound."""
    last, grown = samples[-1], growth(samples, warm_after)
    number = max(last.filed - samples[0].filed, 1)
    found = {
        **grown,
        "log lines a document": round((last.log_lines - samples[0].log_lines) / number, 2),
        "log bytes a document": round((last.log_bytes - samples[0].log_bytes) / number),
    }
    return [f"{name}: {found[name]}, at most {most}" for name, most in MOST.items() if found[name] > most]


def show(samples: list[Usage]) -> dict[str, Any]:
    """Print the tenths and the growth; return them."""
    rows, grown = tenths(samples), growth(samples)
    for name in rows[0]:
        print(f"{name:24}" + "".join(f"{row[name]:>9}" for row in rows))
    print(f"grown after the first {WARM_AFTER} documents: {json.dumps(grown)}")
    return {"tenths": rows, "grown": grown, "samples": [asdict(sample) for sample in samples]}
