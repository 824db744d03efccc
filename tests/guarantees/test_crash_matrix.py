"""Killed at every call with which it changes a file or sends, and started again: nothing lost, nothing doubled."""

import os
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.guarantees.disks import in_memory
from tests.guarantees.points import Point, kill_points, last_words, once, tried
from tests.guarantees.runner import Runner
from tests.guarantees.scene import archives_in, scene
from tests.guarantees.tracer import CALLS, SENDS, Strike, possible

EVERY_ONE = os.environ.get("HOTFOLDER_CRASH_MATRIX") == "full"
"""Every call of every case, those of the start and every write to the journal included; takes half an hour."""
THINNED = 9
"""In CI: every so manieth write to the journal's files, of which there are a dozen in a commit."""
SPARSE = {kind: THINNED * (3 if kind == "pwrite64" else 1) for kind in CALLS.values() if kind not in SENDS}
"""In CI, for services that share all but the requests with the first: every request, and some of the rest."""
PARTS = 2
"""Of each matrix, so that several processors share it."""
CASES = [("rossum", False), ("rossum", True), ("digitoo", False), ("docdigitizer", False)]
CASES += [("digitoo", True), ("docdigitizer", True)] if EVERY_ONE else []
pytestmark = pytest.mark.skipif(not possible(), reason="the tracer knows the system calls of x86-64 alone")


def lived_through(point: Point, top: Path, runner: Runner, service: str, *, apart: bool) -> list[str]:
    """Have a run killed at a point, start another, and return what is wrong then."""
    with ExitStack() as stack:
        archives = archives_in(stack.enter_context(in_memory(top / "archives"))) if apart else {}
        made = stack.enter_context(scene(top, service, **archives))
        killed = once(made, runner, point.strike)
        if killed.code != -9 and killed.struck:
            return [f"it was struck and ended with {killed.code}"]
        return last_words(made, runner)


def clean_calls(top: Path, service: str, *, apart: bool) -> list[tuple[str, str]]:
    """Return the calls of a run that nobody kills."""
    with Runner() as runner, ExitStack() as stack:
        archives = archives_in(stack.enter_context(in_memory(top / "archives"))) if apart else {}
        made = stack.enter_context(scene(top / "clean", service, **archives))
        found = once(made, runner)
        assert found.code == 1, made.log.read_text()
        assert made.wrongs() == []
        return found.calls


def points_of(calls: list[tuple[str, str]], service: str, *, apart: bool) -> list[Point]:
    """Return the points of a case: all, or from the first folder of a queue on, or from the first archive on."""
    if EVERY_ONE:
        return kill_points(calls, 0, {})
    mark = "/archives" if apart else "/.hotfolder"
    begin = next(place for place, (_, path) in enumerate(calls) if mark in path)
    return kill_points(calls, begin, {"pwrite64": THINNED} if service == "rossum" else SPARSE)


@pytest.mark.timeout(3600 if EVERY_ONE else 900)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize(("service", "apart"), CASES)
def test_killed_at_any_call_and_started_again_each_document_rests_once(
    tmp_path: Path, record_property: Callable[[str, int], None], service: str, part: int, *, apart: bool
) -> None:
    """Before the call, after it, or in the middle of a write; archives on the same disk and on another."""
    calls = clean_calls(tmp_path / "clean", service, apart=apart)
    points = points_of(calls, service, apart=apart)[part::PARTS]

    def one(point: Point, top: Path, runner: Runner) -> list[str]:
        return lived_through(point, top, runner, service, apart=apart)

    wrongs = list(tried(points, tmp_path, one))
    record_property("points", len(points))
    assert wrongs == []


def test_the_tracer_kills_before_after_and_in_the_middle_of_a_call(tmp_path: Path) -> None:
    """The same write has not happened, has happened, or has half happened."""
    found = {}
    with Runner() as runner:
        for how in ("before", "after", "torn"):
            with scene(tmp_path / how, "digitoo") as made:
                strike = Strike(how, 1, 1, pattern=r"^pwrite64 .*/drop/\.hotfolder/lock")
                killed = once(made, runner, strike)
                assert (killed.code, killed.struck) == (-9, 1)
                found[how] = (made.drop / ".hotfolder/lock").stat().st_size
    assert found["before"] == 0
    assert 0 < found["torn"] < found["after"]
