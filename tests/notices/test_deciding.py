from collections import Counter
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from hotfolder.notices.deciding import (
    FAILED_S,
    REMEMBERED_S,
    WELL_S,
    Facts,
    Memory,
    Rules,
    Wish,
    decide,
)
from hotfolder.troubles import Kind, Notice, Phase, Told, Trouble

NOW = 1_700_000_000.0
ALL = frozenset(Kind)
DAY_S = 86_400.0


def trouble(key="queue q", kind=Kind.QUEUE, queues=("q",), **changes):
    """Make trouble of a queue."""
    return replace(Trouble(key, kind, queues, f"{key} is wrong", "mend it", f"{key} is well", NOW), **changes)


def rules(**wishes):
    """Make rules for one target that wants everything, or for the given ones."""
    return Rules(wishes or {"it": Wish(ALL)}, DAY_S, frozenset({"q", "r"}))


class Run:
    """Decisions one after the other, as the loop takes them."""

    def __init__(self, given=None):
        self.memory, self.rules, self.now = Memory(), given or rules(), NOW

    def see(self, *troubles, after=0.0, **more):
        """Look `after` seconds later and return what is told, as (target, phase, key)."""
        self.now += after
        decision = decide(self.memory, Facts(troubles, **more), self.rules, self.now)
        self.memory = decision.memory
        return [(target, notice.phase, notice.trouble.key) for target, notice in decision.notices]


WRONG, WELL, STILL = (("it", phase, "queue q") for phase in (Phase.BEGAN, Phase.OVER, Phase.LASTS))


def test_trouble_is_told_once():
    """What was told is not told again as long as it lasts, until it is time to repeat it."""
    run = Run()
    assert run.see(trouble()) == [WRONG]
    assert run.see(trouble(), after=60) == []
    assert run.see(trouble(), after=DAY_S) == [STILL]
    assert run.see(trouble(), after=60) == []


def test_short_trouble_is_not_told():
    """Trouble that does not last as long as it must is never told, and neither is its end."""
    run = Run()
    short = trouble(after_s=30)
    assert run.see(short) == []
    assert run.see(short, after=29) == []
    assert run.see(after=1) == []
    assert run.see(short, after=10) == []
    assert run.see(after=WELL_S * 2) == []
    assert run.see(short) == []
    assert run.see(short, after=30) == [WRONG]


def test_the_end_is_told_after_a_while():
    """The end of trouble is told once it has been gone for five minutes, with when it went."""
    run = Run()
    run.see(trouble())
    assert run.see(after=10) == []
    assert run.see(after=WELL_S - 1) == []
    decision = decide(run.memory, Facts(), run.rules, run.now + 1)
    assert [(target, notice.phase, notice.at) for target, notice in decision.notices] == [
        ("it", Phase.OVER, NOW + 10)
    ]
    run.memory = decision.memory
    assert run.see(after=WELL_S) == []


def test_flapping_writes_a_handful():
    """A queue that goes and comes every two minutes, or every twenty, for a day writes a handful of notices."""
    for period in (20, 120, 600, 1200, 3600):
        run = Run()
        told = [
            one
            for tick in range(0, int(DAY_S), 10)
            for one in run.see(*([trouble()] if tick // period % 2 else []), after=10)
        ]
        assert len(told) <= 16, period
        assert told[0] == WRONG


def test_words_that_alternate_write_a_handful():
    """A queue that goes from one bad state to another and back for a day writes a handful, too."""
    run = Run()
    told = []
    for tick in range(0, int(DAY_S), 10):
        word = "paused" if tick // 120 % 2 else "offline"
        told += run.see(trouble(word=word), after=10)
    assert 2 <= len(told) <= 16


def test_another_word_is_new_trouble():
    """A queue that was paused and is stopped now is told again; its end is told once."""
    run = Run()
    assert run.see(trouble(word="paused")) == [WRONG]
    assert run.see(trouble(word="stopped"), after=60) == [WRONG]
    assert run.see(trouble(word="stopped"), after=60) == []
    run.see(after=1)
    assert run.see(after=WELL_S * 2) == [WELL]


def test_what_cannot_be_seen_is_not_judged():
    """While nobody can tell, trouble is neither over nor new."""
    run = Run()
    run.see(trouble())
    hidden = frozenset({(Kind.QUEUE, "q")})
    for _ in range(5):
        assert run.see(after=WELL_S * 2, blind=hidden) == []
    run.see(after=1)
    assert run.see(after=WELL_S) == [WELL]


def test_only_who_was_told_hears_of_the_end():
    """A target that did not want the trouble, or is gone, hears nothing of its end."""
    run = Run(rules(it=Wish(ALL), chat=Wish(frozenset({Kind.FAILED})), r=Wish(ALL, frozenset({"r"}))))
    assert run.see(trouble()) == [WRONG]
    run.rules = rules(late=Wish(ALL), it=Wish(ALL))
    run.see(after=1)
    assert run.see(after=WELL_S) == [WELL]
    run.see(trouble(), after=1)
    run.rules = rules(late=Wish(ALL))
    run.see(after=1)
    assert run.see(after=WELL_S * 2) == [("late", Phase.OVER, "queue q")]


def test_the_program_concerns_everybody():
    """Trouble of no queue goes to targets with queues of their own, too."""
    run = Run(rules(r=Wish(ALL, frozenset({"r"}))))
    assert run.see(trouble("journal", Kind.PROGRAM, ())) == [("r", Phase.BEGAN, "journal")]


def test_failed_documents_happen_once():
    """A failed document is told once, never as over by itself, and as over when it was delivered after all."""
    run = Run()
    failed = trouble("failed 1", Kind.FAILED)
    assert run.see(failed=(failed,)) == [("it", Phase.BEGAN, "failed 1")]
    assert run.see(after=WELL_S * 100) == []
    assert run.see(mended=("failed 1", "failed 2")) == [("it", Phase.OVER, "failed 1")]
    assert run.memory.told == {}


def test_what_failed_long_ago_is_forgotten():
    """A document that nobody mends is remembered for a month."""
    run = Run()
    run.see(failed=(trouble("failed 1", Kind.FAILED),))
    run.see(after=FAILED_S)
    assert run.memory.told == {}


def test_a_queue_that_is_gone_is_forgotten():
    """Trouble of a queue that is not configured any more is not told as well."""
    run = Run()
    run.see(trouble())
    run.rules = Rules(run.rules.wishes, DAY_S, frozenset({"r"}))
    assert run.see(after=WELL_S * 9) == []
    assert run.memory.told == {}


def test_a_clock_that_is_put_back_breaks_nothing():
    """After the clock was put back by a day trouble is told as before, and its end too."""
    run = Run()
    run.see(trouble(after_s=30))
    run.now -= DAY_S
    run.see(trouble(after_s=30))
    assert run.see(trouble(after_s=30), after=30) == [WRONG]
    run.see(after=1)
    run.now -= DAY_S
    run.see()
    assert run.see(after=WELL_S) == [WELL]


KEYS = ("a", "b")
TARGETS = {"all": Wish(ALL), "some": Wish(frozenset({Kind.STUCK, Kind.FAILED}))}


class Telling(RuleBasedStateMachine):
    """Anything goes wrong and well again in any order; restarts keep only what the journal keeps."""

    @initialize()
    def begin(self):
        """Start with nothing."""
        self.memory, self.now = Memory(), NOW
        self.wrong: dict[str, Kind] = {}
        self.blind = False
        self.told: dict[tuple[str, str], Phase] = {}
        self.number = Counter()

    @rule(key=st.sampled_from(KEYS), kind=st.sampled_from([Kind.QUEUE, Kind.STUCK]))
    def breaks(self, key, kind):
        """Something goes wrong."""
        self.wrong[f"{kind} {key}"] = kind

    @rule(key=st.sampled_from(KEYS), kind=st.sampled_from([Kind.QUEUE, Kind.STUCK]))
    def heals(self, key, kind):
        """Something is well again."""
        self.wrong.pop(f"{kind} {key}", None)

    @rule(hidden=st.booleans())
    def hides(self, hidden):
        """A queue goes out of sight, or comes back."""
        self.blind = hidden

    @rule()
    def restarts(self):
        """The daemon is killed."""
        self.memory = Memory(self.memory.told)

    @rule(seconds=st.sampled_from([0.0, 2.0, 40.0, WELL_S, WELL_S * 4, REMEMBERED_S]))
    def looks(self, seconds):
        """The loop goes round."""
        self.now += seconds
        found = () if self.blind else tuple(trouble(k, kind, after_s=30) for k, kind in self.wrong.items())
        blind = frozenset((kind, "q") for kind in Kind) if self.blind else frozenset()
        decision = decide(self.memory, Facts(found, blind), Rules(TARGETS, DAY_S, frozenset({"q"})), self.now)
        stored = {**self.memory.told, **decision.changed}
        for key in decision.forgotten:
            stored.pop(key, None)
        assert decision.memory.told == stored  # what the journal keeps is what is remembered
        self.memory = decision.memory
        for target, notice in decision.notices:
            self.hears(target, notice)

    def hears(self, target: str, notice: Notice) -> None:
        """A target is told something: it must make sense to somebody who remembers what came before."""
        at = (target, notice.trouble.key)
        wrong = self.told.get(at) in {Phase.BEGAN, Phase.LASTS}
        assert TARGETS[target].wants(notice.trouble)
        assert wrong == (notice.phase is not Phase.BEGAN), (at, notice.phase, self.told.get(at))
        if notice.phase is Phase.OVER:
            assert notice.trouble.key not in self.wrong or self.blind
        self.told[at] = notice.phase

    @invariant()
    def remembers(self):
        """Whoever was told of trouble last stands in what is remembered, until its end is told."""
        for (target, key), phase in getattr(self, "told", {}).items():
            kept = self.memory.told.get(key)
            if phase is not Phase.OVER:
                assert isinstance(kept, Told)
                assert target in kept.targets
                assert kept.over_at is None


Telling.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
test_telling = Telling.TestCase
