"""Paths that do not answer are left out; a FIFO that nobody writes to stands for a share that hangs."""

import os
import threading
import time
from pathlib import Path

import pytest

from hotfolder.answering import answers, real_paths

QUICK_S = 0.3


def looked_into(path: Path) -> bytes:
    """Read a file; one that is a FIFO keeps its reader until somebody writes."""
    with open(path, "rb", buffering=0) as file:
        return file.read()


def test_every_answer_is_returned(tmp_path: Path) -> None:
    """Where all answer each is asked once, in one thread."""
    threads = set()

    def ask(number: int) -> int:
        threads.add(threading.get_ident())
        return number * number

    assert answers(ask, [3, 1, 2, 3]) == {3: 9, 1: 1, 2: 4}
    assert len(threads) == 1
    assert answers(ask, []) == {}


def test_who_does_not_answer_is_left_out(tmp_path: Path) -> None:
    """One silent path costs one wait and takes what lies below it along; all others are answered."""
    silent = tmp_path / "silent"
    os.mkfifo(silent)
    near = [tmp_path / f"near{number}" for number in range(3)]
    for path in near:
        path.write_bytes(path.name.encode())
    began = time.monotonic()
    found = answers(looked_into, [near[0], silent, silent / "below", near[1], near[2]], QUICK_S)
    assert found == {path: path.name.encode() for path in near}
    assert QUICK_S <= time.monotonic() - began < 20
    with open(silent, "wb"):  # lets the reader go
        pass


def test_slow_answers_are_waited_for() -> None:
    """Each answer has its time: many that are slow together are no silence."""
    began = time.monotonic()
    pause = threading.Event()
    found = answers(lambda number: pause.wait(QUICK_S / 2) or number, range(5), QUICK_S * 10)
    assert list(found) == [0, 1, 2, 3, 4]
    assert time.monotonic() - began >= QUICK_S * 2


def test_a_fault_is_raised_where_it_was_asked() -> None:
    """What `ask` raises reaches the caller."""
    with pytest.raises(ZeroDivisionError):
        answers(lambda number: 1 // number, [1, 0])


def test_links_are_followed(tmp_path: Path) -> None:
    """Two names of one folder have one real path, and one that does not exist has its own."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("folder")
    found = real_paths([tmp_path / "link", tmp_path / "folder", tmp_path / "nowhere"])
    assert found[tmp_path / "link"] == found[tmp_path / "folder"] == (tmp_path / "folder").resolve()
    assert found[tmp_path / "nowhere"] == tmp_path.resolve() / "nowhere"
