"""How the drop folders of a configuration are watched."""

from loguru import logger

from hotfolder.arrivals import Habits, Watch, WatchError
from hotfolder.companions import form_of
from hotfolder.settings import Queue, Settings
from hotfolder.status.places import own_folders

_POLL_S = 2.0
"""Time between two looks at a folder without events: peers' defaults lie between 0.5 s and 30 s."""


def watch_for(settings: Settings) -> Watch | None:
    """Open the kernel's events where any queue wants them: instances are few (fs.inotify.max_user_instances)."""
    if all(queue.poll == "always" for queue in settings.queues.values()):
        return None
    watch = Watch(at_once=False)
    try:
        watch.open()
    except WatchError as problem:
        logger.warning("{}; all queues are polled until there is one", problem)
    return watch


def habits_of(queue: Queue) -> Habits:
    """Return how a queue's drop folder is looked at."""
    return Habits(
        name=queue.name,
        path=str(queue.folder),
        poll=queue.poll,
        interval_s=queue.poll_interval_s or _POLL_S,
        rescan_s=queue.rescan_s,
        recursive=queue.recursive,
        own_folders=own_folders(queue),
        companion_form=form_of(queue.companion) if queue.companion else None,
    )
