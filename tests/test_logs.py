"""What is written to standard error, in processes of their own: loguru has one set-up a process."""

import json
import os
import re
import subprocess
import sys

import pytest

BEGIN = """\
import logging
from loguru import logger
from hotfolder.logs import set_up
set_up({level!r}, {form!r})"""
FORGED = "scan.pdf\n2026-01-01 00:00:00.000 ERROR   queue x is paused\r\x1b[31m"


def run(
    form: str, code: str, level: str = "INFO", *, closed: bool = False, environ: dict[str, str] | None = None
) -> str:
    """Run some lines after `set_up` and return standard error; standard output must say "alive"."""
    program = f"{BEGIN.format(level=level, form=form)}\n{code}\nprint('alive')"
    command = [sys.executable, "-c", program]
    shell = ["sh", "-c", 'exec "$@" 2>&-', "sh", *command] if closed else command
    done = subprocess.run(shell, capture_output=True, text=True, check=True, timeout=60, env=environ)
    assert done.stdout == "alive\n"
    return done.stderr


def test_text() -> None:
    """A line of text holds time, level and message."""
    lines = run("text", "logger.info('queue {}: {}', 'a', 1)").splitlines()
    assert len(lines) == 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} INFO    queue a: 1", lines[0])


@pytest.mark.parametrize("form", ["text", "journal"])
def test_no_name_forges_a_line(form: str) -> None:
    """A line break in a message cannot begin a line that looks like another message, nor move the cursor."""
    lines = run(form, f"logger.info('claimed: {{}}', {FORGED!r})").split("\n")[:-1]
    begin = r"\d{4}-" if form == "text" else r"<\d>\S"
    assert [bool(re.match(begin, line)) for line in lines] == [True, False]
    assert all(line.isprintable() for line in lines)


def test_json_is_one_object_a_line() -> None:
    """In JSON every message is one line, with its break and its extra facts inside."""
    lines = run("json", f"logger.bind(queue='ž').warning({FORGED!r})").splitlines()
    assert len(lines) == 1
    found = json.loads(lines[0])
    assert (found["level"], found["message"], found["queue"]) == ("WARNING", FORGED.rstrip(), "ž")


@pytest.mark.parametrize("form", ["text", "json", "journal"])
def test_text_that_utf_8_cannot_hold(form: str) -> None:
    """A lone surrogate in a message costs neither the message nor the program."""
    assert "before" in run(form, r"logger.info('before \ud800 after')")


def test_priorities() -> None:
    """The journal gets each line with its priority, a traceback's lines too."""
    code = "logger.error('bad')\ntry: 1 / 0\nexcept ZeroDivisionError: logger.exception('worse')"
    said = run("journal", code + "\nlogger.warning('hm')")
    lines = said.splitlines()
    assert lines[0] == "<3>bad"
    assert lines[-1] == "<4>hm"
    assert all(line.startswith("<3>") for line in lines[:-1])
    assert any("ZeroDivisionError" in line for line in lines)


def test_journald_is_recognised() -> None:
    """Where standard error is journald's stream, text becomes journald's form."""
    read, write = os.pipe()
    status = os.fstat(write)
    environ = {**os.environ, "JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
    program = BEGIN.format(level="INFO", form="text") + "\nlogger.info('hello')"
    subprocess.run([sys.executable, "-c", program], stderr=write, check=True, timeout=60, env=environ)
    os.close(write)
    with os.fdopen(read) as said:
        assert said.read() == "<6>hello\n"


@pytest.mark.parametrize("form", ["text", "json", "journal"])
def test_a_closed_standard_error_is_survived(form: str) -> None:
    """Where nobody reads the log the documents still go their way."""
    assert run(form, "logger.error('x')\nlogging.getLogger('y').error('z')", closed=True) == ""


def test_a_reader_that_went_away_is_survived() -> None:
    """A broken pipe is no reason to end."""
    read, write = os.pipe()
    os.close(read)
    program = (
        BEGIN.format(level="INFO", form="text") + "\nfor _ in range(3): logger.error('x')\nprint('alive')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        stderr=write,
        text=True,
        check=False,
        timeout=60,
    )
    os.close(write)
    assert done.stdout == "alive\n"


def test_levels() -> None:
    """What is below the level is not written."""
    said = run("text", "logger.debug('a')\nlogger.info('b')\nlogger.warning('c')", "WARNING")
    assert [line[-1] for line in said.splitlines()] == ["c"]


def test_libraries_speak_through_the_same_log() -> None:
    """Warnings of libraries are shown as ours are; watchdog's, which come in hundreds, are for debugging."""
    lines = (("httpx", "info"), ("x", "warning"), ("watchdog.observers", "warning"))
    code = "\n".join(f"logging.getLogger({name!r}).{level}('odd %s', '{{}}')" for name, level in lines)
    assert [line.split(maxsplit=3)[2:] for line in run("text", code).splitlines()] == [["WARNING", "odd {}"]]
