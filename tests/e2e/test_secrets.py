"""Where a secret could slip out of a real daemon and its commands, none does."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from hotfolder.sandbox.server import SandboxServer
from tests.checks.samples import reportlab_pdf
from tests.e2e.harness import CONFIG, QUICK, Site, filed, site, wait_for
from tests.secrecy import hear

PASSWORD = "sandbox-password"
IN_ADDRESS = "zQ9x-in-an-address"
ECHOES = [
    {
        "match": {"service": "digitoo", "path": "*/upload", "first": 1},
        "do": {"status": 400, "body": f"no: {PASSWORD}"},
    },
    {
        "match": {"service": "docdigitizer", "method": "POST", "first": 1},
        "do": {"status": 400, "body": '{"message": "the key sandbox-api-key is odd"}'},
    },
    {"match": {"service": "rossum", "path": "*/uploads*", "first": 1}, "do": {"html": 400}},
]
"""Services that repeat what was shown to them."""


@pytest.fixture
def place(tmp_path: Path, sandbox: SandboxServer) -> Iterator[Site]:
    """Three queues, one of them with an address for calls that holds a secret."""
    text = CONFIG.replace(
        "{{connection: g,", f"{{{{connection: g, webhook_url: 'https://dms.example/h?k={IN_ADDRESS}',"
    ).replace("log: {{level: DEBUG}}", "log: {{level: TRACE}}")
    with site(tmp_path, sandbox, keys=QUICK, text=text) as found:
        yield found


def test_what_a_service_repeats(place: Site, sandbox: SandboxServer) -> None:
    """Log, records, journal and status hold nothing of what a service repeats; the process list neither."""
    sandbox.play(ECHOES)
    place.start()
    assert place.process is not None
    for queue in place.queues():
        (place.drop(queue) / "a.pdf").write_bytes(reportlab_pdf(1))
    for queue in place.queues():
        wait_for(lambda queue=queue: (place.drop(queue) / "failed" / "a.pdf").exists(), 30, queue)
    place.status()
    for name in ("cmdline", "environ"):
        hear(Path(f"/proc/{place.process.pid}/{name}").read_text())
    assert place.command("check", "--online").returncode in {0, 1}
    assert place.stop() == 0
    told = place.sidecar(place.drop("to-digitoo") / "failed" / "a.pdf")["response"]["Messages"][0]["Message"]
    assert "***" in told


def test_wrong_and_unreachable(place: Site, sandbox: SandboxServer) -> None:
    """A service that refuses the credentials, redirects, or cannot be reached: reasons name neither secret nor address."""
    away = {"Location": f"https://elsewhere.example/?k={PASSWORD}"}
    sandbox.play(
        [
            {"match": {"service": "digitoo"}, "do": {"status": 302, "headers": away}},
            {"match": {"service": "docdigitizer"}, "do": {"status": 401}},
        ]
    )
    place.start()
    for queue in place.queues():
        (place.drop(queue) / "a.pdf").write_bytes(reportlab_pdf(1))
    filed(place, "done", "a.pdf", 30)
    wait_for(lambda: sum(q["state"] == "paused" for q in place.status()) == 2, 30)
    place.why(place.drop("to-digitoo") / "a.pdf")
    sandbox.stop()
    (place.drop("to-rossum") / "b.pdf").write_bytes(reportlab_pdf(2))
    wait_for(lambda: all(q["reason"] for q in place.status()), 30)
    place.command("check", "--online")
    assert place.stop() == 0


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("    password: zQ9x-hunter2-hunter2: odd\n", "    username:"),
        ("    password: {zQ9x-hunter2-hunter2}\n", "    username:"),
        ("    password: [zQ9x-hunter2-hunter2]\n", "    username:"),
        ("    passwrd: zQ9x-hunter2-hunter2\n", "    username:"),
        ("    pass word zQ9x-hunter2-hunter2\n", "    username:"),
        ("    token: zQ9x-hunter2-hunter2\n    password: 'zQ9x-hunter2\n", "    username:"),
        ("    base_url: https://scanner:zQ9x-hunter2-hunter2@acme.example\n", "    username:"),
        ("    headers: {X-Key: [zQ9x-hunter2-hunter2]}\n", "    username:"),
        ("    auth: zQ9x-hunter2-hunter2\n", "    username:"),
    ],
)
def test_mistakes_of_a_configuration(place: Site, wrong: str, right: str) -> None:
    """Whatever is wrong with a line, the complaint does not repeat what may be a secret."""
    text = place.config.read_text()
    place.config.write_text(text.replace(right, wrong + right, 1))
    for words in (("check",), ("run",), ("status",)):
        found = place.command(*words)
        assert found.returncode in {1, 78}, found
        assert "zQ9x" not in found.stdout + found.stderr
    place.config.write_text(text)


def test_a_proxy_with_a_password(
    tmp_path: Path, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy that cannot be reached is told of without its credentials."""
    monkeypatch.setenv("HTTPS_PROXY", "http://office:zQ9x-hunter2-hunter2@127.0.0.1:9")
    text = CONFIG.replace("base_url: {origin}/digitoo", "base_url: https://digitoo.example")
    with site(tmp_path, sandbox, keys=QUICK, text=text) as place:
        place.start()
        (place.drop("to-digitoo") / "a.pdf").write_bytes(reportlab_pdf(1))
        reasons = wait_for(
            lambda: [q["reason"] for q in place.status() if q["name"] == "to-digitoo" and q["reason"]], 30
        )
        checked = place.command("check", "--online")
        assert place.stop() == 0
        for said in (
            *reasons,
            checked.stdout,
            checked.stderr,
            place.log.read_text(),
            str(os.listdir(tmp_path)),
        ):
            assert "zQ9x" not in said
