"""A daemon in a scene, which is asked how it fares, stopped and started again."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

from hotfolder.unixsocket import NoDaemonError, ask
from tests.e2e.harness import wait_for
from tests.guarantees.scene import Scene


class Daemon:
    """`hotfolder run` on the folders of a scene."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        with scene.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "hotfolder", "run", "-c", str(scene.config)], stderr=log
            )

    def queue(self) -> dict[str, Any]:
        """Return the state of the queue, an empty one while nobody answers."""
        with suppress(NoDaemonError, OSError):
            queue: dict[str, Any] = ask(self.scene.state, {"ask": "status"})["queues"][0]
            return queue
        assert self.process.poll() is None, self.scene.log.read_text()
        return {}

    def ready(self) -> None:
        """Wait for the first scan."""
        wait_for(lambda: self.queue().get("last_scan"), 30, "the first scan")

    def says(self, *words: str) -> None:
        """Wait until the reason of the queue has one of the words, whatever its state."""
        wait_for(
            lambda: any(word in (self.queue().get("reason") or "") for word in words),
            20,
            f"{words} in the reason; it is {self.queue()}",
        )

    def settled(self, within_s: float = 60) -> None:
        """Wait until all that was dropped rests where it must, once."""
        with suppress(AssertionError):
            wait_for(lambda: not self.scene.wrongs(), within_s)
        assert self.scene.wrongs() == [], self.scene.log.read_text()[-3000:]

    def kill(self) -> None:
        """End it as a power switch would end a process."""
        self.process.kill()
        self.process.wait()


@contextmanager
def daemon(scene: Scene, *, ready: Callable[[Daemon], None] = Daemon.ready) -> Iterator[Daemon]:
    """Have a daemon for the length of a block."""
    made = Daemon(scene)
    try:
        ready(made)
        yield made
    finally:
        made.kill()
