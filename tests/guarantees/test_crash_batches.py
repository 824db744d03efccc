"""Killed at every call while a batch is on its way: each document rests once, each batch has its one report."""

import json
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from hotfolder.batches import BatchReport, read
from hotfolder.journal import Reader
from hotfolder.sandbox.server import SandboxServer
from tests.e2e.producers import reportlab_pdf
from tests.guarantees.points import Point, kill_points, once, tried
from tests.guarantees.runner import Runner
from tests.guarantees.scene import KEYS, QUICK, REFUSES, Dropped, Scene
from tests.guarantees.tracer import possible

EVERY_ONE = os.environ.get("HOTFOLDER_CRASH_MATRIX") == "full"
THINNED = 1 if EVERY_ONE else 12
"""In CI: every so manieth write to the journal's files, and half as many of the others."""
STRIDES = {"pwrite64": THINNED, "fdatasync": THINNED, "sendto": THINNED // 2 or 1, "fsync": THINNED // 2 or 1}
DOCUMENTS = [
    Dropped("a.pdf", reportlab_pdf(1)),
    Dropped("b.pdf", reportlab_pdf(2)[:700], good=False),
    Dropped("refused.pdf", reportlab_pdf(3), good=False),
    Dropped("sub/d.pdf", reportlab_pdf(4)),
    Dropped("z.pdf", reportlab_pdf(5)),
]
pytestmark = pytest.mark.skipif(not possible(), reason="the tracer knows the system calls of x86-64 alone")


@dataclass
class Bulk(Scene):
    """Five documents that are one batch, and the proof that they are told of so."""

    keys: str = KEYS + ", mode: batch, settle_max: 300ms"

    def wrongs(self) -> list[str]:
        """Return what is wrong with the reports, which are nobody's document, and with the documents."""
        paths = sorted(self.done.glob("*.batch.json"))
        reports = [read(path.read_bytes()) for path in paths]
        found = self._untold(reports) + [w for report in reports for w in self._untrue(report)]
        for path in paths:
            path.unlink()
        return found + super().wrongs()

    def _untold(self, reports: list[BatchReport]) -> list[str]:
        """Return which documents no report, or more than one, says to be at rest, and which batches have none."""
        with closing(Reader(self.state)) as reader:
            wrongs = [f"batch {batch.batch_id} has no report" for batch in reader.open_batches("q")]
            wrongs += [
                f"no row of {r.batch_id}" for r in reports if len(r.files) != _planned(reader, r.batch_id)
            ]
        told = [f.name for report in reports for f in report.files if f.outcome in {"done", "failed"}]
        names = sorted(os.path.basename(document.path) for document in self.dropped)
        return wrongs if sorted(told) == names else [*wrongs, f"told of {sorted(told)}"]

    def _untrue(self, report: BatchReport) -> list[str]:
        """Return where a report says something else than the records of its documents."""
        wrongs = []
        for place, file in enumerate(report.files, 1):
            if file.outcome in {"done", "failed"}:
                area = self.done if file.outcome == "done" else self.failed
                record = json.loads((area / str(file.sidecar)).read_text())
                same = record["upload_id"], record["batch"] == {"id": report.batch_id, "place": place}
                wrongs += [] if same == (file.upload_id, True) else [f"{file.name}: {record['batch']}"]
                wrongs += [] if (area / str(file.archive)).exists() else [f"{file.archive} is not there"]
            elif file.outcome != "untouched":
                wrongs.append(f"{file.name} is {file.outcome}")
        return wrongs


def _planned(reader: Reader, batch_id: str) -> int:
    batch = reader.batch(batch_id)
    return -1 if batch is None else len(batch.plan)


def lived_through(point: Point, top: Path, runner: Runner) -> list[str]:
    """Have a run killed at a point, start another, and return what is wrong then."""
    with SandboxServer(QUICK, scenario=REFUSES) as sandbox:
        scene = Bulk(top, "digitoo", sandbox)
        for document in DOCUMENTS:
            scene.put(document)
        killed = once(scene, runner, point.strike)
        if killed.code != -9 and killed.struck:
            return [f"it was struck and ended with {killed.code}"]
        again = once(scene, runner, follow=False)
        wrongs = [] if again.code in {0, 1} else [f"the second run ended with {again.code}"]
        audit = runner.run(["audit", "-c", str(scene.config)], scene.log)
        wrongs += [] if audit.code == 0 else [f"audit ended with {audit.code}"]
        try:
            wrongs += scene.wrongs()
        except (OSError, KeyError, ValueError) as problem:
            wrongs.append(repr(problem))
        return [f"{wrong}: {scene.log.read_text()[-800:]}" for wrong in wrongs]


@pytest.mark.timeout(3600 if EVERY_ONE else 900)
def test_killed_at_any_call_the_batch_is_told_of(
    tmp_path: Path, record_property: Callable[[str, int], None]
) -> None:
    """Before the call, after it, or in the middle of a write: nothing lost, nothing doubled, nothing untold."""
    with Runner() as runner, SandboxServer(QUICK, scenario=REFUSES) as sandbox:
        scene = Bulk(tmp_path / "clean", "digitoo", sandbox)
        for document in DOCUMENTS:
            scene.put(document)
        found = once(scene, runner)
        assert found.code == 1, scene.log.read_text()
        assert len(list(scene.done.glob("*.batch.json"))) == 1
        assert scene.wrongs() == []
    begin = next(n for n, (_, path) in enumerate(found.calls) if "/.hotfolder/0" in path)
    points = kill_points(found.calls, 0 if EVERY_ONE else begin - 5, STRIDES)
    wrongs = list(tried(points, tmp_path, lived_through))
    record_property("points", len(points))
    assert wrongs == []
