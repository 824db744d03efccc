"""Decide what is to be told: what is wrong now against what was told before (pure)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from hotfolder.troubles import Kind, Notice, Phase, Told, Trouble

WELL_S = 300.0
"""How long trouble must be gone before its end is told; doubled with each return, so that what comes and goes
writes a handful of messages a day and not hundreds."""
_MOST_RETURNS = 6
"""Five hours and twenty minutes: what is wrong each hour is one trouble."""
REMEMBERED_S = 86_400.0
"""How long trouble that is over is remembered, to know it when it returns."""
FAILED_S = 30 * 86_400.0
"""How long a document that was told as failed is remembered, to tell when it is delivered after all."""
MOST_FAILED = 5_000
"""More told documents than this are not remembered: one kilobyte each."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What one target wants to hear of."""

    kinds: frozenset[Kind]
    queues: frozenset[str] = frozenset()
    """Empty: all."""

    def wants(self, trouble: Trouble) -> bool:
        """Tell whether trouble is to be told to it; what concerns all queues always is, if the kind is."""
        concerned = not self.queues or not trouble.queues or bool(self.queues.intersection(trouble.queues))
        return trouble.kind in self.kinds and concerned


@dataclass(frozen=True, slots=True)
class Facts:
    """What can be seen at one moment."""

    troubles: tuple[Trouble, ...] = ()
    """What is wrong now."""
    blind: frozenset[tuple[Kind, str]] = frozenset()
    """Kinds of trouble, each of one queue, of which nobody can say now whether they are there."""
    failed: tuple[Trouble, ...] = ()
    """Documents that went to failed/ since the last moment; and other things that happened once."""
    mended: tuple[str, ...] = ()
    """Keys of failed documents that were delivered after all."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What was told, and since when trouble shows that was not told yet (seconds since 1970)."""

    told: Mapping[str, Told] = field(default_factory=dict)
    shows: Mapping[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Decision:
    """What to tell whom, and what to remember from then on."""

    memory: Memory
    notices: list[tuple[str, Notice]] = field(default_factory=list)
    """Target and what it is told."""
    changed: dict[str, Told] = field(default_factory=dict)
    forgotten: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rules:
    """Who wants what, and when trouble that lasts is told again."""

    wishes: Mapping[str, Wish]
    repeat_s: float
    queues: frozenset[str]
    """The queues that are configured."""


def decide(memory: Memory, facts: Facts, rules: Rules, now: float) -> Decision:
    """Return what is to be told now (seconds since 1970)."""
    decision = Decision(memory)
    shows: dict[str, float] = {}
    for trouble in {trouble.key: trouble for trouble in facts.troubles}.values():
        told = memory.told.get(trouble.key)
        if told is None or told.over_at is not None or told.trouble.word != trouble.word:
            shows[trouble.key] = since = min(memory.shows.get(trouble.key, now), now)
            if now - since >= _lasting_s(trouble, told):
                _begin(decision, trouble, told, rules, now)
        else:
            _goes_on(decision, told, trouble, rules, now)
    present = {trouble.key for trouble in facts.troubles}
    for key, told in memory.told.items():
        if key not in present:
            _absent(decision, told, facts, rules, now)
    _once(decision, facts, rules, now)
    left = {**memory.told, **decision.changed}
    for key in decision.forgotten:
        left.pop(key, None)
    decision.memory = Memory(left, shows)
    return decision


def _lasting_s(trouble: Trouble, before: Told | None) -> float:
    """Return how long trouble must last before it is told: longer where it keeps changing from one word to another."""
    if before is None or before.over_at is not None or not before.returns:
        return trouble.after_s
    return max(trouble.after_s, WELL_S * 2.0**before.returns)


def _tell(decision: Decision, targets: Iterable[str], phase: Phase, trouble: Trouble, now: float) -> None:
    decision.notices += [(target, Notice(phase, trouble, now)) for target in targets]


def _wanting(rules: Rules, trouble: Trouble) -> tuple[str, ...]:
    return tuple(name for name, wish in rules.wishes.items() if wish.wants(trouble))


def _begin(decision: Decision, trouble: Trouble, before: Told | None, rules: Rules, now: float) -> None:
    targets = _wanting(rules, trouble)
    lasting = before is not None and before.over_at is None
    heard = tuple(dict.fromkeys((*targets, *(before.targets if before and lasting else ()))))
    if not heard:
        return
    returns = 0 if before is None else before.returns + 1
    decision.changed[trouble.key] = Told(trouble, now, heard, returns=min(returns, _MOST_RETURNS))
    _tell(decision, targets, Phase.BEGAN, trouble, now)


def _goes_on(decision: Decision, told: Told, trouble: Trouble, rules: Rules, now: float) -> None:
    if told.gone_since is not None:
        returns = min(told.returns + 1, _MOST_RETURNS)
        told = decision.changed[trouble.key] = replace(told, gone_since=None, returns=returns)
    if now - told.told_at >= rules.repeat_s:
        targets = _wanting(rules, trouble)
        lasts = replace(trouble, since=min(trouble.since, told.trouble.since))
        heard = tuple(dict.fromkeys((*told.targets, *targets)))
        decision.changed[trouble.key] = replace(told, trouble=lasts, told_at=now, targets=heard)
        _tell(decision, targets, Phase.LASTS, lasts, now)


def _absent(decision: Decision, told: Told, facts: Facts, rules: Rules, now: float) -> None:
    """Judge trouble that was told and does not show."""
    trouble = told.trouble
    if trouble.queues and not rules.queues.intersection(trouble.queues):
        decision.forgotten.append(trouble.key)  # its queue is gone, and nobody waits for it
        return
    if told.over_at is not None:
        if now - told.over_at >= REMEMBERED_S:
            decision.forgotten.append(trouble.key)
        return
    if trouble.kind is Kind.FAILED:
        if now - told.told_at >= FAILED_S:
            decision.forgotten.append(trouble.key)
        return
    if any((trouble.kind, queue) in facts.blind for queue in trouble.queues):
        return
    if told.gone_since is None or told.gone_since > now:  # then the clock was put back
        decision.changed[trouble.key] = replace(told, gone_since=now)
    elif now - told.gone_since >= WELL_S * 2.0**told.returns:
        decision.changed[trouble.key] = replace(told, over_at=now)
        _tell(decision, _configured(told, rules), Phase.OVER, trouble, told.gone_since)


def _configured(told: Told, rules: Rules) -> tuple[str, ...]:
    return tuple(target for target in told.targets if target in rules.wishes)


def _once(decision: Decision, facts: Facts, rules: Rules, now: float) -> None:
    """Tell what happened once: of documents that failed, their end may be told too."""
    room = MOST_FAILED - sum(told.trouble.kind is Kind.FAILED for told in decision.memory.told.values())
    for trouble in facts.failed:
        targets = _wanting(rules, trouble)
        _tell(decision, targets, Phase.BEGAN, trouble, now)
        if targets and trouble.kind is Kind.FAILED and room > 0:
            room -= 1
            decision.changed[trouble.key] = Told(trouble, now, targets)
    for key in facts.mended:
        told = decision.changed.get(key) or decision.memory.told.get(key)
        if told is not None:
            decision.changed.pop(key, None)
            decision.forgotten.append(key)
            _tell(decision, _configured(told, rules), Phase.OVER, told.trouble, now)
