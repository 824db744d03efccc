"""Which folder of which queue a path lies in, and what a look into a drop folder needs without a daemon."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from hotfolder import spool
from hotfolder.arrivals import Custom, Inbox, Pairing
from hotfolder.backends import traits_of
from hotfolder.checks.names import IgnoreRules
from hotfolder.checks.readiness import Rules
from hotfolder.settings import Queue, Settings

_USUAL = (b"done", b"failed")
"""Where archives are unless the configuration says otherwise."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a path lies: the queue, which of its folders (`drop`, `work`, `done`, `failed`), and below it."""

    queue: Queue
    area: str
    folder: bytes
    name: bytes
    service_limit: int | None = field(default=None, compare=False)
    """Largest document that the queue's service takes by default, in bytes; None: it states no limit."""
    service_types: frozenset[str] | None = field(default=None, compare=False)
    """Media types that the queue's service takes by default."""


Tops = dict[bytes, tuple[Queue, str]]
"""The real path of each folder of each queue → the queue, and which of its folders it is."""


def place_of(settings: Settings, path: bytes) -> Place | None:
    """Find the queue that an absolute path belongs to; None where it belongs to none, or is its folder itself.

    Links above a queue's folder are followed, links below it are not: they are entries of their own.
    """
    tops = tops_of(settings)
    if resolved(path) in tops:
        return None
    for way in (path, resolved(path)):
        for above in _ancestors(way):
            top = tops.get(os.path.realpath(above))
            if top is not None:
                below = os.path.split(os.path.relpath(way, above))
                traits = traits_of(settings.connection_of(top[0]))
                return Place(*top, *below, traits.max_bytes, traits.media_types)
    return None


def tops_of(settings: Settings) -> Tops:
    """Return the folders of all queues, by their real paths and, where they are links, by these too."""
    tops: Tops = {}
    for queue in settings.queues.values():
        work = queue.folder / os.fsdecode(spool.WORK_FOLDER)
        for area, top in (
            ("done", queue.done),
            ("failed", queue.failed),
            ("work", work),
            ("drop", queue.folder),
        ):
            for path in (os.path.realpath(os.fsencode(top)), resolved(os.fsencode(top))):
                tops.setdefault(path, (queue, area))
    return tops


def resolved(path: bytes) -> bytes:
    """Return an absolute path without links above its last part."""
    folder, name = os.path.split(path)
    return os.path.join(os.path.realpath(folder), name)


def _ancestors(path: bytes) -> Iterator[bytes]:
    """Yield the folders above a path, the nearest first."""
    while (above := os.path.dirname(path)) != path:
        yield above
        path = above


def own_folders(queue: Queue) -> frozenset[bytes]:
    """Return the names at the top of a drop folder that belong to the service.

    The usual names of archives always do: where `done` or `failed` was moved elsewhere, what an earlier configuration
    filed there is not sent again.
    """
    below = (os.path.relpath(archive, queue.folder) for archive in (queue.done, queue.failed))
    inside = {os.fsencode(path.split("/")[0]) for path in below if path.split("/")[0] != ".."}
    return frozenset({spool.WORK_FOLDER, *_USUAL, *inside})


@contextmanager
def opened(queue: Queue) -> Iterator[int]:
    """Have the drop folder open for the length of a block; raises OSError."""
    top = spool.open_folder(os.path.realpath(queue.folder))
    try:
        yield top
    finally:
        os.close(top)


def rules_of(queue: Queue, service_limit: int | None, service_types: frozenset[str] | None = None) -> Rules:
    """Return what a queue accepts, by the largest document (in bytes) and the media types that its service takes."""
    limit = queue.max_size.in_bytes(service_limit)
    types = queue.types if service_types is None else queue.accepted(service_types)
    return Rules(types, queue.min_size_bytes, limit, queue.patience_s)


def pairing_of(settings: Settings, queue: Queue) -> Pairing:
    """Return what a queue expects beside its documents, nothing of it seen yet."""
    needed = settings.connection_of(queue).needs_queue_id
    known = settings.service_queue(queue)[0] is not None or not needed
    return Pairing(
        Custom(
            queue.companion,
            queue.companion_timeout_s,
            queue.ready_marker,
            queue.settle_max_s,
            lambda folder, own: known or (own.queue_id or queue.id_of_folder(folder)) is not None,
        )
    )


def empty_inbox(queue: Queue) -> Inbox:
    """Return an inbox that sorts entries by the rules of a queue, as the daemon's does."""
    return Inbox(
        rules_of(queue, None),  # of the content nothing is judged here
        IgnoreRules(queue.ignore, queue.status_file),
        settle_s=queue.settle_s,
        settle_max_s=queue.settle_max_s,
        recursive=queue.recursive,
        pairing=Pairing(Custom(queue.companion, marker=queue.ready_marker)),
    )
