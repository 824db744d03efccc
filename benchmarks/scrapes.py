"""What the daemon's /metrics answers in the course of a soak: how soon, how much, and whether its counts are right."""

import re
import socket
import time
from dataclasses import dataclass
from urllib.request import urlopen

_WITHIN_S = 30.0
_FILED = re.compile(r"^hotfolder_filed_documents_total\{.*\} (\S+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Scrape:
    """One answer: documents that are filed as it says, how long it took, lines with a figure, bytes."""

    filed: int
    took_ms: float
    series: int
    answer_bytes: int


def free_port() -> int:
    """Return a port of loopback that nobody has at the moment."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def scrape(port: int) -> Scrape:
    """Ask once; raises OSError where there is no answer."""
    begun = time.monotonic()
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=_WITHIN_S) as answer:
        body = answer.read()
    took_ms = round((time.monotonic() - begun) * 1000, 1)
    text = body.decode()
    series = sum(1 for line in text.splitlines() if line and not line.startswith("#"))
    return Scrape(int(sum(map(float, _FILED.findall(text)))), took_ms, series, len(body))
