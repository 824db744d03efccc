"""Two services that a machine can trouble and whose books it can read: one in memory, and Rossum's sandbox over HTTP."""

from collections import deque
from collections.abc import Callable, Container
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime
from types import SimpleNamespace
from typing import Any, Protocol

import pytest

from hotfolder.backends import open_backend, wire
from hotfolder.backends.base import (
    Backend,
    CannotTell,
    Finding,
    Parcel,
    Receipt,
    Refused,
    Scope,
    Unauthorized,
    Unavailable,
    Uncertain,
)
from hotfolder.backends.memory import Memory
from hotfolder.backends.wire import Request, Wire
from hotfolder.model import Answer
from hotfolder.sandbox import app, faults, rossum, rossum_lists, server, visit, world
from hotfolder.sandbox.app import Application
from hotfolder.sandbox.faults import Scenario
from hotfolder.sandbox.options import SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from hotfolder.sandbox.world import World
from tests.guarantees.effects import Effects
from tests.guarantees.proofs import Taken
from tests.guarantees.virtual_time import VirtualClock

TROUBLES = (
    "refused",
    "busy",
    "503",
    "500 untaken",
    "500 taken",
    "lost untaken",
    "lost taken",
    "no connection",
    "locked",
    "no such queue",
    "failed later",
    "slow",
)
"""What can become of one upload; `taken` says that the service has the document all the same."""
_SLOW_S = 20.0


class Service(Protocol):
    """What a machine needs of a service."""

    troubles: deque[str]
    """What becomes of the next uploads, one each."""
    mute: bool
    """It takes documents and cannot be asked for them."""

    def connection(self) -> dict[str, Any]:
        """Return the settings of a connection to it."""

    def backend(self, connection: Any, now: Callable[[], float]) -> Backend:
        """Return the backend of an incarnation."""

    def taken(self) -> list[Taken]:
        """Return its books."""


class InMemory(Memory):
    """A service without a wire."""

    def __init__(self, clock: VirtualClock, effects: Effects) -> None:
        super().__init__(asks=1)
        self.troubles: deque[str] = deque()
        self.mute = False
        self._clock = clock
        self._effects = effects
        self._lost: set[str] = set()
        """Uploads whose import fails."""

    def connection(self) -> dict[str, Any]:
        """Return settings that nobody looks at."""
        return {"backend": "digitoo", "token": "none-needed"}

    def backend(self, connection: Any, now: Callable[[], float]) -> Backend:
        """Return itself."""
        del connection, now
        return self

    def taken(self) -> list[Taken]:
        """Return its books."""
        return [Taken(k.upload_id, k.sha256, failed=k.upload_id in self._lost) for k in self.kept]

    def upload(self, parcel: Parcel) -> Receipt:
        """Take a document, or do what was asked for."""
        trouble = self.troubles.popleft() if self.troubles else "none"
        return self._effects.around("request", lambda: self._troubled(trouble, parcel))

    def follow_up(self, receipt: Receipt, parcel: Parcel) -> Receipt:
        """Fail those whose import was to fail."""
        followed = self._effects.around("request", lambda: super(InMemory, self).follow_up(receipt, parcel))
        if followed.final and parcel.upload_id in self._lost:
            raise Refused(Answer(400, "failed_import", ("the import failed",)), remote=followed.remote)
        return followed

    def find(self, parcel: Parcel, since: float, known: Container[str] = ()) -> Receipt | None:
        """Look for an upload."""
        if self.mute:
            raise CannotTell("the memory is mute")
        return self._effects.around("request", lambda: super(InMemory, self).find(parcel, since, known))

    def check(self, queue_ids: tuple[str, ...]) -> list[Finding]:
        """Be locked as long as the next upload would find it locked."""
        if self.troubles and self.troubles[0] in {"locked", "no such queue"}:
            trouble = self.troubles.popleft()
            raise Unauthorized(trouble, scope=Scope.CONNECTION if trouble == "locked" else Scope.QUEUE)
        return super().check(queue_ids)

    def _troubled(self, trouble: str, parcel: Parcel) -> Receipt:
        if trouble == "slow":
            self._clock.now += _SLOW_S
        before = {
            "refused": Refused(Answer(400, "bad", ("the service does not want it",))),
            "busy": Unavailable("busy", status=429, retry_after_s=5.0, counts=False),
            "503": Uncertain("down", status=503, probably_not_taken=True),
            "500 untaken": Uncertain("broken", status=500),
            "lost untaken": Uncertain("no answer"),
            "no connection": Unavailable("nobody there"),
            "locked": Unauthorized("locked", status=401),
            "no such queue": Unauthorized("no such queue", status=404, scope=Scope.QUEUE),
        }
        if trouble in before:
            b"".join(parcel.pieces())  # the body went out before the answer came
            raise before[trouble]
        receipt = super().upload(parcel)
        if trouble == "failed later":
            self._lost.add(parcel.upload_id)
        if trouble in {"500 taken", "lost taken"}:
            raise Uncertain(trouble)
        return receipt


_RULES: dict[str, dict[str, Any]] = {
    "refused": {"status": 400},
    "busy": {"rate_limit": 5},
    "503": {"status": 503},
    "500 untaken": {"status": 500},
    "500 taken": {"status": 500, "at": "after_commit"},
    "lost untaken": {"reset": "after_body"},
    "lost taken": {"reset": "after_commit"},
    "no connection": {"reset": "before_body"},
    "locked": {"status": 401},
    "no such queue": {"status": 404},
    "failed later": {"fate": "failed_import"},
}


class OverHttp:
    """The sandbox's Rossum of one example, on a server that all examples share."""

    def __init__(self, shared: SandboxServer, clock: VirtualClock, effects: Effects) -> None:
        self.troubles: deque[str] = deque()
        self.mute = False
        self._shared = shared
        self._clock = clock
        self._effects = effects
        self._failing: set[int] = set()
        """Ledger places of uploads whose import fails."""
        fresh = World(SandboxOptions(rossum_task_polls=0, rossum_annotation_polls=0))
        fresh.closing = shared.world.closing
        shared.world = fresh
        vars(shared._application).update(vars(Application(fresh)))

    def connection(self) -> dict[str, Any]:
        """Return the settings of a connection to the sandbox."""
        account = {"username": "scanner@sandbox.example", "password": "sandbox-password"}
        return {"backend": "rossum", "base_url": self._shared.rossum_url, **account}

    def backend(self, connection: Any, now: Callable[[], float]) -> Backend:
        """Return a backend whose every request is an effect, and meets the trouble that is due."""
        made = open_backend(connection, now)
        the_wire: Wire = made._wire  # type: ignore[attr-defined]
        send = the_wire.send
        the_wire.send = lambda request: self._effects.around(  # type: ignore[method-assign]
            "request", lambda: self._sent(send, request)
        )
        return made

    def taken(self) -> list[Taken]:
        """Return its books."""
        return [
            Taken(entry.metadata["hotfolder"]["upload_id"], entry.sha256, failed=place in self._failing)
            for place, entry in enumerate(self._shared.ledger.entries)
            if entry.metadata
        ]

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.true(), UTC)

    def _sent(self, send: Callable[[Request], Any], request: Request) -> Any:
        trouble = self.troubles.popleft() if self.troubles and not request.repeatable else "none"
        if trouble == "slow":
            self._clock.now += _SLOW_S
        muted = self.mute and request.path.startswith(("/annotations?queue", "/documents"))
        rule = {"status": 403} if muted else _RULES.get(trouble)
        if rule or self._shared.world.script.scenario.rules:
            self._shared.play([{"do": rule}] if rule else [])
        before = len(self._shared.ledger)
        reply = send(request)
        # The sandbox writes the time into its headers once a second; hours may have passed here in between.
        reply = replace(reply, headers={**reply.headers, "date": format_datetime(self._now())})
        if trouble == "failed later":
            self._failing |= set(range(before, len(self._shared.ledger)))
        return reply


@contextmanager
def sandbox_of(clock: Callable[[], VirtualClock]) -> Any:
    """Have a sandbox on loopback whose clock is a virtual one's true time."""
    told = SimpleNamespace(time=lambda: clock().true(), monotonic=lambda: clock().monotonic())
    trust = wire.ssl.create_default_context()  # reading the system's authorities takes longer than an example
    with pytest.MonkeyPatch.context() as patch, SandboxServer() as shared:
        for module in (app, faults, rossum, rossum_lists, server, visit, world):
            if hasattr(module, "time"):
                patch.setattr(module, "time", told)
        patch.setattr(Wire, "_trust", lambda _: trust)
        shared.play(Scenario())
        yield shared
