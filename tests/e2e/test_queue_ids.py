"""Which queue of the service a document goes to, and what is said where there are several."""

from pathlib import Path

import pytest

from hotfolder.sandbox.options import SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from tests.e2e.harness import site
from tests.e2e.producers import reportlab_pdf

CONFIG = """
state_dir: {{top}}/state
root: {{top}}/in
connections:
  g:
    backend: digitoo
    base_url: {{origin}}/digitoo
    email: scanner@sandbox.example
    password: sandbox-password
    {more}
queues:
  to-digitoo:
    connection: g
    queue_id: q7
    patience: 1s
    recursive: true
    settle: 50ms
    companion: "{{{{stem}}}}.json"
    companion_timeout: 1s
    queue_ids: {{{{paid: q8}}}}
"""


@pytest.mark.parametrize(
    ("more", "ids", "serial"),
    [
        ("", {"q7": ("q7", "queue"), "q8": ("q8", "folder"), "q9": ("q9", "companion")}, True),
        ("limits: {{concurrency: 3}}", {}, False),
        (
            "queue_id_override: q7",
            dict.fromkeys(("q7", "q8", "q9"), ("q7", "override")),
            False,
        ),
    ],
)
def test_where_documents_go(
    tmp_path: Path, more: str, ids: dict[str, tuple[str, str]], *, serial: bool
) -> None:
    """Companion, subfolder and queue name it, the override wins; several queues make it say that they are served in turn."""
    options = SandboxOptions(digitoo_queues=("q7", "q8", "q9"))
    with (
        SandboxServer(options) as sandbox,
        site(tmp_path, sandbox, text=CONFIG.format(more=more)) as place,
    ):
        drop = place.drop("to-digitoo")
        (drop / "paid").mkdir()
        (drop / "c.json").write_text('{"queue_id": "q9"}')
        for number, name in enumerate(("a.pdf", "paid/b.pdf", "c.pdf")):
            (drop / name).write_bytes(reportlab_pdf(number))
        ended = place.command("once", "--timeout", "100s", timeout_s=200)
        assert (ended.returncode, place.waiting()) == (0, []), ended.stderr
        assert ("one document after the other" in ended.stderr) is serial
        records = [place.sidecar(p) for p in drop.rglob("done/**/*.pdf")]
    told = {(r["file"]["name"], r["queue"]["id"], r["queue"]["id_source"]) for r in records}
    names = {"q7": "a.pdf", "q8": "b.pdf", "q9": "c.pdf"}
    if ids:
        assert told == {(names[n], *found) for n, found in ids.items()}
    if "override" in more:
        assert sorted(r["queue"]["override_of"] for r in records) == ["q7", "q8", "q9"]
        assert {e.queue for e in sandbox.ledger.entries} == {"q7"}
    else:
        assert {e.queue for e in sandbox.ledger.entries} == {"q7", "q8", "q9"}
