from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from hotfolder.sandbox.options import SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from tests.sandbox.receiver import Receiver, receiver

PDF = b"%PDF-1.7 sandbox\n%%EOF\n"


@pytest.fixture
def start() -> Iterator[Callable[..., SandboxServer]]:
    """Start sandboxes that stop with the test: `start(scenario, option=value)`."""
    with ExitStack() as stack:

        def begin(scenario: Any = (), **options: Any) -> SandboxServer:
            return stack.enter_context(SandboxServer(SandboxOptions(**options), scenario=scenario))

        yield begin


@pytest.fixture
def sandbox(start) -> SandboxServer:
    """A sandbox with its default options."""
    return start()


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    """A client that neither retries nor follows redirects."""
    with httpx.Client(timeout=20, trust_env=False) as client:
        yield client


@pytest.fixture
def rossum(http) -> Callable[..., httpx.Response]:
    """Call Rossum with the token: `rossum(server, method, path, **rest)`."""

    def call(server: SandboxServer, method: str, path: str, **rest: Any) -> httpx.Response:
        headers = {"Authorization": "Bearer sandbox-rossum-token"} | rest.pop("headers", {})
        return http.request(method, f"{server.rossum_url}/{path}", headers=headers, **rest)

    return call


@pytest.fixture
def upload(rossum) -> Callable[..., httpx.Response]:
    """Upload one document to Rossum: `upload(server, name, content)`."""

    def send(
        server: SandboxServer, name: str = "scan.pdf", content: bytes = PDF, **rest: Any
    ) -> httpx.Response:
        return rossum(server, "POST", "uploads?queue=8236", files={"content": (name, content)}, **rest)

    return send


@pytest.fixture
def digitoo(http) -> Callable[..., httpx.Response]:
    """Call Digitoo with the service account's token."""

    def call(server: SandboxServer, method: str, path: str, **rest: Any) -> httpx.Response:
        headers = {"Authorization": "Bearer sandbox-service-token"} | rest.pop("headers", {})
        return http.request(method, f"{server.digitoo_url}/api/v2/{path}", headers=headers, **rest)

    return call


@pytest.fixture
def docdigitizer(http) -> Callable[..., httpx.Response]:
    """Call DocDigitizer with the key in the usual header."""

    def call(server: SandboxServer, method: str, path: str, **rest: Any) -> httpx.Response:
        headers = {"Authorization": "API_KEY sandbox-api-key"} | rest.pop("headers", {})
        return http.request(method, f"{server.docdigitizer_url}/api/v1/{path}", headers=headers, **rest)

    return call


@pytest.fixture
def ear() -> Iterator[Receiver]:
    """Somebody on loopback who keeps the calls that come."""
    with receiver() as kept:
        yield kept


@pytest.fixture
def order(http) -> Callable[..., httpx.Response]:
    """Order something at the admin's end points: `order(server, "documents", id=…, status=…)`."""

    def post(server: SandboxServer, what: str, **wanted: Any) -> httpx.Response:
        return http.post(f"{server.origin}/admin/{what}", json=wanted)

    return post
