"""What the machine has found, each as the shortest steps that led to it."""

from collections.abc import Callable, Iterator

import pytest

from tests.guarantees.effects import Moment
from tests.guarantees.machine import Pipeline
from tests.guarantees.services import InMemory

Play = Callable[[Callable[[Pipeline], None]], None]


@pytest.fixture
def play(base) -> Iterator[Play]:
    """Play steps as the machine does: what must hold is looked at in between and at the end."""
    machine = type("Found", (Pipeline,), {"base": base, "serve": InMemory})()

    def played(*steps: Callable[[Pipeline], None]) -> None:
        for step in steps:
            step(machine)
            machine.guarantees_hold()

    yield played
    machine.teardown()


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
