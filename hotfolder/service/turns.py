"""How many documents of a connection may be under way at once (pure)."""

from hotfolder.backends import traits_of
from hotfolder.settings import ConnectionSection, Limits, Settings


def turns(settings: Settings, connection: ConnectionSection) -> tuple[Limits, str | None]:
    """Return a connection's limits, and why its documents go one after the other, None where they need not."""
    limits = settings.limits_of(connection)
    several = settings.serves_several(connection)
    if not traits_of(connection).serial or connection.limits is not None or not several:
        return limits, None
    why = "one document after the other, as this service wants it for several queues; set `limits` to change that"
    return limits.model_copy(update={"concurrency": 1}), why
