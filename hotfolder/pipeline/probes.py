"""Look whether what closed a gate is mended, so that no document has to find it out."""

from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from hotfolder import claims
from hotfolder.backends.base import Backend, Scope, Unauthorized
from hotfolder.delivery import Trouble, trouble_of
from hotfolder.pipeline.gates import Gates, probe
from hotfolder.pipeline.line import Line
from hotfolder.retry import Gate


@dataclass(frozen=True, slots=True)
class Ways:
    """What probes need of their connection."""

    backend: Backend
    gates: Gates
    trouble: Callable[[Line, Trouble], None]
    """Closes the gate that a trouble concerns."""
    on_wire: Callable[[Callable[[], Any]], Coroutine[Any, Any, Any]]
    on_disk: Callable[[Line, Callable[[], Any]], Coroutine[Any, Any, Any]]


class Probes:
    """The probes of one connection and of its queues: one of each at a time."""

    def __init__(self, ways: Ways, lines: Sequence[Line]) -> None:
        self.of_all = False
        """Whether the connection itself is being probed: nothing else is sent meanwhile."""
        self._ways = ways
        self._lines = lines
        self._under_way: set[Line] = set()

    def of_connection(self) -> Coroutine[Any, Any, None]:
        """Return the work of probing the connection by its log-in alone: a wrong queue is that queue's own trouble."""
        self.of_all = True
        return self._connection()

    def of_lines(self, now: float) -> Iterator[Coroutine[Any, Any, None]]:
        """Yield the work of probing each queue whose back-off is over (`now` is monotonic)."""
        for line in self._lines:
            if line.gate.closed_until > now or line in self._under_way:
                continue
            if line.gate.paused:
                self._under_way.add(line)
                yield self._line(line)
            elif line.claim_trouble and not line.drop.inbox.ready and line.drop.folders is not None:
                self._under_way.add(line)
                yield self._disk(line)

    async def _connection(self) -> None:
        try:
            await self._ask(None, ())
        finally:
            self.of_all = False

    async def _line(self, line: Line) -> None:
        try:
            await self._ask(line, _ids(line))
        finally:
            self._under_way.discard(line)

    async def _ask(self, line: Line | None, queue_ids: tuple[str, ...]) -> None:
        """Ask the service whether what caused a pause is mended; if so one document may go."""
        told = await self._ways.on_wire(lambda: probe(self._ways.backend, queue_ids))
        if told is None:
            self._ways.gates.half_open(line)
            return
        pause = isinstance(told, Unauthorized)
        trouble = replace(trouble_of(told), pause=pause, scope=Scope.QUEUE if line else Scope.CONNECTION)
        self._ways.trouble(line or self._lines[0], trouble)

    async def _disk(self, line: Line) -> None:
        """Try whether the work folder can be written again, while no document is there to find it out."""
        try:
            folders = line.folders
            await self._ways.on_disk(line, lambda: claims.try_out(folders))
            line.claim_trouble = None
            line.gate = Gate()
        except OSError as problem:
            self._ways.trouble(line, Trouble(f"{line.claim_trouble or problem}", scope=Scope.QUEUE))
        finally:
            self._under_way.discard(line)


def _ids(line: Line) -> tuple[str, ...]:
    """Return the service's queues that the settings name for a queue: any of them may be what is wrong."""
    first = (line.origin.queue_id,) if line.origin.queue_id else ()
    more = () if line.origin.id_source == "override" else line.queue.queue_ids.values()
    return tuple(dict.fromkeys((*first, *more)))
