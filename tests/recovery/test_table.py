"""The table of repairs."""

import itertools

import pytest

from hotfolder.model import OPEN, State
from hotfolder.recovery.table import RULES, Record, Repair, Situation, rule_for

ROWS: tuple[State | None, ...] = (None, *State)
EVERY = [
    Situation(*facts)
    for facts in itertools.product(ROWS, (True, False), (True, False), (True, False), Record)
]


def test_every_situation_has_its_rule() -> None:
    """Nothing that a crash can leave is without a repair, and no rule is there in vain."""
    assert len(EVERY) == len(ROWS) * 2 * 2 * 2 * 3
    assert {rule_for(found) for found in EVERY} == set(RULES)


@pytest.mark.parametrize("row", ROWS)
def test_a_repair_fits_what_lies_there(row: State | None) -> None:
    """A repair that moves or files a document has one to move, and each moving repair makes progress."""
    for found in (f for f in EVERY if f.row is row):
        repair = rule_for(found).repair
        if repair in {Repair.GIVE_BACK, Repair.ASK, Repair.DOUBT, Repair.FINISH, Repair.REFILE}:
            assert found.in_work, found
        if repair in {Repair.TAKE_AGAIN, Repair.UNLINK}:
            assert found.in_drop, found
        if repair is Repair.TAKE_AGAIN:
            assert not found.in_work, found


@pytest.mark.parametrize("found", [f for f in EVERY if f.in_work or f.in_drop])
def test_what_may_have_been_sent_is_never_given_back(found: Situation) -> None:
    """Into the drop folder goes only what was certainly not sent."""
    if rule_for(found).repair is Repair.GIVE_BACK:
        assert found.row in {None, State.CLAIMED, State.RETURNED}, found
        assert found.record is Record.NONE, found
        assert found.known or found.row is State.RETURNED or found.row is None, found
        assert found.known, found


@pytest.mark.parametrize("found", [f for f in EVERY if f.record is not Record.NONE])
def test_what_a_sidecar_tells_is_never_sent_again(found: Situation) -> None:
    """No repair of a document with a sidecar leads to sending it."""
    repair = rule_for(found).repair
    assert repair not in {Repair.ASK, Repair.DOUBT, Repair.GIVE_BACK, Repair.FORGET}, found
    if repair is Repair.GO_ON:
        assert found.row in {State.DELIVERED, State.REFUSED}, found


@pytest.mark.parametrize("found", [f for f in EVERY if f.in_work])
def test_nothing_stays_in_the_work_folder_unheeded(found: Situation) -> None:
    """Every document in the work folder is taken up by some repair."""
    assert rule_for(found).repair not in {
        Repair.NOTHING,
        Repair.FORGET,
        Repair.MISSING,
        Repair.REMEMBER,
        Repair.TAKE_AGAIN,
    }


@pytest.mark.parametrize("state", sorted(OPEN))
def test_an_open_row_is_never_left_open_in_silence(state: State) -> None:
    """An open row is gone on with, closed, or reported."""
    for found in (f for f in EVERY if f.row is state):
        assert rule_for(found).repair is not Repair.NOTHING, found
