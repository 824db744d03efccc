"""Decide when `once` is over, and with which exit status (pure: looks at what the queues know of themselves)."""

from dataclasses import dataclass

from hotfolder import status
from hotfolder.arrivals import NOT_LOOKED_AT
from hotfolder.model import FINAL, State
from hotfolder.pipeline import Line
from hotfolder.service.works import Works


@dataclass(frozen=True, slots=True)
class Outcome:
    """How `once` ended: its exit status and one sentence."""

    code: int
    text: str


def verdict(works: Works, deadline: float | None, stopped: bool) -> Outcome | None:  # noqa: FBT001 — a fact
    """Decide whether `once` is over, and with which exit status; a queue that is stuck does not keep the others."""
    stuck: list[str] = []
    busy = False
    for lane, line in works.lines():
        state, reason = status.state_of(lane, line)
        if state in {"paused", "stopped"} or (state == "offline" and reason != NOT_LOOKED_AT):
            stuck.append(f"queue {line.queue.name} is {state}: {reason}")
            final = (j for j in line.carried.values() if j.state in FINAL)
            busy = busy or line.batching.due or any(j.upload_id not in line.parked for j in final)
        elif not line.open_now and _waits_for_its_hours(line):
            stuck.append(f"queue {line.queue.name}: {reason}")
        elif line.parked and not _busy(line):
            stuck.append(f"queue {line.queue.name}: {line.filing_trouble}")
        else:
            busy = busy or not line.drop.scans or _busy(line)
    if not busy and stuck:
        return Outcome(3, "; ".join(stuck))
    if not busy:
        return _sum(works)
    if deadline is not None and works.clock.monotonic() >= deadline:
        return Outcome(4, "not everything was filed in time")
    return Outcome(4, "stopped before everything was filed") if stopped else None


def _sum(works: Works) -> Outcome:
    lines = [line for _, line in works.lines()]
    done, failed = (sum(line.filed[area] for line in lines) for area in ("done", "failed"))
    held = sum(j.held for line in lines for j in line.carried.values())
    missing, stuck = sum(len(line.missing) for line in lines), sum(len(line.stuck) for line in lines)
    if failed or held or missing or stuck:
        text = f"{failed} failed, {held} uncertain, {missing} missing, {stuck} stuck, {done} done"
        return Outcome(1, text)
    return Outcome(0, f"{done} done")


def _waits_for_its_hours(line: Line) -> bool:
    """Tell whether documents wait for a queue to open, and nothing else goes on in it."""
    working = any(
        j.state is not State.DEFERRED and not j.held and j.upload_id not in line.parked
        for j in line.carried.values()
    )
    looking = not line.drop.scans or line.drop.behind
    return _busy(line) and not working and not looking


def _busy(line: Line) -> bool:
    working = any(not j.held and j.upload_id not in line.parked for j in line.carried.values())
    return working or line.batching.due or line.drop.behind or bool(line.drop.inbox.counts()["waiting"])
