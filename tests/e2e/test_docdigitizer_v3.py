"""A queue of DocDigitizer's newer generation, from the drop folder to the record."""

import json
from pathlib import Path

from hotfolder.sandbox.server import SandboxServer
from tests.checks.samples import picture, reportlab_pdf, saved
from tests.e2e.harness import Site

CONFIG = """
state_dir: {top}/state
root: {top}/in
connections:
  x: {{backend: docdigitizer, api: v3, base_url: {origin}/docdigitizer/v3/docingester, api_key: sandbox-api-key}}
queues:
  usual: {{connection: x, results: true, {keys}}}
  pictures: {{connection: x, types: [pdf, png], {keys}}}
"""


def test_what_the_newer_generation_takes(tmp_path: Path, sandbox: SandboxServer) -> None:
    """A PDF is delivered with its state and trace; a picture only where `types` says so, and the service agrees."""
    place = Site(tmp_path, sandbox.origin, keys="settle: 50ms, patience: 400ms", text=CONFIG)
    usual, pictures = place.drop("usual"), place.drop("pictures")
    for folder in (usual, pictures):
        folder.mkdir(parents=True)
    (usual / "a.pdf").write_bytes(reportlab_pdf(1))
    (usual / "b.png").write_bytes(saved(picture(), "PNG"))
    (pictures / "c.png").write_bytes(saved(picture(), "PNG"))
    assert place.command("once", "--timeout", "60s").returncode == 1
    good = json.loads((usual / "done" / "a.pdf.json").read_text())
    (entry,) = sandbox.ledger.entries
    assert good["response"]["DocumentIDs"] == [{"DocumentID": entry.ids["document"]}]
    assert (good["remote"]["status"], set(good["remote"]["objects"])) == ("COMPLETED", {"trace"})
    assert entry.fields["id"] == good["upload_id"]
    assert good["beside"] == ["a.pdf.annotations.json"]
    found = json.loads((usual / "done" / "a.pdf.annotations.json").read_text())
    assert (found["schema"], found["source"], found["reviews"]) == ("hotfolder/annotations/1", "answer", None)
    assert found["annotations"]["documentId"] == entry.ids["document"]
    assert found["annotations"]["output"]["extractions"]
    unsent = json.loads((usual / "failed" / "b.png.json").read_text())
    assert (unsent["response"]["StatusCode"], unsent["error_source"]) == (415, "local")
    refused = json.loads((pictures / "failed" / "c.png.json").read_text())
    assert (refused["response"]["StatusCode"], refused["error_source"]) == (415, "server")
    assert not [path for path in (usual / ".hotfolder").iterdir() if "results" in path.name]
    why = json.loads(place.command("why", "--json", str(usual / "failed" / "b.png")).stdout)
    assert why["state"] == "failed"
