"""The installed program with a fault of choice: hanging.py HOW WORDS… hangs once, as soon as /run/hang appears.

HOW is `everything` (the event loop stands still), `arrivals` (the loops that look into folders wait for what never
comes, and all else goes on), or `start` (the event loop stands still before the service is ready, and needs no sign).
Runs in the machine, under the Python of the package; a process that starts after the sign does not hang.
"""

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from hotfolder.__main__ import run as main
from hotfolder.arrivals.drop import DropFolder
from hotfolder.pulse import Pulse
from hotfolder.service import Service

SIGN = Path("/run/hang")
HUNG_ONCE = Path("/var/lib/hotfolder/hung-once")
LIMIT_S = 4.0
"""Of one loop, instead of half a minute, so that nobody waits for that."""
BEGUN = time.time()
run, look = Service.run, DropFolder._round


def told() -> bool:
    """Tell whether the sign was given in the life of this process."""
    try:
        return SIGN.stat().st_mtime > BEGUN
    except OSError:
        return False


def stand_still(loop: asyncio.AbstractEventLoop) -> None:
    """Wait for the sign in a thread, then keep the event loop busy with one call."""
    while not told():
        time.sleep(0.02)
    loop.call_soon_threadsafe(time.sleep, 1000)


async def run_until_told(self: Service) -> bool:
    """Run as ever until the sign is given."""
    threading.Thread(target=stand_still, args=(asyncio.get_running_loop(),), daemon=True).start()
    return await run(self)


async def look_until_told(self: DropFolder) -> None:
    """Look into a folder, unless the sign was given: then wait for ever."""
    if told():
        await asyncio.Event().wait()
    await look(self)


async def begin_at_the_second_time(self: Service) -> bool:
    """Stand still before anything is begun, the first time."""
    if not HUNG_ONCE.exists():
        HUNG_ONCE.touch()
        time.sleep(1000)  # noqa: ASYNC251 — blocking is the point
    return await run(self)


def hang_everything() -> None:
    """Prepare for an event loop that stands still."""
    Service.run = run_until_told  # type: ignore[method-assign]


def hang_arrivals() -> None:
    """Prepare for loops of folders that stand still, each."""
    DropFolder._round = look_until_told  # type: ignore[method-assign]
    Pulse.watch.__defaults__ = (*(Pulse.watch.__defaults__ or ())[:-1], LIMIT_S)


def hang_start() -> None:
    """Prepare for a start that stands still."""
    Service.run = begin_at_the_second_time  # type: ignore[method-assign]


KINDS: dict[str, Callable[[], None]] = {
    "everything": hang_everything,
    "arrivals": hang_arrivals,
    "start": hang_start,
}

if __name__ == "__main__":
    KINDS[sys.argv.pop(1)]()
    sys.argv[0] = os.fspath("hotfolder")
    main()
