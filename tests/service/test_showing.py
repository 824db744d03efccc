"""What is there to be seen of a daemon: its loops, and what the journal and its disk hold."""

import asyncio
from pathlib import Path

import pytest

from hotfolder.journal import Entry, Journal, JournalError
from hotfolder.metrics import Counts, Facts
from hotfolder.model import State
from hotfolder.pulse import Pulse
from hotfolder.service import SystemClock, Works
from hotfolder.service.showing import stored, views_of
from hotfolder.settings import load_settings
from hotfolder.states import Event
from tests.builders import NOW, delivered


def test_what_is_stored(journal: Journal, tmp_path: Path) -> None:
    """Tallies by queue and outcome, sizes in bytes, read beside the daemon's own connection."""
    assert stored(tmp_path / "state").filed == {}
    for queue in ("a", "a", "b"):
        made = delivered(queue=queue)
        journal.record(Entry(made, Event.DELIVER, NOW), None).result(20)
        filed = delivered(queue=queue, upload_id=made.upload_id, state=State.FILED, filed_at=NOW)
        journal.record(Entry(filed, Event.FILE, NOW), State.DELIVERED).result(20)
    found = stored(tmp_path / "state")
    assert found.filed == {("a", "done"): 2, ("b", "done"): 1}
    assert found.rejected == {}
    assert found.journal_bytes
    assert found.journal_bytes > 4096
    assert found.free_bytes


def test_a_journal_that_is_not_there(tmp_path: Path) -> None:
    """It is said, and nothing is made."""
    with pytest.raises(JournalError):
        stored(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_every_loop_is_shown(tmp_path: Path, journal: Journal) -> None:
    """Those of the program and those of its configuration, with how long each has been stuck."""
    config = tmp_path / "config.yaml"
    config.write_text(
        f"state_dir: {tmp_path}/state\nroot: {tmp_path}\nconnections: {{g: {{backend: digitoo, token: x}}}}\n"
        "queues: {q: {connection: g, queue_id: 1}}\n"
    )
    clock = SystemClock()
    now = 0.0
    pulse = Pulse(lambda: now)

    async def look() -> Facts:
        nonlocal now
        works = Works(load_settings(config, {}), journal, clock, "run")
        views = views_of(lambda: works, asyncio.sleep, dict, pulse, Counts())  # type: ignore[arg-type]
        pulse.watch("journal").works()
        works.pulse.watch("arrivals of q")
        now = 100.0
        found = await views.facts()
        await works.stop(1.0)
        return found

    found = asyncio.run(look())
    assert found.stalled_s == {"journal": 100.0, "arrivals of q": 0.0}
    assert [queue.name for queue in found.queues] == ["q"]
