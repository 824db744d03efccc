"""The whole configuration of the program."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo
from pydantic.json_schema import SkipJsonSchema

from hotfolder.settings.addresses import FolderPath
from hotfolder.settings.connections import Connection, ConnectionSection, DigitooConnection, Limits
from hotfolder.settings.notify import Notify
from hotfolder.settings.quantities import Seconds
from hotfolder.settings.queues import Queue
from hotfolder.settings.section import EntryName, Section, named
from hotfolder.settings.web import Http

SOURCE_KEY = "<source>"
"""The key under which the configuration is told its own file; never written by people."""
DEFAULT_FILE = Path("/etc/hotfolder/config.yaml")


def _housed(queues: Any, info: ValidationInfo) -> Any:
    """Give each queue its name, and a folder below `root` if it names none."""
    # A bad root is reported once, at `root`; the stand-in is never used.
    root = info.data.get("root", Path("/"))
    if not isinstance(queues, dict) or root is None:
        return named(queues)
    homes = {
        name: {"folder": root / name, **queue} if isinstance(queue, dict) else queue
        for name, queue in queues.items()
    }
    return named(homes)


def _level(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


class Log(Section):
    """What the program writes to standard error."""

    level: Annotated[
        Literal["TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(_level)
    ] = "INFO"
    """The least important level that is written."""
    format: Literal["text", "json", "journal"] = "text"
    """Lines for people, JSON objects, or lines with journald's priorities."""


class Settings(Section):
    """The configuration of hotfolder."""

    source: SkipJsonSchema[Path] = Field(alias=SOURCE_KEY)
    """The file that it was read from, absolute."""
    state_dir: FolderPath
    """Folder of the journal; left out: $STATE_DIRECTORY, else the user's state directory."""
    root: FolderPath | None = None
    """A queue without `folder` lives in root/<queue name>."""
    connections: Annotated[dict[EntryName, Connection], BeforeValidator(named)]
    """Accounts at the services, by a name of your choice."""
    queues: Annotated[dict[EntryName, Queue], BeforeValidator(_housed)] = Field(min_length=1)
    """Drop folders, by a name of your choice."""
    limits: Limits = Limits()
    """What each connection is asked to do at once, unless it says otherwise."""
    grace_s: Seconds = 30.0
    """How long running requests may take to finish after SIGTERM."""
    http: Http | None = None
    """The program's own web server; off unless given."""
    log: Log = Log()
    """What the program writes to standard error."""
    notify: Notify | None = None
    """Who is told when something is wrong; nobody unless given."""

    def connection_of(self, queue: Queue) -> ConnectionSection:
        """Return the connection that a queue names."""
        return self.connections[queue.connection]

    def limits_of(self, connection: ConnectionSection) -> Limits:
        """Return a connection's own limits, else the common ones."""
        return connection.limits or self.limits

    def limited(self, connection: ConnectionSection) -> ConnectionSection:
        """Return a connection with the limits that hold for it written into it."""
        return connection.model_copy(update={"limits": self.limits_of(connection)})

    def service_queue(self, queue: Queue) -> tuple[str | None, str]:
        """Return the service's id of a queue, and which setting named it: `override` or `queue`."""
        connection = self.connection_of(queue)
        if isinstance(connection, DigitooConnection) and connection.queue_id_override is not None:
            return connection.queue_id_override, "override"
        return queue.queue_id, "queue"

    def service_ids(self, queue: Queue) -> tuple[str, ...]:
        """Return every id that the configuration names for a queue, each once."""
        first, source = self.service_queue(queue)
        ids = (first, *(() if source == "override" else queue.queue_ids.values()))
        return tuple(dict.fromkeys(one for one in ids if one is not None))

    def serves_several(self, connection: ConnectionSection) -> bool:
        """Tell whether documents of a connection may go to different queues of the service: companions may name any."""
        queues = [queue for queue in self.queues.values() if queue.connection == connection.name]
        if any(self.service_queue(queue)[1] == "override" for queue in queues):
            return False
        ids = {one for queue in queues for one in self.service_ids(queue)}
        return len(ids) > 1 or any(queue.companion for queue in queues)


def default_state_dir(environ: Mapping[str, str]) -> Path:
    """Return systemd's state directory, else the user's (XDG base directories), else /var/lib/hotfolder."""
    if first := environ.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(first)
    # The specification: a relative XDG path is invalid and to be ignored.
    if (home := environ.get("XDG_STATE_HOME", "")).startswith("/"):
        return Path(home, "hotfolder")
    if home := environ.get("HOME", ""):
        return Path(home, ".local/state/hotfolder")
    return Path("/var/lib/hotfolder")


def find_settings_file(given: Path | None, environ: Mapping[str, str]) -> Path:
    """Return the given file, else $HOTFOLDER_CONFIG, else /etc/hotfolder/config.yaml; it may not exist."""
    return given or Path(environ.get("HOTFOLDER_CONFIG") or DEFAULT_FILE)
