"""Carry messages to one target, in a thread of its own, so that nothing waits for a server that hangs."""

import asyncio
import random
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass

from hotfolder.notices.chat import Chat
from hotfolder.notices.letters import Letter, Sender
from hotfolder.notices.mail import Mail
from hotfolder.notices.post import Post
from hotfolder.notices.ways import NotSentError, Way
from hotfolder.retry import backoff
from hotfolder.settings import AppriseTarget, EmailTarget, Target, WebhookTarget

FIRST_WAIT_S, LAST_WAIT_S = 30.0, 3600.0
"""Between two tries: soon enough for a mail server that restarts, seldom enough for one that is gone."""
_REFUSALS = 3
_SPARE_S = 5.0
"""What a thread gets beyond `timeout`, to come back by itself."""


def way_to(target: Target, sender: Sender) -> Way:
    """Return the way that leads to a target."""
    if isinstance(target, EmailTarget):
        return Mail(target, sender)
    if isinstance(target, WebhookTarget):
        return Post(target)
    if isinstance(target, AppriseTarget):
        return Chat(target)
    raise AssertionError(f"no way leads to {type(target).__name__}")


@dataclass(slots=True)
class Courier:
    """The way to one target, with what came of the last tries."""

    target: Target
    way: Way
    failures: int = 0
    not_before: float = 0.0
    """When it may be tried again (monotonic)."""
    doubted: bool = True
    """The message that was begun may have been taken: it must be repeated as it was. True at first: nobody knows
    what an earlier run has done."""
    refusals: int = 0
    """How often in a row the target refused the message itself."""
    trouble: str | None = None
    """Why the last message was not taken, None where it was."""
    running: Future[str | None] | None = None
    """The last try."""

    @property
    def busy(self) -> bool:
        """Tell whether a try has not ended yet: one that hangs is not joined by a second one."""
        return self.running is not None and not self.running.done()

    async def carry(self, letter: Letter) -> str | None:
        """Send a message; returns a warning, None where all went well. Raises `NotSentError` in time, come what may."""
        self.running = job = _in_thread(f"notice {self.target.name}", lambda: self.way.send(letter))
        limit_s = self.target.timeout_s + _SPARE_S
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def wake(_: object) -> None:
            with suppress(RuntimeError):  # the loop is over before a server that hangs lets the thread go
                loop.call_soon_threadsafe(ended.set)

        job.add_done_callback(wake)
        try:
            async with asyncio.timeout(limit_s):
                await ended.wait()
        except TimeoutError:
            raise NotSentError(
                f"it has not answered within {limit_s:g} s, and still hangs", certain=False
            ) from None
        return job.result()

    @property
    def brief(self) -> bool:
        """Tell whether the next message must do without names and foreign words, which may be what is refused."""
        return self.refusals >= _REFUSALS

    def failed(self, problem: NotSentError, now: float) -> bool:
        """Take note of a failure at a moment (monotonic); tell whether its reason is new."""
        self.failures += 1
        self.doubted = self.doubted or not problem.certain
        self.refusals = self.refusals + 1 if problem.content else 0
        chance = random.random()  # noqa: S311 — jitter
        self.not_before = now + backoff(self.failures, FIRST_WAIT_S, LAST_WAIT_S, chance)
        new = str(problem) != self.trouble
        self.trouble = str(problem)
        return new

    def succeeded(self) -> bool:
        """Take note of a success; tell whether there was trouble before."""
        before, self.trouble, self.failures, self.not_before = self.trouble, None, 0, 0.0
        self.doubted, self.refusals = False, 0
        return before is not None


def _in_thread(name: str, work: Callable[[], str | None]) -> Future[str | None]:
    """Have a function called in a thread that keeps no process from ending."""
    job: Future[str | None] = Future()
    job.set_running_or_notify_cancel()

    def run() -> None:
        try:
            job.set_result(work())
        except NotSentError as problem:
            job.set_exception(problem)
        except BaseException as surprise:  # noqa: BLE001 — its words may hold what is secret
            job.set_exception(
                NotSentError(f"sending failed unexpectedly ({type(surprise).__name__})", certain=False)
            )

    threading.Thread(target=run, name=name, daemon=True).start()
    return job
