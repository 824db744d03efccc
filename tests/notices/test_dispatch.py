from hotfolder.notices.dispatch import (
    HOUR_S,
    KEPT_S,
    MOST_WAITING,
    Pace,
    batch,
    enqueue,
    is_due,
    is_last,
    outdated,
)
from hotfolder.troubles import Kind, Notice, Pending, Phase, Trouble

NOW = 1_700_000_000.0
PACE = Pace(group_s=60.0, at_most=6)


def notice(kind=Kind.QUEUE, at=NOW, queue="q"):
    """Make a notice."""
    return Notice(Phase.BEGAN, Trouble("key", kind, (queue,), "it is wrong", "", "", at), at)


def row(number=1, kind=Kind.QUEUE, at=NOW, letter=None):
    """Make a notice that waits."""
    return Pending(number, "it", notice(kind, at), letter)


def test_notices_wait_for_others():
    """The oldest notice waits as long as `group`; nothing that waits, nothing that goes."""
    assert not is_due([], [], PACE, NOW)
    assert not is_due([row()], [], PACE, NOW + 59)
    assert is_due([row(), row(2, at=NOW + 50)], [], PACE, NOW + 60)
    assert is_due([row()], [], Pace(0.0, 6), NOW)


def test_a_message_that_was_begun_is_repeated():
    """It goes at once, alone, and does not wait for the limit of an hour, which it never reached."""
    rows = [row(1, letter="a"), row(2), row(3, letter="a")]
    assert is_due(rows, [NOW] * 6, PACE, NOW)
    assert [one.number for one in batch(rows)] == [1, 3]
    assert [one.number for one in batch([row(4), row(5)])] == [4, 5]


def test_an_hour_has_a_limit():
    """After as many messages as an hour may have the next one waits until the first is an hour old."""
    sent = [NOW + 10 * n for n in range(6)]
    waiting = [row(at=NOW + 100)]
    assert not is_due(waiting, sent, PACE, NOW + HOUR_S - 1)
    assert is_due(waiting, sent, PACE, NOW + HOUR_S)
    assert not is_last(sent[:4], PACE, NOW + 100)
    assert is_last(sent[:5], PACE, NOW + 100)


def test_failures_are_gathered_for_longer_each_time():
    """Documents that fail all night write fewer letters as it goes on, other trouble comes as quickly as ever."""
    sent, rows, number = [], [], 0
    for second in range(0, 10 * 3600, 30):
        now = NOW + second
        rows.append(row(number := number + 1, Kind.FAILED, now))
        if is_due(rows, sent, PACE, now):
            sent.append(now)
            rows = []
    assert 3 <= len(sent) <= 14
    assert is_due([row(kind=Kind.QUEUE, at=now)], sent[:3], PACE, now + 60)


def test_a_clock_that_is_put_back_keeps_nothing_waiting():
    """A notice from the future goes now, and messages from the future do not count."""
    assert is_due([row(at=NOW + 86_400)], [NOW + 86_400] * 6, PACE, NOW)


def test_too_many_are_counted():
    """What is more than a thousand for one target is counted by queue and kind, and grows no further."""
    first = enqueue([], [("it", notice(Kind.FAILED))] * (MOST_WAITING + 5), 1)
    assert len(first) == MOST_WAITING + 1
    assert (first[-1].number, first[-1].times) == (MOST_WAITING + 1, 5)
    more = enqueue(
        first,
        [("it", notice(Kind.FAILED)), ("it", notice(Kind.FAILED, queue="r")), ("b", notice())],
        MOST_WAITING + 2,
    )
    assert [(one.target, one.number, one.times) for one in more] == [
        ("it", MOST_WAITING + 1, 6),
        ("it", MOST_WAITING + 2, 1),
        ("b", MOST_WAITING + 3, 1),
    ]


def test_a_count_that_goes_out_is_not_changed():
    """What belongs to a message that was begun stays as it was sent."""
    begun = [row(number, Kind.FAILED, letter="a") for number in range(1, MOST_WAITING + 2)]
    (new,) = enqueue(begun, [("it", notice(Kind.FAILED))], MOST_WAITING + 2)
    assert (new.number, new.times, new.letter) == (MOST_WAITING + 2, 1, None)


def test_a_week_is_enough():
    """What could not be sent for a week is given up."""
    rows = [row(1), row(2, at=NOW + 10)]
    assert [one.number for one in outdated(rows, NOW + KEPT_S)] == [1]
