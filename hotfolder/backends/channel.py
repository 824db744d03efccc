"""Carry requests with credentials: one log-in per connection behind a lock, one repeat after a 401."""

import json
import time
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from threading import Lock

from hotfolder.backends.answers import REVEALING_CHARS, Reply, Secrets
from hotfolder.backends.base import CannotTell, DeliveryError, Unauthorized, Unavailable
from hotfolder.backends.bodies import Body
from hotfolder.backends.policy import Judge
from hotfolder.backends.wire import ANSWER_BYTES, Request, Wire, json_body
from hotfolder.settings import ConnectionSection, Secret, SecretUnavailable

PAGE_TRIES, PAGE_WAIT_S = 3, 5.0
"""Where one request in twenty fails, a list of sixty pages comes through in one of twenty tries without, and in
ninety-nine of a hundred with three tries a page. A longer wait than this is the gate's."""
NOT_THERE = frozenset({404})
"""The status besides 2xx that is an answer to a question."""


@dataclass(frozen=True, slots=True)
class Token:
    """What proves who we are; `good_until` in seconds since 1970, None: until the service refuses it."""

    value: str
    good_until: float | None = None


class Session:
    """The token that all threads of a connection share."""

    def __init__(self, obtain: Callable[[], Token], now: Callable[[], float]) -> None:
        self._obtain = obtain
        self._now = now
        self._lock = Lock()
        self._token: Token | None = None
        self._rounds = 0
        self._failure: DeliveryError | None = None

    def token(self, refused: str | None = None) -> str:
        """Return a token other than the `refused` one; threads that waited for a log-in share its result.

        Raises what the log-in raises. Where only the same token can be had, that one is returned.
        """
        if (current := self._usable(refused)) is not None:
            return current
        seen = self._rounds  # log-ins that are over: whoever waits for the running one shares its end
        with self._lock:
            if (current := self._usable(refused)) is not None:
                return current
            if self._rounds != seen and self._failure is not None:
                # Sixteen threads with a wrong password must not become sixteen wrong log-ins.
                raise self._failure
            return self._log_in()

    def _log_in(self) -> str:
        try:
            self._token, self._failure = self._obtain(), None
        except DeliveryError as error:
            self._token, self._failure = None, error
            raise
        finally:
            self._rounds += 1
        return self._token.value

    def _usable(self, refused: str | None) -> str | None:
        token = self._token
        if token is None or token.value == refused:
            return None
        if token.good_until is not None and self._now() >= token.good_until:
            return None
        return token.value


@dataclass(frozen=True, slots=True)
class Credentials:
    """How a service wants to be shown the token: header templates, and how a token is had."""

    headers: Mapping[str, str]
    """Templates with {token} (or {key}, which is the same)."""
    obtain: Callable[[], Token]
    renewable: bool
    """Whether a log-in can give a fresh token; a fixed one is only read anew from where it is kept."""


class Channel:
    """The connection to one service: every request carries the credentials, answers are judged."""

    def __init__(
        self,
        connection: ConnectionSection,
        wire: Wire,
        judge: Judge,
        credentials: Credentials,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._wire = wire
        self._judge = judge
        self._sleep = sleep
        self._renewable = credentials.renewable
        self._headers = {**credentials.headers, **_without(connection.headers, credentials.headers)}
        self._session = Session(credentials.obtain, judge.now)
        for value in connection.headers.values():
            if len(value) >= REVEALING_CHARS and "{" not in value:
                judge.secrets.remember(value)

    @property
    def ahead_s(self) -> float | None:
        """How far the service's clock is ahead of ours, in seconds, by its latest answer; None: it told no time yet."""
        return self._judge.ahead_s

    def log_in(self) -> None:
        """Make sure that there is a token. Raises `Unavailable` or `Unauthorized`."""
        self._session.token()

    def get(self, path: str, told: Container[int] = NOT_THERE) -> Reply:
        """Ask a question; the answer is 2xx in JSON, or of a status in `told`.

        Raises `Unavailable` or `Unauthorized`.
        """
        reply = self._authorised(Request("GET", path))
        if reply.status not in told:
            self._judge.read(reply)
            self._judge.told(reply)
        return reply

    def pour(self, path: str, into: Callable[[bytes], None], *, rooted: bool = False) -> bool:
        """Ask for a long answer and have it poured into a sink; False for a 404.

        Whether it is JSON, and whole, shows in the sink. `rooted` as in `Request`. Raises what the sink raises,
        `Unavailable` or `Unauthorized`.
        """
        reply = self._authorised(Request("GET", path, rooted=rooted, into=into))
        if reply.status in NOT_THERE:
            return False
        self._judge.read(reply)
        return True

    def further(self, path: str) -> Reply:
        """Ask for a further page of a list, several times where it does not come: those before it would be lost.

        Raises `Unavailable` or `Unauthorized`.
        """
        for _ in range(PAGE_TRIES - 1):
            try:
                return self.get(path)
            except Unavailable as problem:
                self._sleep(min(problem.retry_after_s or 0.0, PAGE_WAIT_S))
        return self.get(path)

    def follow(self, path: str, answer_bytes: int = ANSWER_BYTES) -> Reply:
        """Ask a question, as `get` does, at a path from the root of the host; `CannotTell` for a longer answer."""
        reply = self._authorised(Request("GET", path, rooted=True, answer_bytes=answer_bytes))
        if reply.status != 404:  # noqa: PLR2004 — as in `get`
            self._judge.read(reply)
            if len(reply.content) >= answer_bytes:
                raise CannotTell(f"the answer is longer than {answer_bytes} bytes, and is not read further")
            self._judge.told(reply)
        return reply

    def upload(
        self,
        path: str,
        body: Body,
        headers: Mapping[str, str] | None = None,
        answer_bytes: int = ANSWER_BYTES,
    ) -> Reply:
        """Send a document and return the yes. Raises the four ways to fail."""
        request = Request("POST", path, headers or {}, body, repeatable=False, answer_bytes=answer_bytes)
        reply = self._authorised(request)
        self._judge.upload(reply)
        return reply

    def close(self) -> None:
        """Give back the sockets."""
        self._wire.close()

    def _authorised(self, request: Request) -> Reply:
        token = self._session.token()
        reply = self._sent(self._signed(request, token))
        if reply.status != 401:  # noqa: PLR2004 — 401 is certainly not taken, so one repeat is safe
            return reply
        fresh = self._session.token(refused=token)
        if fresh == token and not self._renewable:
            return reply
        return self._sent(self._signed(request, fresh))

    def _sent(self, request: Request) -> Reply:
        reply = self._wire.send(request)
        self._judge.hear(reply)
        return reply

    def _signed(self, request: Request, token: str) -> Request:
        signed = {name: filled(template, token) for name, template in self._headers.items()}
        return replace(request, headers={**request.headers, **signed})


def filled(template: str, token: str) -> str:
    """Put a token into a header's template."""
    return template.replace("{token}", token).replace("{key}", token)


def reveal(secret: Secret | None, secrets: Secrets, what: str) -> str:
    """Read a secret and note it for blotting; raises `Unauthorized` where it cannot be had or sent."""
    if secret is None:
        raise Unauthorized(f"{what} of the connection is not set; add it to the configuration")
    try:
        value = secrets.remember(secret.reveal())
    except SecretUnavailable as error:
        raise Unauthorized(f"{what} of the connection cannot be had: {error}") from None
    if not value.isprintable():
        raise Unauthorized(f"{what} of the connection holds line breaks or control characters; store it anew")
    return value


def log_in(
    connection: ConnectionSection, wire: Wire, judge: Judge, path: str, fields: Mapping[str, str]
) -> Reply:
    """Post a log-in as JSON and return its 2xx; raises `Unavailable` or `Unauthorized`."""
    plain = {name: value for name, value in connection.headers.items() if "{" not in value}
    content = json.dumps({**fields, **connection.login.fields}).encode()
    reply = wire.send(Request("POST", connection.login.path or path, plain, json_body(content)))
    judge.hear(reply)
    if reply.status in {400, 404, 405, 410, 422}:
        # Asking again would not help: a field or the address is wrong.
        raise Unauthorized(
            f"{judge.says(reply)} to the log-in; check `base_url`, `login` and the credentials",
            status=reply.status,
        )
    judge.read(reply)
    return reply


def token_of(reply: Reply, token_paths: tuple[str, ...], judge: Judge) -> str:
    """Return the token of a log-in's answer; raises `Unauthorized` where there is none."""
    token = reply.text(*token_paths)
    if token is None or not token.isprintable():
        raise Unauthorized(
            f"{judge.profile.service} took the log-in but gave no token where one was looked for "
            f"({', '.join(token_paths)}); set `login.token_paths`",
            status=reply.status,
        )
    return judge.secrets.remember(token)


def _without(headers: Mapping[str, str], builtin: Mapping[str, str]) -> dict[str, str]:
    """Return configured headers under the built-in ones' spelling, so that they replace them."""
    spelling = {name.lower(): name for name in builtin}
    return {spelling.get(name.lower(), name): value for name, value in headers.items()}
