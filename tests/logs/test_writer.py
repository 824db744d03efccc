"""Lines that nobody reads hold nobody up."""

import os
import time
from collections.abc import Iterator

import pytest

from hotfolder.logs.writer import MOST_BYTES, Writer
from tests.e2e.harness import wait_for

Pipe = tuple[int, int]


def lost(number: int) -> str:
    """Tell of lost lines."""
    return f"{number} lost\n"


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe: the end to read, the end to write."""
    read, write = os.pipe()
    yield read, write
    for end in (read, write):
        try:
            os.close(end)
        except OSError:
            continue


def everything(read: int, end: str) -> str:
    """Read until a text has come."""
    found = ""
    while not found.endswith(end):
        found += os.read(read, 1 << 16).decode()
    return found


def test_lines_come_in_their_order(pipe: Pipe) -> None:
    """What is put is written, and `flush` knows when."""
    writer = Writer(pipe[1], lost)
    for number in range(1000):
        writer.put(f"{number}\n")
    assert writer.flush(30)
    assert everything(pipe[0], "999\n").split() == [str(number) for number in range(1000)]


def test_a_full_pipe_blocks_nobody(pipe: Pipe) -> None:
    """Where nobody drains it, lines wait up to a bound, the rest is counted, and the count is told later."""
    writer = Writer(pipe[1], lost)
    line = "x" * 1023 + "\n"
    many = 3 * MOST_BYTES // len(line)
    began = time.monotonic()
    for _ in range(many):
        writer.put(line)
    assert not writer.flush(0.05)
    assert time.monotonic() - began < 20
    assert MOST_BYTES <= writer._taken <= MOST_BYTES + 2 * len(line)
    kept = writer._taken // len(line)
    got = ""
    while got.count("\n") < kept:
        got += os.read(pipe[0], 1 << 16).decode()
    assert writer.flush(30)
    writer.put("after\n")
    assert everything(pipe[0], "after\n") == f"{many - kept} lost\nafter\n"


def test_a_reader_that_went_away_is_survived(pipe: Pipe) -> None:
    """A broken pipe ends neither the writer nor the program."""
    os.close(pipe[0])
    writer = Writer(pipe[1], lost)
    writer.put("a\n")
    writer.put("b\n")
    assert writer.flush(30)
    assert writer._failed >= 2


def test_a_descriptor_that_does_not_block_is_waited_for(pipe: Pipe) -> None:
    """Somebody else may have made the pipe non-blocking: no line is lost or torn."""
    os.set_blocking(pipe[1], False)
    writer = Writer(pipe[1], lost)
    writer.put("x" * 300_000 + "\n")
    writer.put("end\n")
    assert everything(pipe[0], "end\n") == "x" * 300_000 + "\nend\n"


def test_a_full_disk_is_survived() -> None:
    """Lines that find no room are counted, and the next one that does tells how many."""
    full = os.open("/dev/full", os.O_WRONLY)
    read, write = os.pipe()
    writer = Writer(full, lost)
    try:
        writer.put("a\n")
        writer.put("b\n")
        wait_for(lambda: writer._failed - writer._told == 2, 30)
        os.dup2(write, full)  # room again
        writer.put("c\n")
        assert everything(read, "c\n") == "2 lost\nc\n"
    finally:
        for end in (full, read, write):
            os.close(end)


def test_what_was_torn_stays_a_line_of_its_own(pipe: Pipe) -> None:
    """Half a record is not joined by the next one."""
    writer = Writer(pipe[1], lost)
    writer._torn = True
    writer._write(b"next\n")
    assert os.read(pipe[0], 100) == b"\nnext\n"
    assert not writer._torn


def test_without_standard_error_nothing_is_written() -> None:
    """A number that is not standard error's is never written to: it may be a document's."""
    writer = Writer(None, lost)
    writer.put("a\n")
    assert writer.flush(0)
    assert writer._thread is None
