"""What a service does when it calls back: a record, shown with a secret or signed, over a connection of its own."""

import hashlib
import hmac
import http.client
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from tests.secrecy import hear

WORD = "s3cret-of-the-path/ž"
HEADER_WORD = "s3cret-of-the-header"
KEY = "k3y-of-the-signature"


def signed(body: bytes, key: str = KEY) -> str:
    """Return a signature as a service writes it."""
    return "sha256=" + hmac.new(key.encode(), body, hashlib.sha256).hexdigest()


@dataclass
class Caller:
    """Calls the web server on a port; `keep`: over one connection, until it is closed."""

    port: int
    keep: bool = False
    _open: http.client.HTTPConnection | None = field(default=None, repr=False)

    def send(
        self, path: str, body: bytes = b"", headers: dict[str, str] | None = None, method: str = "POST"
    ) -> tuple[int, Any]:
        """Make one request; returns status and parsed answer. Raises OSError or `http.client.HTTPException`."""
        if self._open is None:
            self._open = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            self._open.request(method, path, body, headers or {})
            answer = self._open.getresponse()
            content = answer.read()
            hear(f"{answer.headers}\n{content.decode('utf-8', 'replace')}")
            if answer.will_close or not self.keep:
                self.close()
        except BaseException:
            self.close()
            raise
        is_json = "json" in (answer.headers["content-type"] or "")
        return answer.status, json.loads(content) if is_json else content

    def tell(self, record: Any, **headers: str) -> int:
        """Tell a record to the connection `g`, with the header's secret and signed, unless `headers` say otherwise."""
        body = json.dumps(record).encode()
        proof = {"X-Webhook-Secret": HEADER_WORD, "X-Signature": signed(body)}
        return self.send("/webhooks/g", body, {**proof, **headers})[0]

    def call_back(self, query: str, method: str = "GET") -> int:
        """Call back the connection `z` with everything in the query and the secret in the path."""
        return self.send(f"/webhooks/z/{quote(WORD)}?{query}", method=method)[0]

    def close(self) -> None:
        """Hang up."""
        if self._open is not None:
            self._open.close()
        self._open = None


WEBHOOKS = f"""
    webhook: {{secret: {HEADER_WORD}, header: X-Webhook-Secret,
              signature: {{header: X-Signature, secret: {KEY}, prefix: "sha256="}}}}"""
"""What connection `g` asks for, as YAML in its place."""
PATH_WEBHOOK = f"\n    webhook: {{secret: {WORD}}}"
