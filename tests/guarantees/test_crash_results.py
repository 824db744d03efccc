"""Killed at every call after a service's last word: what it found is filed with the document, and nothing is left over."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hotfolder.checks.names import shorten
from hotfolder.sandbox.options import SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from tests.e2e.producers import pillow_png, reportlab_pdf
from tests.guarantees.points import Point, kill_points, last_words, once, tried
from tests.guarantees.runner import Runner
from tests.guarantees.scene import KEYS, LONG_NAME, Dropped, Scene
from tests.guarantees.tracer import possible

DONE_AT_ONCE = SandboxOptions(
    rossum_task_polls=0,
    rossum_annotation_polls=0,
    rossum_statuses=("exported",),
    digitoo_statuses=("ready-to-export",),
)
"""People who are done before anybody looks."""
EVERY_ONE = os.environ.get("HOTFOLDER_CRASH_MATRIX") == "full"
THINNED = {"pwrite64": 9}
pytestmark = pytest.mark.skipif(not possible(), reason="the tracer knows the system calls of x86-64 alone")


class Finding(Scene):
    """A queue that files what is found in its documents; that is looked at, and taken away, before the rest is judged."""

    def wrongs(self) -> list[str]:
        """Return what is wrong with the documents, or with what was found in them."""
        wrongs = []
        for document in self.dropped:
            name = os.fsencode(Path(document.path).name)
            beside = (
                self.done
                / Path(document.path).parent
                / os.fsdecode(shorten(name, 238) + b".annotations.json")
            )
            try:
                found = json.loads(beside.read_bytes())
                beside.unlink()
            except (OSError, ValueError) as problem:
                wrongs.append(f"what was found in {document.path}: {problem}")
            else:
                wrongs += [] if found["annotations"] else [f"nothing was found in {document.path}"]
        return wrongs + super().wrongs()


@contextmanager
def finding(top: Path, service: str) -> Iterator[Scene]:
    """Have documents in a queue that files what is found in them."""
    with SandboxServer(DONE_AT_ONCE) as sandbox:
        made = Finding(top, service, sandbox, keys=f"{KEYS}, wait_for: processed, results: true")
        made.put(Dropped("sub/good.pdf", reportlab_pdf(1)))
        made.put(Dropped(LONG_NAME, pillow_png(2)))
        yield made


@pytest.mark.timeout(900)
@pytest.mark.parametrize("service", ["digitoo", "rossum"] if EVERY_ONE else ["digitoo"])
def test_killed_between_the_last_word_and_the_rest(
    tmp_path: Path, record_property: Callable[[str, int], None], service: str
) -> None:
    """Before the call, after it, or in the middle of a write; started again, all of it rests once."""
    with Runner() as runner, finding(tmp_path / "clean", service) as made:
        clean = once(made, runner)
        assert clean.code == 0, made.log.read_text()
        assert made.wrongs() == []
    begin = next(place for place, (_, path) in enumerate(clean.calls) if "/.hotfolder/.results." in path)
    points = kill_points(clean.calls, begin, THINNED)

    def one(point: Point, top: Path, runner: Runner) -> list[str]:
        with finding(top, service) as made:
            killed = once(made, runner, point.strike)
            if killed.code != -9 and killed.struck:
                return [f"it was struck and ended with {killed.code}"]
            return last_words(made, runner)

    wrongs = list(tried(points, tmp_path, one))
    record_property("points", len(points))
    assert wrongs == []
