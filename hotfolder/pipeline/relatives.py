"""Gather what journal and disk tell of the documents before a fresh one, and keep twins waiting for their first."""

import os
from collections.abc import Sequence

from hotfolder import spool
from hotfolder.checks.names import printable
from hotfolder.claims import digest_of, work_name
from hotfolder.kinship import Kin, Known, Policy, continued, failed_before, related
from hotfolder.logs import log_of
from hotfolder.model import Journey, State
from hotfolder.pipeline.line import Line
from hotfolder.pipeline.recorder import Recorder


def recall(recorder: Recorder, line: Line, journey: Journey) -> Known:
    """Return what is known of the documents before a claimed one; blocks.

    Raises OSError, or what the journal raises, where they cannot be read.
    """
    same_content = recorder.same_content(journey)
    same_name = recorder.same_name(journey)
    before = failed_before(journey, same_content)
    earlier = continued(journey, same_name)
    return Known(
        same_content,
        left_failed=before is not None and _left(str(line.queue.failed), before),
        same_name=same_name,
        continues=earlier is not None and _continues(line.folders, journey, earlier),
    )


def place(line: Line, journey: Journey, known: Known, now: float) -> Kin:
    """Take note of what a document is to the ones before it and beside it (`now` in seconds since 1970)."""
    policy = Policy(line.queue.duplicates, line.queue.duplicates_within_s)
    kin = related(journey, known, line.carried.values(), policy, now)
    line.carried[journey.upload_id] = kin.journey
    _announce(line, kin)
    return kin


def _left(failed: str, journey: Journey) -> bool:
    """Tell whether a filed document is not in failed/ any more; one that cannot be looked for may be there."""
    try:
        top = spool.open_folder(os.path.realpath(failed))
    except OSError:
        return False
    try:
        with spool.below(top, journey.folder) as folder:
            spool.look(journey.filed_name or journey.name, folder)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    finally:
        os.close(top)
    return False


def _continues(folders: spool.Folders, journey: Journey, earlier: Journey) -> bool:
    """Tell whether a claimed document begins with all bytes of an earlier one, by the SHA-256 of that."""
    fd, _ = spool.open_document(work_name(journey), folders.work)
    try:
        return digest_of(fd, earlier.stamp.size) == earlier.sha256
    finally:
        os.close(fd)


def _announce(line: Line, kin: Kin) -> None:
    """Say what an operator should know of a document at once, and let the queue learn from a writer's pause."""
    if kin.told is None or kin.pause_s is None:
        return
    log_of(kin.journey).warning("queue {}: {}: {}", line.queue.name, printable(kin.journey.name), kin.told)
    gap_s = kin.pause_s + line.drop.inbox.window_s  # it was quiet for the window before it was ready
    # A window that ends before the pause does would make everybody wait and help nobody.
    if gap_s < line.queue.settle_max_s and line.drop.inbox.learn(gap_s):
        line.drop.learned()


class Twins:
    """Claimed documents whose content is under way already, by the upload id of the one that they wait for."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[tuple[Line, Journey]]] = {}
        self._held: set[str] = set()
        """Upload ids of those that wait: who goes next is asked about each of them, again and again."""

    def wait(self, line: Line, kin: Kin) -> None:
        """Keep a document until the one that it waits for is settled."""
        self._waiting.setdefault(kin.waits_for or "", []).append((line, kin.journey))
        self._held.add(kin.journey.upload_id)

    def holds(self, upload_id: str) -> bool:
        """Tell whether a document waits here."""
        return upload_id in self._held

    def settled(self) -> list[tuple[Line, Journey]]:
        """Take out those whose first is final or gone, to be judged anew."""
        over = [first for first, twins in self._waiting.items() if _is_settled(first, twins[0][0])]
        return self._taken(over)

    def leave(self, lines: Sequence[Line]) -> list[tuple[Line, Journey]]:
        """Take out the documents of some queues."""
        mine = [first for first, twins in self._waiting.items() if twins[0][0] in lines]
        return self._taken(mine)

    def _taken(self, firsts: list[str]) -> list[tuple[Line, Journey]]:
        twins = [twin for first in firsts for twin in self._waiting.pop(first)]
        self._held.difference_update(journey.upload_id for _, journey in twins)
        return twins


def _is_settled(first: str, line: Line) -> bool:
    known = line.carried.get(first)
    return known is None or known.state in {State.CLAIMED, State.DELIVERED, State.REFUSED}
