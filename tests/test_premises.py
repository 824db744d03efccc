"""Checking what the program stands on."""

from pathlib import Path

import pytest

from hotfolder.premises import examine_all
from hotfolder.settings import load_settings

CONFIG = """\
state_dir: {top}/state
root: {top}
connections:
  rossum: {{backend: rossum, base_url: "https://acme.rossum.app/api/v1", token: t}}
  digitoo: {{backend: digitoo, token: t}}
  docdigitizer: {{backend: docdigitizer, api_key: k}}
queues:
  invoices: {{connection: {backend}, queue_id: 1, metadata: {{site: Prague}}, values: {{a: b}}, {more}}}
"""


@pytest.mark.parametrize(
    ("backend", "not_taken"),
    [
        ("rossum", ["document_class"]),
        ("digitoo", ["document_class", "metadata", "reject_identical", "values"]),
        ("docdigitizer", ["metadata", "reject_identical", "values"]),
    ],
)
def test_what_a_service_does_not_take_is_named(backend: str, not_taken: list[str], tmp_path: Path) -> None:
    """Settings that would be dropped in silence are named, and are no fault; what is not set is not spoken of."""
    (tmp_path / "invoices").mkdir()
    file = tmp_path / "config.yaml"
    for more, named in (("document_class: x, reject_identical: true", not_taken), ("", None)):
        file.write_text(CONFIG.format(top=tmp_path, backend=backend, more=more))
        found = list(examine_all(load_settings(file, {"HOME": str(tmp_path)}), {}, online=False))
        wanted = [key for key in not_taken if key in {"metadata", "values"}] if named is None else named
        said = [f.text for f in found if f.ok and "is not sent" in f.text]
        assert said == [f"queue invoices: `{key}` is not sent: {backend} does not take it" for key in wanted]
