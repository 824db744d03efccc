"""Names and values of HTTP headers as people may write them."""

import re
from typing import Annotated

from pydantic import AfterValidator

FRAMING = frozenset({"content-length", "transfer-encoding"})
"""Headers that the body's encoding decides (RFC 9112 §6); another value breaks the request."""


def _header_name(name: str) -> str:
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise ValueError("expected a header's name: letters, digits and -")
    if name.lower() in FRAMING:
        raise ValueError("this header belongs to the encoding of the body; leave it out")
    return name


def _header_value(value: str) -> str:
    if not re.fullmatch(r"[\t -~]*", value):
        raise ValueError("expected a header's value: printable ASCII on one line")
    return value


HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderValue = Annotated[str, AfterValidator(_header_value)]
