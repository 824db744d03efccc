"""The daemon, the services and the file servers that the ways of arriving share, and one document's spot in it."""

import hashlib
import io
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import img2pdf
import pypdf
from PIL import Image

from hotfolder.sandbox.server import SandboxServer
from tests.arriving.servers import Servers, all_servers
from tests.e2e.harness import CONFIG, Site, filed, site, wait_for

KEYS = "settle: 600ms, settle_max: 600ms, patience: 1h, recursive: true"
"""Longer than any program here pauses; what is learnt of one way changes nothing for the next."""
PATIENT = "to-rossum"
"""The queue of those who pause between two pages."""
PAUSE_S = 0.4
"""Longer than the daemon needs to look at a file again (0.2 s), much shorter than the patient queue's `settle`."""
TEXT = CONFIG.replace("8236, {keys}", f"8236, {KEYS.replace('600ms', '2s')}, wait_for: accepted")


@dataclass
class Room:
    """What all documents share."""

    site: Site
    sandbox: SandboxServer
    servers: Servers
    expected: list[str] = field(default_factory=list)
    """SHA-256 of every document that somebody meant to send."""

    def sent(self, name: str) -> list[str]:
        """Return the SHA-256 of everything that was delivered under a name."""
        return [entry.sha256 for entry in self.sandbox.ledger.entries if entry.file_name == name]

    def assert_arrived_once(self, name: str, content: bytes | None = None) -> bytes:
        """Wait until a document is in done/; what was delivered is what lies there, and what was meant."""
        document = filed(self.site, "done", name, 30)
        found = document.read_bytes()
        assert content is None or found == content
        self.expected.append(hashlib.sha256(found).hexdigest())
        assert self.sent(name) == self.expected[-1:]
        return found


@dataclass(frozen=True)
class Spot:
    """One document that is about to arrive: its queue, its name, its pages, a folder to make files in."""

    room: Room
    queue: str
    name: str
    number: int
    scratch: Path
    edge: int = 900
    """Of its picture, in points; decides how large it is."""

    @cached_property
    def pages(self) -> list[bytes]:
        """The PDF after each of three savings: each is a whole document, and the beginning of the next."""
        noise = random.Random(self.number).randbytes(self.edge * self.edge * 3)
        picture = io.BytesIO()
        Image.frombytes("RGB", (self.edge, self.edge), noise).save(picture, "JPEG", quality=90)
        saved = [bytes(img2pdf.convert(picture.getvalue()))]
        for page in ("second", "third"):
            out = io.BytesIO()
            writer = pypdf.PdfWriter(io.BytesIO(saved[-1]), incremental=True)
            writer.add_metadata({"/Title": f"{page} {self.number}"})
            writer.write(out)
            saved.append(out.getvalue())
        return saved

    @property
    def content(self) -> bytes:
        """What the client means to send."""
        return self.pages[-1]

    @property
    def half(self) -> bytes:
        """What is there when the client is broken off."""
        return self.content[: len(self.pages[0]) // 2]

    @property
    def path(self) -> Path:
        """Where it is to lie in the drop folder."""
        return self.room.site.drop(self.queue) / self.name

    @property
    def remote(self) -> Path:
        """What an SFTP client calls `path`."""
        return self.path

    def file(self, content: bytes | None = None, name: str | None = None) -> Path:
        """Make a file outside of the drop folder, with the whole document where nothing else is said."""
        made = self.scratch / (name or self.name)
        made.write_bytes(self.content if content is None else content)
        return made

    def wait_for_size(self, at_least: int = 1, path: Path | None = None) -> None:
        """Wait until so much has arrived in the drop folder."""
        where = path or self.path
        wait_for(
            lambda: where.exists() and where.stat().st_size >= at_least, 15, f"{at_least} bytes of {where}"
        )

    def why(self, says: str) -> str:
        """Wait until the daemon says that the document is waiting, and something of the reason."""
        reasons: list[str] = []

        def asked() -> bool:
            told = self.room.site.why(self.path)
            reasons.append(f"{told['state']}: {told['reason']}")
            return re.search(rf"^waiting: .*({says})", reasons[-1]) is not None

        try:
            wait_for(asked, 15)
        except AssertionError:
            raise AssertionError(f"of {self.path} was said only {reasons[-1:]}") from None
        return reasons[-1]


def pause() -> None:
    """Do nothing for as long as a scanner takes for a page."""
    end = time.monotonic() + PAUSE_S
    wait_for(lambda: time.monotonic() >= end, 10)


Way = Callable[[Spot], object]
"""Makes the document of a spot arrive."""


@contextmanager
def room(top: Path) -> Iterator[Room]:
    """Have the daemon and the servers for the length of a block; at its end nothing more may have been sent."""
    (top / "servers").mkdir()
    with SandboxServer() as sandbox, site(top, sandbox, keys=KEYS, text=TEXT) as place:
        for queue in place.queues():
            os.chmod(place.drop(queue), 0o777)  # vsftpd writes as another user
        with all_servers(top / "servers", top / "in") as servers:
            place.start()
            made = Room(place, sandbox, servers)
            yield made
        assert place.stop() == 0
        assert sorted(entry.sha256 for entry in sandbox.ledger.entries) == sorted(made.expected)
        assert place.archived("failed") == []
