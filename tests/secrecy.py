"""No test may have made the program say a secret: everything it said is searched for every secret that was used.

What it said: every message of the log, what commands print, what the daemon answers (where a test passes it on by
`hear`), and what lies in the test's folder: logs, sidecars, journals, status files. What is secret: whatever was
revealed in this process, what the sandboxes handed out, and what stands in the configurations in the test's folder.
"""

import json
import logging
import re
import subprocess
from base64 import b64encode
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

import pytest
from loguru import logger

from hotfolder import veil
from hotfolder.sandbox.world import Tokens

SHORTEST_CHARS = 8
"""A shorter one is a word, which says nothing where it is found."""
_FILES = re.compile(r"(^log.*|\.log|\.json|\.sqlite3(-wal)?|\.txt|^run|^lock|^origin\..*)$")
_MOST_BYTES = 4 << 20
"""Of one file: its end, where it is longer."""
_WRITTEN = re.compile(
    r"""\b(?:password|token|api_key|secret|webhook_url)["']?:\s*(?:"([^"\n]+)"|'([^'\n]+)'|(?!\{(?:file|env|cred))([^\s,}#'"]+))"""
)
_FILED = re.compile(r"""\{\s*(?:file|credential):\s*["']?([^\s"'}]+)""")
_heard: list[str] = []


def hear(said: Any) -> Any:
    """Have what the program said searched at the end of the test; returns it."""
    _heard.append(said if isinstance(said, str) else json.dumps(said, default=str, ensure_ascii=False))
    return said


def leaks(secrets: Iterable[str], said: Iterable[tuple[str, str]]) -> list[str]:
    """Return which secrets stand where; `said` are places with texts. What the last net caught is a leak as well."""
    forms = {form: secret for secret in secrets for form in _forms(secret)}
    found = []
    for place, text in said:
        found += [f"{place} says {secret!r} as {form!r}" for form, secret in forms.items() if form in text]
        found += [f"{place} would have said one: {_around(text, veil.MARK)}"] if veil.MARK in text else []
    return found


def _forms(secret: str) -> set[str]:
    encoded = b64encode(secret.encode("utf-8", "surrogateescape")).decode()
    forms = (secret, json.dumps(secret)[1:-1], quote(secret, safe="", errors="replace"), encoded)
    return {form for form in forms if len(form) >= SHORTEST_CHARS} if len(secret) >= SHORTEST_CHARS else set()


def _around(text: str, part: str) -> str:
    at = text.index(part)
    return repr(text[max(at - 200, 0) : at + 100])


def written_in(config: Path) -> Iterator[str]:
    """Yield the secrets of one configuration: those in its text, in addresses, and in the files that it names."""
    text = config.read_text(encoding="utf-8", errors="replace")
    for match in _WRITTEN.finditer(text):
        value = match[1] or match[2] or match[3]
        if value.startswith(("http://", "https://")):
            yield from (one for _, one in parse_qsl(urlsplit(value).query))
        else:
            yield value
    for name in _FILED.findall(text):
        path = config.parent / name
        if path.is_file() and path.stat().st_size <= 4096:
            yield path.read_text(encoding="utf-8", errors="replace").strip()


def _lying(top: Path) -> Iterator[tuple[str, str]]:
    for path in top.rglob("*"):
        try:
            if _FILES.search(path.name) and path.is_file() and not path.is_symlink():
                with path.open("rb") as file:
                    file.seek(max(path.stat().st_size - _MOST_BYTES, 0))
                    yield str(path), file.read().decode("utf-8", "replace")
        except OSError:
            continue


class _Catch(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        hear(record.getMessage())


@pytest.fixture(autouse=True)
def no_secret_is_told(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test in which the program has told a secret; `@pytest.mark.tells_secrets` says that it may."""
    _heard.clear()
    veil.forget()
    handed_out: list[str] = []
    sink = logger.add(lambda message: _heard.append(str(message)), level=0, format="{message} {extra}")
    catch = _Catch(logging.WARNING)
    logging.getLogger().addHandler(catch)
    with pytest.MonkeyPatch.context() as watched:
        _watch(watched, handed_out)
        yield
    logging.getLogger().removeHandler(catch)
    with suppress(ValueError):  # the test has set up the log by itself
        logger.remove(sink)
    if request.node.get_closest_marker("tells_secrets"):
        return
    secrets = {*veil.known(), *handed_out}
    said = [("the program", text) for text in _heard]
    top = request.node.funcargs.get("tmp_path") if hasattr(request.node, "funcargs") else None
    if top is not None and top.is_dir():
        for config in (path for path in top.rglob("*.yaml") if path.is_file()):
            secrets.update(written_in(config))
        said += _lying(top)
    if found := leaks(secrets, said):
        pytest.fail("a secret was told:\n" + "\n".join(found[:10]))


def _watch(watched: pytest.MonkeyPatch, handed_out: list[str]) -> None:
    """See what commands print, and which tokens the sandboxes hand out."""
    issue, run = Tokens.issue, subprocess.run

    def issued(tokens: Tokens, lifetime_s: float) -> str:
        handed_out.append(token := issue(tokens, lifetime_s))
        return token

    def printed(*words: Any, **how: Any) -> Any:
        done = run(*words, **how)
        for said in (done.stdout, done.stderr):
            if said:
                hear(said if isinstance(said, str) else said.decode("utf-8", "replace"))
        return done

    watched.setattr(Tokens, "issue", issued)
    watched.setattr(subprocess, "run", printed)
