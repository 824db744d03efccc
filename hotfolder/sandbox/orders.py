"""The admin end points by which a tester plays the people at the services: statuses by order, calls made."""

import json
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from hotfolder.sandbox.answers import reply
from hotfolder.sandbox.digitoo import DigitooService
from hotfolder.sandbox.docdigitizer import DocDigitizerService
from hotfolder.sandbox.rossum import RossumService
from hotfolder.sandbox.world import World


class Orders:
    """The routes, below the admin's prefix."""

    def __init__(
        self,
        world: World,
        rossum: RossumService,
        digitoo: DigitooService,
        docdigitizer: DocDigitizerService,
    ) -> None:
        self._world = world
        self._rossum = rossum
        self._others = (digitoo, docdigitizer)

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/annotations", self._annotations, methods=["POST"]),
            Route("/documents", self._documents, methods=["POST"]),
            Route("/calls", self._calls, methods=["GET"]),
        ]

    async def _annotations(self, request: Request) -> Response:
        """Give one annotation of Rossum, or all, a status and messages."""
        try:
            wanted = await _wanted(request, {"id", "status", "messages"})
            number = int(wanted["id"]) if "id" in wanted else None
            changed = self._rossum.order(number, str(wanted["status"]), wanted.get("messages"))
        except (TypeError, ValueError, KeyError) as error:
            return reply({"detail": f"Expected status, and perhaps id and messages: {error}"}, 400)
        return reply({"changed": changed}, 200 if changed or number is None else 404)

    async def _documents(self, request: Request) -> Response:
        """Give a document of Digitoo or DocDigitizer a status, which is then told to whoever asked for it."""
        try:
            wanted = await _wanted(request, {"id", "status"})
            number, status = str(wanted["id"]), str(wanted["status"])
        except (TypeError, ValueError, KeyError) as error:
            return reply({"detail": f"Expected id and status: {error}"}, 400)
        known = any(service.order(number, status) for service in self._others)
        return reply({"changed": [number] if known else []}, 200 if known else 404)

    async def _calls(self, _: Request) -> Response:
        return reply([asdict(call) for call in self._world.ledger.calls])


async def _wanted(request: Request, known: set[str]) -> dict[str, Any]:
    wanted = dict(json.loads(await request.body() or b"{}"))
    if unknown := sorted(set(wanted) - known):
        raise ValueError(f"unknown: {', '.join(unknown)}")
    return wanted
