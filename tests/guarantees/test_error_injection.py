"""Each call that changes a file or sends fails, once or from then on: nothing lost, nothing doubled, nothing silent."""

import errno
import os
import re
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from hotfolder.arrivals.ears import CANARY
from tests.guarantees.disks import in_memory
from tests.guarantees.points import last_words, once, tried
from tests.guarantees.runner import Run, Runner
from tests.guarantees.scene import Scene, archives_in, scene
from tests.guarantees.tracer import Strike, possible

EVERY_ONE = os.environ.get("HOTFOLDER_CRASH_MATRIX") == "full"
"""Each error at each call; else the errors take turns."""
CODES = (errno.EIO, errno.ENOSPC, errno.EACCES, errno.EINTR)
THINNED = 17
"""In CI: every so manieth write to the journal's files."""
PARTS = 2
REASONS = (
    *(os.strerror(code) for code in CODES),
    "disk I/O error",  # the following are SQLite's words (sqlite.org/rescode.html)
    "database or disk is full",
    "unable to open database file",
    "readonly database",
    "said and took nothing",  # what could not be sent gets no answer
    "broke the connection off",
)
pytestmark = pytest.mark.skipif(not possible(), reason="the tracer knows the system calls of x86-64 alone")


@dataclass(frozen=True)
class Fault:
    """The nth call of a kind fails, alone or with all that follow."""

    kind: str
    number: int
    code: int
    lasting: bool = False

    @property
    def strike(self) -> Strike:
        """Return it as the tracer takes it."""
        last = None if self.lasting else self.number
        return Strike("error", self.number, last, self.code, f"^{self.kind} ")


def single_faults(calls: list[tuple[str, str]]) -> list[Fault]:
    """Return one fault a call, or each error at each call."""
    faults = []
    for kind, number in sorted(Counter(name for name, _ in calls).items()):
        stride = THINNED if kind == "pwrite64" and not EVERY_ONE else 1
        for turn, n in enumerate(range(1, number + 1, stride)):
            codes = CODES if EVERY_ONE else (CODES[turn % len(CODES)],)
            faults += [Fault(kind, n, code) for code in codes]
    return faults


def lasting_faults(calls: list[tuple[str, str]]) -> list[Fault]:
    """Return faults that last to the end of the run, from the first and from a middle call of each kind on."""
    faults = []
    for turn, (kind, number) in enumerate(sorted(Counter(name for name, _ in calls).items())):
        codes = CODES if EVERY_ONE else (CODES[turn % 2],)
        faults += [
            Fault(kind, n, code, lasting=True) for n in sorted({1, (number + 1) // 2}) for code in codes
        ]
    return faults


def endured(fault: Fault, top: Path, runner: Runner, *, apart: bool) -> list[str]:
    """Have a run in which calls fail, then one in which none do, and return what is wrong then.

    A run that ends early with nothing said is tried once more with more time: the machine may be slow.
    """
    for attempt, within in enumerate(("4s", "20s") if fault.lasting else ("20s",)):
        with ExitStack() as stack:
            place = top / str(attempt)
            archives = archives_in(stack.enter_context(in_memory(place / "archives"))) if apart else {}
            made = stack.enter_context(scene(place, "rossum", **archives))
            first = once(made, runner, fault.strike, within=within)
            silent = silence(made, first)
            wrongs = last_words(made, runner)
        if wrongs or not silent:
            break
    return silent + wrongs


def silence(made: Scene, found: Run) -> list[str]:
    """Return a complaint where the work was not done and nobody said why."""
    code = found.code
    if code < 0:
        return [f"it died of signal {-code}"]
    told = made.log.read_text()
    # The empty file that proves events stays where it cannot be removed; the next one takes its place.
    undone = [wrong for wrong in made.wrongs() if os.fsdecode(CANARY) not in wrong]
    # A repeated EINTR at a call that Python repeats (PEP 475) is time and nothing else.
    if (
        not found.struck
        or (code in {0, 1} and not undone)
        or any(re.search(reason, told) for reason in REASONS)
    ):
        return []
    return [f"it ended with {code} and did not say why: {told[-500:]}"]


def calls_of_a_clean_run(top: Path, *, apart: bool) -> list[tuple[str, str]]:
    """Return the calls of a run without faults."""
    with Runner() as runner, ExitStack() as stack:
        archives = archives_in(stack.enter_context(in_memory(top / "archives"))) if apart else {}
        return once(stack.enter_context(scene(top / "clean", "rossum", **archives)), runner).calls


@pytest.mark.timeout(3600 if EVERY_ONE else 900)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("apart", [False, True], ids=["same-disk", "other-disk"])
@pytest.mark.parametrize("faults_of", [single_faults, lasting_faults])
def test_with_failing_calls_nothing_is_lost_doubled_or_silent(
    tmp_path: Path, record_property: Callable[[str, int], None], faults_of: object, part: int, *, apart: bool
) -> None:
    """An error at a call: the run says what is wrong, or copes; the next run finishes the work."""
    assert callable(faults_of)
    faults = faults_of(calls_of_a_clean_run(tmp_path / "clean", apart=apart))[part::PARTS]

    def one(fault: Fault, top: Path, runner: Runner) -> list[str]:
        return endured(fault, top, runner, apart=apart)

    wrongs = list(tried(faults, tmp_path, one))
    record_property("points", len(faults))
    assert wrongs == []
