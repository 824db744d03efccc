"""What the machine has found, each as the shortest steps that led to it."""

import errno
from collections.abc import Callable, Iterator

import pytest

from tests.guarantees.effects import Moment
from tests.guarantees.machine import Pipeline
from tests.guarantees.owner import NAMES
from tests.guarantees.services import InMemory, OverHttp

Play = Callable[[Callable[[Pipeline], None]], None]


def playing(machine: Pipeline) -> Iterator[Play]:
    """Play steps as the machine does: what must hold is looked at in between and at the end."""

    def played(*steps: Callable[[Pipeline], None]) -> None:
        for step in steps:
            step(machine)
            machine.guarantees_hold()

    yield played
    machine.teardown()


@pytest.fixture
def play(base) -> Iterator[Play]:
    """Steps with a service in memory."""
    yield from playing(type("Found", (Pipeline,), {"base": base, "serve": InMemory})())


@pytest.fixture
def play_over_http(base, sandbox) -> Iterator[Play]:
    """Steps with Rossum's sandbox."""
    serve = staticmethod(lambda clock, effects: OverHttp(sandbox, clock, effects))
    yield from playing(type("Found", (Pipeline,), {"base": base, "serve": serve})())


@pytest.mark.parametrize("effects", range(16, 26))
def test_two_moves_of_one_document_are_not_undone_together(play, effects) -> None:
    """A document that went back to the drop folder and out again is not sent twice after a power cut."""
    play(
        lambda it: it.trouble(["no such queue"]),
        lambda it: it.drop(b"scan", 0, told=True),
        lambda it: it.cut_power(Moment("any", effects), after=True, landing=None, unsynced=2),
    )


def test_a_slow_request_does_not_keep_the_program_from_ending(play) -> None:
    """A request that takes longer than the grace period is left behind, and its document asked about."""
    play(
        lambda it: it.trouble(["slow"]),
        lambda it: it.drop(b"a.png", 0, told=False),
        lambda it: it.wait(0.1),
        lambda it: it.reload(0.1),
    )


_AHEAD_DAYS = 0.01
"""A clock that is 14 minutes ahead: more than what is allowed for."""


def test_a_clock_that_is_ahead_does_not_hide_what_was_taken(play_over_http) -> None:
    """What arrived is looked for by the service's clock, even after ours was set right and the program started anew."""
    play_over_http(
        lambda it: it.trouble(["500 taken", "refused"]),
        lambda it: it.set_clock(_AHEAD_DAYS),
        lambda it: it.drop(b"a.png", 0, told=True),
        lambda it: it.wait(1.0),
        lambda it: it.set_clock(-_AHEAD_DAYS),
        lambda it: it.crash(after=False, landing=None, moment=Moment("any", 1)),
        lambda it: it.wait(1000.0),
    )


def test_a_clock_that_is_ahead_does_not_hide_what_a_dead_program_sent(play_over_http) -> None:
    """The first answer after a start tells the service's time, and the question is put once more."""
    play_over_http(
        lambda it: it.trouble(["500 taken", "refused"]),
        lambda it: it.set_clock(_AHEAD_DAYS),
        lambda it: it.crash(after=False, landing=b"a.png", moment=Moment("any", 1)),
        lambda it: it.wait(5.0),
    )


@pytest.mark.parametrize("days", [_AHEAD_DAYS, 2.0])
@pytest.mark.parametrize("request_number", range(1, 5))
def test_a_clock_that_is_set_right_while_the_program_is_dead_hides_nothing(
    play_over_http, request_number, days
) -> None:
    """The service's time is noted with a document before its first request, for it may get no answer."""
    play_over_http(
        lambda it: it.set_clock(days),
        lambda it: it.crash(after=True, landing=b"a.png", moment=Moment("request", request_number)),
        lambda it: it.set_clock(-days),
        lambda it: it.trouble(["refused"]),
        lambda it: it.wait(5.0),
    )


@pytest.mark.parametrize("begin", range(1, 24))
def test_no_note_stays_where_a_disk_was_broken(play, begin) -> None:
    """Whichever operations fail for a while, the note on a long name goes in the end."""
    play(
        lambda it: it.drop(b"a.png", 0, told=False),
        lambda it: it.crash(after=False, landing=None, moment=Moment("any", 20)),
        lambda it: it.drop(NAMES[-1], 0, told=False),
        lambda it: it.fill_disk(begin=begin, code=errno.EIO, length=5),
        lambda it: it.crash(after=True, landing=None, moment=Moment("any", 1)),
    )


@pytest.mark.parametrize("begin", range(1, 16))
@pytest.mark.parametrize("renames", range(1, 5))
def test_no_temporary_file_stays_where_a_disk_was_broken(play, renames, begin) -> None:
    """Whichever operation fails after a power cut, what a filing had begun is finished or removed."""
    play(
        lambda it: it.drop(b"a.png", 0, told=False),
        lambda it: it.cut_power(Moment("rename", renames), after=False, landing=None, unsynced=0),
        lambda it: it.fill_disk(begin=begin, code=errno.EIO, length=1),
        lambda it: it.wait(0.1),
    )
