"""Notice when the hours of a queue begin and end."""

import math
from collections.abc import Sequence

from loguru import logger

from hotfolder.model import Clock
from hotfolder.pipeline.line import Line

_MINUTE_S = 60.0


class Hours:
    """The schedules of the queues of one connection; they open and close with a minute of the wall clock."""

    def __init__(self, lines: Sequence[Line], clock: Clock) -> None:
        self._clock = clock
        self._open = {line: True for line in lines if line.queue.schedule is not None}

    def turned(self) -> tuple[list[Line], list[Line]]:
        """Return the queues that have opened, and those that have closed, since this was asked last."""
        turned = [line for line, was in self._open.items() if line.open_now is not was]
        for line in turned:
            self._open[line] = opens = not self._open[line]
            text = "its schedule begins" if opens else line.off_hours or "its schedule ends"
            logger.info("queue {}: {}", line.queue.name, text)
        return [line for line in turned if self._open[line]], [
            line for line in turned if not self._open[line]
        ]

    def next_in(self) -> float:
        """Return the seconds until the next full minute, which also shows that the clock was put elsewhere."""
        if not self._open:
            return math.inf
        return _MINUTE_S - self._clock.wall() % _MINUTE_S
