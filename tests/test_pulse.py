"""Which loops make progress."""

from hypothesis import given
from hypothesis import strategies as st

from hotfolder.pulse import HUNG_S, SLOW_S, Beat, Pulse


class Now:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        """Return the time."""
        return self.s


def watched(*, waits: bool = False) -> tuple[Now, Pulse, Beat]:
    """A pulse with one loop."""
    now = Now()
    pulse = Pulse(now)
    return now, pulse, pulse.watch("arrivals invoices", lambda: waits)


def test_who_works_on_and_on_is_hung() -> None:
    """A round that comes no further is told of after the limit, and not before."""
    now, pulse, beat = watched()
    beat.works()
    now.s += HUNG_S - 1
    assert pulse.hung() == {}
    now.s += 1
    assert pulse.hung() == {"arrivals invoices": HUNG_S}
    beat.works()
    assert pulse.hung() == {}


def test_who_rests_is_well() -> None:
    """Nothing to do for a year is no fault."""
    now, pulse, beat = watched()
    beat.works()
    beat.rests()
    now.s += 365 * 86_400
    assert pulse.hung() == {}


def test_who_moves_is_well() -> None:
    """A long round that says that it comes further is no fault."""
    now, pulse, beat = watched()
    for _ in range(100):
        beat.works()
        now.s += HUNG_S / 2
        assert pulse.hung() == {}


def test_who_waits_for_its_disk_is_slow_and_not_hung() -> None:
    """A share that hangs is no fault of the program: it is told of, and a restart would not help."""
    now, pulse, beat = watched(waits=True)
    beat.works()
    for _ in range(int(SLOW_S)):
        now.s += 1
        pulse.look()
        assert pulse.hung() == {}
    assert beat.slow_s == SLOW_S
    beat.works()
    assert beat.slow_s is None


def test_the_time_counts_from_the_end_of_the_wait() -> None:
    """A loop that does not come further after its disk has answered is hung from then on."""
    busy = [True]
    now = Now()
    pulse = Pulse(now)
    beat = pulse.watch("filing", lambda: busy[0])
    beat.works()
    for _ in range(int(3 * HUNG_S)):
        now.s += 1
        pulse.look()
    busy[0] = False
    now.s += HUNG_S - 1
    assert pulse.hung() == {}
    now.s += 1
    assert pulse.hung() == {"filing": HUNG_S}


def test_who_sleeps_beyond_its_time_is_hung() -> None:
    """A rest that was to end and did not is told of, counted from its end; one that waits for a call is not."""
    now, pulse, beat = watched()
    beat.rests(100.0)
    now.s += 100 + HUNG_S - 1
    assert pulse.hung() == {}
    now.s += 1
    assert pulse.hung() == {"arrivals invoices": HUNG_S}
    beat.rests()
    assert pulse.hung() == {}


def test_a_machine_that_was_stopped_accuses_nobody() -> None:
    """Where nothing ran for an hour, each loop has its whole time again; one that uses it up is hung."""
    now, pulse, beat = watched()
    pulse.look()
    beat.works()
    now.s += 3600
    assert pulse.look() == 3600
    assert pulse.hung() == {}
    for _ in range(int(HUNG_S) - 1):
        now.s += 1
        assert pulse.look() == 0
        assert pulse.hung() == {}
    now.s += 1
    assert pulse.hung() == {"arrivals invoices": HUNG_S}


def test_of_many_steps_the_worst_is_told() -> None:
    """One of many requests that comes no further is seen beside all those that come and go, under one name."""
    now = Now()
    pulse = Pulse(now)
    crowd = pulse.watch_steps("requests acme")
    stuck = crowd.enter(lambda: False)
    in_a_thread = crowd.enter(lambda: True)
    for _ in range(int(HUNG_S)):
        crowd.leave(crowd.enter(lambda: False))
        now.s += 1
        pulse.look()
    assert pulse.hung() == {"requests acme": HUNG_S}
    crowd.leave(stuck)
    assert pulse.stalled() == {"requests acme": 0.0}
    crowd.leave(in_a_thread)
    assert pulse.hung() == {}


def test_steps_that_wait_for_the_journal_are_well() -> None:
    """What keeps every step waiting is told of by itself."""
    now = Now()
    pulse = Pulse(now)
    pulse.watch_steps("requests acme", lambda: True).enter(lambda: False)
    for _ in range(int(3 * HUNG_S)):
        now.s += 1
        pulse.look()
    assert pulse.hung() == {}


def test_an_unwatched_loop_is_never_hung() -> None:
    """A loop that runs without a daemon has a beat that says nothing."""
    beat = Beat()
    beat.works()
    assert beat.still_s == 0.0


def test_the_end_is_no_hang() -> None:
    """Loops that are being ended are not judged any more."""
    now, pulse, beat = watched()
    beat.works()
    pulse.end()
    now.s += 2 * HUNG_S
    assert pulse.hung() == {}


@given(st.lists(st.tuples(st.sampled_from(["works", "rests", "look"]), st.floats(0.1, 100))))
def test_hung_means_no_sign_for_the_limit(steps: list[tuple[str, float]]) -> None:
    """Whatever it does: it is hung if and only if its last sign was that it works, and that is long ago."""
    now, pulse, beat = watched()
    last, at = "rests", now.s
    for step, seconds in steps:
        getattr(beat, step)()
        if step != "look":
            last, at = step, now.s
        now.s += seconds
        assert bool(pulse.hung()) == (last == "works" and now.s - at >= HUNG_S)
