"""A web server that shows a daemon, and whoever asks it."""

import asyncio
import http.client
import json
import ssl
import threading
from pathlib import Path
from typing import Any

from hotfolder.journal import Journal
from hotfolder.settings import Http, Settings, load_settings
from hotfolder.web import Front
from tests.builders import DEADLINE_S, wait_until
from tests.web.sights import Seen

TOKEN = "t0ken-that-nobody-guesses"
PATHS = ["/healthz", "/readyz", "/metrics", "/api/status"]
Answer = tuple[int, dict[str, str], bytes]


class Daemon:
    """A web server whose documents' loop runs in a thread of its own, as that of a daemon does."""

    def __init__(self, top: Path, journal: Journal, seen: Seen) -> None:
        self.seen = seen
        self._top, self._journal = top, journal
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever)
        self._thread.start()
        self.front = asyncio.run_coroutine_threadsafe(self._make(), self.loop).result(DEADLINE_S)

    async def _make(self) -> Front:
        return Front(self._journal, lambda *_: None, self.seen.views())

    def settings(self, **http: Any) -> Settings:
        """Return a configuration whose web server is set so."""
        config = self._top / "config.yaml"
        config.write_text(
            f"state_dir: {self._top}\nconnections: {{g: {{backend: digitoo, token: x}}}}\n"
            f"queues: {{q: {{connection: g, queue_id: 1, folder: {self._top}/q}}}}\n"
        )
        made = load_settings(config, {})
        return made.model_copy(update={"http": Http(listen=http.pop("listen", "127.0.0.1:0"), **http)})

    def apply(self, **http: Any) -> None:
        """Have the web server listen so."""
        self.front.apply(self.settings(**http))
        wait_until(lambda: self.front.port, "it listens")

    def ask(
        self, path: str, method: str = "GET", tls: ssl.SSLContext | None = None, **headers: str
    ) -> Answer:
        """Make one request; names of headers are written with _ for -."""
        port = self.front.port or 0
        line = (
            http.client.HTTPSConnection("127.0.0.1", port, timeout=DEADLINE_S, context=tls)
            if tls
            else http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
        )
        try:
            line.request(method, path, headers={n.replace("_", "-"): v for n, v in headers.items()})
            answer = line.getresponse()
            return answer.status, {n.lower(): v for n, v in answer.getheaders()}, answer.read()
        finally:
            line.close()

    def close(self) -> None:
        """End it."""
        self.front.close()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(DEADLINE_S)
        self.loop.close()


def told(answer: Answer) -> Any:
    """Return an answer's JSON."""
    return json.loads(answer[2])
