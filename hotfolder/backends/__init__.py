"""The services that documents can be sent to; this list is all there is to register."""

import time
from collections.abc import Callable, Mapping

from hotfolder.backends.base import Backend
from hotfolder.backends.digitoo import Digitoo
from hotfolder.backends.docdigitizer import DocDigitizer
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
"""The class of each value of a connection's `backend`."""


def open_backend(connection: ConnectionSection, now: Callable[[], float] = time.time) -> Backend:
    """Make the backend of a connection; nothing is sent yet. `now` gives seconds since 1970.

    Raises TypeError for a connection of no known kind.
    """
    match connection:
        case RossumConnection() if connection.upload.encoding == "body":
            return RossumBody(connection, now)
        case RossumConnection():
            return Rossum(connection, now)
        case DigitooConnection():
            return Digitoo(connection, now)
        case DocDigitizerConnection():
            return DocDigitizer(connection, now)
    raise TypeError(f"no backend speaks for a {type(connection).__name__}")
