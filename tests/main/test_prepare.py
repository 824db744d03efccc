"""What `hotfolder check` asks for, on the command line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFIG = """
state_dir: {top}/state
connections: {{z: {{backend: docdigitizer, base_url: "http://127.0.0.1:9", api_key: {{credential: key}}}}}}
queues: {{q: {{connection: z, folder: {top}/q}}}}
"""


@pytest.mark.parametrize(("words", "status"), [((), 0), (("--online",), 78)])
def test_credentials_are_the_services(words: tuple[str, ...], status: int, tmp_path: Path) -> None:
    """Whoever types `check` has none of systemd's credentials; that is said, and only `--online` needs them."""
    (tmp_path / "config.yaml").write_text(CONFIG.format(top=tmp_path))
    (tmp_path / "q").mkdir()
    environ = {key: value for key, value in os.environ.items() if key != "CREDENTIALS_DIRECTORY"}
    line = [sys.executable, "-m", "hotfolder", "-c", str(tmp_path / "config.yaml"), "check", *words]
    done = subprocess.run(line, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    told = done.stderr if words else done.stdout
    assert ("LoadCredential=key" in told) or ("not looked at" in told)


def test_a_credential_that_is_handed_over_is_looked_at(tmp_path: Path) -> None:
    """Within the service's own surroundings a missing one is a mistake of the configuration."""
    (tmp_path / "config.yaml").write_text(CONFIG.format(top=tmp_path))
    (tmp_path / "q").mkdir()
    environ = {**os.environ, "CREDENTIALS_DIRECTORY": str(tmp_path)}
    line = [sys.executable, "-m", "hotfolder", "-c", str(tmp_path / "config.yaml"), "check"]
    done = subprocess.run(line, env=environ, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 78
    assert f"the secret file {tmp_path}/key cannot be read" in done.stderr
