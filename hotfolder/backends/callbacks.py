"""Whom a service shall call about a document, and what it shall show then."""

from collections.abc import Mapping
from urllib.parse import quote

from hotfolder.backends.answers import Secrets
from hotfolder.backends.base import Parcel
from hotfolder.backends.channel import reveal
from hotfolder.settings import ConnectionSection

_PLACE = "{secret}"


def address(connection: ConnectionSection, parcel: Parcel, secrets: Secrets) -> str | None:
    """Return the address to be handed over, {secret} filled in, None where there is none; raises `Unauthorized`."""
    template = parcel.webhook_url
    if template is None:
        return None
    secret = _secret(connection, secrets) if _PLACE in template else ""
    return secrets.conceal(template.replace(_PLACE, quote(secret, safe="")))


def headers(connection: ConnectionSection, secrets: Secrets) -> Mapping[str, str]:
    """Return the headers that the receiver asks for; raises `Unauthorized`."""
    webhook = connection.webhook
    if webhook is None or webhook.header is None:
        return {}
    return {webhook.header: _secret(connection, secrets)}


def _secret(connection: ConnectionSection, secrets: Secrets) -> str:
    return reveal(connection.webhook.secret if connection.webhook else None, secrets, "the webhook's secret")
