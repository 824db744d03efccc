"""Listening to the kernel."""

import os
import queue
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent

from hotfolder.arrivals.watch import Hint, Watch, WatchError
from tests.builders import DEADLINE_S


@pytest.fixture
def watch() -> Iterator[Watch]:
    """The inotify descriptor."""
    made = Watch()
    yield made
    made.close()
    assert not made.alive


def heard_until(hints: "queue.Queue[Hint]", wanted: Callable[[Hint], bool]) -> Hint:
    """Return the first hint that is wanted; fails after the deadline."""
    while True:
        hint = hints.get(timeout=DEADLINE_S)
        if wanted(hint):
            return hint


def listen(watch: Watch, folder: Path) -> "queue.Queue[Hint]":
    """Watch a folder and return where its hints arrive."""
    hints: queue.Queue[Hint] = queue.Queue()
    watch.add(os.fsencode(folder), b"", hints.put)
    return hints


def test_a_closed_file_is_said_to_be_closed(watch: Watch, tmp_path: Path) -> None:
    """Closing after a write, and renaming in, may complete a document; creating may not."""
    hints = listen(watch, tmp_path)
    (tmp_path / "a.pdf").write_bytes(b"x")
    assert hints.get(timeout=DEADLINE_S) == Hint(b"", b"a.pdf", rescan=False)
    assert heard_until(hints, lambda h: h.closed).name == b"a.pdf"
    (tmp_path / "a.pdf").rename(tmp_path / "b.pdf")
    assert heard_until(hints, lambda h: h.name == b"b.pdf").closed


def test_a_hard_link_is_heard(watch: Watch, tmp_path: Path) -> None:
    """OpenSSH's SFTP rename makes nothing but CREATE on the final name."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/a").write_bytes(b"x")
    (tmp_path / "in").mkdir()
    hints = listen(watch, tmp_path / "in")
    os.link(tmp_path / "outside/a", tmp_path / "in/a.pdf")
    assert hints.get(timeout=DEADLINE_S).name == b"a.pdf"


def test_a_name_that_is_no_utf_8_is_heard_as_it_is(watch: Watch, tmp_path: Path) -> None:
    """Names are bytes."""
    hints = listen(watch, tmp_path)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.pdf")).touch()
    assert hints.get(timeout=DEADLINE_S).name == b"\xff.pdf"


def test_a_rename_out_holds_nothing_back(watch: Watch, tmp_path: Path) -> None:
    """The next event arrives at once; watchdog's own observers would hold it back for half a second."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.pdf").touch()
    hints = listen(watch, tmp_path / "in")
    (tmp_path / "in/a.pdf").rename(tmp_path / "a.pdf")
    (tmp_path / "in/b.pdf").touch()
    assert hints.get(timeout=0.4).name == b"b.pdf"


def test_a_folder_asks_for_a_wider_look(watch: Watch, tmp_path: Path) -> None:
    """What is in a folder that appeared was not heard."""
    hints = listen(watch, tmp_path)
    (tmp_path / "folder").mkdir()
    assert hints.get(timeout=DEADLINE_S) == Hint(b"", b"folder", rescan=True)


def test_a_deleted_folder_is_lost(watch: Watch, tmp_path: Path) -> None:
    """Whoever listens hears that it hears nothing more."""
    (tmp_path / "in").mkdir()
    hints = listen(watch, tmp_path / "in")
    (tmp_path / "in").rmdir()
    assert heard_until(hints, lambda h: h.lost).rescan


def test_an_overflow_is_told_to_everybody(watch: Watch, tmp_path: Path) -> None:
    """Events were lost: each folder must be scanned."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    heard = [listen(watch, folder) for folder in folders]
    overflow = InotifyEvent(-1, InotifyConstants.IN_Q_OVERFLOW, 0, b"")  # type: ignore[arg-type]
    watch._reader.handle_event(overflow)
    assert [hints.get(timeout=DEADLINE_S) for hints in heard] == [Hint(b"", b"", rescan=True)] * 2


def test_a_listener_whose_loop_has_ended_does_not_end_the_reader(watch: Watch, tmp_path: Path) -> None:
    """At the program's end events still come in."""

    def closed(_: Hint) -> None:
        raise RuntimeError("Event loop is closed")

    (tmp_path / "ended").mkdir()
    watch.add(os.fsencode(tmp_path / "ended"), b"", closed)
    (tmp_path / "ended/a").touch()
    (tmp_path / "alive").mkdir()
    hints = listen(watch, tmp_path / "alive")
    (tmp_path / "alive/b").touch()
    assert hints.get(timeout=DEADLINE_S).name == b"b"
    assert watch.alive


def test_a_folder_that_is_not_there_is_an_error(watch: Watch, tmp_path: Path) -> None:
    """The message names it, and `gone` tells it from a limit of the system."""
    with pytest.raises(WatchError, match="nowhere") as raised:
        watch.add(os.fsencode(tmp_path / "nowhere"), b"", lambda _: None)
    assert raised.value.gone


def test_a_removed_watch_says_nothing_more(watch: Watch, tmp_path: Path) -> None:
    """Removing it twice is no error."""
    hints: queue.Queue[Hint] = queue.Queue()
    key = watch.add(os.fsencode(tmp_path), b"", hints.put)
    watch.remove(key)
    watch.remove(key)
    (tmp_path / "a").touch()
    (tmp_path / "folder").mkdir()
    other = listen(watch, tmp_path / "folder")
    (tmp_path / "folder/b").touch()
    assert other.get(timeout=DEADLINE_S).name == b"b"
    assert all(hint.lost for hint in list(hints.queue))


def test_a_thousand_small_writes_are_a_few_hints(watch: Watch, tmp_path: Path) -> None:
    """A file that is being written is told of a few times a second, and at once when it is closed."""
    hints = listen(watch, tmp_path)
    with (tmp_path / "a.pdf").open("wb", buffering=0) as file:
        for _ in range(1000):
            file.write(b"x")
            os.sched_yield()
    heard: list[Hint] = []
    heard_until(hints, lambda h: heard.append(h) or h.closed)  # type: ignore[func-returns-value]
    assert len(heard) < 50
