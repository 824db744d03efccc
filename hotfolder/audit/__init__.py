"""Prove the guarantees from disk and journal: look, judge, and look again at what seems wrong.

While a daemon runs things move, and no two folders are seen in the same instant; what is still wrong after
several looks is wrong. Nothing is locked and nothing is changed.
"""

from collections.abc import Callable
from dataclasses import dataclass

from hotfolder.audit.evidence import Evidence, Problem
from hotfolder.audit.inspection import Looker
from hotfolder.audit.proof import problems
from hotfolder.settings import Settings

_LOOKS = 4
_NAP_S = 0.3
"""Between two looks: a claim, a filing and its row are over in a few hundredths of a second."""

__all__ = ["Audit", "Evidence", "Problem", "audited"]


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit came to, and what was looked at last."""

    problems: list[Problem]
    evidence: Evidence


def audited(settings: Settings, nap: Callable[[float], None], *, quick: bool = False) -> Audit:
    """Audit everything that a configuration names; `quick` leaves the content of documents unread.

    `nap` waits for some seconds.
    """
    looker = Looker(settings, quick)
    evidence = looker.look()
    found = list(dict.fromkeys(problems(evidence)))
    for _ in range(_LOOKS - 1):
        if not found:
            break
        nap(_NAP_S)
        evidence = looker.look()
        again = set(problems(evidence))
        found = [problem for problem in found if problem in again]
    return Audit(found, evidence)
