"""Anything may happen to the pipeline in any order: people, service, disk, clock and power, crashes anywhere."""

import errno
from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.guarantees import proofs
from tests.guarantees.effects import KINDS, Moment, Plan
from tests.guarantees.owner import NAMES, SCRAP, Owner, picture
from tests.guarantees.plant import Ground, MakesService, Plant
from tests.guarantees.services import TROUBLES

ACTS = ("drop", "append", "rename", "remove", "begin_writing")
_A_WHILE_S = 5.0
_SLICE_S = 30.0
_LONGEST_S = 3 * 3600.0
"""A held document is asked about once an hour; everything else is over within minutes."""
_DAY_S = 86_400.0
_UNEXPECTED = ("failed unexpectedly", "Traceback")

names = st.sampled_from(NAMES[:1] * 3 + NAMES)
"""One of them is everybody's favourite, as `scan0001.pdf` is."""
soon = st.integers(1, 30)
"""Effects: a document's whole journey has about twenty."""
moments = st.one_of(
    st.builds(Moment, st.just("any"), soon), st.builds(Moment, st.sampled_from(KINDS[1:]), st.integers(1, 5))
)


class Pipeline(RuleBasedStateMachine):
    """The model knows only what was dropped, and the service's books; the rest is the real program."""

    base: Ground
    serve: MakesService
    settle = "0s"

    def __init__(self) -> None:
        super().__init__()
        self.base.clear()
        self.service = type(self).serve(self.base.clock, self.base.effects)
        self.plant = Plant(self.base, self.service, self.settle)
        self.owner = Owner(self.plant.drop)
        self.plant.start()

    @property
    def plan(self) -> Plan:
        """What shall happen to the present incarnation."""
        return self.base.effects.plan

    # People -------------------------------------------------------------------------------------

    @rule(name=names, number=st.integers(0, 5), told=st.booleans())
    def drop(self, name: bytes, number: int, told: bool) -> None:  # noqa: FBT001
        """Somebody drops a document, perhaps one that was seen before; the kernel tells of it, or not."""
        self._acts(partial(self.owner.drop, name, picture(number)), name, told=told)

    @rule(name=names, content=st.sampled_from(SCRAP))
    def drop_scrap(self, name: bytes, content: bytes) -> None:
        """Somebody drops what no service takes."""
        self._acts(partial(self.owner.drop, name, content), name)

    @rule(name=names)
    def append(self, name: bytes) -> None:
        """A writer comes back."""
        self._acts(partial(self.owner.append, name), name)

    @rule(name=names, new=names)
    def rename(self, name: bytes, new: bytes) -> None:
        """Somebody renames a file."""
        self._acts(partial(self.owner.rename, name, new), new)

    @rule(name=names)
    def remove(self, name: bytes) -> None:
        """Somebody takes a file away again."""
        self._acts(partial(self.owner.remove, name), name)

    @rule(name=names)
    def begin_writing(self, name: bytes) -> None:
        """A writer opens a file."""
        self._acts(partial(self.owner.begin_writing, name), name)

    @rule()
    def end_writing(self) -> None:
        """A writer has finished."""
        self._acts(self.owner.end_writing, NAMES[0])

    @rule(moment=moments, name=names, new=names, act=st.sampled_from(ACTS))
    def meanwhile(self, moment: Moment, name: bytes, new: bytes, act: str) -> None:
        """Somebody does something in the very moment between two steps of the program."""
        further = {"drop": (picture(9),), "rename": (new,)}.get(act, ())
        acts = partial(self._silently, partial(getattr(self.owner, act), name, *further))
        self.plan.meanwhile.append((moment, acts))

    def _silently(self, act: partial[None]) -> None:
        act()
        self.base.effects.settle()

    def _acts(self, act: partial[None], name: bytes, *, told: bool = True) -> None:
        self._silently(act)
        if told:
            self.plant.tell(name)

    # Service, disk, clock -----------------------------------------------------------------------

    @rule(troubles=st.lists(st.sampled_from(TROUBLES), min_size=1, max_size=3))
    def trouble(self, troubles: list[str]) -> None:
        """The next uploads go wrong."""
        self.service.troubles.extend(troubles)

    @rule()
    def mute(self) -> None:
        """The service cannot be asked any more, or again."""
        self.service.mute = not self.service.mute

    @rule(begin=soon, length=st.sampled_from([1, 2, 5, 20]), code=st.sampled_from([errno.ENOSPC, errno.EIO]))
    def fill_disk(self, begin: int, length: int, code: int) -> None:
        """The disk is full, or broken, for some operations from one of the next on."""
        if self.plan.sick_for:
            return  # no precondition: what may be drawn must not depend on how fast a real answer came
        self.plan.sick_in, self.plan.sick_for, self.plan.code = begin - 1, length, code

    @rule(days=st.sampled_from([-400.0, -2.0, -0.01, 0.01, 2.0, 400.0]))
    def set_clock(self, days: float) -> None:
        """The wall clock is set."""
        self.base.clock.offset_s += days * _DAY_S

    # Time, death and rebirth --------------------------------------------------------------------

    @rule(number=st.sampled_from([1, 2, 3, 5, 8, 13, 21, 34]))
    def turn(self, number: int) -> None:
        """The program does a little of its work."""
        self._awake()
        self.plant.turns(number)

    @rule(seconds=st.sampled_from([0.1, 1.0, 5.0, 70.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self._awake()
        self.plant.passes(seconds)

    @rule(moment=moments, after=st.booleans(), landing=st.none() | names)
    def crash(self, moment: Moment, after: bool, landing: bytes | None) -> None:  # noqa: FBT001
        """The program ends at one of its next effects, before it or after it, perhaps as a document lands."""
        if self.plan.crash is not None:
            return
        self.plan.crash, self.plan.crash_after = moment, after
        self._goes_on(landing)

    @rule(moment=moments, after=st.booleans(), landing=st.none() | names, unsynced=st.integers(0, 4))
    def cut_power(self, moment: Moment, after: bool, landing: bytes | None, unsynced: int) -> None:  # noqa: FBT001
        """The power fails at one of the next effects, and takes with it what was not synced."""
        if self.plan.crash is not None:
            return
        self.plan.crash, self.plan.crash_after = moment, after
        self.plan.power, self.plan.unsynced = True, unsynced
        self._goes_on(landing)

    def _goes_on(self, landing: bytes | None) -> None:
        if landing is not None:
            self.drop(landing, len(self.owner.left), told=True)
        self._awake()
        self.plant.passes(_A_WHILE_S)

    @rule()
    def kill(self) -> None:
        """The program is killed between two rounds of its loop."""
        self.plant.crash()

    @rule(grace_s=st.sampled_from([0.0, 0.1, 30.0]))
    def stop(self, grace_s: float) -> None:
        """The program is told to stop."""
        self.plant.stop(grace_s)

    @rule(grace_s=st.sampled_from([0.0, 0.1, 30.0]))
    def reload(self, grace_s: float) -> None:
        """The program is told to take its configuration anew."""
        self.plant.rebuild(grace_s)

    def _awake(self) -> None:
        if not self.plant.alive:
            self.plant.start()

    # What must hold -----------------------------------------------------------------------------

    @invariant()
    def guarantees_hold(self) -> None:
        """Nothing is lost, doubled, overwritten or without its record, at every instant."""
        self._none(proofs.always(self.plant.survey(), self.owner.left, self.service.taken()))
        self._none([e for e in self.base.errors if any(word in e for word in _UNEXPECTED)])

    def teardown(self) -> None:
        """When all trouble is over, everything comes to its rest, and stays there over a restart."""
        try:
            self._come_to_rest()
        finally:
            self.owner.end_writing()
            self.plant.crash()

    def _come_to_rest(self) -> None:
        self.owner.end_writing()
        self.base.effects.plan = Plan()
        self.service.troubles.clear()
        self.service.mute = False
        for _ in range(2):
            self._awake()
            self._until_quiet()
            self.guarantees_hold()
            found, taken = self.plant.survey(), self.service.taken()
            wrong = proofs.at_rest(found, self.owner.left, taken, self.plant.open_rows())
            self._none(wrong + self.plant.complaints() + self.plant.audit())
            self.plant.stop()

    def _until_quiet(self) -> None:
        self.plant.passes(_SLICE_S / 10)
        end = self.base.clock.now + _LONGEST_S
        while not self.plant.quiet() and self.base.clock.now < end:
            self.plant.passes(_SLICE_S)

    def _none(self, wrong: list[str]) -> None:
        assert not wrong, "\n".join(wrong)
