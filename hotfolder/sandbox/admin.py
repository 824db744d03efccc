"""The admin end points: what was received, and what shall go wrong."""

import json
from dataclasses import asdict, replace
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hotfolder.sandbox.answers import reply
from hotfolder.sandbox.faults import ScenarioError, read_scenario
from hotfolder.sandbox.options import Credentials
from hotfolder.sandbox.world import World

PREFIX = "/admin"


class Admin:
    """The admin routes of one sandbox; they know no faults and no credentials."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[Route]:
        """Return the routes below `PREFIX`."""
        return [
            Route("/ledger", self._ledger, methods=["GET"]),
            Route("/ledger", self._clear, methods=["DELETE"]),
            Route("/requests", self._requests, methods=["GET"]),
            Route("/scenario", self._show_scenario, methods=["GET"]),
            Route("/scenario", self._set_scenario, methods=["POST"]),
            Route("/passwords", self._set_passwords, methods=["POST"]),
            Route("/expire", self._expire, methods=["POST"]),
        ]

    async def _ledger(self, _: Request) -> Response:
        return reply(self._world.ledger.as_json())

    async def _clear(self, _: Request) -> Response:
        self._world.ledger.clear()
        return Response(status_code=204)

    async def _requests(self, _: Request) -> Response:
        ledger = self._world.ledger
        return reply({"counts": dict(ledger.counts), "recent": [asdict(line) for line in ledger.requests]})

    async def _show_scenario(self, _: Request) -> Response:
        return reply(self._world.script.scenario.model_dump(mode="json", exclude_defaults=True))

    async def _set_scenario(self, request: Request) -> Response:
        try:
            scenario = read_scenario(await _json(request))
        except (ScenarioError, ValueError) as error:
            return _refused(f"The scenario is refused and the old one stays: {error}")
        self._world.play(scenario)
        return reply({"rules": len(scenario.rules)})

    async def _set_passwords(self, request: Request) -> Response:
        """Accept other credentials; those that are not named are the usual ones again."""
        try:
            wanted = await _json(request)
            accepted = replace(
                Credentials(), **{str(name): str(value) for name, value in dict(wanted).items()}
            )
        except (TypeError, ValueError) as error:
            return _refused(f"Expected an object with names of {', '.join(Credentials.__slots__)}: {error}")
        self._world.accept_only(accepted)
        return reply({"accepted": sorted(wanted)})

    async def _expire(self, request: Request) -> Response:
        try:
            wanted = dict(await _json(request))
        except (TypeError, ValueError) as error:
            return _refused(f"Expected an object: {error}")
        if unknown := sorted(set(wanted) - {"tokens", "tasks", "uploads"}):
            return _refused(f"Expected `tokens`, `tasks` or `uploads`, not {', '.join(unknown)}")
        if wanted.get("tokens") is True:
            self._world.expire_tokens()
        if wanted.get("tasks") is True:
            self._world.expire_tasks()
        if wanted.get("uploads") is True:
            self._world.expire_uploads()
        return reply({"expired": sorted(name for name, value in wanted.items() if value is True)})


async def _json(request: Request) -> Any:
    return json.loads(await request.body() or b"{}")


def _refused(detail: str) -> Response:
    return reply({"detail": detail}, 400)
