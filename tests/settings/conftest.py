"""Ways to load small configurations from real files."""

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from hotfolder.settings import Queue, Settings, SettingsError, load_settings

HEAD = """\
root: /srv/hotfolder
connections:
  acme: {backend: digitoo, token: t0ken-of-acme}
  doc: {backend: docdigitizer, api_key: k3y-of-doc}
queues:
"""
"""Five lines that every queue in these tests stands below."""

Load = Callable[..., Settings]
Complain = Callable[..., list[str]]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load YAML text as `config.yaml` of a fresh folder."""

    def _load(text: str, environ: Mapping[str, str] | None = None, **options: bool) -> Settings:
        file = tmp_path / "config.yaml"
        file.write_text(text, encoding="utf-8")
        return load_settings(file, {"HOME": "/home/scanner"} if environ is None else environ, **options)

    return _load


@pytest.fixture
def complaints(load: Load, tmp_path: Path) -> Complain:
    """Load YAML text that is wrong and return its problems as lines, without the file's name."""

    def _complaints(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(SettingsError) as caught:
            load(text, environ)
        return [line.removeprefix(f"{tmp_path}/config.yaml:") for line in str(caught.value).splitlines()]

    return _complaints


def _queue(keys: str) -> str:
    return f"{HEAD}  q:\n    connection: acme\n    queue_id: q7\n" + "".join(
        f"    {line}\n" for line in keys.splitlines()
    )


@pytest.fixture
def load_queue(load: Load) -> Callable[[str], Queue]:
    """Load a queue with these keys; the first of them stands on line 9."""
    return lambda keys: load(_queue(keys)).queues["q"]


@pytest.fixture
def queue_complaints(complaints: Complain) -> Callable[[str], list[str]]:
    """Return the problems of a queue with these keys; the first of them stands on line 9."""
    return lambda keys: complaints(_queue(keys))


@pytest.fixture
def head() -> str:
    """Return five lines with a root and two connections, `acme` and `doc`, ending in `queues:`."""
    return HEAD
