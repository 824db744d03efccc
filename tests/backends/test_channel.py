"""A session hands out one token to all threads, and asks for another only when it must."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from hotfolder.backends.base import Unauthorized
from hotfolder.backends.channel import Session, Token, filled


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
