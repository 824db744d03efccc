"""The manual page, the completions and the programs that pack tell of the program as it is."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from hotfolder.main import program
from tests.tools import need

ROOT = Path(__file__).resolve().parents[2]
MANUAL = (ROOT / "systemd/package/hotfolder.8").read_text(encoding="utf-8")
TEXT = re.sub(r"\\f.|^\.\w+ ?", "", MANUAL.replace("\\-", "-").replace('"', ""), flags=re.MULTILINE)
"""What a reader sees, near enough to look for words."""


def commands(group: click.Group, above: str = "") -> Iterator[tuple[str, click.Command]]:
    """Return each command with its name as it is typed."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, f"{above}{name} ")
        else:
            yield f"{above}{name}", command


COMMANDS = dict(commands(program))


def told_of(name: str) -> str:
    """Return the entry of a command: the paragraph whose first line names it."""
    section = MANUAL.split(".SH COMMANDS")[1].split(".SH SIGNALS")[0].replace("\\-", "-").replace('"', "")
    entries = [part.lstrip("\n") for part in section.split("\n.TP")]
    found = [entry for entry in entries if re.search(rf"\b{name}\b", entry.split("\n")[0])]
    assert found, f"hotfolder.8 does not tell of `hotfolder {name}`"
    return found[0]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_manual_names_every_command_and_option(name: str) -> None:
    """Whatever `--help` shows of a command, its entry in the manual shows too."""
    entry = told_of(name)
    options = {
        o for p in COMMANDS[name].params if isinstance(p, click.Option) for o in p.opts if o.startswith("--")
    }
    lacking = {o for o in options - {"--config", "--help"} if o not in entry}
    assert not lacking, f"hotfolder.8, {name}: {lacking}"


def test_the_manual_names_no_option_that_is_not_there() -> None:
    """An option that went away goes from the manual too."""
    there = {o for c in COMMANDS.values() for p in c.params for o in p.opts}
    there |= {o for p in program.params for o in p.opts} | {"--help", "--version"}
    told = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", TEXT)) - {"--now"}  # systemctl's
    assert told <= there, told - there


def test_the_manual_names_every_exit_status() -> None:
    """The statuses in the code are those in the manual."""
    source = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "hotfolder").rglob("*.py"))
    pieces = re.findall(r"(?m)sys\.exit\([^()]*\)|^_?EX_\w+ = \d+|\bOutcome\(\d", source)
    used = {0, 2} | {int(number) for piece in pieces for number in re.findall(r"\b\d+\b", piece)}
    section = MANUAL.split(".SH EXIT STATUS")[1].split(".SH FILES")[0]
    assert {int(n) for n in re.findall(r"(?m)^\.B (\d+)$", section)} == used


def test_the_manual_is_well_formed() -> None:
    """The page is formatted without a warning."""
    man = need("man", "man-db")
    command = [man, "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", ROOT / "systemd/package/hotfolder.8"]
    environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "MANROFFSEQ": "", "MANWIDTH": "80"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_scripts_are_sound() -> None:
    """A reviewer of shell scripts has nothing to say about those that pack, install and remove."""
    check = need("shellcheck", "shellcheck")
    scripts = [
        path
        for folder in ("systemd/package", ".ci")
        for path in (ROOT / folder).iterdir()
        if path.read_bytes().startswith((b"#!/bin/sh", b"#!/usr/bin/env bash"))
    ]
    assert len(scripts) > 8
    done = subprocess.run(
        [check, "--external-sources", *scripts],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout
