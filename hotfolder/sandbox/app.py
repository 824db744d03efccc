"""The application: three services and the admin end points below their prefixes, every request noted."""

import time

from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.types import Message, Receive, Scope, Send

from hotfolder.sandbox import admin, digitoo, docdigitizer, rossum
from hotfolder.sandbox.faults import Service
from hotfolder.sandbox.ledger import RequestLine
from hotfolder.sandbox.orders import Orders
from hotfolder.sandbox.visit import Visit, endpoint
from hotfolder.sandbox.world import World

ANY_METHOD = ["GET", "POST", "PUT", "PATCH", "DELETE"]


class Application:
    """An ASGI application over one world."""

    def __init__(self, world: World) -> None:
        self._world = world
        three = (
            rossum.RossumService(world),
            digitoo.DigitooService(world),
            docdigitizer.DocDigitizerService(world),
        )
        services = (
            (rossum.PREFIX, Service.ROSSUM, three[0].routes()),
            (digitoo.PREFIX, Service.DIGITOO, three[1].routes()),
            (docdigitizer.PREFIX, Service.DOCDIGITIZER, three[2].routes()),
        )
        mounts: list[BaseRoute] = [
            Mount(prefix, routes=[*routes, self._elsewhere(service)]) for prefix, service, routes in services
        ]
        mounts.append(
            Mount(admin.PREFIX, routes=[*admin.Admin(world).routes(), *Orders(world, *three).routes()])
        )
        # DocDigitizer's links are paths from the root of its host: they lead somewhere here too
        mounts.append(Mount("", routes=services[-1][2]))
        self._router = Router(mounts)

    def _elsewhere(self, service: Service) -> Route:
        """Answer what a service has no route for the way that service answers: faults strike here too."""

        async def missing(visit: Visit) -> Response:
            raise visit.problem(404)

        return Route("/{path:path}", endpoint(self._world, service, missing), methods=ANY_METHOD)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request (ASGI)."""
        if scope["type"] != "http":
            return
        query = scope["query_string"].decode("latin-1")
        target = scope.get("raw_path", b"").decode("latin-1") + (f"?{query}" if query else "")
        line = RequestLine(time.time(), scope["method"], scope["path"], query, target)
        self._world.ledger.note(line)

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                line.status = message["status"]
            await send(message)

        await self._router(scope, receive, watched)
