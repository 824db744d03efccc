"""The call by which Digitoo tells that a document's status changed, in each of its three shapes."""

import base64
import hmac
import json
from collections.abc import Mapping

from hotfolder.sandbox.options import SandboxOptions, WebhookShape


def body_of(shape: WebhookShape, document_id: str, queue_id: str, status: str) -> bytes:
    """Write the body of a call: the connector's schema 1.0.0, the upload's, or the subscription's."""
    told = {"queue_id": queue_id, "status": status}
    record = {
        WebhookShape.CONNECTOR: {"webhook_event": "document_status_changed", "id": document_id, **told},
        WebhookShape.DOCUMENT: {"document_id": document_id, **told},
        WebhookShape.SUBSCRIPTION: {
            "document_id": document_id,
            **told,
            "webhook_event": "document_status_change",
        },
    }[shape]
    return json.dumps(record).encode()


def headers_of(options: SandboxOptions, body: bytes) -> Mapping[str, str]:
    """Return the headers of a call, the signature among them where there is a secret."""
    headers = {"Content-Type": "application/json"}
    if options.digitoo_webhook_secret is None:
        return headers
    key = options.digitoo_webhook_secret.encode()
    digest = hmac.digest(key, body, options.digitoo_webhook_algorithm)
    hexadecimal = options.digitoo_webhook_encoding == "hex"
    written = digest.hex() if hexadecimal else base64.b64encode(digest).decode()
    return headers | {options.digitoo_webhook_header: options.digitoo_webhook_prefix + written}
