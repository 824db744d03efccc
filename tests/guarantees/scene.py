"""A few documents of every fate in one queue, and the proof that each came to rest where it must, and once."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from hotfolder.checks.names import shorten
from hotfolder.sandbox.options import SandboxOptions
from hotfolder.sandbox.server import SandboxServer
from hotfolder.sidecar import Sidecar
from tests.e2e.producers import pillow_png, reportlab_pdf

CONNECTIONS = {
    "rossum": "base_url: '{origin}/rossum/api/v1', username: scanner@sandbox.example, password: sandbox-password",
    "digitoo": "base_url: '{origin}/digitoo', email: scanner@sandbox.example, password: sandbox-password",
    "docdigitizer": "base_url: '{origin}/docdigitizer', api_key: sandbox-api-key",
}
QUEUE_IDS = {"rossum": "8236", "digitoo": "q7", "docdigitizer": "null"}
CONFIG = """
state_dir: {state}
grace: 5s
log: {{level: INFO}}
connections:
  c: {{backend: {service}, {connection}, {patience}}}
queues:
  q: {{connection: c, queue_id: {queue_id}, folder: {drop}, done: {done}, failed: {failed}, {keys}}}
"""
PATIENCE = (
    "ask_after: 200ms, retry: {first: 50ms, max: 500ms}, timeouts: {read: 5s},"
    " limits: {concurrency: 2, per_second: 2000}"
)
KEYS = "recursive: true, settle: 0s, patience: 100ms, rescan: 1s"
REFUSES = [{"match": {"file": "refused*"}, "do": {"status": 400}}]
"""What the service takes of these documents, and what not."""
QUICK = SandboxOptions(rossum_task_polls=0, rossum_annotation_polls=0)
"""Imported at the first look."""
LONG_NAME = "n" * 246 + ".png"
"""250 bytes: neither the mark of the work folder nor `.json` fits behind it any more."""
_OWN = frozenset({"lock", "run"})
"""What lies in the work folder and is no document."""


@dataclass(frozen=True)
class Dropped:
    """A document that was dropped (path below the drop folder), and whether it is to be delivered."""

    path: str
    content: bytes
    good: bool = True

    @property
    def sha256(self) -> str:
        """Return what the ledger and the sidecar call its content."""
        return hashlib.sha256(self.content).hexdigest()


def documents() -> list[Dropped]:
    """Return two that are delivered, one that the service refuses and one that is never sent."""
    return [
        Dropped("sub/good.pdf", reportlab_pdf(1)),
        Dropped(LONG_NAME, pillow_png(2)),
        Dropped("refused.pdf", reportlab_pdf(3), good=False),
        Dropped("cut.pdf", reportlab_pdf(4)[:700], good=False),
    ]


@dataclass
class Scene:
    """One queue of one service with documents in it, and the service itself."""

    top: Path
    service: str
    sandbox: SandboxServer
    elsewhere: Mapping[str, Path] = field(default_factory=dict)
    """Where `state`, `drop`, `done` or `failed` lie, if not at their usual places."""
    dropped: list[Dropped] = field(default_factory=list)
    keys: str = KEYS

    def __post_init__(self) -> None:
        self.top = self.top.resolve()
        self.state = self.elsewhere.get("state", self.top / "state")
        self.drop = self.elsewhere.get("drop", self.top / "drop")
        self.done = self.elsewhere.get("done", self.drop / "done")
        self.failed = self.elsewhere.get("failed", self.drop / "failed")
        self.config, self.log = self.top / "config.yaml", self.top / "log"
        self.drop.mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            CONFIG.format(
                service=self.service,
                patience=PATIENCE,
                connection=CONNECTIONS[self.service].format(origin=self.sandbox.origin),
                queue_id=QUEUE_IDS[self.service],
                state=self.state,
                drop=self.drop,
                done=self.done,
                failed=self.failed,
                keys=self.keys,
            )
        )

    @property
    def folders(self) -> list[Path]:
        """Return the folders in which the program works."""
        return [self.state, self.drop, self.done, self.failed]

    def put(self, document: Dropped) -> None:
        """Drop a document, durably, as a careful writer would, and count it as dropped from then on."""
        path = self.drop / document.path
        path.parent.mkdir(exist_ok=True)
        hidden = path.with_name(".arriving")
        with hidden.open("wb") as file:
            file.write(document.content)
            file.flush()
            os.fsync(file.fileno())
        hidden.rename(path)
        for folder in (path.parent, self.drop):
            fd = os.open(folder, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)
        self.dropped.append(document)

    def wrongs(self) -> list[str]:
        """Return what is not as it must be when all is at rest: nothing, or a sentence for each mistake."""
        lying = self._lying()
        wrongs = [w for document in self.dropped for w in self._wrongs_of(document, lying)]
        wrongs += [f"{path} should not be there" for paths in lying.values() for path in paths]
        return wrongs

    def _lying(self) -> dict[str, list[Path]]:
        """Return every file of the queue by the SHA-256 of its content."""
        found: dict[str, list[Path]] = {}
        for top in {self.drop, self.done, self.failed}:
            for folder, _, names in os.walk(top):
                for name in names:
                    path = Path(folder, name)
                    if not (path.parent.name == ".hotfolder" and name in _OWN):
                        with suppress(FileNotFoundError):  # it is just being moved
                            paths = found.setdefault(hashlib.sha256(path.read_bytes()).hexdigest(), [])
                            paths += [] if path in paths else [path]
        return found

    def _wrongs_of(self, document: Dropped, lying: dict[str, list[Path]]) -> Iterator[str]:
        """Take a document and its sidecar from what lies there, and say what is wrong with them."""
        places = lying.pop(document.sha256, [])
        if len(places) != 1:
            yield f"{document.path} is in {len(places)} places: {places}"
            return
        wanted = self.done if document.good else self.failed
        if not places[0].is_relative_to(wanted):
            yield f"{document.path} is {places[0]}, not in {wanted}"
        beside = places[0].with_name(os.fsdecode(shorten(os.fsencode(places[0].name), 250) + b".json"))
        try:
            record = Sidecar.model_validate_json(beside.read_bytes())
        except (OSError, ValueError) as problem:
            yield f"{document.path}: its sidecar: {problem}"
            return
        lying.pop(hashlib.sha256(beside.read_bytes()).hexdigest(), None)
        if record.file.sha256 != document.sha256 or record.outcome != ("done" if document.good else "failed"):
            yield f"{document.path}: its sidecar is another's: {json.dumps(record.model_dump(), default=str)}"
        yield from self._wrongly_sent(document, record)

    def _wrongly_sent(self, document: Dropped, record: Sidecar) -> Iterator[str]:
        taken = Counter(entry.sha256 for entry in self.sandbox.ledger.entries)[document.sha256]
        if taken < document.good:
            yield f"{document.path} is filed and was never taken"
        elif taken > document.good and (self.service == "rossum" or not record.possible_duplicate):
            yield f"{document.path} was taken {taken} times"


def archives_in(folder: Path) -> dict[str, Path]:
    """Return where both archives lie, for a scene that has them elsewhere."""
    return {"done": folder / "done", "failed": folder / "failed"}


@contextmanager
def scene(top: Path, service: str, **elsewhere: Path) -> Iterator[Scene]:
    """Have the documents in the drop folder, and the service, for the length of a block."""
    with stage(top, service, **elsewhere) as made:
        for document in documents():
            made.put(document)
        yield made


@contextmanager
def stage(top: Path, service: str, **elsewhere: Path) -> Iterator[Scene]:
    """Have a scene with no documents in it yet."""
    with SandboxServer(QUICK, scenario=REFUSES) as sandbox:
        yield Scene(top, service, sandbox, elsewhere)
