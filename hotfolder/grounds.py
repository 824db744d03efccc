"""Remember what each folder of a queue stands on, and refuse to work on a bare mount point."""

import errno
import os
from collections.abc import Callable, Iterable

from loguru import logger

from hotfolder import spool
from hotfolder.checks.ground import Standing, bare_mount_point, standing
from hotfolder.model import Ground


class NotMountedError(OSError):
    """The file system of a folder is not mounted; `strerror` says which, and what to do."""


class Grounds:
    """What the folders of one queue stood on when they were last in use.

    Used from the queue's threads; `known` is shared by all queues, since two may file in one archive.
    """

    def __init__(
        self,
        queue: str,
        known: dict[str, Ground],
        note: Callable[[str, Ground], object] = lambda _path, _ground: None,
        forget: Callable[[str], object] = lambda _path: None,
    ) -> None:
        self._queue = queue
        self._known = known
        self._note = note
        self._forget = forget
        self._covered: dict[str, Ground] = {}

    def stand(self, path: str, fd: int, *, there: bool = True) -> None:
        """Compare an open folder with what was known of `path`; raises `NotMountedError`.

        With `there` false the folder does not exist yet and `fd` is the one above it that does: nothing is noted.
        """
        status = os.fstat(fd)
        before = self._known.get(path)
        if before is not None and there and (before.dev, before.ino) == (status.st_dev, status.st_ino):
            return
        now = spool.ground_of(fd)
        if now is None:
            return  # the kernel does not tell: no reason to stop working
        found = standing(os.path.realpath(path), before, now)
        if before is not None and found is Standing.UNMOUNTED and not self._was_covered(path, now):
            raise NotMountedError(errno.ENODEV, bare_mount_point(path, before, self._queue))
        if there and now != before:
            self._take(path, before, now, found)

    def _was_covered(self, path: str, now: Ground) -> bool:
        """Tell whether this is the very folder that another file system was mounted over in this run."""
        under = self._covered.get(path)
        return under is not None and (under.dev, under.ino) == (now.dev, now.ino)

    def _take(self, path: str, before: Ground | None, now: Ground, found: Standing) -> None:
        if found is Standing.COVERED and before is not None:
            self._covered[path] = before
        if found is Standing.UNMOUNTED and before is not None:  # what lay on the covering one went with it
            self.accept(
                [p for p, ground in tuple(self._known.items()) if ground.mount_point == before.mount_point]
            )
        if found not in {Standing.NEW, Standing.SAME}:
            text = "queue {}: {}: {} (was {} at {}, is {} at {}); going on with it as it is now"
            was = ("?", "?") if before is None else (before.fs_type, before.mount_point)
            said = "uncovered again" if found is Standing.UNMOUNTED else found.value
            logger.warning(text, self._queue, path, said, *was, now.fs_type, now.mount_point)
        self._known[path] = now
        self._note(path, now)

    def accept(self, paths: Iterable[str]) -> None:
        """Forget what folders stood on: whatever they stand on next is right."""
        for path in paths:
            self._known.pop(path, None)
            self._covered.pop(path, None)
            self._forget(path)
