"""Whom a service is told to call, and what it is told to show."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from hotfolder.backends.base import Unauthorized
from hotfolder.backends.digitoo import Digitoo
from hotfolder.backends.docdigitizer import DocDigitizer
from hotfolder.sandbox.server import SandboxServer
from hotfolder.settings import Webhook
from hotfolder.settings.secrets import EnvironmentSecret, WrittenSecret
from tests.backends.parcels import digitoo, docdigitizer, parcel

ADDRESS = "https://hooks.acme.example/webhooks/acme"
SECRET = "s3cret/of acme"


@pytest.fixture
def connect(sandbox: SandboxServer) -> Iterator[Callable[..., Any]]:
    """Make a backend of either service."""
    opened: list[Any] = []

    def make(kind: str, webhook: Webhook | None) -> Any:
        if kind == "digitoo":
            opened.append(Digitoo(digitoo(base_url=sandbox.digitoo_url, webhook=webhook)))
        else:
            opened.append(DocDigitizer(docdigitizer(base_url=sandbox.docdigitizer_url, webhook=webhook)))
        return opened[-1]

    yield make
    for backend in opened:
        backend.close()


@pytest.mark.parametrize("kind", ["digitoo", "docdigitizer"])
def test_the_secret_is_filled_into_the_address(
    kind: str, sandbox: SandboxServer, connect: Callable[..., Any]
) -> None:
    """So that it stands in one place, and not in the configuration; in the path it is quoted."""
    webhook = Webhook(secret=WrittenSecret(SECRET))
    connect(kind, webhook).upload(parcel(queue_id="q7", webhook_url=ADDRESS + "/{secret}"))
    fields = sandbox.ledger.entries[0].fields
    assert ADDRESS + "/s3cret%2Fof%20acme" in fields.values()
    assert set(fields) <= {"notify_webhook_url", "callback_url", "callback_method"}


def test_docdigitizer_is_told_the_header(sandbox: SandboxServer, connect: Callable[..., Any]) -> None:
    """Its call-backs can carry headers, so a secret that is asked for in one goes along."""
    webhook = Webhook(secret=WrittenSecret(SECRET), header="X-Proof")
    connect("docdigitizer", webhook).upload(parcel(webhook_url=ADDRESS))
    assert sandbox.ledger.entries[0].fields == {
        "callback_url": ADDRESS,
        "callback_method": "POST",
        "callback_headers[X-Proof]": SECRET,
    }
    connect("docdigitizer", webhook).upload(parcel())
    assert sandbox.ledger.entries[1].fields == {}, "nobody to call"


def test_a_secret_that_cannot_be_had_pauses(connect: Callable[..., Any]) -> None:
    """Nothing goes out that would be called back in vain, and the reason names no value."""
    webhook = Webhook(secret=EnvironmentSecret("HOOK_SECRET", {}))
    with pytest.raises(Unauthorized, match="the webhook's secret of the connection cannot be had"):
        connect("digitoo", webhook).upload(parcel(queue_id="q7", webhook_url=ADDRESS + "/{secret}"))
