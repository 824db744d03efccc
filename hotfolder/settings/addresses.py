"""Where things are: paths on this machine, addresses of services, places to listen."""

import ipaddress
import os
import re
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, ValidationInfo, WithJsonSchema

from hotfolder.settings.section import Text, origin_of

HIGHEST_PORT = 0xFFFF
_TEXT = WithJsonSchema({"type": "string", "minLength": 1})


def _path(value: Any, info: ValidationInfo) -> Path:
    """Make a path absolute, from the configuration's folder; `..` is resolved by text alone."""
    if isinstance(value, str) and value.startswith("~"):
        raise ValueError("write the whole path: ~ is not expanded")
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError("expected a path")
    origin = origin_of(info)
    return Path(os.path.normpath(origin.folder / value)) if origin else Path(value)


def _readable(path: Path, info: ValidationInfo) -> Path:
    origin = origin_of(info)
    if origin and origin.look and not (path.is_file() and os.access(path, os.R_OK)):
        raise ValueError("there is no readable file at this path")
    return path


def _split(url: Any) -> SplitResult:
    if not isinstance(url, str) or not re.fullmatch(r"[!-~]+", url):
        raise ValueError("expected an address such as https://api.example.com")
    try:
        parts = urlsplit(url)
        found = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        found = False
    if not found:
        raise ValueError("expected an address such as https://api.example.com")
    return parts


def is_loopback(host: str) -> bool:
    """Tell whether a host's name or address can only be this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _base_url(value: Any, info: ValidationInfo) -> str:
    parts = _split(value)
    if parts.username is not None or parts.password is not None:
        raise ValueError("credentials do not belong into the address; they have keys of their own")
    if "?" in value or "#" in value:
        raise ValueError("expected an address without ? and #")
    if (
        parts.scheme == "http"
        and not is_loopback(parts.hostname or "")
        and not info.data.get("allow_insecure_http")
    ):
        raise ValueError(
            "documents travel over TLS: write https://, or set `allow_insecure_http: true` on this connection"
        )
    return parts.geturl().rstrip("/")


def address_fault(url: str) -> str:
    """Say why no message may go to an address, nothing where one may: https, or http to this machine."""
    try:
        parts = _split(url)
    except ValueError:
        return "expected an address such as https://hooks.example.com/..."
    if parts.username is not None or parts.password is not None:
        return "credentials do not belong into the address; give `headers` instead"
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        return "messages travel over TLS: write https://; http:// goes to this machine alone"
    return ""


def _web_address(value: Any) -> str:
    return _split(value).geturl()


def _below(path: str) -> str:
    if "://" in path or path.startswith("//") or not path.isprintable():
        raise ValueError("expected a path below `base_url`, not a whole address")
    return path


def _listen(value: Any) -> str:
    match = (
        re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):([0-9]{1,5})", value)
        if isinstance(value, str)
        else None
    )
    if not match or int(match[2]) > HIGHEST_PORT:
        raise ValueError("expected HOST:PORT, such as 127.0.0.1:8642 or [::1]:8642")
    return str(value)


FolderPath = Annotated[Path, BeforeValidator(_path), _TEXT]
"""An absolute path; relative ones start at the configuration's folder."""
ReadableFile = Annotated[Path, AfterValidator(_readable), BeforeValidator(_path), _TEXT]
"""The absolute path of a file that exists when the configuration is read."""
BaseUrl = Annotated[
    str, BeforeValidator(_base_url), WithJsonSchema({"type": "string", "pattern": "^https?://"})
]
"""https without trailing slash; http for loopback, or if `allow_insecure_http` was given before it."""
WebAddress = Annotated[
    str, BeforeValidator(_web_address), WithJsonSchema({"type": "string", "pattern": "^https?://"})
]
"""Any http(s) address."""
RequestPath = Annotated[Text, AfterValidator(_below)]
"""A path (with its query) below `base_url`."""
Listen = Annotated[str, BeforeValidator(_listen), WithJsonSchema({"type": "string", "pattern": ":[0-9]+$"})]
"""HOST:PORT."""
