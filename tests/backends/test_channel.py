"""A session hands out one token to all threads, and asks for another only when it must."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from hotfolder.backends.answers import Reply, Secrets
from hotfolder.backends.base import Unauthorized, Unavailable
from hotfolder.backends.channel import Channel, Credentials, Session, Token, filled
from hotfolder.backends.policy import Judge
from hotfolder.backends.rossum import PROFILE
from hotfolder.backends.wire import Wire
from tests.backends.parcels import rossum


class Counter:
    """A log-in that counts, and gives numbered tokens good for ten seconds."""

    def __init__(self) -> None:
        self.count = 0
        self.now = 0.0
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.error: Unauthorized | None = None

    def __call__(self) -> Token:
        """Log in, once the gate is open."""
        self.count += 1
        self.entered.set()
        assert self.gate.wait(10.0)
        if self.error:
            raise self.error
        return Token(f"t{self.count}", self.now + 10.0)

    def session(self) -> Session:
        """Make a session on this log-in's clock."""
        return Session(self, lambda: self.now)


def test_one_log_in_for_sixteen_threads() -> None:
    """Threads that come while a log-in runs wait for it and share its token."""
    login = Counter()
    login.gate.clear()
    session = login.session()
    with ThreadPoolExecutor(16) as pool:
        answers = [pool.submit(session.token) for _ in range(16)]
        assert login.entered.wait(10.0)
        login.gate.set()
        assert {answer.result() for answer in answers} == {"t1"}
    assert login.count == 1


def test_renewal_in_time() -> None:
    """A token is used until its end and not beyond."""
    login = Counter()
    session = login.session()
    assert session.token() == "t1"
    login.now = 9.9
    assert session.token() == "t1"
    login.now = 10.0
    assert session.token() == "t2"


def test_refused_token_is_renewed_once() -> None:
    """Threads whose token was refused get one new token, also those that notice later."""
    login = Counter()
    session = login.session()
    assert session.token() == "t1"
    assert session.token(refused="t1") == "t2"
    assert session.token(refused="t1") == "t2"
    assert session.token(refused="t2") == "t3"
    assert login.count == 3


def test_failed_log_in_is_tried_anew() -> None:
    """After a failure the next request logs in again, so that a corrected password helps."""
    login = Counter()
    login.error = Unauthorized("wrong")
    session = login.session()
    with pytest.raises(Unauthorized):
        session.token()
    with pytest.raises(Unauthorized):
        session.token()
    login.error = None
    assert session.token() == "t3"


def test_templates() -> None:
    """{key} and {token} are the same; other braces are left alone."""
    assert filled("API_KEY {key} {token} {x}", "T") == "API_KEY T T {x}"


@pytest.mark.parametrize(("retry_after_s", "slept"), [(None, 0.0), (1.0, 1.0), (600.0, 5.0)])
def test_a_further_page_is_asked_for_three_times(
    retry_after_s: float | None, slept: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits as the service asks between the tries, but not for long: a thread of the connection is in use."""
    naps: list[float] = []
    connection = rossum("https://acme.example")
    judge = Judge(PROFILE, connection, Secrets(), lambda: 0.0)
    credentials = Credentials({}, lambda: Token("t"), renewable=False)
    channel = Channel(connection, Wire(connection, "Rossum"), judge, credentials, naps.append)
    asked: list[str] = []

    def get(path: str) -> Reply:
        asked.append(path)
        raise Unavailable("busy", retry_after_s=retry_after_s)

    monkeypatch.setattr(channel, "get", get)
    with pytest.raises(Unavailable):
        channel.further("/documents?page=2")
    assert (asked, naps) == (["/documents?page=2"] * 3, [slept, slept])
