"""Who may speak to Rossum on loopback: log-in, tokens, and Basic for uploads alone."""

import base64
import binascii
import json
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import Response

from hotfolder.sandbox.answers import Problem, reply
from hotfolder.sandbox.faults import Service
from hotfolder.sandbox.visit import Visit
from hotfolder.sandbox.world import World


class Access:
    """The doorkeeper of one sandbox's Rossum."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._tokens = world.tokens[Service.ROSSUM]

    def authorize(self, visit: Visit, *, basic: bool = False) -> str:
        """Return the token in use, empty for Basic; 403 without credentials, 401 with wrong ones."""
        scheme, _, value = visit.request.headers.get("authorization", "").partition(" ")
        if scheme.lower() in {"bearer", "token"}:
            token = value.strip()
            if token != self._world.credentials.rossum_token and not self._tokens.valid(token):
                raise visit.problem(401)
            return token
        if basic and scheme.lower() == "basic":
            if self._known(*_basic_credentials(value)):
                return ""
            raise visit.problem(401, "Invalid username/password.")
        raise visit.problem(403)

    def _known(self, username: str, password: str) -> bool:
        accepted = self._world.credentials
        return (username, password) == (accepted.rossum_username, accepted.rossum_password)

    async def log_in(self, visit: Visit) -> Response:
        """Give a token for a user name and a password."""
        fields = await _login_fields(visit)
        missing = {name: ["required"] for name in ("username", "password") if not fields.get(name)}
        if missing:
            raise Problem(reply(missing, 400))
        await visit.received()
        if not self._known(str(fields["username"]), str(fields["password"])):
            raise visit.problem(401, "Unable to log in with provided credentials.")
        return reply({"key": self._tokens.issue(self._lifetime(fields)), "domain": visit.host})

    def _lifetime(self, fields: dict[str, Any]) -> float:
        """Return how long a token shall live, in seconds: a wish can only shorten it."""
        longest = self._world.options.rossum_token_lifetime_s
        try:
            return min(longest, float(fields.get("max_token_lifetime_s") or longest))
        except (TypeError, ValueError):
            raise Problem(reply({"max_token_lifetime_s": ["A valid number is required."]}, 400)) from None

    async def log_out(self, visit: Visit) -> Response:
        """Void the token in use."""
        self._tokens.revoke(self.authorize(visit))
        return reply({"detail": "Successfully logged out."})


def _basic_credentials(value: str) -> tuple[str, str]:
    try:
        username, _, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return username, password


async def _login_fields(visit: Visit) -> dict[str, Any]:
    """Read a small JSON or form body; the official client sends a form, the documentation JSON."""
    body = await visit.small_body()
    if "json" not in visit.request.headers.get("content-type", ""):
        return {name: values[-1] for name, values in parse_qs(body.decode("utf-8", "replace")).items()}
    try:
        fields = json.loads(body)
    except ValueError as error:
        raise visit.problem(400, f"JSON parse error - {error}", "parse_error") from None
    if not isinstance(fields, dict):
        raise visit.problem(400)
    return fields
