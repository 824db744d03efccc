"""The demonstration: a sandbox, a real daemon, three queues, good and bad documents, and what became of them."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.json import JSON
from rich.table import Table
from rich.tree import Tree

from hotfolder.sandbox.options import Credentials
from hotfolder.sandbox.server import SandboxServer
from hotfolder.unixsocket import NoDaemonError, ask

_PATIENCE_S = 45.0
_FAULTS = [
    {
        "match": {"service": "docdigitizer", "method": "POST", "first": 1},
        "do": {"rate_limit": {"retry_after_s": 1}},
    }
]
_CONFIG = """\
state_dir: {top}/state
root: {top}/inbox
log: {{level: INFO}}
connections:
  our-rossum:
    backend: rossum
    base_url: {origin}/rossum/api/v1
    username: {options.rossum_username}
    password: {options.rossum_password}
  our-digitoo:
    backend: digitoo
    base_url: {origin}/digitoo
    email: {options.digitoo_email}
    password: {options.digitoo_password}
  our-docdigitizer:
    backend: docdigitizer
    base_url: {origin}/docdigitizer
    api_key: {options.docdigitizer_api_key}
queues:
  invoices: {{connection: our-rossum, queue_id: 8236, settle: 300ms, patience: 3s, metadata: {{site: Prague}}}}
  receipts: {{connection: our-digitoo, queue_id: q7, settle: 300ms, patience: 3s}}
  contracts: {{connection: our-docdigitizer, settle: 300ms, patience: 3s}}
"""


@dataclass(frozen=True, slots=True)
class Drop:
    """One document of the demonstration: its queue and name, how it arrives, and how it should end."""

    queue: str
    name: str
    how: str
    put: Callable[[Path], None]
    expected: str


def _sample(name: str) -> bytes:
    return files("hotfolder.main.samples").joinpath(name).read_bytes()


def _written(content: bytes) -> Callable[[Path], None]:
    return lambda path: _write(path, content)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _in_pieces(content: bytes) -> Callable[[Path], None]:
    def put(path: Path) -> None:
        with path.open("wb") as file:
            for start in range(0, len(content), 1000):
                file.write(content[start : start + 1000])
                file.flush()
                time.sleep(0.1)

    return put


def _renamed(content: bytes, through: str) -> Callable[[Path], None]:
    def put(path: Path) -> None:
        temporary = path.with_name(through)
        temporary.write_bytes(content)
        temporary.rename(path)

    return put


def _linked(content: bytes) -> Callable[[Path], None]:
    def put(path: Path) -> None:
        temporary = path.with_name(f".in.{path.name}.")
        temporary.write_bytes(content)
        os.link(temporary, path)
        temporary.unlink()

    return put


def _drops() -> list[Drop]:
    pdf, jpeg, png, tiff = (
        _sample(n) for n in ("invoice.pdf", "delivery-note.jpg", "receipt.png", "fax.tif")
    )
    return [
        Drop("invoices", "invoice.pdf", "copied in slowly", _in_pieces(pdf), "done"),
        Drop(
            "invoices",
            "příloha č. 1.pdf",
            "renamed in, as FTP clients do",
            _renamed(pdf, "upload.part"),
            "done",
        ),
        Drop("invoices", "fax.tif", "linked in, as OpenSSH's SFTP does", _linked(tiff), "done"),
        Drop("invoices", "cut-off.pdf", "its writer died half way", _written(pdf[: len(pdf) // 2]), "failed"),
        Drop("receipts", "receipt.png", "saved", _written(png), "done"),
        Drop("receipts", "note.pdf", "a JPEG with the wrong extension", _written(jpeg), "done"),
        Drop(
            "receipts",
            "phone.jpg",
            "an iPhone's HEIC, renamed",
            _written(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64)),
            "failed",
        ),
        Drop("contracts", "delivery-note.jpg", "saved while the service answers 429", _written(jpeg), "done"),
        Drop("contracts", "empty.pdf", "nothing in it", _written(b""), "failed"),
        Drop(
            "contracts",
            "secrets.pdf",
            "a symbolic link to /etc/shadow",
            lambda path: path.symlink_to("/etc/shadow"),
            "ignored",
        ),
    ]


def show(*, keep: bool) -> int:
    """Run the demonstration and return 0 if every document ended as it should, else 1."""
    console = Console()
    top = Path(tempfile.mkdtemp(prefix="hotfolder-demo-"))
    try:
        with SandboxServer(scenario=_FAULTS) as sandbox:
            console.rule("hotfolder: three services on loopback, three drop folders, ten documents")
            ends = _run(console, top, sandbox.origin)
            received = len(sandbox.ledger)
        right = _tell(console, top, ends)
        console.print(f"The services received {received} documents, each once.")
        if keep:
            console.print(f"Everything is kept in {top}", soft_wrap=True)
        return 0 if right and received == sum(d.expected == "done" for d in _drops()) else 1
    finally:
        if not keep:
            shutil.rmtree(top, ignore_errors=True)


def _run(console: Console, top: Path, origin: str) -> Mapping[str, str]:
    """Start a daemon, drop the documents, wait until all are at rest, and stop it; returns their ends."""
    config = top / "config.yaml"
    config.write_text(_CONFIG.format(top=top, origin=origin, options=Credentials()), encoding="utf-8")
    for queue in {d.queue for d in _drops()}:
        (top / "inbox" / queue).mkdir(parents=True)
    daemon = subprocess.Popen([sys.executable, "-m", "hotfolder", "run", "-c", str(config)])  # noqa: S603 — ourselves
    try:
        _until_scanned(top / "state")
        for drop in _drops():
            drop.put(top / "inbox" / drop.queue / drop.name)
        deadline = time.monotonic() + _PATIENCE_S
        while (ends := _ends(top)).values() and "waiting" in ends.values() and time.monotonic() < deadline:
            time.sleep(0.1)
        _command(config, "status")
        return ends
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(timeout=40)
        console.print(f"The daemon was told to stop and ended with status {daemon.returncode}.")


def _until_scanned(state_dir: Path) -> None:
    """Wait until the daemon has looked at every folder, so that it sees the documents arrive."""
    deadline = time.monotonic() + _PATIENCE_S
    while time.monotonic() < deadline:
        with suppress(NoDaemonError, OSError):
            if all(q["last_scan"] for q in ask(state_dir, {"ask": "status"})["queues"]):
                return
        time.sleep(0.05)


def _command(config: Path, *words: str) -> None:
    sys.stdout.flush()
    subprocess.run([sys.executable, "-m", "hotfolder", "-c", str(config), *words], check=False)  # noqa: S603 — ourselves


def _ends(top: Path) -> dict[str, str]:
    """Return for each document where it is: done, failed, ignored (a link that stays), or waiting."""
    found = {}
    for drop in _drops():
        folder = top / "inbox" / drop.queue
        place = next((p for p in ("done", "failed") if (folder / p / drop.name).exists()), None)
        found[drop.name] = place or ("ignored" if (folder / drop.name).is_symlink() else "waiting")
    return found


def _tell(console: Console, top: Path, ends: Mapping[str, str]) -> bool:
    """Print what happened; tell whether all of it was as expected."""
    table = Table(title="What happened", show_lines=False)
    for heading in ("document", "queue", "how it came", "end", "answer"):
        table.add_column(heading, overflow="fold")
    for drop in _drops():
        end = ends[drop.name]
        mark = "" if end == drop.expected else f" (expected: {drop.expected})"
        table.add_row(drop.name, drop.queue, drop.how, end + mark, _answer(top, drop, end))
    console.print(table)
    console.print(_tree(top))
    console.print("The sidecar of invoice.pdf:")
    sidecar = top / "inbox/invoices" / ends["invoice.pdf"] / "invoice.pdf.json"
    if sidecar.exists():
        console.print(JSON(sidecar.read_text(encoding="utf-8"), indent=2))
    return all(ends[d.name] == d.expected for d in _drops())


def _answer(top: Path, drop: Drop, end: str) -> str:
    if end not in {"done", "failed"}:
        return "stays where it is: only regular files are documents" if end == "ignored" else "-"
    sidecar = top / "inbox" / drop.queue / end / f"{drop.name}.json"
    record: dict[str, Any] = json.loads(sidecar.read_text(encoding="utf-8"))
    response = record["response"]
    said = [m["Message"] for m in response["Messages"] or []] or [
        i["DocumentID"] for i in response["DocumentIDs"]
    ]
    return " ".join([str(response["StatusCode"]), response["ErrorKey"] or "", *said, *record["warnings"]])


def _tree(top: Path) -> Tree:
    tree = Tree("inbox/")
    for queue in sorted((top / "inbox").iterdir()):
        branch = tree.add(f"{queue.name}/")
        for entry in sorted(queue.iterdir()):
            leaf = branch.add(entry.name + ("/" if entry.is_dir() and not entry.is_symlink() else ""))
            if entry.name in {"done", "failed"}:
                for file in sorted(entry.iterdir()):
                    leaf.add(file.name)
    return tree
