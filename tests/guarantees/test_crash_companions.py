"""Killed at every call while a document and its companion are on their way: both rest together, once."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from hotfolder.sandbox.server import SandboxServer
from tests.guarantees.points import Point, kill_points, once, tried
from tests.guarantees.runner import Runner
from tests.guarantees.scene import KEYS, QUICK, REFUSES, Dropped, Scene, documents
from tests.guarantees.tracer import possible

EVERY_ONE = os.environ.get("HOTFOLDER_CRASH_MATRIX") == "full"
THINNED = 1 if EVERY_ONE else 9
"""In CI: every so manieth write to the journal's files."""
SAYS = b"queue_id: q7\nmetadata: {site: Brno}\n"
pytestmark = pytest.mark.skipif(not possible(), reason="the tracer knows the system calls of x86-64 alone")


@dataclass
class Paired(Scene):
    """Three documents, each with a companion, and the proof that they rest together."""

    keys: str = KEYS + ", companion: '{stem}.yaml', companion_timeout: never"

    def companions(self) -> list[str]:
        """Return what is wrong with the companions, which are nobody's document."""
        wrongs = []
        lying = [p for p in self.drop.rglob("*") if p.is_file() and p.read_bytes().startswith(SAYS)]
        for document in self.dropped:
            area = self.done if document.good else self.failed
            path = area / document.path
            record = json.loads(path.with_name(path.name + ".json").read_text())
            (beside,) = record["beside"]
            mine = path.with_name(beside)
            wrongs += [] if mine in lying else [f"{mine} is not there"]
            wrongs += [] if record["queue"]["id"] == "q7" else [f"{path}: {record['queue']}"]
            if mine in lying:
                if mine.read_bytes() != said(document):
                    wrongs.append(f"{mine} is another's")
                lying.remove(mine)
                mine.unlink()
        return wrongs + [f"{path} should not be there" for path in lying]


def said(document: Dropped) -> bytes:
    """Return the companion of a document: no two are alike."""
    return SAYS + f"document_class: {Path(document.path).stem}\n".encode()


def dropped(scene: Paired) -> None:
    """Drop the documents, some before and some after their companions."""
    for number, document in enumerate(documents()):
        if len(document.path) > 200:
            continue
        path = scene.drop / document.path
        path.parent.mkdir(exist_ok=True)
        if number % 2:
            scene.put(document)
        path.with_suffix(".yaml").write_bytes(said(document))
        if not number % 2:
            scene.put(document)


def lived_through(point: Point, top: Path, runner: Runner) -> list[str]:
    """Have a run killed at a point, start another, and return what is wrong then."""
    with SandboxServer(QUICK, scenario=REFUSES) as sandbox:
        scene = Paired(top, "digitoo", sandbox)
        dropped(scene)
        killed = once(scene, runner, point.strike)
        if killed.code != -9 and killed.struck:
            return [f"it was struck and ended with {killed.code}"]
        again = once(scene, runner, follow=False)
        wrongs = [] if again.code in {0, 1} else [f"the second run ended with {again.code}"]
        audit = runner.run(["audit", "-c", str(scene.config)], scene.log)
        wrongs += (
            [] if audit.code == 0 else [f"audit ended with {audit.code}: {scene.log.read_text()[-800:]}"]
        )
        try:
            return wrongs + scene.companions() + scene.wrongs()
        except (OSError, KeyError, ValueError) as problem:
            return [*wrongs, f"{problem!r}: {scene.log.read_text()[-800:]}"]


@pytest.mark.timeout(3600 if EVERY_ONE else 900)
def test_killed_at_any_call_the_pair_survives(
    tmp_path: Path, record_property: Callable[[str, int], None]
) -> None:
    """Before the call, after it, or in the middle of a write: nothing lost, nothing doubled, nothing parted."""
    with Runner() as runner, SandboxServer(QUICK, scenario=REFUSES) as sandbox:
        scene = Paired(tmp_path / "clean", "digitoo", sandbox)
        dropped(scene)
        found = once(scene, runner)
        assert found.code == 1, scene.log.read_text()
        assert scene.companions() + scene.wrongs() == []
    begin = next(n for n, (_, path) in enumerate(found.calls) if "/.hotfolder/0" in path)
    points = kill_points(
        found.calls, 0 if EVERY_ONE else begin - 5, {"pwrite64": THINNED, "fdatasync": THINNED}
    )
    wrongs = list(tried(points, tmp_path, lived_through))
    record_property("points", len(points))
    assert wrongs == []
