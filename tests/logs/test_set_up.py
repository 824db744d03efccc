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
FUTURE = (
    "import asyncio, gc\nfuture = asyncio.new_event_loop().create_future()\n"
    "future.set_exception(OSError('xx')); del future; gc.collect()"
)


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
    assert [line.split(maxsplit=3)[2:] for line in run("text", code).splitlines()] == [
        ["WARNING", "x: odd {}"]
    ]


def test_set_up_again() -> None:
    """A reload changes level and form; nothing is said twice, and nothing is lost."""
    code = "logger.info('a')\nset_up('DEBUG', 'json')\nlogger.debug('b')\nset_up('ERROR', 'text')\nlogger.info('c')"
    first, second = run("text", code).splitlines()
    assert first.endswith("INFO    a")
    assert json.loads(second)["message"] == "b"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("import warnings; warnings.warn('old ways')", "UserWarning: old ways"),
        (
            "import threading; t = threading.Thread(target=lambda: 1 / 0, name='odd'); t.start(); t.join()",
            "odd",
        ),
        ("class Odd:\n    def __del__(self): 1 / 0\nOdd(); import gc; gc.collect()", "ZeroDivisionError"),
        (FUTURE, "never retrieved"),
        ("logging.getLogger('odd').error('%d', 'no number')", "odd: %d"),
        ("logging.getLogger('odd').log(35, 'between')", "odd: between"),
    ],
    ids=["warning", "thread", "finalizer", "future", "wrong template", "odd level"],
)
def test_what_the_interpreter_says_is_logged(fault: str, said: str) -> None:
    """Warnings, and faults that nobody catches, come in the form of all others."""
    lines = [json.loads(line) for line in run("json", fault).splitlines()]
    assert len(lines) == 1
    assert said in lines[0]["message"]


def test_a_fault_that_ends_the_program_is_logged() -> None:
    """The last words are a record like all others."""
    program = BEGIN.format(level="INFO", form="json") + "\nraise ValueError('the end')"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    last = json.loads(done.stderr)
    assert (last["level"], last["message"].splitlines()[-1]) == ("CRITICAL", "ValueError: the end")


@pytest.mark.tells_secrets
def test_no_secret_in_a_traceback() -> None:
    """What was revealed is hidden, wherever a library or a fault repeats it."""
    code = (
        "from hotfolder.settings.secrets import WrittenSecret\nvalue = WrittenSecret('hunter2-hunter2').reveal()\n"
        "try: raise OSError('https://x.example/?key=hunter2-hunter2')\nexcept OSError: logger.exception('no {}', value)"
    )
    said = run("text", code)
    assert said.count("[a secret]") == 2
    assert "hunter2-hunter2" not in said.replace("'hunter2-hunter2'", "")


def test_a_pipe_that_nobody_drains_is_survived() -> None:
    """A reader that hangs costs lines, not the program."""
    read, write = os.pipe()
    code = "for _ in range(3000): logger.error('x' * 1000)\nprint('alive')"
    done = subprocess.run(
        [sys.executable, "-c", f"{BEGIN.format(level='INFO', form='text')}\n{code}"],
        stdout=subprocess.PIPE,
        stderr=write,
        text=True,
        check=True,
        timeout=60,
    )
    os.close(write)
    os.close(read)
    assert done.stdout == "alive\n"


def test_what_a_line_is_about() -> None:
    """Keys of a block are carried into its tasks; a document's own keys come with its line alone."""
    code = (
        "from hotfolder.logs import concerning, log_of\nfrom tests.builders import journey\n"
        "with concerning(queue='outer', connection='c'):\n    logger.info('a')\n"
        "    log_of(journey(upload_id='id-1')).info('b')\nlogger.info('c')"
    )
    a, b, c = (json.loads(line) for line in run("json", code).splitlines())
    assert (a["queue"], a["connection"], "upload_id" in a) == ("outer", "c", False)
    assert (b["queue"], b["file"], b["upload_id"]) == ("invoices", "scan.pdf", "id-1")
    assert "queue" not in c
