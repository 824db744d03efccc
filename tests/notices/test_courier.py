import asyncio
import threading
import time

import pytest

from hotfolder.notices.courier import FIRST_WAIT_S, LAST_WAIT_S, Courier, way_to
from hotfolder.notices.letters import Letter, Sender
from hotfolder.notices.ways import NotSentError
from hotfolder.settings.notify import AppriseTarget, EmailTarget, WebhookTarget
from hotfolder.settings.secrets import WrittenSecret
from tests.notices.test_letters import SENDER

LETTER = Letter("n4me", "files1", 1_764_576_000.0, "subject", "text")
TARGET = WebhookTarget(name="ops", url=WrittenSecret("https://hooks.acme.example/"), timeout_s=0.2)


class Hanging:
    """A way that does not come back before it is let go."""

    def __init__(self):
        self.let_go = threading.Event()
        self.times = 0

    def send(self, _letter):
        """Hang."""
        self.times += 1
        self.let_go.wait(60)


class Breaking:
    """A way with a fault."""

    def send(self, _letter):
        """Fail with words that nobody may see."""
        raise KeyError("s3cret")


def test_each_kind_of_target_has_its_way():
    """Mail, webhook and Apprise are told by their own modules."""
    mail = EmailTarget(name="m", to=("a@b.example",), sender="a@b.example", host="localhost")
    chat = AppriseTarget(name="c", url=WrittenSecret("json://localhost"))
    names = [type(way_to(target, SENDER)).__name__ for target in (mail, TARGET, chat)]
    assert names == ["Mail", "Post", "Chat"]
    assert isinstance(SENDER, Sender)


def test_a_way_that_hangs_is_not_waited_for():
    """The loop goes on after `timeout` and five seconds, knows that the try still runs, and lets none join it."""
    way = Hanging()
    courier = Courier(TARGET, way)

    async def run():
        begun = time.monotonic()
        with pytest.raises(NotSentError, match="still hangs") as caught:
            await courier.carry(LETTER)
        assert not caught.value.certain
        return time.monotonic() - begun

    assert asyncio.run(run()) < 15
    assert courier.busy
    way.let_go.set()
    courier.running.result(10)
    assert not courier.busy


def test_a_fault_is_no_end_and_not_quoted():
    """Whatever a way raises becomes a message that was not sent."""
    with pytest.raises(NotSentError, match="KeyError") as caught:
        asyncio.run(Courier(TARGET, Breaking()).carry(LETTER))
    assert "s3cret" not in str(caught.value)


def test_tries_come_further_apart():
    """Back-off grows from half a minute to an hour, and a success ends it."""
    courier = Courier(TARGET, Breaking())
    waits = []
    for _ in range(20):
        courier.failed(NotSentError("no"), 1000.0)
        waits.append(courier.not_before - 1000.0)
    assert 0 < waits[0] <= FIRST_WAIT_S
    assert all(0.1 * LAST_WAIT_S <= wait <= LAST_WAIT_S for wait in waits[-5:])
    assert courier.succeeded()
    assert (courier.not_before, courier.failures, courier.trouble) == (0.0, 0, None)
    assert not courier.succeeded()


def test_a_reason_is_new_once():
    """Only a change of the reason is worth a line of the log."""
    courier = Courier(TARGET, Breaking())
    told = [courier.failed(NotSentError(reason), 0.0) for reason in ("no", "no", "never", "no")]
    assert told == [True, False, True, True]


def test_refused_words_are_left_out():
    """After three refusals of the message itself the next one is brief; any other failure ends that."""
    courier = Courier(TARGET, Breaking())
    for _ in range(3):
        assert not courier.brief
        courier.failed(NotSentError("spam", content=True), 0.0)
    assert courier.brief
    courier.failed(NotSentError("not there"), 0.0)
    assert not courier.brief


def test_doubt_stays_until_a_message_was_taken():
    """One try whose end nobody knows makes all following ones repeat the same message."""
    courier = Courier(TARGET, Breaking(), doubted=False)
    courier.failed(NotSentError("not there"), 0.0)
    assert not courier.doubted
    courier.failed(NotSentError("lost", certain=False), 0.0)
    courier.failed(NotSentError("not there"), 0.0)
    assert courier.doubted
    courier.succeeded()
    assert not courier.doubted
