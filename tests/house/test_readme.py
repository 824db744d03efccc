"""The README's table of the services says what the backends are, and what they send."""

import re
from collections.abc import Callable
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

from hotfolder.backends import BACKENDS, open_backend
from hotfolder.backends.base import JPEG, PDF, PNG, TIFF, Traits
from hotfolder.sandbox.ledger import Entry
from hotfolder.sandbox.server import SandboxServer
from hotfolder.settings import ConnectionSection, RossumConnection
from hotfolder.settings.connections import Limits
from tests.backends.parcels import digitoo, docdigitizer, parcel, rossum

README = Path(__file__).resolve().parents[2] / "README.md"
MIB = 1024 * 1024
TYPES = {PDF: "PDF", JPEG: "JPEG", PNG: "PNG", TIFF: "TIFF"}
KINDS: dict[str, Callable[[str], ConnectionSection]] = {
    "rossum": rossum,
    "digitoo": digitoo,
    "docdigitizer": docdigitizer,
}


@cache
def table() -> dict[str, dict[str, str]]:
    """Return what the README says: service → row → cell."""
    text = README.read_text(encoding="utf-8")
    drawn = re.search(r"<!-- services: begin -->\n\n(.*?)\n\n<!-- services: end -->", text, re.DOTALL)
    assert drawn, "README.md has lost the marks around its table of services"
    head, _, *lines = ([cell.strip() for cell in line.strip("|").split("|")] for line in drawn[1].split("\n"))
    return {
        name.lower(): {cells[0].strip("`"): cells[column] for cells in lines}
        for column, name in enumerate(head)
        if name
    }


def test_every_service_has_its_column() -> None:
    """A new backend needs a column."""
    assert table().keys() == BACKENDS.keys() == KINDS.keys()


@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_cells_are_the_traits(name: str) -> None:
    """Types, limit, queue, following up and finding again are told as the traits have them."""
    said, traits = table()[name], BACKENDS[name].traits
    assert set(said["documents"].split(", ")) == {TYPES[one] for one in traits.media_types}
    assert said["the largest document"].startswith(f"{_mib(traits)} MiB: ")
    assert ("`queue_id`" in said["where a document goes"]) == traits.needs_queue_id
    assert said["after a yes"].startswith("asked" if traits.follows_up else "not asked")
    assert ("mark" in said["when the answer was lost"]) == traits.keeps_mark


def _mib(traits: Traits) -> int:
    assert traits.max_bytes is not None
    assert traits.max_bytes % MIB == 0
    return traits.max_bytes // MIB


@pytest.mark.parametrize("name", sorted(KINDS))
def test_cells_are_what_goes_out(name: str) -> None:
    """What the table calls sent arrives at the service, and nothing that it calls not sent."""
    said = table()[name]
    with SandboxServer() as server:
        whole = parcel(
            queue_id="q7" if name == "digitoo" else "8236",
            metadata={"site": "Prague"},
            values={"upload:unit": "north"},
            document_class="invoice",
            reject_identical=True,
        )
        with closing(open_backend(KINDS[name](f"{server.origin}{_base(name)}"))) as backend:
            backend.upload(whole)
        (entry,) = server.ledger.entries
        arrived = {row for row, here in _arrived(entry).items() if here}
        if any("reject_identical=true" in line.query for line in server.ledger.requests):
            arrived.add("reject_identical")
    rows = {"metadata", "values", "document_class", "reject_identical"}
    assert {row for row in rows if said[row].startswith("sent")} == arrived
    assert {row for row in rows if said[row].startswith("not sent: ")} == rows - arrived
    assert said["files in one request"].startswith("one")


def _base(name: str) -> str:
    return "/rossum/api/v1" if name == "rossum" else f"/{name}"


def _arrived(entry: Entry) -> dict[str, bool]:
    return {
        "metadata": "Prague" in repr(entry),
        "values": "north" in repr(entry),
        "document_class": "invoice'" in repr(entry),
    }


def test_words_of_settings_are_the_settings() -> None:
    """The ways to log in, and the pace, are told as the settings have them."""
    assert set(get_args(RossumConnection.model_fields["auth"].annotation)) == {"login", "token", "basic"}
    assert "`auth: basic`" in table()["rossum"]["log-in"]
    pace = table()["rossum"]["too many requests"]
    assert f"`limits.per_second` is {Limits().per_second:.0f}" in pace
