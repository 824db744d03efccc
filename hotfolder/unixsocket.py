"""Let the other commands talk to the running daemon: one JSON line each way over a Unix socket.

The socket lies in the state directory, so that whoever may read the journal may ask. Its path goes
through /proc/self/fd, because a Unix address holds at most 107 bytes and a state directory may be deeper.
"""

import asyncio
import json
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from loguru import logger

NAME = "control.sock"
_LONGEST_LINE = 1 << 16
_PATIENCE_S = 10.0
"""For a question to come in; our own commands send it at once."""
Answering = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]


class NoDaemonError(Exception):
    """Nobody listens: no daemon is running on this state directory."""


async def serve(state_dir: Path, answer: Answering) -> asyncio.Server:
    """Listen and answer; the caller holds the lock of the state directory and closes the server."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_PATIENCE_S):
                question = _question(await reader.readuntil(b"\n"))
            writer.write(json.dumps(await _answered(answer, question)).encode() + b"\n")
            await writer.drain()
        except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as problem:
            logger.debug("a question of another command came to nothing: {}", problem)
        finally:
            writer.close()

    folder = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with suppress(FileNotFoundError):
            os.unlink(NAME, dir_fd=folder)
        listening = socket.socket(
            socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        )
        listening.bind(f"/proc/self/fd/{folder}/{NAME}")
        os.chmod(NAME, 0o660, dir_fd=folder)
    finally:
        os.close(folder)
    return await asyncio.start_unix_server(converse, sock=listening, limit=_LONGEST_LINE)


def _question(line: bytes) -> dict[str, Any]:
    try:
        question = json.loads(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(question, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 — it is the text that is wrong
    return question


async def _answered(answer: Answering, question: dict[str, Any]) -> dict[str, Any]:
    try:
        return await answer(question)
    except Exception as problem:  # noqa: BLE001 — the asker must hear of it, and the daemon goes on
        logger.opt(exception=problem).error("a question of another command could not be answered")
        return {"error": f"the daemon failed to answer: {type(problem).__name__}: {problem}"}


def ask(state_dir: Path, question: dict[str, Any], timeout_s: float = 10.0) -> dict[str, Any]:
    """Ask the daemon of a state directory; raises `NoDaemonError`, or OSError where it does not answer."""
    try:
        folder = os.open(state_dir, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as problem:
        raise NoDaemonError(str(problem)) from problem
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as to:
            to.settimeout(timeout_s)
            try:
                to.connect(f"/proc/self/fd/{folder}/{NAME}")
            except (FileNotFoundError, ConnectionRefusedError) as problem:
                raise NoDaemonError(str(problem)) from problem
            to.sendall(json.dumps(question).encode() + b"\n")
            with to.makefile("rb") as answers:
                line = answers.readline()
            if not line.endswith(b"\n"):
                raise ConnectionResetError("the daemon broke off its answer; ask again")
            found: dict[str, Any] = json.loads(line)
            return found
    finally:
        os.close(folder)
