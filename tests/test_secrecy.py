"""The search for secrets in what the tests made the program say finds them."""

import subprocess
import sys
from pathlib import Path

import pytest

from hotfolder import veil
from tests.secrecy import leaks, written_in

ROOT = Path(__file__).resolve().parents[1]
BEGIN = """
import json, logging, secrets, subprocess, sys
from loguru import logger
from hotfolder import veil
from hotfolder.sandbox.world import Tokens
from hotfolder.settings.secrets import WrittenSecret
from tests.secrecy import hear, no_secret_is_told

VALUE = "zQ9x-hunter2-hunter2"

def config(top):
    (top / "config.yaml").write_text(f"connections: {{a: {{password: {VALUE}}}}}")

"""
TELLING = {
    "a message": "def test_it():\n    logger.debug('with {}', WrittenSecret(VALUE).reveal())",
    "a key of a message": "def test_it():\n    logger.bind(x=WrittenSecret(VALUE).reveal()).info('x')",
    "a traceback": (
        "def test_it():\n    try:\n        raise OSError(WrittenSecret(VALUE).reveal())\n"
        "    except OSError:\n        logger.exception('x')"
    ),
    "a library": "def test_it():\n    logging.getLogger('x').warning(WrittenSecret(VALUE).reveal())",
    "a token": "def test_it():\n    logger.info(Tokens().issue(10.0))",
    "a sidecar": "def test_it(tmp_path):\n    config(tmp_path)\n    (tmp_path / 'a.json').write_text(json.dumps([VALUE]))",
    "a log": "def test_it(tmp_path):\n    config(tmp_path)\n    (tmp_path / 'log').write_text('x ' + VALUE)",
    "a command": (
        "def test_it(tmp_path):\n    config(tmp_path)\n"
        "    subprocess.run([sys.executable, '-c', f'print({VALUE!r})'], capture_output=True, check=True)"
    ),
    "an answer": "def test_it(tmp_path):\n    config(tmp_path)\n    hear({'reason': VALUE})",
    "the last net": "def test_it(tmp_path):\n    (tmp_path / 'log').write_text('x ' + veil.MARK)",
}
QUIET = (
    "def test_it(tmp_path):\n    config(tmp_path)\n    logger.info('harmless')\n    WrittenSecret(VALUE).reveal()\n"
    "    (tmp_path / 'log').write_text('harmless')"
)


def ran(top: Path, text: str) -> subprocess.CompletedProcess[str]:
    """Run a test file with the search, in a process of its own."""
    (top / "test_it.py").write_text(BEGIN + text)
    options = [
        "-p",
        "no:randomly",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(ROOT),
        "-c",
        str(ROOT / "pyproject.toml"),
    ]
    command = [sys.executable, "-m", "pytest", *options, str(top / "test_it.py")]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=ROOT)


@pytest.mark.tells_secrets
@pytest.mark.parametrize("where", TELLING)
def test_a_secret_that_is_told_fails_the_test(tmp_path: Path, where: str) -> None:
    """Wherever it is told, the test in which that happens fails and names the place."""
    done = ran(tmp_path, TELLING[where])
    assert done.returncode == 1, done.stdout
    assert "1 passed, 1 error" in done.stdout
    assert "a secret was told" in done.stdout


def test_a_test_that_tells_nothing_passes(tmp_path: Path) -> None:
    """Using a secret is no crime."""
    done = ran(tmp_path, QUIET)
    assert done.returncode == 0, done.stdout


def test_forms_of_a_secret() -> None:
    """It is found in JSON, in an address and in base64, and a word is no secret."""
    said = [
        ("a", 'x "a\\"b/secret-word"'),
        ("b", "?k=a%22b%2Fsecret-word"),
        ("c", "YSJiL3NlY3JldC13b3Jk"),
        ("d", "word"),
    ]
    assert [one[0] for one in leaks({'a"b/secret-word', "word"}, said)] == ["a", "b", "c"]
    assert leaks((), [("a log", f"x {veil.MARK}")])


def test_secrets_of_a_configuration(tmp_path: Path) -> None:
    """However they are written: bare, quoted, in flow style, in an address, in a file."""
    (tmp_path / "key").write_text("from-a-file\n")
    (tmp_path / "c.yaml").write_text(
        "a:\n  password: bare-secret\n  token: 'quoted secret'\nb: {api_key: \"in-flow\", secret: also-in-flow}\n"
        "c: {password: {file: key}, webhook_url: 'https://x.example/h?token=in-a-query'}\nd: {password: {env: NAME}}\n"
    )
    assert set(written_in(tmp_path / "c.yaml")) == {
        *("bare-secret", "quoted secret", "in-flow", "also-in-flow", "from-a-file", "in-a-query"),
    }
