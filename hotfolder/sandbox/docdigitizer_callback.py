"""The call by which DocDigitizer v1 tells of a document: its values stand in the query, whatever the method."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

_HEADER = re.compile(r"callback_headers\[([^\]]+)\]")


@dataclass(frozen=True, slots=True)
class Callback:
    """Where to call, and how."""

    url: str = ""
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)

    def about(self, values: Mapping[str, str]) -> tuple[str, str, bytes, Mapping[str, str]]:
        """Return method, address, body and headers of the call that tells these values."""
        joint = "&" if "?" in self.url else "?"
        return self.method, f"{self.url}{joint}{urlencode(values)}", b"", self.headers


def callback_of(fields: Mapping[str, str]) -> Callback:
    """Read the fields of an upload: GET unless POST is asked for, headers with POST alone (vendor's guide)."""
    post = fields.get("callback_method", "").upper() == "POST"
    named = ((_HEADER.fullmatch(name), value) for name, value in fields.items())
    headers = {found[1]: value for found, value in named if found}
    return Callback(fields.get("callback_url", ""), "POST" if post else "GET", headers if post else {})
