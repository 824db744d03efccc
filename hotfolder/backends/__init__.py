"""The services that documents can be sent to; this list is all there is to register."""

import time
from collections.abc import Callable, Mapping

from hotfolder.backends.base import Backend, Traits
from hotfolder.backends.digitoo import Digitoo
from hotfolder.backends.docdigitizer import DocDigitizer
from hotfolder.backends.docdigitizer_v3 import DocDigitizerV3
from hotfolder.backends.rossum import Rossum, RossumBody
from hotfolder.settings import (
    ConnectionSection,
    DigitooConnection,
    DocDigitizerConnection,
    RossumConnection,
)

BACKENDS: Mapping[str, type[Backend]] = {
    "digitoo": Digitoo,
    "docdigitizer": DocDigitizer,
    "rossum": Rossum,
}
"""The class of each value of a connection's `backend`, where the connection asks for no other generation of it."""


def traits_of(connection: ConnectionSection) -> Traits:
    """Return what the service behind a connection can do; raises TypeError for a connection of no known kind."""
    return _class_of(connection).traits


def open_backend(connection: ConnectionSection, now: Callable[[], float] = time.time) -> Backend:
    """Make the backend of a connection; nothing is sent yet. `now` gives seconds since 1970.

    Raises TypeError for a connection of no known kind.
    """
    return _class_of(connection)(connection, now)  # type: ignore[call-arg]  # each takes its own kind of connection


def _class_of(connection: ConnectionSection) -> type[Backend]:
    match connection:
        case RossumConnection() if connection.upload.encoding == "body":
            return RossumBody
        case DocDigitizerConnection(api="v3"):
            return DocDigitizerV3
        case RossumConnection() | DigitooConnection() | DocDigitizerConnection():
            return BACKENDS[connection.backend]
    raise TypeError(f"no backend speaks for a {type(connection).__name__}")
