"""What only shows when the parts of a configuration are held against each other."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hotfolder.answering import real_paths
from hotfolder.settings.connections import CONNECTIONS, ConnectionSection
from hotfolder.settings.problems import KeyPath, Problem
from hotfolder.settings.program import Settings
from hotfolder.settings.queues import Queue
from hotfolder.settings.yaml_source import Document

WORK_FOLDER = ".hotfolder"
"""Where claimed documents are, inside every drop folder."""


def cross_checks(settings: Settings, document: Document) -> Iterator[Problem]:
    """Yield the problems between queues, connections and folders."""
    yield from _connections(settings, document)
    yield from _folders(settings, document)
    yield from _callers(settings, document)
    yield from _told(settings, document)


def _connections(settings: Settings, document: Document) -> Iterator[Problem]:
    # From the document: a connection with mistakes of its own is still the one that was meant.
    written = document.value["connections"]
    for name, queue in settings.queues.items():
        if queue.queue_ids and not queue.recursive:
            yield document.problem(
                ("queues", name, "queue_ids"),
                "needs `recursive: true`: without it no subfolder is looked into",
            )
        if queue.reject_identical and queue.mode == "batch":
            text = "cannot go with `mode: batch`: Rossum compares a document only where it is alone in its request"
            yield document.problem(("queues", name, "reject_identical"), text)
        if queue.connection not in written:
            close = difflib.get_close_matches(queue.connection, written, 1)
            yield document.problem(
                ("queues", name, "connection"),
                "there is no such key under `connections`",
                nearest=close[0] if close else None,
            )
        elif _lacks_queue_id(queue) and _needs_queue_id(written[queue.connection]):
            yield document.problem(
                ("queues", name, "queue_id"),
                f"is missing: connection `{queue.connection}` needs the id of the service's own queue",
            )
        if "{secret}" in (queue.webhook_url or "") and (fault := _secret_fault(settings, queue.connection)):
            text = f"{{secret}} stands for `webhook.secret` of connection `{queue.connection}`, which {fault}"
            yield document.problem(("queues", name, "webhook_url"), text)
        if queue.webhook_url is not None and not _takes_webhook_url(written.get(queue.connection)):
            text = f"connection `{queue.connection}` has no place for it: its service is told so in its own settings"
            yield document.problem(("queues", name, "webhook_url"), text)
        yield from _last_words(queue, settings.connections.get(queue.connection), document)


def _last_words(queue: Queue, connection: ConnectionSection | None, document: Document) -> Iterator[Problem]:
    """Yield why a queue cannot wait for what it wants to wait for."""
    path: KeyPath = ("queues", queue.name)
    if connection is None:  # said already
        return
    if queue.wait_for == "processed" and connection.ends_at is not None:
        text = (
            f"connection `{connection.name}` cannot tell when a document is processed: {connection.ends_at}"
        )
        yield document.problem((*path, "wait_for"), text)
    elif queue.results and queue.wait_for != "processed" and not connection.answers_with_results:
        text = "needs `wait_for: processed`: before that nothing is found yet that could be fetched"
        yield document.problem((*path, "results"), text)


def _lacks_queue_id(queue: Queue) -> bool:
    """Tell whether nothing can name the service's queue: a document that a companion or folder names none for waits."""
    return queue.queue_id is None and queue.companion is None and not queue.queue_ids


def _needs_queue_id(connection: Any) -> bool:
    if not isinstance(connection, dict) or connection.get("queue_id_override") is not None:
        return False
    kind = CONNECTIONS.get(str(connection.get("backend")))
    return kind is not None and kind.needs_queue_id


def _secret_fault(settings: Settings, connection: str) -> str:
    """Say why a secret in the address would not do, nothing where it does."""
    known = settings.connections.get(connection)
    if known is None:
        return ""
    if known.webhook is None or known.webhook.secret is None:
        return "is not given"
    header = known.webhook.header
    return (
        f"is asked for in the header {header}, and nowhere else; leave one of the two out" if header else ""
    )


def _takes_webhook_url(connection: Any) -> bool:
    kind = CONNECTIONS.get(str(connection.get("backend"))) if isinstance(connection, dict) else None
    newer = (
        isinstance(connection, dict) and connection.get("api") == "v3"
    )  # answers at once, and calls nobody
    return kind is None or (kind.takes_webhook_url and not newer)


def _callers(settings: Settings, document: Document) -> Iterator[Problem]:
    for name, connection in settings.connections.items():
        if connection.webhook is not None and settings.http is None:
            text = "nobody listens for it: give `http: {listen: HOST:PORT}` too"
            yield document.problem(("connections", name, "webhook"), text)


def _told(settings: Settings, document: Document) -> Iterator[Problem]:
    written = document.value["queues"]
    for name, target in settings.notify.targets.items() if settings.notify else ():
        for place, queue in enumerate(target.queues):
            if queue not in written:
                close = difflib.get_close_matches(queue, written, 1)
                path: KeyPath = ("notify", "targets", name, "queues", place)
                text = "there is no such key under `queues`"
                yield document.problem(path, text, nearest=close[0] if close else None)


class _DropFolders:
    """The drop folders by their real paths, so that two names of one folder are seen as one."""

    def __init__(self, settings: Settings) -> None:
        queues = settings.queues.values()
        work = (queue.folder / WORK_FOLDER for queue in queues)
        named = (path for queue in queues for path in (queue.folder, queue.done, queue.failed))
        self._real = real_paths((settings.state_dir, *named, *work))
        self._owners: dict[Path, str] = {}
        for name, queue in settings.queues.items():
            self._owners.setdefault(self._real[queue.folder], name)

    def owner(self, folder: Path, *, but: str = "") -> str | None:
        """Return the queue (another one than `but`) whose drop folder is this folder or holds it."""
        real = self._real[folder]
        owners = (self._owners.get(step) for step in (real, *real.parents))
        return next((name for name in owners if name is not None and name != but), None)

    def are_one(self, folder: Path, other: Path) -> bool:
        """Tell whether two names lead to one folder."""
        return self._real[folder] == self._real[other]

    def archive_fault(self, archive: Path, drop: Path, owner: str | None) -> str:
        """Say why an archive cannot be where it is, nothing where it can; `owner` has the drop folder around it."""
        if owner is not None:
            return f"lies in the drop folder of queue `{owner}`, which would send the files again"
        if self.are_one(archive, drop):
            return "is the drop folder itself, which would send the files again"
        if self._real[archive].is_relative_to(self._real[drop / WORK_FOLDER]):
            return f"lies in {WORK_FOLDER}, which holds the documents under way; choose another folder"
        return ""


def _folders(settings: Settings, document: Document) -> Iterator[Problem]:
    drops = _DropFolders(settings)
    if (owner := drops.owner(settings.state_dir)) is not None:
        yield document.problem(
            ("state_dir",), f"lies in the drop folder of queue `{owner}`; choose another folder"
        )
    for name, queue in settings.queues.items():
        path: KeyPath = ("queues", name)
        if (owner := drops.owner(queue.folder, but=name)) is not None:
            text = f"is or lies in the drop folder of queue `{owner}`; each queue needs a folder of its own"
            yield document.problem((*path, "folder"), text)
        for key, archive in (("done", queue.done), ("failed", queue.failed)):
            # An archive inside a misplaced drop folder is misplaced with it: said once.
            other = None if owner and archive.is_relative_to(queue.folder) else drops.owner(archive, but=name)
            if text := drops.archive_fault(archive, queue.folder, other):
                yield document.problem((*path, key), text)
        if drops.are_one(queue.done, queue.failed):
            yield document.problem((*path, "failed"), "is the same folder as `done`; choose another one")
