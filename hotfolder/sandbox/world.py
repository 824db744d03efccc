"""The state that the three services and the admin endpoint share."""

import asyncio
import contextlib
import secrets
import time
from dataclasses import dataclass, field

from hotfolder.sandbox.faults import Scenario, Script, Service
from hotfolder.sandbox.ledger import Ledger
from hotfolder.sandbox.options import Credentials, SandboxOptions


class Tokens:
    """Access tokens of one service, each with the moment (monotonic seconds) at which it expires."""

    def __init__(self) -> None:
        self._expiry: dict[str, float] = {}

    def issue(self, lifetime_s: float) -> str:
        """Return a new token."""
        token = secrets.token_hex(20)
        self._expiry[token] = time.monotonic() + lifetime_s
        return token

    def valid(self, token: str) -> bool:
        """Tell whether a token was issued and has neither expired nor been revoked."""
        return self._expiry.get(token, 0.0) > time.monotonic()

    def revoke(self, token: str) -> None:
        """Forget one token."""
        self._expiry.pop(token, None)

    def revoke_all(self) -> None:
        """Forget all tokens."""
        self._expiry.clear()


@dataclass(slots=True)
class World:
    """Options, credentials, tokens, scenario and ledger of one sandbox; outlives a restart of the server."""

    options: SandboxOptions = field(default_factory=SandboxOptions)
    credentials: Credentials = field(default_factory=Credentials)
    ledger: Ledger = field(default_factory=Ledger)
    script: Script = field(default_factory=lambda: Script(Scenario()))
    tokens: dict[Service, Tokens] = field(default_factory=lambda: {s: Tokens() for s in Service})
    task_horizon: float = 0.0
    """Tasks made before this moment (seconds since 1970) have expired."""
    upload_horizon: float = 0.0
    """Rossum's uploads made before this moment are not found any more."""
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server stops, renewed when it starts again; hanging requests end with it."""

    async def pause(self, seconds: float) -> None:
        """Wait, but not beyond the stop of the server."""
        if seconds:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.closing.wait(), seconds)

    def play(self, scenario: Scenario) -> None:
        """Start a scenario from its beginning."""
        self.script = Script(scenario)
        if scenario.options is not None:
            self.options = scenario.options

    def accept_only(self, credentials: Credentials) -> None:
        """Replace what is accepted; every token issued so far is void."""
        self.credentials = credentials
        self.expire_tokens()

    def expire_tokens(self) -> None:
        """Void every token issued so far."""
        for tokens in self.tokens.values():
            tokens.revoke_all()

    def expire_uploads(self) -> None:
        """Let every upload made so far at Rossum answer 404; its documents and annotations stay."""
        self.upload_horizon = time.time()

    def expire_tasks(self) -> None:
        """Let every task made so far answer 404."""
        self.task_horizon = time.time()
