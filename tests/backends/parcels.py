"""Parcels and connections for tests: invented documents, the sandbox's invented credentials."""

import uuid
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

from hotfolder.backends.base import PDF, Parcel
from hotfolder.sandbox.options import Credentials
from hotfolder.settings import DigitooConnection, DocDigitizerConnection, RossumConnection
from hotfolder.settings.secrets import WrittenSecret

KNOWN = Credentials()
CONTENT = b"%PDF-1.4\n% an invented document\n%%EOF\n"


def parcel(content: bytes = CONTENT, piece: int = 64 * 1024, **changes: Any) -> Parcel:
    """Make a parcel whose content comes in pieces of the given size."""

    def pieces() -> Iterator[bytes]:
        for start in range(0, len(content), piece):
            yield content[start : start + piece]

    facts: dict[str, Any] = {
        "upload_id": str(uuid.uuid4()),
        "queue": "invoices",
        "queue_id": "8236",
        "name": "scan.pdf",
        "media_type": PDF,
        "size_bytes": len(content),
        "sha256": sha256(content).hexdigest(),
        "pieces": pieces,
    }
    return Parcel(**facts | changes)


def zeros(size: int) -> Callable[[], Iterator[bytes]]:
    """Return pieces of a document of zeros, none of which is kept."""

    def pieces() -> Iterator[bytes]:
        left = size
        while left:
            count = min(left, 1024 * 1024)
            left -= count
            yield bytes(count)

    return pieces


def rossum(base_url: str, **changes: Any) -> RossumConnection:
    """Make a connection with the sandbox's user."""
    facts: dict[str, Any] = {
        "username": KNOWN.rossum_username,
        "password": WrittenSecret(KNOWN.rossum_password),
    }
    if changes.get("auth") == "token":
        facts = {}
    return RossumConnection(name="acme-rossum", base_url=base_url, **facts | changes)


def digitoo(base_url: str, **changes: Any) -> DigitooConnection:
    """Make a connection with the sandbox's account."""
    facts: dict[str, Any] = {"email": KNOWN.digitoo_email, "password": WrittenSecret(KNOWN.digitoo_password)}
    if "token" in changes:
        facts = {}
    return DigitooConnection(name="acme-digitoo", base_url=base_url, **facts | changes)


def docdigitizer(base_url: str, **changes: Any) -> DocDigitizerConnection:
    """Make a connection with the sandbox's key."""
    facts: dict[str, Any] = {"api_key": WrittenSecret(KNOWN.docdigitizer_api_key)}
    return DocDigitizerConnection(name="acme-docdigitizer", base_url=base_url, **facts | changes)


def docdigitizer_v3(base_url: str, **changes: Any) -> DocDigitizerConnection:
    """Make a connection of the newer generation with the sandbox's key."""
    return docdigitizer(base_url, **{"api": "v3"} | changes)
