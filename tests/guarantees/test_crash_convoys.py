"""Killed at every call while several documents are on their way in one request: each rests once, as itself."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hotfolder.batches import read
from hotfolder.sandbox.server import SandboxServer
from tests.e2e.producers import pillow_png, reportlab_pdf
from tests.guarantees.points import Point, kill_points, once, tried
from tests.guarantees.runner import Runner
from tests.guarantees.scene import KEYS, LONG_NAME, QUICK, REFUSES, Dropped, Scene
from tests.guarantees.tracer import CALLS, SENDS, possible

EVERY_ONE = os.environ.get("HOTFOLDER_CRASH_MATRIX") == "full"
OTHERS = [kind for kind in CALLS.values() if kind not in SENDS]
pytestmark = pytest.mark.skipif(not possible(), reason="the tracer knows the system calls of x86-64 alone")


def documents(*, refused: bool) -> list[Dropped]:
    """Return some that share a request; with `refused`, the service takes that request apart."""
    made = [
        Dropped("a.pdf", reportlab_pdf(1)),
        Dropped(LONG_NAME, pillow_png(2)),
        Dropped('ž & "q".pdf', reportlab_pdf(5)),
    ]
    return [*made, *([Dropped("refused.pdf", reportlab_pdf(3), good=False)] if refused else [])]


def dropped(top: Path, sandbox: SandboxServer, *, refused: bool) -> Scene:
    """Return a scene with its documents."""
    scene = Scene(top, "rossum", sandbox, keys=KEYS + ", mode: batch")
    for document in documents(refused=refused):
        scene.put(document)
    return scene


def wrongs_of(scene: Scene) -> list[str]:
    """Return what is wrong, the records' ids and the reports included; the reports are taken away."""
    wrongs = []
    for path in scene.done.glob("*.batch.json"):
        read(path.read_bytes())
        path.unlink()
    known = {entry.sha256: entry.ids["document"] for entry in scene.sandbox.ledger.entries}
    for document in scene.dropped:
        record = json.loads(
            (scene.done if document.good else scene.failed).joinpath(f"{document.path}.json").read_text()
        )
        ids = record["response"]["DocumentIDs"]
        if document.good and ids != [{"DocumentID": known.get(document.sha256)}]:
            wrongs.append(f"{document.path} has another's ids: {ids}")
    return wrongs + scene.wrongs()


def lived_through(point: Point, top: Path, runner: Runner, *, refused: bool) -> list[str]:
    """Have a run killed at a point, start another, and return what is wrong then."""
    with SandboxServer(QUICK, scenario=REFUSES) as sandbox:
        scene = dropped(top, sandbox, refused=refused)
        killed = once(scene, runner, point.strike)
        if killed.code != -9 and killed.struck:
            return [f"it was struck and ended with {killed.code}"]
        again = once(scene, runner, follow=False, within="120s")
        wrongs = [] if again.code in {0, 1} else [f"the second run ended with {again.code}"]
        audit = runner.run(["audit", "-c", str(scene.config)], scene.log)
        wrongs += [] if audit.code == 0 else [f"audit ended with {audit.code}"]
        try:
            return wrongs + wrongs_of(scene)
        except (OSError, KeyError, ValueError) as problem:
            return [*wrongs, f"{problem!r}: {scene.log.read_text()[-800:]}"]


@pytest.mark.timeout(3600 if EVERY_ONE else 900)
@pytest.mark.parametrize("refused", [False, True])
def test_killed_at_any_call_each_of_a_request_rests_once(
    tmp_path: Path, record_property: Callable[[str, int], None], *, refused: bool
) -> None:
    """Before the call, after it, or in the middle of a write; the request taken whole, and refused and sent singly."""
    with Runner() as runner, SandboxServer(QUICK, scenario=REFUSES) as sandbox:
        scene = dropped(tmp_path / "clean", sandbox, refused=refused)
        found = once(scene, runner)
        assert found.code == int(refused), scene.log.read_text()
        assert len({entry.number for entry in sandbox.ledger.entries}) == (3 if refused else 1)
        assert wrongs_of(scene) == []
    begin = next(n for n, (_, path) in enumerate(found.calls) if "/.hotfolder/0" in path)
    # In CI every request, and so manieth of the other calls: taken apart, most are those of single documents.
    thinned = {kind: (9 if refused else 3) * (3 if kind == "pwrite64" else 1) for kind in OTHERS}
    points = kill_points(found.calls, 0 if EVERY_ONE else begin - 5, {} if EVERY_ONE else thinned)

    def one(point: Point, top: Path, runner: Runner) -> list[str]:
        return lived_through(point, top, runner, refused=refused)

    wrongs = list(tried(points, tmp_path, one))
    record_property("points", len(points))
    assert wrongs == []
