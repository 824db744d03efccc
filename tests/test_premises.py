"""What `hotfolder check` finds out about queues and their services before the first document."""

from itertools import pairwise
from pathlib import Path

import pytest

from hotfolder.premises import examine_all
from hotfolder.sandbox.options import SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from hotfolder.settings import load_settings

CONFIG = """
state_dir: {top}/state
root: {top}
connections:
  r: {{backend: rossum, base_url: "{origin}/rossum/api/v1", username: scanner@sandbox.example, password: sandbox-password}}
  g: {{backend: digitoo, base_url: "{origin}/digitoo", token: sandbox-service-token}}
  z: {{backend: docdigitizer, base_url: "{origin}/docdigitizer", api_key: sandbox-api-key}}
queues:
  to-r: {{connection: r, queue_id: 8236, {keys}}}
  to-g: {{connection: g, queue_id: q7, {keys}}}
  to-z: {{connection: z, {keys}}}
"""


def found(
    top: Path,
    keys: str,
    origin: str = "https://service.example",
    *,
    online: bool = False,
    further: str = "",
) -> list[str]:
    """Return what is said of the queues and connections, each with its verdict."""
    (top / "config.yaml").write_text(CONFIG.format(top=top, origin=origin, keys=keys) + further)
    for name in ("to-r", "to-g", "to-z"):
        (top / name).mkdir(exist_ok=True)
    findings = examine_all(load_settings(top / "config.yaml", {}), {}, online=online)
    return [f"{one.ok}: {one.text}" for one in findings]


@pytest.mark.parametrize(
    ("keys", "key", "without"),
    [
        ("metadata: {a: 1}", "metadata", ["g", "z"]),
        ("values: {'upload:a': 1}", "values", ["g", "z"]),
        ("document_class: invoice", "document_class", ["r", "g"]),
        ("reject_identical: true", "reject_identical", ["g", "z"]),
        ("poll: auto", "", []),
    ],
)
def test_settings_that_go_nowhere(tmp_path: Path, keys: str, key: str, without: list[str]) -> None:
    """What a queue's service has no place for is said, and is no mistake: other queues may share the settings."""
    said = [one for one in found(tmp_path, keys) if "is not sent" in one]
    names = {"r": "rossum", "g": "digitoo", "z": "docdigitizer"}
    assert said == [
        f"True: queue to-{one}: `{key}` is not sent, {names[one]} has no place for it" for one in without
    ]


def test_types_are_held_against_the_services_queue(tmp_path: Path) -> None:
    """With `--online` a queue whose service would leave out what it sends is bad, with the type's name."""
    with SandboxServer(SandboxOptions(rossum_accepted_mime_types=("image/*",))) as sandbox:
        bad = [
            one for one in found(tmp_path, "poll: auto", sandbox.origin, online=True) if one[:5] == "False"
        ]
        (said,) = [one for one in bad if "leave out" in one]
        assert said.startswith(
            "False: queue to-r: queue 8236 accepts image/*: Rossum would leave out application/pdf;"
        )
        fine = found(tmp_path, "types: [tiff, png]", sandbox.origin, online=True)
        assert not [one for one in fine if "leave out" in one]


def test_questions_before_the_first_document_keep_the_rate(tmp_path: Path) -> None:
    """`--online` asks no faster than `limits.per_second` allows, the common one included."""
    with SandboxServer() as sandbox:
        found(tmp_path, "poll: auto", sandbox.origin, online=True, further="limits: {per_second: 1}")
        asked = [line.at for line in sandbox.ledger.requests if line.path.startswith("/rossum/")]
        assert len(asked) >= 2
        assert min(after - before for before, after in pairwise(asked)) > 0.9
