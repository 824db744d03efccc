"""Talking to the running daemon."""

import asyncio
import json
import os
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from loguru import logger

from hotfolder.unixsocket import NAME, NoDaemonError, ask, serve

T = TypeVar("T")


async def echo(question: dict[str, Any]) -> dict[str, Any]:
    """Answer with the question; fail on request."""
    if "fail" in question:
        raise ZeroDivisionError("played")
    return {"asked": question}


def with_daemon(state_dir: Path, visit: Callable[[], T]) -> T:
    """Run `visit` in a thread beside a daemon."""

    async def run() -> T:
        server = await serve(state_dir, echo)
        try:
            return await asyncio.wait_for(asyncio.to_thread(visit), 20)
        finally:
            server.close()
            await server.wait_closed()

    return asyncio.run(run())


def say(state_dir: Path, line: bytes) -> bytes:
    """Send raw bytes and return all that comes back."""
    folder = os.open(state_dir, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as to:
        to.settimeout(20)
        to.connect(f"/proc/self/fd/{folder}/{NAME}")
        os.close(folder)
        to.sendall(line)
        answer = b""
        try:
            while piece := to.recv(4096):
                answer += piece
        except ConnectionResetError:
            return answer  # closed before all of the question was read
        return answer


def test_question_and_answer(tmp_path: Path) -> None:
    """A question comes back answered, with any text in it, from several askers one after another."""
    question = {"ask": "why", "file": "/srv/ž\n.pdf"}
    assert (
        with_daemon(tmp_path, lambda: [ask(tmp_path, question) for _ in range(3)])
        == [{"asked": question}] * 3
    )


def test_a_long_path(tmp_path: Path) -> None:
    """A state directory may lie deeper than a Unix address is long."""
    deep = tmp_path / ("x" * 100) / ("y" * 100)
    deep.mkdir(parents=True)
    assert with_daemon(deep, lambda: ask(deep, {"a": 1})) == {"asked": {"a": 1}}


def test_a_stale_socket(tmp_path: Path) -> None:
    """The socket that a killed daemon left is nobody, and is replaced by the next daemon."""
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(tmp_path / NAME))
    left.close()
    with pytest.raises(NoDaemonError):
        ask(tmp_path, {})
    assert with_daemon(tmp_path, lambda: ask(tmp_path, {"a": 1})) == {"asked": {"a": 1}}
    with pytest.raises(NoDaemonError):
        ask(tmp_path, {})


def test_nobody_there(tmp_path: Path) -> None:
    """Without a socket, and without a state directory, no daemon runs."""
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(NoDaemonError):
            ask(folder, {})


def test_only_owner_and_group_may_ask(tmp_path: Path) -> None:
    """The socket is closed to everybody else."""
    mode = with_daemon(tmp_path, lambda: (tmp_path / NAME).stat().st_mode)
    assert stat.S_IMODE(mode) == 0o660


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"hello\n",
        b"\xff\xfe\n",
        b"[1, 2]\n",
        b"5\n",
        b"null\n",
        b'{"a": 1}',
        b"",
        b"x" * 200_000 + b"\n",
        b"[" * 60_000 + b"\n",
    ],
)
def test_garbage_is_not_answered(line: bytes, tmp_path: Path) -> None:
    """What is no question ends its own conversation, is no error of the daemon, and holds up nobody."""
    problems: list[str] = []

    def visit() -> tuple[bytes, dict[str, Any]]:
        folder = os.open(tmp_path, os.O_RDONLY)
        with socket.socket(socket.AF_UNIX) as to:
            to.settimeout(20)
            to.connect(f"/proc/self/fd/{folder}/{NAME}")
            os.close(folder)
            to.sendall(line)
            to.shutdown(socket.SHUT_WR)
            try:
                heard = to.recv(4096)
            except ConnectionResetError:
                heard = b""
        return heard, ask(tmp_path, {"a": 1})

    async def run() -> tuple[bytes, dict[str, Any]]:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: problems.append(str(context)))
        server = await serve(tmp_path, echo)
        try:
            return await asyncio.wait_for(asyncio.to_thread(visit), 20)
        finally:
            server.close()
            await server.wait_closed()

    sink = logger.add(lambda message: problems.append(str(message)), level="WARNING")
    try:
        assert asyncio.run(run()) == (b"", {"asked": {"a": 1}})
    finally:
        logger.remove(sink)
    assert problems == []


def test_a_daemon_that_fails_to_answer_says_so(tmp_path: Path) -> None:
    """The asker hears of a failure, and the next question is answered."""
    failed, fine = with_daemon(tmp_path, lambda: (ask(tmp_path, {"fail": 1}), ask(tmp_path, {"a": 1})))
    assert "ZeroDivisionError: played" in failed["error"]
    assert fine == {"asked": {"a": 1}}


def test_one_question_a_line(tmp_path: Path) -> None:
    """The protocol is one JSON line each way."""
    heard = with_daemon(tmp_path, lambda: say(tmp_path, b'{"a": 1}\n'))
    assert heard.endswith(b"\n")
    assert json.loads(heard) == {"asked": {"a": 1}}


@pytest.mark.parametrize("answer", [b"", b'{"half": '])
def test_an_answer_that_breaks_off(answer: bytes, tmp_path: Path) -> None:
    """A daemon that ends in the middle of its answer is an OSError, not a riddle of JSON."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / NAME))
        listening.listen()

        def serve_once() -> None:
            visitor, _ = listening.accept()
            with visitor:
                visitor.recv(4096)
                visitor.sendall(answer)

        thread = threading.Thread(target=serve_once)
        thread.start()
        with pytest.raises(ConnectionResetError):
            ask(tmp_path, {})
        thread.join()


def test_a_daemon_that_is_silent(tmp_path: Path) -> None:
    """A daemon that does not answer in time is an OSError too."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / NAME))
        listening.listen()
        with pytest.raises(TimeoutError):
            ask(tmp_path, {}, timeout_s=0.05)
